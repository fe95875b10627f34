//! TLS, as the host process has it: which certificates, and who a client's says it is.

use std::{fmt::Debug, io, sync::Arc};

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, ServerConnection},
    server::TlsStream,
};

use crate::client::Client;

/// The host process's side of TLS. Nothing here may block or wait.
pub trait Tls: Debug + Send + Sync + 'static {
    /// What the next connection is served with.
    fn config(&self) -> Arc<ServerConfig>;

    /// Who the client's certificate says it is; `None` where it showed none. One that was shown was
    /// verified.
    fn identity(&self, connection: &ServerConnection) -> Option<String>;

    /// A handshake failed: tell why, as often as somebody reads it.
    fn refused(&self, client: &Client, error: &io::Error);
}

/// Shakes hands; gives the client with what its certificate says.
pub(crate) async fn accept(
    tls: &dyn Tls,
    stream: TcpStream,
    client: Client,
) -> io::Result<(TlsStream<TcpStream>, Client)> {
    match TlsAcceptor::from(tls.config()).accept(stream).await {
        Ok(stream) => {
            let identity = tls.identity(stream.get_ref().1).map(Into::into);
            Ok((stream, Client { identity, ..client }))
        }
        Err(error) => {
            tls.refused(&client, &error);
            Err(error)
        }
    }
}
