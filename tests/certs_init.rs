//! `falconer certs init`: it writes the right files, never overwrites one, and the server accepts
//! every client that uses them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use falconer::certs::Host;
use falconer::config::{self, Options};
use falconer::net::Listen;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use support::Transport;
use support::client::Library;
use support::raw::{Client, framed, head};
use support::server::{Server, binary};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const FILES: [(&str, u32); 6] = [
    ("ca.crt", 0o644),
    ("ca.key", 0o600),
    ("server.crt", 0o644),
    ("server.key", 0o600),
    ("client.crt", 0o644),
    ("client.key", 0o600),
];

/// Runs `certs init` and returns its exit code, standard output and standard error.
fn init(directory: &Path, hosts: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(binary());
    command.args(["certs", "init"]).arg(directory);
    hosts.iter().for_each(|host| {
        command.args(["--host", host]);
    });
    output(&mut command)
}

fn output(command: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// Makes a folder `certs` for these hosts. Returns it and the instructions on standard output.
fn made(hosts: &[&str]) -> (TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("a b/certs");
    let (code, text, said) = init(&directory, hosts);
    assert_eq!((code, said.as_str()), (0, ""));
    (folder, directory, text)
}

fn openssl(directory: &Path, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new("openssl");
    let (code, text, said) = output(command.current_dir(directory).args(arguments));
    (code == 0, text + &said)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn it_writes_all_files_with_private_modes() {
    // With every umask.
    for umask in ["000", "022", "077"] {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("certs");
        let script = format!("umask {umask}; exec \"$0\" certs init \"$1\"");
        let mut command = Command::new("sh");
        let (code, _, said) = output(command.arg("-c").arg(script).arg(binary()).arg(&directory));
        assert_eq!(code, 0, "{said}");
        let mut found: Vec<_> = fs::read_dir(&directory)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        found.sort();
        assert_eq!(
            found,
            ["ca.crt", "ca.key", "client.crt", "client.key", "server.crt", "server.key"]
        );
        for (name, expected) in FILES {
            assert_eq!(mode(&directory.join(name)), expected, "{name} {umask}");
        }
        assert_eq!(mode(&directory), 0o700, "{umask}");
    }
}

#[test]
fn the_certificates_have_the_right_extensions() {
    let (_folder, directory, _) = made(&["Falco.example.org", "10.1.2.3", "localhost"]);
    // On one line, and without the spaces around `=` that OpenSSL 3.2 removed.
    let text = |name: &str| {
        let text = openssl(&directory, &["x509", "-in", name, "-noout", "-text"]).1;
        text.split_whitespace().collect::<Vec<_>>().join(" ").replace(" = ", "=")
    };
    for (name, expected) in [
        (
            "ca.crt",
            &["CA:TRUE, pathlen:0", "Certificate Sign, CRL Sign", "Subject Key Identifier"][..],
        ),
        (
            "server.crt",
            &[
                "Subject: CN=falco.example.org Subject",
                "DNS:falco.example.org, IP Address:10.1.2.3, DNS:localhost, IP Address:127.0.0.1, \
                 IP Address:0:0:0:0:0:0:0:1",
                "Key Usage: critical Digital Signature",
                "Extended Key Usage: TLS Web Server Authentication",
                "CA:FALSE",
                "Authority Key Identifier",
                "Subject Key Identifier",
            ],
        ),
        (
            "client.crt",
            &[
                "Subject: CN=falconer client Subject",
                "Extended Key Usage: TLS Web Client Authentication",
                "Key Usage: critical Digital Signature",
                "CA:FALSE",
                "Authority Key Identifier",
                "Subject Key Identifier",
            ],
        ),
    ] {
        let text = text(name);
        for expected in expected.iter().chain(&["Version: 3", "ecdsa-with-SHA256", "prime256v1"]) {
            assert!(text.contains(expected), "{name}: {expected:?} in {text}");
        }
        let key = fs::read_to_string(directory.join(name.replace("crt", "key"))).unwrap();
        assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"), "PKCS#8");
        let public = |arguments: &[&str]| openssl(&directory, arguments).1;
        assert_eq!(
            public(&["x509", "-in", name, "-noout", "-pubkey"]),
            public(&["pkey", "-in", &name.replace("crt", "key"), "-pubout"])
        );
    }
    let machine = nix::unistd::gethostname().unwrap().into_string().unwrap();
    if let Ok(Host::Name(machine)) = machine.parse() {
        assert!(text("server.crt").contains(&format!("DNS:{machine}")), "the machine's name");
    }
}

#[test]
fn the_certificates_have_the_right_lifetimes() {
    let (_folder, directory, _) = made(&[]);
    const DAY: u64 = 24 * 60 * 60;
    for (name, least, most) in
        [("ca.crt", 3649, 3653), ("server.crt", 822, 825), ("client.crt", 822, 825)]
    {
        let valid = |days: u64| {
            let seconds = (days * DAY).to_string();
            openssl(&directory, &["x509", "-in", name, "-noout", "-checkend", &seconds]).0
        };
        assert!(valid(least) && !valid(most), "{name}");
    }
}

#[test]
fn openssl_verifies_each_for_its_own_purpose_only() {
    let (_folder, directory, _) = made(&["falco.example.org"]);
    let verify = |purpose: &str, name: &str| {
        let arguments = ["verify", "-x509_strict", "-CAfile", "ca.crt", "-purpose", purpose, name];
        openssl(&directory, &arguments).0
    };
    for (purpose, name, expected) in [
        ("sslserver", "server.crt", true),
        ("sslclient", "client.crt", true),
        ("sslclient", "server.crt", false),
        ("sslserver", "client.crt", false),
    ] {
        assert_eq!(verify(purpose, name), expected, "{purpose} {name}");
    }
}

#[test]
fn nothing_is_overwritten() {
    for (name, _) in FILES {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join(name);
        fs::write(&there, "precious").unwrap();
        let changed = || fs::metadata(folder.path()).unwrap().modified().unwrap();
        let before = changed();
        let (code, text, said) = init(folder.path(), &[]);
        assert_eq!((code, text.as_str()), (1, ""));
        assert!(said.contains(&format!("{there:?} already exists")), "{said}");
        assert_eq!(fs::read_to_string(&there).unwrap(), "precious");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing beside it");
        assert_eq!(changed(), before, "the folder must not change at all");
    }
    // A dangling link counts as a file.
    let folder = tempfile::tempdir().unwrap();
    symlink(folder.path().join("elsewhere"), folder.path().join("client.key")).unwrap();
    let (code, _, said) = init(folder.path(), &[]);
    assert!(code == 1 && said.contains("client.key\" already exists"), "{said}");
    assert!(!folder.path().join("elsewhere").exists());
    // Twice into the same directory.
    let (_folder, directory, _) = made(&[]);
    let before = fs::read(directory.join("ca.key")).unwrap();
    assert_eq!(init(&directory, &[]).0, 1);
    assert_eq!(fs::read(directory.join("ca.key")).unwrap(), before);
}

#[test]
fn failures_name_their_cause() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let (code, _, said) = init(&folder.path().join("file"), &[]);
    assert!(code == 1 && said.contains("cannot examine"), "{said}");
    assert!(said.contains("Not a directory"), "{said}");
    let (code, _, said) = init(&folder.path().join("file/below"), &[]);
    assert!(code == 1 && said.contains("Not a directory"), "{said}");
    for host in ["", "falco:5060", "ö.example.org", "a b", "-x.example.org"] {
        let argument = format!("--host={host}");
        let mut command = Command::new(binary());
        let directory = folder.path().join("unmade");
        let (code, _, said) = output(command.args(["certs", "init", &argument]).arg(&directory));
        assert_eq!(code, 2, "{host}: {said}");
        assert!(said.contains("expected a DNS name or an IP address"), "{said}");
        assert!(!directory.exists());
    }
    // It fails if it cannot write its instructions.
    let mut command = Command::new("sh");
    let script = "exec \"$0\" certs init \"$1\" >/dev/full";
    let directory = folder.path().join("untold");
    let (code, _, said) = output(command.arg("-c").arg(script).arg(binary()).arg(directory));
    assert!(code == 1 && said.contains("No space left"), "{said}");
}

/// Starts a server with the files of `directory` and copies them for its clients.
fn serve(directory: &Path) -> Server {
    let setting = |key: &str, name: &str| format!("grpc.{key}={}", directory.join(name).display());
    let settings = [
        setting("private_key", "server.key"),
        setting("cert_chain", "server.crt"),
        setting("root_certs", "ca.crt"),
    ];
    let server = Server::start_with(Transport::Tls, &settings.each_ref().map(String::as_str));
    for name in ["ca.crt", "client.crt", "client.key"] {
        fs::copy(directory.join(name), server.certs().unwrap().join(name)).unwrap();
    }
    server
}

#[test]
fn every_client_is_accepted() {
    let (_folder, directory, _) = made(&[]);
    let server = serve(&directory);
    for (library, arguments) in [
        (Library::GrpcioCurrent, &["version"][..]),
        (Library::Grpcio156, &["version"]),
        (Library::GrpcJs, &["version"]),
        (Library::ClientGo, &["version"]),
        (Library::Grpcurl, &["-emit-defaults", "falco.version.service/version"]),
    ] {
        if library.is_installed() {
            let said = library.run(&server, arguments).values();
            assert!(said[0]["version"].is_string(), "{library:?}: {said:?}");
        }
    }
}

/// Returns whether a rustls client gets an answer if it expects `name` and shows the certificate
/// `shown`.
async fn answered(server: &Server, directory: &Path, name: &str, shown: &str) -> bool {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(directory.join("ca.crt")).unwrap()).unwrap();
    let chain =
        vec![CertificateDer::from_pem_file(directory.join(format!("{shown}.crt"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(directory.join(format!("{shown}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(server.address()).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let Ok(stream) = TlsConnector::from(Arc::new(config)).connect(name, stream).await else {
        return false;
    };
    let Ok(client) = Client::over(stream).await else { return false };
    let call = client.try_call(head("/falco.version.service/version"), framed(b"")).await;
    call.is_ok_and(|outcome| outcome.code() == Some(0))
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_accept_each_name_of_the_server() {
    let (_folder, directory, _) = made(&["falco.example.org", "*.pods.example.org", "10.1.2.3"]);
    let server = serve(&directory);
    for (name, expected) in [
        ("localhost", true),
        ("127.0.0.1", true),
        ("::1", true),
        ("falco.example.org", true),
        ("a.pods.example.org", true),
        ("10.1.2.3", true),
        ("example.org", false),
        ("10.1.2.4", false),
    ] {
        assert_eq!(answered(&server, &directory, name, "client").await, expected, "{name}");
    }
    // A client may show neither the server's certificate nor the authority's.
    assert!(!answered(&server, &directory, "localhost", "server").await);
    assert!(!answered(&server, &directory, "localhost", "ca").await);
    // The server rejects a client of another authority.
    let (_folder, other, _) = made(&[]);
    fs::copy(directory.join("ca.crt"), other.join("ca.crt")).unwrap();
    assert!(!answered(&server, &other, "localhost", "client").await);
}

#[test]
fn the_printed_settings_can_be_pasted() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("it's $HOME/${HOME}/\"certs\"");
    let (code, text, said) = init(&directory, &[]);
    assert_eq!((code, said.as_str()), (0, ""));
    let file = folder.path().join("falconer.yaml");
    fs::write(&file, &text).unwrap();
    let options = Options { file: Some(file), ..Options::default() };
    let loaded = config::load(&options, &|_| Some("expanded".to_owned())).unwrap();
    assert_eq!(loaded.warnings, []);
    let Some(Listen::Tcp { address, tls }) = loaded.config.grpc else { panic!("{text}") };
    assert_eq!(address, "0.0.0.0:5060");
    assert_eq!(tls.private_key, directory.join("server.key"));
    assert_eq!(tls.cert_chain, directory.join("server.crt"));
    assert_eq!(tls.root_certs, Some(directory.join("ca.crt")));

    if !Library::Grpcurl.is_installed() {
        return;
    }
    let server = serve(&directory);
    let line = text.lines().find_map(|line| line.strip_prefix("#   grpcurl ")).unwrap();
    let line = line.replace("localhost:5060", &server.endpoint());
    let mut command = Command::new("sh");
    let grpcurl = support::client::home().join("bin/grpcurl");
    let (code, text, said) = output(command.arg("-c").arg(format!("\"$0\" {line}")).arg(grpcurl));
    assert_eq!(code, 0, "{said}");
    assert!(text.contains("\"version\""), "{text}");
}
