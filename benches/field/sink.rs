//! An axum server whose handler reads the posted body and discards it: the cost of taking alerts in
//! by HTTP without processing them.

use axum::Router;
use axum::routing::post;
use bytes::Bytes;
use tokio::net::TcpListener;

use super::socket::Address;

/// Runs the role. The argument is its address.
pub(crate) async fn run(arguments: &[String]) {
    let Address::Tcp(port) = Address::parse(&arguments[0]) else { panic!("TCP only") };
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let router = Router::new().route("/", post(|_body: Bytes| async {}));
    axum::serve(listener, router).await.unwrap();
}
