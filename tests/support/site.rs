//! The server's side of TLS in this process, on a real socket, with clients that present any
//! certificate at all, which no client library would.

use std::fs;
use std::io;
use std::sync::Arc;

use falconer::net::{TlsFiles, tls};
use jiff::Timestamp;
use rcgen::{CertificateRevocationListParams, KeyPair, SerialNumber};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::certs::{self, Authority};

/// The TLS files of a server in this process, and the authority that signs its clients.
pub(crate) struct Site {
    pub(crate) dir: TempDir,
    pub(crate) authority: Authority,
    pub(crate) files: TlsFiles,
}

impl Site {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = certs::write(dir.path());
        let at = |name| dir.path().join(name);
        let files = TlsFiles::new(at("server.key"), at("server.crt"), at("ca.crt"));
        Self { dir, authority, files }
    }

    /// Writes a revocation list of an authority and adds it to the server's files.
    pub(crate) fn revoke(&mut self, by: &Authority, serials: &[u8], next: Option<i32>) {
        self.revoke_on(by, serials, next, (2024, 1));
    }

    /// Like [`Self::revoke`], with the list's year and number.
    pub(crate) fn revoke_on(
        &mut self,
        by: &Authority,
        serials: &[u8],
        next: Option<i32>,
        (year, number): (i32, u64),
    ) {
        let list = CertificateRevocationListParams {
            this_update: rcgen::date_time_ymd(year, 1, 1),
            next_update: rcgen::date_time_ymd(next.unwrap_or(2048), 1, 1),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: serials
                .iter()
                .map(|serial| rcgen::RevokedCertParams {
                    serial_number: SerialNumber::from(u64::from(*serial)),
                    revocation_time: rcgen::date_time_ymd(2024, 1, 1),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        let path = self.dir.path().join(format!("{}.crl", self.files.crls.len()));
        fs::write(&path, list.signed_by(&by.issuer()).unwrap().pem().unwrap()).unwrap();
        self.files.crls.push(path);
    }

    /// The server's result for a client that presents this chain and has this key: the client's
    /// name, or the error of the handshake.
    pub(crate) async fn meets(
        &self,
        shown: Option<(Vec<Vec<u8>>, &KeyPair)>,
        version: &'static SupportedProtocolVersion,
    ) -> io::Result<Option<String>> {
        let config = tls::load(&self.files, Timestamp::now()).unwrap().config;
        let client = client(&self.authority, shown, version);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = TlsAcceptor::from(config).accept(stream).await?;
            // In TLS 1.3 an alert of the client arrives here.
            stream.read_u8().await?;
            Ok(tls::identity(stream.get_ref().1))
        };
        let client = async {
            let stream = TcpStream::connect(address).await.unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            let connected = TlsConnector::from(Arc::new(client)).connect(name, stream).await;
            let Ok(mut stream) = connected else { return };
            let _ = stream.write_all(b"x").await;
            let _ = stream.flush().await;
            let _ = stream.read_u8().await;
        };
        tokio::join!(server, client).0
    }

    /// Like [`Self::meets`], but returns the sentence for the log if the client is rejected.
    pub(crate) async fn refusal(
        &self,
        chain: &[Vec<u8>],
        key: &KeyPair,
        version: &'static SupportedProtocolVersion,
    ) -> Option<String> {
        let error = self.meets(Some((chain.to_vec(), key)), version).await.err()?;
        Some(tls::refusal(&error).unwrap_or_else(|| panic!("no sentence for {error:?}")))
    }
}

/// A client that presents the given certificates without checking them.
fn client(
    trusted: &Authority,
    shown: Option<(Vec<Vec<u8>>, &KeyPair)>,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(trusted.der()).unwrap();
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots);
    match shown {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
            let key = provider.key_provider.load_private_key(key).unwrap();
            let chain = chain.into_iter().map(CertificateDer::from).collect();
            let resolver = SingleCertAndKey::from(CertifiedKey::new(chain, key));
            builder.with_client_cert_resolver(Arc::new(resolver))
        }
    }
}

pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] =
    [&rustls::version::TLS12, &rustls::version::TLS13];
