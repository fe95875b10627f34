//! What a start prints: what listens where, and the lines to paste next.
//!
//! Each is a line for a POSIX shell, whole and ready, with what this configuration asks of a client. A
//! token is never printed: the shell reads it from its file. Where certificates are needed that no
//! setting names, they are looked for where `falconer certs init` puts them, beside those that one
//! does name.

use std::fmt::Write as _;
use std::path::Path;

use crate::config::Gateway;
use crate::net::{Listen, TlsFiles};

/// The lines for `grpc` and `gateway`, each where it listens; `posted` says whether alerts may be
/// posted there.
pub(super) fn lines(
    grpc: Option<&Listen>,
    gateway: Option<(&str, &Gateway)>,
    posted: bool,
) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        // Writing to a String does not fail.
        let _ = writeln!(text, "  {label:<11}{value}");
    };
    match grpc {
        Some(listen) => {
            line("gRPC", &listen.to_string());
            let call = grpcurl(listen);
            line("read", &format!("{call} falco.outputs.service/get"));
            line("follow", &format!("{call} falco.outputs.service/sub"));
        }
        None => line("gRPC", "off (grpc.enabled is false)"),
    }
    match gateway {
        Some((address, gateway)) => {
            line("dashboard", &url(address, gateway, ""));
            if posted {
                line("Falco", &falco(address, gateway));
            }
        }
        None => line("dashboard", "off (falconer.gateway.enabled is false)"),
    }
    text
}

/// The beginning of a grpcurl command for `listen`, ready for a shell.
fn grpcurl(listen: &Listen) -> String {
    match listen {
        Listen::Unix(socket) => {
            let path = shell_word(&socket.path.display().to_string());
            format!("grpcurl -plaintext -unix {path}")
        }
        Listen::Tcp { address, tls } => {
            let roots = beside(tls, "ca.crt");
            let (cert, key) = (beside(tls, "client.crt"), beside(tls, "client.key"));
            let address = shell_word(&reachable(address));
            format!("grpcurl -cacert {roots} -cert {cert} -key {key} {address}")
        }
    }
}

/// Falco's options to post to the gateway: with the token as a password, which it sends at once, or
/// with a client certificate where there is no token.
fn falco(address: &str, gateway: &Gateway) -> String {
    let mut text = "-o json_output=true -o http_output.enabled=true".to_owned();
    let mut option = |key: &str, value: &str| {
        let _ = write!(text, " -o http_output.{key}={value}");
    };
    match &gateway.token_file {
        Some(file) => {
            let token = format!("falco:$(cat {})@", shell_word(&file.display().to_string()));
            // Within double quotes the shell reads the file, and nothing else acts.
            option("url", &format!("\"{}\"", url(address, gateway, &token)));
        }
        None => option("url", &shell_word(&url(address, gateway, ""))),
    }
    if let Some(tls) = &gateway.tls {
        option("ca_cert", &beside(tls, "ca.crt"));
        if gateway.token_file.is_none() && tls.root_certs.is_some() {
            option("mtls", "true");
            option("client_cert", &beside(tls, "client.crt"));
            option("client_key", &beside(tls, "client.key"));
        }
    }
    text
}

/// The gateway's URL, perhaps with a user before the address.
fn url(address: &str, gateway: &Gateway, user: &str) -> String {
    let scheme = if gateway.tls.is_some() { "https" } else { "http" };
    format!("{scheme}://{user}{}/", reachable(address))
}

/// A file where `falconer certs init` would have put it, as a word of a shell: the authority is the
/// one that clients are verified by, where one is set.
fn beside(tls: &TlsFiles, name: &str) -> String {
    let known = tls.root_certs.as_deref().unwrap_or(&tls.cert_chain);
    let file = match (name, &tls.root_certs) {
        ("ca.crt", Some(roots)) => roots.clone(),
        _ => known.parent().unwrap_or(Path::new("")).join(name),
    };
    shell_word(&file.display().to_string())
}

/// An address a client on this machine can use: a wildcard is not one.
fn reachable(address: &str) -> String {
    match address.rsplit_once(':') {
        Some(("0.0.0.0" | "[::]", port)) => format!("localhost:{port}"),
        _ => address.to_owned(),
    }
}

/// `text` as one word of a POSIX shell's.
fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:[]@%+=,".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Serves, UnixSocket};

    const ADDRESS: &str = "127.0.0.1:2804";

    fn gateway(token: Option<&str>, tls: Option<TlsFiles>) -> Gateway {
        Gateway {
            listen: ADDRESS.parse().unwrap(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            posts_per_second: None,
            token_file: token.map(Into::into),
            tls,
        }
    }

    #[test]
    fn lines_can_be_pasted() {
        let unix = Listen::Unix(UnixSocket {
            path: "/tmp/it's here/f.sock".into(),
            mode: 0o660,
            group: None,
            links: Vec::new(),
        });
        let text = lines(Some(&unix), Some((ADDRESS, &gateway(None, None))), true);
        assert!(text.contains(r"-unix '/tmp/it'\''s here/f.sock' falco.outputs.service/get"));
        assert!(text.contains("http://127.0.0.1:2804/\n"));
        let tls = TlsFiles::new("k", "c", "/etc/falco/certs/ca.crt");
        let tcp = Listen::Tcp { address: "0.0.0.0:5060".into(), tls };
        let text = lines(Some(&tcp), None, false);
        assert!(text.contains("-cacert /etc/falco/certs/ca.crt"), "{text}");
        assert!(text.contains("-key /etc/falco/certs/client.key"), "{text}");
        assert!(text.contains("localhost:5060 falco.outputs.service/sub"), "{text}");
    }

    #[test]
    fn falco_is_told_all_that_the_gateway_asks_for() {
        let begin = "-o json_output=true -o http_output.enabled=true -o http_output.url=";
        let line = |token, tls| falco("0.0.0.0:2804", &gateway(token, tls));
        assert_eq!(line(None, None), format!("{begin}http://localhost:2804/"));
        assert_eq!(
            line(Some("/a b/token"), None),
            format!("{begin}\"http://falco:$(cat '/a b/token')@localhost:2804/\"")
        );
        let files = |roots: Option<&str>| TlsFiles {
            serves: Serves::Gateway { token: false },
            root_certs: roots.map(Into::into),
            ..TlsFiles::new("/c/server.key", "/c/server.crt", "")
        };
        let ca = "-o http_output.ca_cert";
        assert_eq!(
            line(Some("/t"), Some(files(None))),
            format!("{begin}\"https://falco:$(cat /t)@localhost:2804/\" {ca}=/c/ca.crt")
        );
        let text = line(None, Some(files(Some("/r/roots.crt"))));
        assert!(text.contains(&format!("{ca}=/r/roots.crt -o http_output.mtls=true")), "{text}");
        assert!(text.ends_with("-o http_output.client_key=/r/client.key"), "{text}");
    }
}
