//! Mutual TLS: which clients are accepted and rejected, and the errors about wrong files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use falconer::net::TlsFiles;
use falconer::net::tls::{self, Current, Loaded, TlsError};
use jiff::Timestamp;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};
use support::certs::Authority;
use support::raw::{Client, framed, head};
use support::server::Server;
use support::tls::client;
use support::{PATIENCE, Transport, certs};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

async fn connect(server: &Server, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// Returns whether a client gets an answer to a call.
async fn answered(server: &Server, config: ClientConfig) -> bool {
    let Ok(stream) = connect(server, config).await else { return false };
    // In TLS 1.3 a client sees its rejection only when it reads.
    let Ok(client) = Client::over(stream).await else { return false };
    match client.try_call(head("/falco.version.service/version"), framed(b"")).await {
        Ok(outcome) => outcome.code() == Some(0),
        Err(_) => false,
    }
}

const TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];
const TLS13: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

#[tokio::test(flavor = "multi_thread")]
async fn only_certificates_of_the_right_authority_are_accepted() {
    let server = Server::start(Transport::Tls);
    let ours = server.certs().unwrap().to_owned();
    let foreign = tempfile::tempdir().unwrap();
    certs::write(foreign.path());
    // The server's own certificate is not valid for clients (extended key usage).
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
    server.wait_for_log("refused a connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_are_not_resumed() {
    let server = Server::start(Transport::Tls);
    let ours = server.certs().unwrap().to_owned();
    for versions in [TLS12, TLS13] {
        // One configuration has one session store, so that the client would resume if it could.
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

/// A folder with certificates and keys. OpenSSL makes more of them.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        certs::write(folder.0.path());
        folder
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn openssl(&self, arguments: &str) {
        let output = Command::new("openssl")
            .current_dir(self.0.path())
            .args(arguments.split(' '))
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{arguments}: {output:?}");
        for entry in fs::read_dir(self.0.path()).unwrap() {
            fs::set_permissions(entry.unwrap().path(), fs::Permissions::from_mode(0o600)).unwrap();
        }
    }

    fn files(&self, key: &str, chain: &str, roots: &str) -> TlsFiles {
        TlsFiles::new(self.at(key), self.at(chain), self.at(roots))
    }

    fn sound(&self) -> TlsFiles {
        self.files("server.key", "server.crt", "ca.crt")
    }
}

fn load(files: &TlsFiles) -> Result<Loaded, TlsError> {
    tls::load(files, Timestamp::now())
}

#[test]
fn every_kind_of_key_is_accepted() {
    let folder = Folder::new();
    folder.openssl("genrsa -out rsa.key 2048");
    folder.openssl("rsa -in rsa.key -traditional -out pkcs1.key");
    folder.openssl("ecparam -name prime256v1 -genkey -out sec1.key");
    folder.openssl("ecparam -name secp521r1 -genkey -noout -out p521.key");
    folder.openssl("genpkey -algorithm ed25519 -out ed25519.key");
    for (kind, expected) in [
        ("rsa", "BEGIN PRIVATE KEY"),
        ("pkcs1", "BEGIN RSA PRIVATE KEY"),
        ("sec1", "BEGIN EC PRIVATE KEY"),
        ("p521", "BEGIN EC PRIVATE KEY"),
        ("ed25519", "BEGIN PRIVATE KEY"),
    ] {
        let key = format!("{kind}.key");
        assert!(fs::read_to_string(folder.at(&key)).unwrap().contains(expected), "{kind}");
        folder.openssl(&format!("req -new -x509 -key {key} -subj /CN=localhost -out {kind}.crt"));
        load(&folder.files(&key, &format!("{kind}.crt"), "ca.crt"))
            .unwrap_or_else(|error| panic!("{kind}: {error}"));
    }
}

#[test]
fn errors_name_wrong_files_and_the_fix() {
    let folder = Folder::new();
    let write = |name: &str, text: String| fs::write(folder.at(name), text).unwrap();
    let read = |name: &str| fs::read_to_string(folder.at(name)).unwrap();
    write("empty", String::new());
    write("text", "no PEM at all".to_owned());
    write("cut", read("server.crt").replace("-----END CERTIFICATE-----", ""));
    write("backwards", read("ca.crt") + &read("server.crt"));
    write("garbled", "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".to_owned());
    folder.openssl("pkcs8 -topk8 -in server.key -out pkcs8.key -passout pass:x");
    folder.openssl("genrsa -aes128 -traditional -passout pass:x -out old.key 2048");
    folder.openssl("genrsa -out short.key 1024");
    folder.openssl("req -new -key server.key -subj /CN=localhost -out server.csr");
    folder.openssl("x509 -in server.crt -outform der -out server.der");
    folder.openssl("pkey -in server.key -outform der -out key.der");

    assert!(load(&folder.sound()).is_ok());
    for (key, chain, roots, expected) in [
        ("missing", "server.crt", "ca.crt", ["grpc.private_key", "cannot be read"]),
        ("server.key", "missing", "ca.crt", ["grpc.cert_chain", "cannot be read"]),
        ("server.key", "server.crt", "missing", ["grpc.root_certs", "cannot be read"]),
        ("empty", "server.crt", "ca.crt", ["grpc.private_key", "no private key"]),
        ("server.key", "text", "ca.crt", ["grpc.cert_chain", "no certificate"]),
        ("server.key", "cut", "ca.crt", ["grpc.cert_chain", "has no end"]),
        ("server.key", "garbled", "ca.crt", ["grpc.cert_chain", "is not X.509"]),
        ("server.key", "server.crt", "empty", ["grpc.root_certs", "no certificate"]),
        ("server.key", "server.crt", "garbled", ["grpc.root_certs", "is not X.509"]),
        ("pkcs8.key", "server.crt", "ca.crt", ["openssl pkey -in", "pkcs8.key"]),
        ("old.key", "server.crt", "ca.crt", ["openssl pkey -in", "old.key"]),
        ("short.key", "server.crt", "ca.crt", ["grpc.private_key", "RSA of 2048"]),
        ("server.crt", "server.crt", "ca.crt", ["grpc.private_key", "holds a certificate and no"]),
        ("server.key", "server.key", "ca.crt", ["grpc.cert_chain", "holds a private key and no"]),
        ("server.key", "server.csr", "ca.crt", ["grpc.cert_chain", "a request for a certificate"]),
        ("server.key", "server.der", "ca.crt", ["grpc.cert_chain", "openssl x509 -inform der"]),
        ("key.der", "server.crt", "ca.crt", ["grpc.private_key", "openssl pkey -inform der"]),
        ("client.key", "server.crt", "ca.crt", ["not the certificate of the key", "client.key"]),
        ("server.key", "ca.crt", "ca.crt", ["an authority's certificate and not", "server.key"]),
        ("server.key", "backwards", "ca.crt", ["grpc.cert_chain", "but not first"]),
        (
            "server.key",
            "server.crt",
            "server.crt",
            ["it is the server's own certificate", "of the authority, \"Falconer test authority\""],
        ),
        ("server.key", "server.crt", "client.crt", ["it is not an authority's", "grpc.root_certs"]),
        ("server.key", "server.crt", "server.key", ["grpc.root_certs", "holds a private key"]),
    ] {
        let error = load(&folder.files(key, chain, roots)).unwrap_err().to_string();
        for expected in expected {
            assert!(error.contains(expected), "{expected:?} in {error}");
        }
        assert!(!error.contains('\n') && !error.ends_with('.'), "{error}");
    }
    for (list, expected) in [
        ("missing", "cannot be read"),
        ("ca.crt", "no revocation list"),
        ("server.der", "openssl crl -inform der"),
    ] {
        let files = TlsFiles { crls: vec![folder.at(list)], ..folder.sound() };
        let error = load(&files).unwrap_err().to_string();
        assert!(error.contains("falconer.tls.crls") && error.contains(expected), "{error}");
    }
}

#[test]
fn certificates_that_clients_reject_are_a_warning() {
    let folder = Folder::new();
    let now = Timestamp::now();
    let quiet = tls::load(&folder.sound(), now).unwrap();
    assert_eq!(quiet.warnings, Vec::<String>::new());

    let authority = certs::write(folder.0.path());
    let names = ["localhost".to_owned()];
    let mut timed = certs::leaf("server", &names, Some(certs::SERVER));
    timed.not_before = rcgen::date_time_ymd(2025, 1, 1);
    timed.not_after = rcgen::date_time_ymd(2025, 2, 1);
    authority.write_leaf(folder.0.path(), "old", &timed);
    timed.not_before = rcgen::date_time_ymd(2047, 1, 1);
    timed.not_after = rcgen::date_time_ymd(2048, 2, 1);
    authority.write_leaf(folder.0.path(), "early", &timed);
    let wrong = certs::leaf("server", &names, Some(certs::CLIENT));
    authority.write_leaf(folder.0.path(), "wrong", &wrong);
    authority.write_leaf(folder.0.path(), "nameless", &certs::leaf("server", &[], None));
    authority.write_leaf(folder.0.path(), "open", &certs::leaf("server", &names, None));
    fs::set_permissions(folder.at("open.key"), fs::Permissions::from_mode(0o640)).unwrap();
    for (name, expected) in [
        ("old", "it expired on 2025-02-01T00:00:00Z"),
        ("early", "it is not valid before 2047-01-01T00:00:00Z"),
        ("wrong", "does not name serverAuth"),
        ("nameless", "has no subjectAltName"),
        ("open", "(mode 0640); run `chmod 600 "),
    ] {
        let files = folder.files(&format!("{name}.key"), &format!("{name}.crt"), "ca.crt");
        let warnings = load(&files).unwrap().warnings;
        let [warning] = &warnings[..] else { panic!("{name}: {warnings:?}") };
        assert!(warning.contains(expected) && warning.contains(name), "{warning}");
    }
    // The certificates of the tests expire at the end of 4095.
    let late = "4097-01-01T00:00:00Z".parse().unwrap();
    let warnings = tls::load(&folder.sound(), late).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("an authority in it expired")));

    // A certificate of an authority, and one that is not of an authority.
    let both = authority.pem.clone() + &fs::read_to_string(folder.at("client.crt")).unwrap();
    fs::write(folder.at("both"), both).unwrap();
    let warnings = load(&folder.files("server.key", "server.crt", "both")).unwrap().warnings;
    for expected in ["one certificate in it is not an authority's", "it is ignored"] {
        assert!(warnings[0].contains(expected), "{warnings:?}");
    }
}

