//! A gRPC client on the h2 crate alone, for requests that no real client sends. And servers in this
//! process, on real sockets, for services that the program does not have.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use falconer::grpc::{self, Router};
use falconer::net::Inherited;
use falconer::net::connection::{GRACE, Handler};
use falconer::net::serve::Listener;
use falconer::net::{Listen, UnixSocket};
use falconer::proto::falco::outputs::Response;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, StatusCode};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use super::PATIENCE;

/// A server in this process, on a unix socket.
pub(crate) struct Served {
    pub(crate) path: PathBuf,
    pub(crate) stop: CancellationToken,
    done: JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Served {
    /// Serves `router`, which answers as soon as this returns.
    pub(crate) fn start(router: Router) -> Self {
        Self::start_until(router, CancellationToken::new())
    }

    /// Serves `router` until `stop`.
    pub(crate) fn start_until(router: Router, stop: CancellationToken) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("falco.sock");
        let socket = UnixSocket { path: path.clone(), mode: 0o600, group: None, links: Vec::new() };
        let listener = Listener::bind(&Listen::Unix(socket), &mut Inherited::none()).unwrap();
        let handler: Handler =
            BoxCloneSyncService::new(grpc::serve(router).map_request(|request| request));
        let done = tokio::spawn(listener.serve(handler, stop.clone()));
        Self { path, stop, done, _directory: directory }
    }

    /// Stops the server and waits until it has stopped.
    pub(crate) async fn stopped(self) {
        self.stop.cancel();
        tokio::time::timeout(GRACE + Duration::from_secs(1), self.done).await.unwrap().unwrap();
    }
}

/// One connection.
#[derive(Clone)]
pub(crate) struct Client {
    send: SendRequest<Bytes>,
    _driver: Arc<Driver>,
}

struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The result of a call.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) http: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) messages: Vec<Bytes>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Outcome {
    /// The call's gRPC status code, from the trailers or else the headers.
    pub(crate) fn code(&self) -> Option<u16> {
        let headers = self.trailers.as_ref().unwrap_or(&self.headers);
        headers.get("grpc-status").map(|code| code.to_str().unwrap().parse().unwrap())
    }

    /// The message of the call's status.
    pub(crate) fn message(&self) -> &str {
        let headers = self.trailers.as_ref().unwrap_or(&self.headers);
        headers.get("grpc-message").map_or("", |message| message.to_str().unwrap())
    }
}

/// A call that has started.
pub(crate) struct Call {
    pub(crate) requests: SendStream<Bytes>,
    response: h2::client::ResponseFuture,
}

/// The replies of a call.
pub(crate) struct Replies {
    pub(crate) http: StatusCode,
    pub(crate) headers: HeaderMap,
    body: RecvStream,
    buffer: BytesMut,
}

