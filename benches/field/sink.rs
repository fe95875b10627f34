//! An axum server whose handler reads the posted body and throws it away: what taking alerts by
//! HTTP costs before anything is done with them.

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use tokio::net::TcpListener;

use super::socket::Address;

/// The role: its address.
pub(crate) async fn run(arguments: &[String]) {
    let Address::Tcp(port) = Address::parse(&arguments[0]) else { panic!("TCP only") };
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let router = Router::new().route("/", post(|_body: Bytes| async {}));
    axum::serve(listener, router).await.unwrap();
}
