//! Accepting connections, serving them, and ending them.
//!
//! 1. A connection is accepted while fewer than [`MAX_CONNECTIONS`] are open. Accepting never
//!    ends for an error: out of file descriptors, it waits a moment and goes on.
//! 2. TLS and HTTP/2's preface together have [`OPENING_TIME`].
//! 3. hyper speaks HTTP/2, with every limit set here.
//! 4. At `stop`: nothing is accepted any more, each connection is told so (GOAWAY) and finishes
//!    what it has begun. After [`GRACE`] what is left is dropped.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;
use tower::util::{BoxCloneSyncService, Oneshot};

use super::authority::{HEADER_TABLE_SIZE, RepairedIo};
use super::preface::{self, Prefaced};
use super::{BindError, Listen, Peer, cork, tcp, tls, unix};

/// How many connections may be open: each needs a file descriptor and some tens of kilobytes.
const MAX_CONNECTIONS: usize = 16_384;

/// How long a peer may take from connecting to HTTP/2's preface.
const OPENING_TIME: Duration = Duration::from_secs(10);

/// How long connections may take to finish at the end.
pub const GRACE: Duration = Duration::from_secs(5);

/// The pause after a failed `accept`, such as for want of file descriptors; each is a log line.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Open calls on one connection. Each may hold one chunk and [`SEND_BUFFER`]: one connection
/// costs at most 200 times (64 KiB + 32 KiB), 19 MiB.
const MAX_STREAMS: u32 = 200;

/// What of a stream's replies HTTP/2 may hold on its way to the socket, in bytes. hyper's own
/// 400 KiB let one connection take over 100 MB.
const SEND_BUFFER: usize = 32 << 10;

/// Receive windows, in bytes. h2 gives up a connection with many small frames it has not handed
/// on, and counts them against half the connection's window: 2,088 of the five-byte messages that
/// polling clients send. Those may all be there at once when this machine was suspended; a
/// stream's window that holds 1,638 of them stops the client in time.
const STREAM_WINDOW: u32 = 8 << 10;
const CONNECTION_WINDOW: u32 = 1 << 20;

/// The header list a request may have, in bytes.
const MAX_HEADERS: u32 = 16 << 10;

/// An idle peer is asked whether it is there this often, and may take this long to say so.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// Streams that a peer opens and resets before they are served; beyond, it is attacking
/// (CVE-2023-44487). And streams we had to reset for the peer's mistakes (CVE-2025-8671).
const MAX_EARLY_RESETS: usize = 20;
const MAX_ERROR_RESETS: usize = 256;

/// What answers requests.
pub type Handler = BoxCloneSyncService<Request<RequestBody>, Response<ReplyBody>, Infallible>;

/// A request's body.
pub type RequestBody = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

/// A reply's body; it cannot fail, failures are replies.
pub type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;

/// A listener, bound.
#[derive(Debug)]
pub struct Listener(Kind);

#[derive(Debug)]
enum Kind {
    Unix(unix::Bound),
    Tcp { listener: TcpListener, config: Arc<ServerConfig> },
}

/// No listener can be made.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address or path cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The TLS files are wrong.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
}

impl Listener {
    /// Makes what `listen` asks for. Needs a tokio runtime.
    ///
    /// # Errors
    /// When it cannot be had, with the remedy.
    pub fn bind(listen: &Listen) -> Result<Self, ListenError> {
        Ok(Self(match listen {
            Listen::Unix(socket) => Kind::Unix(unix::bind(socket)?),
            Listen::Tcp { address, tls } => {
                let config = tls::server_config(tls)?;
                Kind::Tcp { listener: tcp::bind(address)?, config }
            }
        }))
    }

    /// Serves until `stop`, then until every connection has ended or [`GRACE`] is over.
    pub async fn serve(self, handler: Handler, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        // Dropped with this function, it ends what is left after the grace.
        let abort = CancellationToken::new();
        let _ended_with_us = abort.clone().drop_guard();
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = self.accept(&places) => accepted,
            };
            let (place, accepted) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::select! {
                        () = tokio::time::sleep(ACCEPT_PAUSE) => continue,
                        () = stop.cancelled() => break,
                    }
                }
            };
            let connection = accepted.serve(handler.clone(), stop.clone());
            let abort = abort.clone();
            connections.spawn(async move {
                tokio::select! {
                    () = connection => {}
                    () = abort.cancelled() => {}
                }
                drop(place);
            });
        }
        drop(self);
        connections.close();
        if tokio::time::timeout(GRACE, connections.wait()).await.is_err() {
            let left = connections.len();
            tracing::warn!(left, seconds = GRACE.as_secs(), "dropping connections");
        }
    }

    async fn accept(
        &self,
        places: &Arc<Semaphore>,
    ) -> io::Result<(tokio::sync::OwnedSemaphorePermit, Accepted)> {
        let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
        let accepted = match &self.0 {
            Kind::Unix(bound) => Accepted::Unix(bound.listener.accept().await?.0),
            Kind::Tcp { listener, config } => {
                let (stream, address) = listener.accept().await?;
                // The peer may have left already; then reading will say so.
                let _ = tcp::prepare(&stream);
                Accepted::Tcp(stream, Peer::Tcp(address), config.clone())
            }
        };
        Ok((place, accepted))
    }
}

