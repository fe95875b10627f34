//! Addresses of servers, and connections to them: unix sockets, TCP, mutual TLS.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// A listening address.
#[derive(Clone, Debug)]
pub(crate) enum Address {
    Unix(PathBuf),
    /// A port on the loopback interface.
    Tcp(u16),
}

impl Address {
    /// Parses the text that [`fmt::Display`] writes.
    pub(crate) fn parse(text: &str) -> Self {
        match text.strip_prefix("unix://") {
            Some(path) => Self::Unix(path.into()),
            None => Self::Tcp(text.rsplit(':').next().unwrap().parse().unwrap()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix://{}", path.display()),
            Self::Tcp(port) => write!(formatter, "127.0.0.1:{port}"),
        }
    }
}

/// A server to connect to.
#[derive(Clone)]
pub(crate) struct Target {
    address: Address,
    tls: Option<TlsConnector>,
}

/// A connection of any kind.
pub(crate) type Connection = Box<dyn ReadWrite>;

pub(crate) trait ReadWrite: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> ReadWrite for T {}

impl Target {
    /// Creates a target. `certs` is the directory with the client's certificate for TLS.
    pub(crate) fn new(address: Address, certs: Option<&Path>) -> Self {
        Self { address, tls: certs.map(connector) }
    }

    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Connects, without TLS.
    pub(crate) async fn open(&self) -> io::Result<Connection> {
        Ok(match &self.address {
            Address::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Address::Tcp(port) => Box::new(tcp(*port).await?),
        })
    }

    /// Connects, with TLS if the target has it.
    pub(crate) async fn connect(&self) -> io::Result<Connection> {
        match (&self.tls, &self.address) {
            (Some(tls), Address::Tcp(port)) => {
                let name = ServerName::try_from("localhost").unwrap();
                Ok(Box::new(tls.connect(name, tcp(*port).await?).await?))
            }
            _ => self.open().await,
        }
    }
}

async fn tcp(port: u16) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn connector(certs: &Path) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certs.join("ca.crt")).unwrap()).unwrap();
    let chain = vec![CertificateDer::from_pem_file(certs.join("client.crt")).unwrap()];
    let key = PrivateKeyDer::from_pem_file(certs.join("client.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsConnector::from(Arc::new(config))
}
