//! The certificates that Falco's users have, and certificates that must be rejected.
//!
//! 1. The server accepts the certificates that the commands of Falco's documentation make, with
//!    OpenSSL in both versions of TLS and with real clients. The tests say which clients reject
//!    them.
//! 2. The server rejects each certificate with one fault, because of that fault, in both versions
//!    of TLS. The tests encode these certificates themselves, because no tool makes them.
//! 3. Revocation lists apply to X.509 version 1 as to version 3.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use falconer::net::{TlsFiles, tls};
use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair, SerialNumber};
use support::certs::{self, Authority, SHA_1, SHA_256, Version1};
use support::client::Library;
use support::server::Server;
use support::site::{Site, VERSIONS};
use support::{Transport, examples};
use tempfile::TempDir;

/// The commands of Falco's documentation up to 0.43, with `-passout` and `-passin` for the prompts.
const DOCUMENTED: [&str; 10] = [
    "genrsa -passout pass:1234 -des3 -out ca.key 4096",
    "req -passin pass:1234 -new -x509 -days 365 -key ca.key -out ca.crt \
     -subj /C=SP/ST=Italy/L=Ornavasso/O=Test/OU=Test/CN=Root_CA",
    "genrsa -passout pass:1234 -des3 -out server.key 4096",
    "req -passin pass:1234 -new -key server.key -out server.csr \
     -subj /C=SP/ST=Italy/L=Ornavasso/O=Test/OU=Server/CN=localhost",
    "x509 -req -passin pass:1234 -days 365 -in server.csr -CA ca.crt -CAkey ca.key \
     -set_serial 01 -out server.crt",
    "rsa -passin pass:1234 -in server.key -out server.key",
    "genrsa -passout pass:1234 -des3 -out client.key 4096",
    "req -passin pass:1234 -new -key client.key -out client.csr \
     -subj /C=SP/ST=Italy/L=Ornavasso/O=Test/OU=Client/CN=localhost",
    "x509 -passin pass:1234 -req -days 365 -in client.csr -CA ca.crt -CAkey ca.key \
     -set_serial 01 -out client.crt",
    "rsa -passin pass:1234 -in client.key -out client.key",
];

/// Made once, because 4096-bit RSA keys take seconds.
static DOCUMENTED_FILES: LazyLock<TempDir> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    for command in DOCUMENTED {
        openssl(dir.path(), command);
    }
    dir
});