enum Accepted {
    Unix(UnixStream),
    Tcp(TcpStream, Peer, Arc<ServerConfig>),
}

impl Accepted {
    fn serve(self, handler: Handler, stop: CancellationToken) -> Serving {
        match self {
            Self::Unix(stream) => {
                let credentials = stream.peer_cred().ok();
                let peer = Peer::Unix {
                    uid: credentials.map(|credentials| credentials.uid()),
                    pid: credentials.and_then(|credentials| credentials.pid()),
                };
                let opening = async { Ok(RepairedIo::new(stream)) };
                Box::pin(open_and_serve(opening, peer, handler, stop))
            }
            Self::Tcp(stream, peer, config) => {
                let opening = TlsAcceptor::from(config).accept(stream);
                Box::pin(open_and_serve(opening, peer, handler, stop))
            }
        }
    }
}

/// One connection, from its opening to its end.
type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Both halves are on the heap, one after the other: a connection that is served, for days
/// perhaps, does not hold the room its opening took. What an `async fn` is given stays in its
/// future as long as that lives; so the opening is put there before one begins.
fn open_and_serve<T>(
    opening: impl Future<Output = io::Result<T>> + Send,
    peer: Peer,
    handler: Handler,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opened = Box::pin(open(opening, peer.clone(), stop.clone()));
    async move {
        if let Some(io) = opened.await {
            serve_open(io, peer, handler, stop).await;
        }
    }
}

/// Waits until the peer has shown that it speaks HTTP/2; `None` when it does not, or leaves, or
/// the server stops first.
async fn open<T: AsyncRead + AsyncWrite + Unpin>(
    opening: impl Future<Output = io::Result<T>>,
    peer: Peer,
    stop: CancellationToken,
) -> Option<Prefaced<T>> {
    let opening = async { preface::expect(opening.await?).await };
    let opened = tokio::select! {
        opened = tokio::time::timeout(OPENING_TIME, opening) => opened,
        () = stop.cancelled() => return None,
    };
    match opened {
        Ok(Ok(io)) => return Some(io),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            tracing::debug!(%peer, %error, "the peer left before a connection was made");
        }
        Ok(Err(error)) => tracing::warn!(%peer, %error, "refused a connection"),
        Err(_) => {
            let seconds = OPENING_TIME.as_secs();
            tracing::warn!(%peer, seconds, "refused a connection that did not begin in time");
        }
    }
    None
}

fn serve_open<T>(
    io: T,
    peer: Peer,
    handler: Handler,
    stop: CancellationToken,
) -> impl Future<Output = ()> + Send
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tracing::debug!(%peer, "connected");
    let calls = Calls { handler, peer: peer.clone() };
    let (io, cork) = cork::cork(io);
    let mut connection = Box::pin(builder().serve_connection(TokioIo::new(io), calls));
    async move {
        let ended = tokio::select! {
            ended = cork::drive(&cork, connection.as_mut()) => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                cork::drive(&cork, connection.as_mut()).await
            }
        };
        match ended {
            Ok(()) => tracing::debug!(%peer, "disconnected"),
            Err(error) => tracing::debug!(%peer, %error, "disconnected"),
        }
    }
}

/// One connection's calls: the handler, told who calls.
struct Calls {
    handler: Handler,
    peer: Peer,
}

impl hyper::service::Service<Request<Incoming>> for Calls {
    type Response = Response<ReplyBody>;
    type Error = Infallible;
    type Future = Oneshot<Handler, Request<RequestBody>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer.clone());
        self.handler.clone().oneshot(request.map(request_body))
    }
}

fn request_body(body: Incoming) -> RequestBody {
    body.map_err(|error| Box::new(error) as Box<_>).boxed_unsync()
}

fn builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_send_buf_size(SEND_BUFFER)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADERS)
        .header_table_size(HEADER_TABLE_SIZE)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .max_pending_accept_reset_streams(MAX_EARLY_RESETS)
        .max_local_error_reset_streams(MAX_ERROR_RESETS);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    /// A peer that says `greeting` and nothing more is let go in time, on a clock that only moves
    /// when everybody waits.
    async fn let_go_after(greeting: &[u8]) -> Duration {
        let (mut peer, ours) = tokio::io::duplex(1024);
        let handler = BoxCloneSyncService::new(tower::service_fn(async |_| {
            Ok(Response::new(http_body_util::Empty::new().boxed_unsync()))
        }));
        let known = Peer::Unix { uid: None, pid: None };
        let start = Instant::now();
        let serving = tokio::spawn(open_and_serve(
            async { Ok(ours) },
            known,
            handler,
            CancellationToken::new(),
        ));
        peer.write_all(greeting).await.unwrap();
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).await.unwrap();
        serving.await.unwrap();
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn silent_peers_are_let_go() {
        for greeting in [&b""[..], b"PRI * HTTP"] {
            assert_eq!(let_go_after(greeting).await, OPENING_TIME);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn peers_that_fall_silent_after_the_preface_are_let_go() {
        let settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let elapsed = let_go_after(settings).await;
        assert!(elapsed <= KEEP_ALIVE + KEEP_ALIVE_TIMEOUT + Duration::from_secs(1), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_http_2_is_let_go_at_once() {
        let elapsed = let_go_after(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!(elapsed, Duration::ZERO);
    }
}