#[test]
fn a_failed_reload_keeps_the_old_files_in_force() {
    let folder = Folder::new();
    let (current, warnings) = Current::new(&folder.sound()).unwrap();
    assert_eq!(warnings, Vec::<String>::new());
    let first = current.config();
    certs::write(folder.0.path());
    current.reload(&folder.sound()).unwrap();
    let second = current.config();
    assert!(!Arc::ptr_eq(&first, &second), "the new files are in force");
    fs::write(folder.at("server.crt"), "half a fi").unwrap();
    let error = current.reload(&folder.sound()).unwrap_err().to_string();
    assert!(error.contains("grpc.cert_chain"), "{error}");
    assert!(Arc::ptr_eq(&current.config(), &second), "the old files are still in force");
}

/// Handshakes that fail because of something other than the client's certificate.
#[tokio::test]
async fn failed_handshakes_are_explained() {
    let folder = Folder::new();
    let foreign = Folder::new();
    let server = tls::load(&folder.sound(), Timestamp::now()).unwrap().config;
    let stranger = Folder::new();
    fs::write(stranger.at("ca.crt"), Authority::named("Another authority").pem).unwrap();
    let (ours, theirs) = (folder.0.path(), foreign.0.path());
    for versions in [TLS12, TLS13] {
        for (client, expected) in [
            (client(stranger.0.path(), Some(ours), versions, &["h2"]), "does not trust this"),
            (client(theirs, Some(ours), versions, &["h2"]), "of the same name with another key"),
            (client(ours, Some(ours), versions, &["http/1.1"]), "ALPN without h2"),
            (client(ours, None, versions, &["h2"]), "presented no certificate"),
        ] {
            let sentence = refusal_of(&server, Says::Client(client.into())).await;
            assert!(sentence.as_ref().is_some_and(|said| said.contains(expected)), "{sentence:?}");
        }
    }
    let plain = refusal_of(&server, Says::Bytes(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).await;
    assert!(plain.is_some_and(|said| said.contains("does not speak TLS")));
    // The ClientHello of TLS 1.1, as OpenSSL sends it.
    let old = b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x02\
        aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x00\x00\x02\xc0\x13\x01\x00";
    let old = refusal_of(&server, Says::Bytes(old)).await;
    assert!(old.as_ref().is_some_and(|said| said.contains("too old")), "{old:?}");
    assert_eq!(refusal_of(&server, Says::Bytes(b"")).await, None, "a client that disconnected");
}

enum Says {
    Client(Box<ClientConfig>),
    Bytes(&'static [u8]),
}

/// The server's explanation of a handshake that fails, during the handshake or directly after it.
async fn refusal_of(config: &Arc<ServerConfig>, says: Says) -> Option<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let (stream, _) = listener.accept().await.unwrap();
        let accepted = TlsAcceptor::from(config.clone()).accept(stream).await;
        let error = match accepted {
            Ok(mut stream) => stream.read_u8().await.unwrap_err(),
            Err(error) => error,
        };
        tls::refusal(&error)
    };
    let client = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        match says {
            Says::Client(config) => {
                let name = ServerName::try_from("localhost").unwrap();
                let connected = TlsConnector::from(Arc::new(*config)).connect(name, stream).await;
                if let Ok(mut stream) = connected {
                    let _ = stream.read_u8().await;
                }
            }
            Says::Bytes(bytes) => {
                let _ = stream.write_all(bytes).await;
                let _ = stream.shutdown().await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        }
    };
    tokio::join!(server, client).0
}
