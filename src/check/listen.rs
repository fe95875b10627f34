//! Checks what the server would listen on: sockets, ports and certificates.

use jiff::Timestamp;

use super::{Findings, Level, running};
use crate::config::{self, Gateway};
use crate::net::tls::{self, Verdict};
use crate::net::{Listen, TlsFiles, UnixSocket, tcp, unix};

pub(super) async fn grpc(listen: &Listen, findings: &mut Findings) {
    match listen {
        Listen::Unix(socket) => unix_socket(socket, findings).await,
        Listen::Tcp { address, tls } => {
            certificates(tls, findings);
            port("grpc.bind_address", address, findings).await;
        }
    }
}

pub(super) async fn gateway(gateway: &Gateway, findings: &mut Findings) {
    match gateway.token_file.as_deref().map(config::token) {
        None => {}
        Some(Ok((_, warning))) => {
            findings.add(Level::Ok, "falconer.gateway.token_file: the file has a token");
            if let Some(warning) = warning {
                findings.add(Level::Warning, warning);
            }
        }
        Some(Err(error)) => findings.add(Level::Error, error),
    }
    if let Some(tls) = &gateway.tls {
        certificates(tls, findings);
    }
    port("falconer.gateway.listen", &gateway.listen.to_string(), findings).await;
}

async fn unix_socket(socket: &UnixSocket, findings: &mut Findings) {
    let key = "grpc.bind_address";
    let path = socket.path.display();
    let found = unix::look(&socket.path);
    if !matches!(found, unix::Found::Other(..))
        && let Err(error) = unix::check(socket)
    {
        return findings.add(Level::Error, format_args!("{key}: {error}"));
    }
    match found {
        unix::Found::Nothing => {
            findings.add(Level::Ok, format_args!("{key}: {path} can be created"));
        }
        unix::Found::Stale => findings.add(
            Level::Ok,
            format_args!(
                "{key}: {path} was left behind by a server that has ended; a start replaces it"
            ),
        ),
        unix::Found::Live => {
            let who = running::who(&socket.path).await;
            findings.add(
                Level::Warning,
                format_args!("{key}: {path} is already served by {who}; stop it before a start"),
            );
        }
        unix::Found::Other(reason, remedy) => {
            findings.add(Level::Error, format_args!("{key}: {path}: {reason}; {remedy}"));
        }
    }
}

fn certificates(files: &TlsFiles, findings: &mut Findings) {
    match tls::load(files, Timestamp::now()) {
        Ok(loaded) => {
            let (key, chain) = (files.serves.cert_chain(), files.cert_chain.display());
            let roots = files.root_certs.iter();
            let roots: String = roots.map(|roots| format!(" and {}", roots.display())).collect();
            findings.add(Level::Ok, format_args!("{key}: {chain}, its key{roots} can be used"));
            for warning in loaded.warnings {
                findings.add(Level::Warning, warning);
            }
        }
        Err(error) => return findings.add(Level::Error, error),
    }
    for Verdict { clients, refused } in tls::audience(files, Timestamp::now()).unwrap_or_default() {
        match refused {
            None => findings.add(
                Level::Ok,
                format_args!("clients in {clients} accept the server's certificate"),
            ),
            Some(why) => findings.add(
                Level::Warning,
                format_args!("clients in {clients} refuse the server's certificate: {why}"),
            ),
        }
    }
}

async fn port(key: &str, address: &str, findings: &mut Findings) {
    match tcp::bind(address) {
        Ok(_) => findings.add(Level::Ok, format_args!("{key}: {address} is free")),
        Err(_) if running::listens(address).await => findings.add(
            Level::Warning,
            format_args!(
                "{key}: {address} is already in use; stop the process that listens there before a \
                 start"
            ),
        ),
        Err(error) => findings.add(Level::Error, format_args!("{key}: {error}")),
    }
}