fn openssl(dir: &Path, command: &str) -> String {
    let output = Command::new("openssl")
        .current_dir(dir)
        .args(command.split_whitespace())
        .output()
        .expect("openssl is installed");
    assert!(output.status.success(), "{command}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Starts a server with the certificates of `dir` and copies those of clients to its own folder.
fn serve(dir: &Path, settings: &[&str]) -> Server {
    let named =
        [("private_key", "server.key"), ("cert_chain", "server.crt"), ("root_certs", "ca.crt")]
            .map(|(key, file)| format!("grpc.{key}={}", dir.join(file).display()));
    let settings: Vec<_> =
        named.iter().map(String::as_str).chain(settings.iter().copied()).collect();
    let server = Server::start_with(Transport::Tls, &settings);
    for file in ["ca.crt", "client.crt", "client.key"] {
        fs::copy(dir.join(file), server.certs().unwrap().join(file)).unwrap();
    }
    server
}

#[test]
fn documented_certificates_are_accepted() {
    let dir = DOCUMENTED_FILES.path();
    let mut server = serve(dir, &[]);
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(s_client(&server, version), "{version}\n{}", server.stderr());
    }
    let lines = examples::lines();
    server.feed(lines.concat());
    for library in [Library::GrpcioCurrent, Library::GrpcJs] {
        if library.is_installed() {
            let said = library.run(&server, &["version"]).values();
            assert_eq!(said.len(), 1, "{said:?}");
        }
    }
    if Library::GrpcioCurrent.is_installed() {
        let mut client = Library::GrpcioCurrent.start(&server, &["sub-silent", "0"]);
        assert_eq!(client.take(3)[0], serde_json::json!({ "open": true }));
    }
    // The documented name is in the common name only, which Go no longer reads.
    if Library::ClientGo.is_installed() {
        let outcome = Library::ClientGo.run(&server, &["version"]);
        assert!(!outcome.status.success(), "{outcome:?}");
    }
    if openssl(dir, "x509 -in client.crt -noout -text").contains("Version: 1 ") {
        // The line about clients follows the one of the start.
        server.wait_for_log("a client presented an X.509 version 1");
        let log = server.log_at_the_end();
        for expected in ["X.509 version 1", "falconer certs init DIR", "-extfile", "server.crt"] {
            assert!(log.contains(expected), "{expected:?} in {log}");
        }
        assert_eq!(log.matches("a client presented an X.509 version 1").count(), 1, "{log}");
    }
}

/// OpenSSL 3.2 and later make version 3 without names with the same commands.
#[test]
fn version_3_without_names_is_served() {
    let dir = tempfile::tempdir().unwrap();
    let authority = certs::write(dir.path());
    for name in ["server", "client"] {
        let mut params = certs::leaf("localhost", &[], None);
        params.key_usages.clear();
        authority.write_leaf(dir.path(), name, &params);
    }
    let server = serve(dir.path(), &[]);
    for version in ["-tls1_2", "-tls1_3"] {
        assert!(s_client(&server, version), "{version}\n{}", server.stderr());
    }
    for (library, takes_it) in
        [(Library::GrpcioCurrent, true), (Library::GrpcJs, true), (Library::ClientGo, false)]
    {
        if library.is_installed() {
            let outcome = library.run(&server, &["version"]);
            assert_eq!(outcome.status.success(), takes_it, "{library:?} {outcome:?}");
        }
    }
    server.wait_for_log("no subjectAltName");
}

#[tokio::test]
async fn version_1_is_rejected_if_turned_off() {
    let mut site = Site::new();
    let key = KeyPair::generate().unwrap();
    let v1 = Version1::new(&site.authority.name(), &key).signed_by(&site.authority.key);
    fs::write(site.dir.path().join("client.crt"), certs::pem(&v1)).unwrap();
    certs::write_key(&site.dir.path().join("client.key"), &key);
    assert!(s_client(&serve(site.dir.path(), &[]), "-tls1_3"));
    let server = serve(site.dir.path(), &["falconer.tls.legacy_v1_certs=false"]);
    site.files.legacy_v1_certs = false;
    for (version, name) in VERSIONS.into_iter().zip(["-tls1_2", "-tls1_3"]) {
        assert!(!s_client(&server, name), "{name}");
        let refusal = site.refusal(std::slice::from_ref(&v1), &key, version).await.unwrap();
        assert!(refusal.contains("it is an X.509 version 1 certificate, as `"), "{refusal}");
    }

    let at = |name| site.dir.path().join(name);
    let mut own = TlsFiles::new(at("client.key"), at("client.crt"), at("ca.crt"));
    let warnings = tls::load(&own, Timestamp::now()).unwrap().warnings;
    assert!(warnings.concat().contains("`falconer certs init DIR`"), "{warnings:?}");
    own.legacy_v1_certs = false;
    let error = tls::load(&own, Timestamp::now()).unwrap_err().to_string();
    assert!(error.contains("make it again with `-extfile`"), "{error}");
}

/// Returns whether `openssl s_client` gets HTTP/2 from the server.
fn s_client(server: &Server, version: &str) -> bool {
    let mut client = Command::new("openssl")
        .current_dir(server.certs().unwrap())
        .args(["s_client", "-connect", server.address(), "-servername", "localhost", version])
        .args(["-CAfile", "ca.crt", "-cert", "client.crt", "-key", "client.key"])
        .args(["-alpn", "h2", "-verify_return_error", "-quiet"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    // The preface and empty settings. The server may close the connection before they are written.
    let _ = stdin.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    let _ = stdin.flush();
    let mut head = [0; 9];
    let answered = client.stdout.take().unwrap().read_exact(&mut head).is_ok();
    let _ = client.kill();
    let _ = client.wait();
    // The server's SETTINGS frame.
    answered && head[3] == 4
}

#[tokio::test]
async fn every_fault_is_rejected_and_named() {
    let site = Site::new();
    let (authority, foreign) = (&site.authority, Authority::named("Another authority"));
    let twin = Authority::named("Falconer test authority");
    let key = KeyPair::generate().unwrap();
    let name = authority.name();
    let good = || Version1::new(&name, &key);
    let signed = |changed: Version1| vec![changed.signed_by(&authority.key)];
    let v3 = |params: CertificateParams| {
        vec![params.signed_by(&key, &authority.issuer()).unwrap().der().to_vec()]
    };
    let with = |change: &dyn Fn(&mut Version1)| {
        let mut changed = good();
        change(&mut changed);
        signed(changed)
    };

    let mut tampered = signed(good());
    *tampered[0].last_mut().unwrap() ^= 1;
    let mut renamed = good().signed_part();
    let at = renamed.windows(6).position(|window| window == b"client").unwrap();
    let signature = rcgen::SigningKey::sign(&authority.key, &renamed).unwrap();
    renamed[at] = b'C';
    let mut trailing = signed(good());
    trailing[0].push(0);
    let behind = {
        let part = good().signed_part();
        let signature = rcgen::SigningKey::sign(&authority.key, &part).unwrap();
        let signature = certs::tlv(3, &[&[0][..], &signature].concat());
        let algorithm = certs::sequence(&[&SHA_256]);
        vec![certs::sequence(&[&part, &algorithm, &signature, &[5, 0]])]
    };
    let mut expired = certs::leaf("client", &[], Some(certs::CLIENT));
    expired.not_after = rcgen::date_time_ymd(2025, 2, 1);
    expired.not_before = rcgen::date_time_ymd(2025, 1, 1);

    let intermediate_key = KeyPair::generate().unwrap();
    let mut intermediate = Version1::new(&name, &intermediate_key);
    intermediate.subject = certs::common_name("between");
    let between = intermediate.signed_by(&authority.key);
    let below = Version1::new(&intermediate.subject, &key).signed_by(&intermediate_key);
    let namesake = {
        intermediate.subject = name.clone();
        intermediate.signed_by(&authority.key)
    };
    let below_namesake = good().signed_by(&intermediate_key);
    let mut between_params = certs::leaf("between", &[], None);
    between_params.distinguished_name = rcgen::DistinguishedName::new();
    between_params.distinguished_name.push(rcgen::DnType::CommonName, "between");
    let v3_below = certs::leaf("client", &[], Some(certs::CLIENT))
        .signed_by(&key, &rcgen::Issuer::new(between_params, &intermediate_key))
        .unwrap()
        .der()
        .to_vec();
    let extension =
        certs::sequence(&[&certs::tlv(6, &[0x55, 0x1d, 19]), &certs::tlv(4, &[0x30, 0])]);
    let extensions = certs::tlv(0xa3, &certs::sequence(&[&extension]));

    assert_eq!(site.refusal(&signed(good()), &key, VERSIONS[0]).await, None, "the right one");
    for (mistake, chain, expected) in [
        ("expired", with(&|c| c.validity[1] = "250201000000Z"), "expired on 2025-02-01T00:00:00Z"),
        (
            "not valid yet",
            with(&|c| c.validity[0] = "480101000000Z"),
            "not valid before 2048-01-01",
        ),
        (
            "validity is no time",
            with(&|c| c.validity[0] = "251301000000Z"),
            "not X.509 version 3, or",
        ),
        (
            "a foreign authority",
            vec![Version1::new(&foreign.name(), &key).signed_by(&foreign.key)],
            "no authority in root_certs",
        ),
        (
            "the authority's name, another key",
            vec![good().signed_by(&twin.key)],
            "not signed by the",
        ),
        ("a bit of the signature", tampered, "not signed by the key"),
        (
            "a letter of the name",
            vec![certs::assemble(&renamed, &SHA_256, &signature)],
            "not signed by the key",
        ),
        (
            "SHA-1",
            {
                let mut sha_1 = good();
                sha_1.inner_algorithm = certs::sequence(&[&SHA_1]);
                vec![sha_1.signed_with_sha_1(&authority.key)]
            },
            "signature algorithm, such as SHA-1",
        ),
        (
            "another algorithm inside",
            with(&|c| c.inner_algorithm = certs::sequence(&[&SHA_1])),
            "not well formed",
        ),
        (
            "self-signed",
            vec![Version1::new(&certs::common_name("client"), &key).signed_by(&key)],
            "no authority in root_certs",
        ),
        ("self-signed as the authority", vec![good().signed_by(&key)], "not signed by the key"),
        ("below a version 1", vec![below.clone(), between.clone()], "no authority in root_certs"),
        ("below a namesake", vec![below_namesake, namesake], "not signed by the key"),
        ("version 3 below a version 1", vec![v3_below, between], "not X.509 version 3"),
        ("a byte behind it", trailing, "not well formed"),
        ("a field behind the signature", behind, "not well formed"),
        ("extensions", with(&|c| c.more = extensions.clone()), "not well formed"),
        ("a unique identifier", with(&|c| c.more = vec![0x81, 2, 0, 1]), "not well formed"),
        ("a field of no version", with(&|c| c.more = vec![4, 1, 0]), "not X.509 version 3"),
        (
            "version 3 for servers",
            v3(certs::leaf("client", &[], Some(certs::SERVER))),
            "not made for clients",
        ),
        ("version 3, expired", v3(expired), "expired on 2025-02-01T00:00:00Z"),
        (
            "version 3 of a foreign authority",
            vec![
                certs::leaf("client", &[], Some(certs::CLIENT))
                    .signed_by(&key, &foreign.issuer())
                    .unwrap()
                    .der()
                    .to_vec(),
            ],
            "no authority in root_certs",
        ),
        ("the authority itself", vec![authority.der().to_vec()], "an authority's certificate"),
        ("no certificate at all", vec![b"certificate".to_vec()], "not well formed"),
    ] {
        for version in VERSIONS {
            let refusal = site.refusal(&chain, &key, version).await;
            let refusal = refusal.unwrap_or_else(|| panic!("{mistake}: {version:?} lets it in"));
            assert!(refusal.contains(expected), "{mistake}: {expected:?} in {refusal}");
        }
    }
    for version in VERSIONS {
        let error = site.meets(None, version).await.unwrap_err();
        assert!(tls::refusal(&error).unwrap().contains("presented no certificate"), "{error}");
        // A correct certificate with another key.
        let thief = KeyPair::generate().unwrap();
        let refusal = site.refusal(&signed(good()), &thief, version).await.unwrap();
        assert!(refusal.contains("the client's key does not match it"), "{refusal}");
    }
}

#[tokio::test]
async fn correct_certificates_are_accepted_and_name_the_client() {
    let site = Site::new();
    let key = KeyPair::generate().unwrap();
    let mut loud = Version1::new(&site.authority.name(), &key);
    loud.subject = certs::common_name("exporter\n\u{1b}[31m");
    let v3 = |name: &str, names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = certs::leaf(name, &names, Some(certs::CLIENT));
        if name.is_empty() {
            params.distinguished_name = rcgen::DistinguishedName::new();
        }
        params.signed_by(&key, &site.authority.issuer()).unwrap().der().to_vec()
    };
    for (certificate, expected) in [
        (loud.signed_by(&site.authority.key), Some("exporter\\n\\u{1b}[31m")),
        (v3("reader", &["reader.example"]), Some("reader")),
        (v3("", &["reader.example"]), Some("reader.example")),
        (v3("", &["192.0.2.7"]), Some("192.0.2.7")),
        (v3("", &["2001:db8::7"]), Some("2001:db8::7")),
        (v3("", &[]), None),
    ] {
        for version in VERSIONS {
            let met = site.meets(Some((vec![certificate.clone()], &key)), version).await.unwrap();
            assert_eq!(met.as_deref(), expected);
        }
    }
}

#[tokio::test]
async fn revocation_lists_hold_for_both_versions() {
    let key = KeyPair::generate().unwrap();
    let client_of = |site: &Site| Version1::new(&site.authority.name(), &key);
    let twin = Authority::named("Falconer test authority");
    for (revoked, signed_by_twin, expected) in [
        (&[2, 3][..], false, None),
        (&[1, 9][..], false, Some("is revoked")),
        // The authority did not sign this list.
        (&[2][..], true, Some("falconer.tls.crls")),
    ] {
        let mut site = Site::new();
        let own = site.authority.copy();
        site.revoke(if signed_by_twin { &twin } else { &own }, revoked, None);
        let v1 = client_of(&site).signed_by(&site.authority.key);
        let mut params = certs::leaf("client", &[], Some(certs::CLIENT));
        params.serial_number = Some(SerialNumber::from(1));
        let v3 = params.signed_by(&key, &site.authority.issuer()).unwrap().der().to_vec();
        for chain in [vec![v1], vec![v3]] {
            for version in VERSIONS {
                let refusal = site.refusal(&chain, &key, version).await;
                match (refusal, expected) {
                    (None, None) => {}
                    (Some(refusal), Some(expected)) if refusal.contains(expected) => {}
                    other => panic!("{revoked:?} {signed_by_twin} {other:?}"),
                }
            }
        }
    }
    // The same through the configuration.
    for (revoked, expected) in [(2, true), (1, false)] {
        let mut site = Site::new();
        let authority = site.authority.copy();
        site.revoke(&authority, &[revoked], None);
        let v1 = client_of(&site).signed_by(&authority.key);
        fs::write(site.dir.path().join("client.crt"), certs::pem(&v1)).unwrap();
        certs::write_key(&site.dir.path().join("client.key"), &key);
        let list = format!("falconer.tls.crls[]={}", site.files.crls[0].display());
        assert_eq!(s_client(&serve(site.dir.path(), &[&list]), "-tls1_3"), expected);
    }
    // The list of another authority does not cover the certificate.
    let mut site = Site::new();
    site.revoke(&Authority::named("Another authority"), &[], None);
    let chain = [client_of(&site).signed_by(&site.authority.key)];
    let refusal = site.refusal(&chain, &key, VERSIONS[1]).await.unwrap();
    assert!(refusal.contains("no list in falconer.tls.crls covers"), "{refusal}");
    let warnings = tls::load(&site.files, Timestamp::now()).unwrap().warnings;
    assert!(warnings.iter().any(|warning| warning.contains("has no list of")), "{warnings:?}");
}
