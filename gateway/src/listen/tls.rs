//! The TLS handshake of a connection.

use std::io;

use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::{config::Tls, guard::client::Client};

/// Runs the handshake. Returns the client with the identity in its certificate.
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
