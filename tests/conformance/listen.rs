//! The product's own sockets. It has no plain TCP, so that is a relay to the unix socket.

use std::net::TcpListener as StdListener;
use std::path::Path;

use falconer::net::connection::Handler;
use falconer::net::serve::Listener;
use falconer::net::{Inherited, Listen, Serves, TlsFiles, UnixSocket};
use tokio::net::{TcpListener, UnixStream};
use tokio_util::sync::CancellationToken;

use super::{MAX_REQUEST, handler};

/// Serves every transport with the certificates of `folder`, then writes their ports to
/// `folder/ports`, one a line: `plain`, `tls` (without a client certificate) and `mtls`.
pub(crate) async fn serve(folder: &Path) {
    let at = |name: &str| folder.join(name);
    let mutual = TlsFiles::new(at("server.key"), at("server.crt"), at("ca.crt"));
    let one_way =
        TlsFiles { serves: Serves::Gateway { token: false }, root_certs: None, ..mutual.clone() };
    let handler = handler(MAX_REQUEST);
    let ports = format!(
        "plain {}\ntls {}\nmtls {}\n",
        plain(folder, handler.clone()).await,
        tls(one_way, handler.clone()),
        tls(mutual, handler)
    );
    // Renamed, so that a waiting process never reads half of it.
    std::fs::write(at("ports.new"), ports).unwrap();
    std::fs::rename(at("ports.new"), at("ports")).unwrap();
    std::future::pending().await
}

/// Serves with TLS and returns the port.
pub(crate) fn tls(files: TlsFiles, handler: Handler) -> u16 {
    let port = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    start(&Listen::Tcp { address: format!("127.0.0.1:{port}"), tls: files }, handler);
    port
}

/// Serves `folder/plain.sock` and a port that forwards to it. Returns the port.
pub(crate) async fn plain(folder: &Path, handler: Handler) -> u16 {
    let path = folder.join("plain.sock");
    let socket = UnixSocket { path: path.clone(), mode: 0o600, group: None, links: Vec::new() };
    start(&Listen::Unix(socket), handler);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            client.set_nodelay(true).unwrap();
            let path = path.clone();
            tokio::spawn(async move {
                let mut server = UnixStream::connect(path).await?;
                tokio::io::copy_bidirectional(&mut client, &mut server).await
            });
        }
    });
    port
}

fn start(listen: &Listen, handler: Handler) {
    let listener = Listener::bind(listen, &mut Inherited::none()).unwrap();
    tokio::spawn(listener.serve(handler, CancellationToken::new()));
}