/// The head of a request as every gRPC client sends it.
pub(crate) fn head(path: &str) -> http::request::Builder {
    Request::post(format!("http://localhost{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
}

/// Converts an alert to the form of [`super::examples::alerts`].
pub(crate) fn as_value(message: &Bytes) -> Value {
    let response = Response::decode(message.clone()).unwrap();
    let time = response.time.unwrap();
    #[allow(deprecated, reason = "old clients read it")]
    let source_deprecated = response.source_deprecated;
    json!({
        "time": format!("{}.{:09}", time.seconds, time.nanos),
        "priority": response.priority,
        "source_deprecated": source_deprecated,
        "rule": response.rule,
        "output": response.output,
        "output_fields": response.output_fields,
        "hostname": response.hostname,
        "tags": response.tags,
        "source": response.source,
    })
}

/// A message in its gRPC frame.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let length = u32::try_from(message.len()).unwrap();
    [&[0][..], &length.to_be_bytes(), message].concat().into()
}

impl Client {
    pub(crate) async fn connect(path: &std::path::Path) -> Self {
        Self::over(UnixStream::connect(path).await.unwrap()).await.unwrap()
    }

    /// A client over a connection of any kind.
    pub(crate) async fn over<T>(stream: T) -> Result<Self, h2::Error>
    where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Large windows, for tests that read late: h2 ends a connection with many small unread
        // frames, and with smaller windows it allows fewer.
        let (send, connection) = h2::client::Builder::new()
            .initial_window_size(1 << 20)
            .initial_connection_window_size(16 << 20)
            .handshake(stream)
            .await?;
        // The server may end the connection. The calls report the error.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { send, _driver: Arc::new(Driver(driver)) })
    }

    /// Makes a call with one request on a connection that may break.
    pub(crate) async fn try_call(
        &self,
        head: http::request::Builder,
        request: Bytes,
    ) -> Result<Outcome, h2::Error> {
        let mut send = self.send.clone().ready().await?;
        let (response, mut requests) = send.send_request(head.body(()).unwrap(), false)?;
        requests.send_data(request, true)?;
        let (head, body) = response.await?.into_parts();
        let replies =
            Replies { http: head.status, headers: head.headers, body, buffer: BytesMut::new() };
        replies.try_outcome().await
    }

    /// Starts a call.
    pub(crate) async fn begin(&self, head: http::request::Builder) -> Call {
        let mut send = self.send.clone().ready().await.unwrap();
        let (response, requests) = send.send_request(head.body(()).unwrap(), false).unwrap();
        Call { requests, response }
    }

    /// Makes a whole call with these chunks as its request body.
    pub(crate) async fn call(
        &self,
        head: http::request::Builder,
        chunks: impl IntoIterator<Item = Bytes>,
    ) -> Outcome {
        let mut call = self.begin(head).await;
        for chunk in chunks {
            // The server may have answered without reading the whole request.
            if call.requests.send_data(chunk, false).is_err() {
                break;
            }
        }
        let _ = call.requests.send_data(Bytes::new(), true);
        call.outcome().await
    }
}

impl Call {
    /// Waits for the head of the reply.
    pub(crate) async fn replies(self) -> (SendStream<Bytes>, Replies) {
        let response = tokio::time::timeout(PATIENCE, self.response).await.unwrap().unwrap();
        let (head, body) = response.into_parts();
        let replies =
            Replies { http: head.status, headers: head.headers, body, buffer: BytesMut::new() };
        (self.requests, replies)
    }

    pub(crate) async fn outcome(self) -> Outcome {
        // The client does not half-close before the reply has ended.
        let (_requests, replies) = self.replies().await;
        replies.outcome().await
    }
}

impl Replies {
    /// The next message; `None` before the trailers.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        self.try_next().await.unwrap()
    }

    /// Like [`Self::next`], on a connection that may break.
    async fn try_next(&mut self) -> Result<Option<Bytes>, h2::Error> {
        loop {
            if let Some(prefix) = self.buffer.first_chunk::<5>() {
                let [flag, length @ ..] = *prefix;
                assert_eq!(flag, 0, "replies are not compressed");
                let length = u32::from_be_bytes(length) as usize;
                if self.buffer.len() >= 5 + length {
                    let mut frame = self.buffer.split_to(5 + length);
                    return Ok(Some(frame.split_off(5).freeze()));
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.body.data()).await.expect("a reply");
            let Some(chunk) = chunk else {
                assert!(self.buffer.is_empty(), "the reply ended in the middle of a message");
                return Ok(None);
            };
            let chunk = chunk?;
            self.body.flow_control().release_capacity(chunk.len()).unwrap();
            self.buffer.extend_from_slice(&chunk);
        }
    }

    /// Returns whether no message arrives within `time`.
    pub(crate) async fn quiet_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.next()).await.is_err()
    }

    pub(crate) async fn outcome(self) -> Outcome {
        self.try_outcome().await.unwrap()
    }

    async fn try_outcome(mut self) -> Result<Outcome, h2::Error> {
        let mut messages = Vec::new();
        while let Some(message) = self.try_next().await? {
            messages.push(message);
        }
        let trailers = self.body.trailers().await?;
        Ok(Outcome { http: self.http, headers: self.headers, messages, trailers })
    }
}
