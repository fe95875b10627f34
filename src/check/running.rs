//! Identifies the server at a socket, by Falco's `version` call.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message as _;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use crate::grpc::frame::PREFIX;
use crate::proto::falco::version::Response;

/// The timeout of an answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// The longest answer to read, in bytes.
const MAX_ANSWER: usize = 64 << 10;

/// Describes the server, in words that follow "served by".
pub(super) async fn who(path: &Path) -> String {
    let process = process(path).await;
    match timeout(PATIENCE, version(path)).await {
        Ok(Some(version)) => format!("{process}, which reports Falco version {version:?}"),
        Ok(None) => format!("{process}, which does not answer Falco's version call"),
        Err(_) => format!("{process}, which does not answer"),
    }
}

/// Whether a server accepts connections at `address`.
pub(super) async fn listens(address: &str) -> bool {
    matches!(timeout(PATIENCE, TcpStream::connect(address)).await, Ok(Ok(_)))
}

async fn process(path: &Path) -> String {
    let stream = UnixStream::connect(path).await;
    let pid = stream.and_then(|stream| stream.peer_cred()).ok().and_then(|peer| peer.pid());
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "an unknown process".into(),
    }
}

async fn version(path: &Path) -> Option<String> {
    let stream = UnixStream::connect(path).await.ok()?;
    let (mut calls, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.ok()?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::post("http://localhost/falco.version.service/version")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(Bytes::from_static(&[0; PREFIX])))
        .ok()?;
    let answer = calls.send_request(request).await.ok()?;
    let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await.ok()?.to_bytes();
    let message = body.get(PREFIX..)?;
    Some(Response::decode(message).ok()?.version)
}
