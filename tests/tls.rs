//! Mutual TLS: who gets in, who does not, and what wrong files are told.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use falconer::net::TlsFiles;
use falconer::net::tls::server_config;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use support::raw::{Client, framed, head};
use support::server::Server;
use support::{PATIENCE, Transport, certs};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A client's side of TLS: trusts `trusted`'s authority, shows the certificate in `shown` if any.
fn client(
    trusted: &Path,
    shown: Option<&Path>,
    versions: &[&'static SupportedProtocolVersion],
    alpn: &[&str],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(trusted.join("ca.crt")).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match shown {
        None => builder.with_no_client_auth(),
        Some(directory) => {
            let chain = vec![CertificateDer::from_pem_file(directory.join("client.crt")).unwrap()];
            let key = PrivateKeyDer::from_pem_file(directory.join("client.key")).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

async fn connect(server: &Server, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Whether a client gets an answer to a call.
async fn answered(server: &Server, config: ClientConfig) -> bool {
    let Ok(stream) = connect(server, config).await else { return false };
    // In TLS 1.3 a client learns that it is refused only from what it reads.
    let Ok(client) = Client::over(stream).await else { return false };
    match client.try_call(head("/falco.version.service/version"), framed(b"")).await {
        Ok(outcome) => outcome.code() == Some(0),
        Err(_) => false,
    }
}

const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_the_right_authority_gets_in_and_nobody_else() {
    let server = Server::start(Transport::Tls);
    let ours = server.certs().unwrap().to_owned();
    let foreign = tempfile::tempdir().unwrap();
    certs::write(foreign.path());
    // The server's own certificate is not one for clients (extended key usage).
    let swapped = tempfile::tempdir().unwrap();
    fs::copy(ours.join("server.crt"), swapped.path().join("client.crt")).unwrap();
    fs::copy(ours.join("server.key"), swapped.path().join("client.key")).unwrap();
    for versions in [TLS12, TLS13] {
        for (who, shown, alpn, expected) in [
            ("the right one", Some(&*ours), &["h2"][..], true),
            ("one without ALPN", Some(&*ours), &[], true),
            ("HTTP/1.1 only", Some(&*ours), &["http/1.1"], false),
            ("no certificate", None, &["h2"], false),
            ("another authority's", Some(foreign.path()), &["h2"], false),
            ("a server's", Some(swapped.path()), &["h2"], false),
        ] {
            let config = client(&ours, shown, versions, alpn);
            assert_eq!(answered(&server, config).await, expected, "{who}");
        }
    }
    assert!(server.stderr().contains("refused a connection"), "{}", server.stderr());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_not_resumed_around_the_certificate() {
    let server = Server::start(Transport::Tls);
    let ours = server.certs().unwrap().to_owned();
    for versions in [TLS12, TLS13] {
        // One configuration, one session store: it would resume if it were let.
        let config = client(&ours, Some(&ours), versions, &["h2"]);
        for _ in 0..2 {
            let stream = connect(&server, config.clone()).await.unwrap();
            let kind = stream.get_ref().1.handshake_kind();
            assert_eq!(kind, Some(rustls::HandshakeKind::Full));
            Client::over(stream).await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plaintext_is_closed() {
    let server = Server::start(Transport::Tls);
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    let mut rest = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap();
    // A TLS alert may come first.
    assert!(read.is_err() || rest.len() < 20, "{rest:?}");
}

#[test]
fn wrong_files_are_named_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    certs::write(directory.path());
    fs::write(at("empty"), "").unwrap();
    fs::write(at("text"), "no PEM at all").unwrap();
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl")
            .current_dir(directory.path())
            .args(arguments)
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{output:?}");
    };
    openssl(&["pkcs8", "-topk8", "-in", "server.key", "-out", "pkcs8.key", "-passout", "pass:x"]);
    openssl(&[
        "genrsa",
        "-aes128",
        "-traditional",
        "-passout",
        "pass:x",
        "-out",
        "old.key",
        "2048",
    ]);

    let files = |key: &str, chain: &str, roots: &str| TlsFiles {
        private_key: at(key),
        cert_chain: at(chain),
        root_certs: at(roots),
    };
    assert!(server_config(&files("server.key", "server.crt", "ca.crt")).is_ok());
    for (files, expected) in [
        (files("missing", "server.crt", "ca.crt"), ["grpc.private_key", "cannot be read"]),
        (files("server.key", "missing", "ca.crt"), ["grpc.cert_chain", "cannot be read"]),
        (files("server.key", "server.crt", "missing"), ["grpc.root_certs", "cannot be read"]),
        (files("empty", "server.crt", "ca.crt"), ["grpc.private_key", "no private key"]),
        (files("server.key", "text", "ca.crt"), ["grpc.cert_chain", "no certificate"]),
        (files("server.key", "server.crt", "empty"), ["grpc.root_certs", "no certificate"]),
        (files("pkcs8.key", "server.crt", "ca.crt"), ["openssl rsa -in", "pkcs8.key"]),
        (files("old.key", "server.crt", "ca.crt"), ["openssl rsa -in", "old.key"]),
        (
            files("client.key", "server.crt", "ca.crt"),
            ["not the certificate of the key", "client.key"],
        ),
    ] {
        let error = server_config(&files).unwrap_err().to_string();
        for expected in expected {
            assert!(error.contains(expected), "{expected:?} in {error}");
        }
    }
}
