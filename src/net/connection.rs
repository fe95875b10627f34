//! One connection, from its opening to its end.
//!
//! 1. The TLS handshake and HTTP/2's preface together have a timeout, [`OPENING_TIME`].
//! 2. hyper speaks HTTP/2, with every limit set here. Each request carries its [`Peer`] and the
//!    signal to end ([`Ending`]).
//! 3. After [`QUIET`] without a write a PING is written, whatever the peer sends meanwhile. A proxy
//!    cuts calls on which the server is silent (nginx after 60 s).
//! 4. The connection ends when the peer disconnects, violates the protocol, reads nothing for
//!    [`cork::STALL`], or exceeds a limit of the [`meter`].
//! 5. At shutdown (`stop`) the calls end first, and GOAWAY follows, because not every client can
//!    handle both at once ([`super::parting`]). Calls that take longer than [`CALLS_GRACE`] finish
//!    after the GOAWAY.
//! 6. At its maximum age, if it has one, the connection sends GOAWAY. The calls may go on for
//!    [`AGE_GRACE`] and are then ended as at shutdown. So a client with a revoked or replaced
//!    certificate cannot stay for ever.

use std::convert::Infallible;
use std::future::Future;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryFutureExt as _;
use http::{Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use super::Peer;
use super::authority::HEADER_TABLE_SIZE;
use super::body::{ReplyBody, RequestBody};
use super::cork;
use super::echo::Echo;
use super::meter::{self, Cuts};
use super::parting::{PAUSE, Parting, Reply};
use super::preface::{self, Prefaced};
use super::refusals::Refusals;
use super::sent::Sent;
use super::tls;

/// The timeout from connecting to the end of HTTP/2's preface.
const OPENING_TIME: Duration = Duration::from_secs(10);

/// How long connections may take to finish at shutdown.
pub const GRACE: Duration = Duration::from_secs(5);

/// How long a connection's calls may take to end at shutdown before GOAWAY is sent. Live streams
/// may drain for two seconds of it.
const CALLS_GRACE: Duration = Duration::from_millis(3100);

/// How long a busy connection is waited for to write nothing for a [`PAUSE`].
const QUIET_GRACE: Duration = Duration::from_millis(500);

/// How long a connection's calls may go on after its maximum age: time to open another connection.
const AGE_GRACE: Duration = Duration::from_secs(30);

/// The limit of open calls on one connection. Each call may hold one chunk and [`SEND_BUFFER`].
/// With alerts of usual lengths one connection costs at most 200 times (64 KiB + 32 KiB), 19 MiB,
/// and the memory of its filters' patterns (`docs/security.md` has the sum).
const MAX_STREAMS: u32 = 200;

/// The send buffer of one stream, in bytes. With hyper's default, 400 KiB, one connection took over
/// 100 MB.
const SEND_BUFFER: usize = 32 << 10;

/// Receive windows, in bytes. h2 ends a connection with too many small frames that no service has
/// read. It counts them against half of the connection's window: 4,177 of the five-byte messages
/// that polling clients send. So many may arrive at once after this machine was suspended. The
/// window of a stream holds 3,276 of them, which stops the client in time. It also holds a frame of
/// the largest size that every peer must accept, 2^14 (RFC 9113 section 4.2).
const STREAM_WINDOW: u32 = 16 << 10;
const CONNECTION_WINDOW: u32 = 2 << 20;

/// The largest header list of a request, in bytes.
const MAX_HEADERS: u32 = 16 << 10;

/// hyper's keep-alive: the interval of PINGs to an idle peer, and the timeout for an answer.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// The time without a write after which a PING is due. hyper's keep-alive sends a PING only if the
/// peer is silent.
pub(crate) const QUIET: Duration = Duration::from_secs(30);

/// The limit of streams that a peer opens and resets before they are served (CVE-2023-44487), and
/// of streams that h2 resets because of a peer's errors (CVE-2025-8671).
const MAX_EARLY_RESETS: usize = 20;
const MAX_ERROR_RESETS: usize = 256;

/// The service that answers requests.
pub type Handler = BoxCloneSyncService<Request<RequestBody>, Response<ReplyBody>, Infallible>;

/// Cancelled when the calls of a connection have to end. Requests carry it as an extension.
#[derive(Debug, Clone)]
pub struct Ending(pub CancellationToken);

/// The state that all connections of a listener share.
#[derive(Debug, Clone)]
pub(crate) struct Terms {
    pub(crate) handler: Handler,
    /// Cancelled when the server stops.
    pub(crate) stop: CancellationToken,
    /// The maximum age of a connection.
    pub(crate) max_age: Option<Duration>,
    pub(crate) refusals: Arc<Refusals>,
    /// Counts of the connections that exceeded a limit.
    pub(crate) cuts: Arc<Cuts>,
    /// The time without a write after which a PING is due.
    pub(crate) quiet: Duration,
}

/// The future that serves a connection.
pub(crate) type Serving = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Serves the connection that `opening` returns. `opening` also returns the final [`Peer`]; until
/// then log lines name `peer`.
///
/// The opening and the serving are two futures on the heap, so that a connection does not hold the
/// memory of its opening, perhaps for days. The arguments of an `async fn` stay in its future until
/// the end. So the opening is boxed before the `async` block.
pub(crate) fn serve<T>(
    opening: impl Future<Output = io::Result<(T, Peer)>> + Send + 'static,
    peer: Peer,
    terms: Terms,
) -> Serving
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let opened = Box::pin(open(opening, peer, terms.clone()));
    Box::pin(async move {
        if let Some((io, peer)) = opened.await {
            serve_open(io, peer, terms).await;
        }
    })
}

/// Waits for HTTP/2's preface. Returns `None` if the peer does not speak HTTP/2, disconnects or
/// times out, or if the server stops first.
async fn open<T: AsyncRead + AsyncWrite + Unpin>(
    opening: impl Future<Output = io::Result<(T, Peer)>>,
    peer: Peer,
    Terms { stop, refusals, .. }: Terms,
) -> Option<(Prefaced<T>, Peer)> {
    let opening = async {
        let (io, peer) = opening.await?;
        Ok::<_, io::Error>((preface::expect(io).await?, peer))
    };
    let opened = tokio::select! {
        opened = timeout(OPENING_TIME, opening) => opened,
        () = stop.cancelled() => return None,
    };
    match opened {
        Ok(Ok(opened)) => return Some(opened),
        Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
            tracing::debug!(%peer, %error, "the peer disconnected before the HTTP/2 preface");
        }
        Ok(Err(error)) => match tls::refusal(&error) {
            Some(cause) => refusals.tell(&peer, &cause),
            None => refusals.tell(&peer, &error),
        },
        Err(_) => {
            let seconds = OPENING_TIME.as_secs();
            refusals.tell(&peer, &format_args!("no HTTP/2 preface within {seconds} s"));
        }
    }
    None
}

fn serve_open<T>(io: T, peer: Peer, terms: Terms) -> impl Future<Output = ()> + Send
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    tracing::debug!(%peer, "connected");
    let Terms { handler, stop, max_age, refusals, cuts, quiet } = terms;
    let ending = Ending(stop.child_token());
    let old = max_age.map(|age| Box::pin(sleep(around(age))));
    let echo = Arc::new(Echo::default());
    let parting = Parting::new(ending.0.clone(), echo.clone());
    let calls =
        Calls { handler, peer: peer.clone(), ending: ending.clone(), parting: parting.clone() };
    let (io, cut) = meter::metered(io, echo.clone());
    let sent = Sent::to(peer.clone(), cuts.errors.clone());
    let (io, cork) = cork::cork(io, sent, quiet, ending.0.clone(), echo);
    let mut connection = Box::pin(builder().serve_connection(TokioIo::new(io), calls));
    async move {
        let old = async {
            match old {
                Some(old) => old.await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = cork::drive(&cork, connection.as_mut()) => ended,
            () = stop.cancelled() => {
                let calls_over = async {
                    parting.calls_over(CALLS_GRACE).await;
                    let _ = timeout(QUIET_GRACE, cork::quiet_for(&cork, PAUSE)).await;
                };
                tokio::select! {
                    ended = cork::drive(&cork, connection.as_mut()) => ended,
                    () = calls_over => {
                        connection.as_mut().graceful_shutdown();
                        cork::drive(&cork, connection.as_mut()).await
                    }
                }
            }
            () = old => {
                tracing::debug!(%peer, "the connection has reached its maximum age");
                let quiet = timeout(QUIET_GRACE, cork::quiet_for(&cork, PAUSE));
                tokio::select! {
                    ended = cork::drive(&cork, connection.as_mut()) => ended,
                    _ = quiet => {
                        connection.as_mut().graceful_shutdown();
                        let driving = Box::pin(cork::drive(&cork, connection.as_mut()));
                        end_aged(driving, &ending.0).await
                    }
                }
            }
        };
        match ended {
            Ok(()) => {
                cork::linger(&cork).await;
                tracing::debug!(%peer, "disconnected");
            }
            Err(error) => match cut.limit() {
                Some(limit) => {
                    cuts.count(limit);
                    let cause = format_args!("the peer sends too many {}", limit.in_words());
                    refusals.tell(&peer, &cause);
                }
                None => tracing::debug!(%peer, %error, "disconnected"),
            },
        }
    }
}

/// Varies `age` by up to a tenth, so that connections that began together do not end together.
fn around(age: Duration) -> Duration {
    // The standard library seeds this hasher at random.
    let percent = RandomState::new().hash_one(()) % 21;
    age * u32::try_from(90 + percent).unwrap_or(100) / 100
}

/// Lets the calls finish for [`AGE_GRACE`], then ends them, and drops the connection after
/// [`GRACE`].
async fn end_aged<E>(
    mut driving: impl Future<Output = Result<(), E>> + Unpin,
    ending: &CancellationToken,
) -> Result<(), E> {
    if let Ok(ended) = timeout(AGE_GRACE, &mut driving).await {
        return ended;
    }
    ending.cancel();
    timeout(GRACE, driving).await.unwrap_or(Ok(()))
}

/// The hyper service of one connection: the handler, and the extensions of its requests.
struct Calls {
    handler: Handler,
    peer: Peer,
    ending: Ending,
    parting: Parting,
}

impl hyper::service::Service<Request<Incoming>> for Calls {
    type Response = Response<Reply>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        request.extensions_mut().insert(self.peer.clone());
        request.extensions_mut().insert(self.ending.clone());
        let answering = self.parting.begin();
        let answer = self.handler.clone().oneshot(request.map(request_body));
        Box::pin(answer.map_ok(|reply| reply.map(|body| answering.with(body))))
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
    use crate::net::frames::{Frame, Frames};
    use bytes::Bytes;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::Instant;

    /// Returns after what time a peer that sends only `greeting` is disconnected. The clock is
    /// paused, so it moves only when every task waits.
    async fn disconnected_after(greeting: &[u8]) -> Duration {
        let (mut peer, ours) = tokio::io::duplex(1024);
        let handler = BoxCloneSyncService::new(tower::service_fn(async |_| {
            Ok(Response::new(http_body_util::Empty::new().boxed_unsync()))
        }));
        let known = Peer::Unix { uid: None, pid: None };
        let opened = known.clone();
        let opening = async { Ok((ours, opened)) };
        let start = Instant::now();
        let terms = Terms {
            handler,
            stop: CancellationToken::new(),
            max_age: None,
            refusals: Arc::default(),
            cuts: Arc::default(),
            quiet: QUIET,
        };
        let serving = tokio::spawn(serve(opening, known, terms));
        peer.write_all(greeting).await.unwrap();
        let mut rest = Vec::new();
        peer.read_to_end(&mut rest).await.unwrap();
        serving.await.unwrap();
        start.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn silent_peers_are_disconnected() {
        for greeting in [&b""[..], b"PRI * HTTP"] {
            assert_eq!(disconnected_after(greeting).await, OPENING_TIME);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn peers_that_fall_silent_after_the_preface_are_disconnected() {
        let settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        let elapsed = disconnected_after(settings).await;
        assert!(elapsed <= KEEP_ALIVE + KEEP_ALIVE_TIMEOUT + Duration::from_secs(1), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn peers_without_http_2_are_disconnected_at_once() {
        let elapsed = disconnected_after(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert_eq!(elapsed, Duration::ZERO);
    }

    /// The first bytes of a client: the preface, empty SETTINGS, and a call without a half-close.
    fn call() -> Vec<u8> {
        let head = b"\x83\x86\x84\x01\x09localhost";
        let length = u8::try_from(head.len()).unwrap();
        let settings = &[0, 0, 0, 4, 0, 0, 0, 0, 0][..];
        [preface::PREFACE, settings, &[0, 0, length, 1, 4, 0, 0, 0, 1], head].concat()
    }

    /// Reads the next frames at `peer`.
    async fn frames(peer: &mut tokio::io::DuplexStream, sent: &mut Frames) -> Vec<Frame> {
        let mut piece = [0; 1024];
        let length = peer.read(&mut piece).await.unwrap();
        assert_ne!(length, 0, "the connection has ended");
        let mut piece = &piece[..length];
        std::iter::from_fn(|| sent.next(&mut piece)).collect()
    }

    fn serving(
        ours: tokio::io::DuplexStream,
        handler: Handler,
        stop: &CancellationToken,
    ) -> Serving {
        let terms = Terms {
            handler,
            stop: stop.clone(),
            max_age: None,
            refusals: Arc::default(),
            cuts: Arc::default(),
            quiet: QUIET,
        };
        let known = Peer::Unix { uid: None, pid: None };
        let opened = known.clone();
        serve(async { Ok((ours, opened)) }, known, terms)
    }

    #[tokio::test(start_paused = true)]
    async fn at_shutdown_calls_end_before_goaway_with_pauses_in_between() {
        let (mut peer, ours) = tokio::io::duplex(1 << 16);
        let handler =
            BoxCloneSyncService::new(tower::service_fn(async |request: Request<RequestBody>| {
                let Ending(ending) = request.extensions().get().cloned().unwrap();
                let last = futures_util::stream::once(async move {
                    ending.cancelled().await;
                    Ok(http_body::Frame::data(Bytes::from_static(b"last")))
                });
                let trailers = futures_util::stream::once(async {
                    Ok(http_body::Frame::trailers(http::HeaderMap::new()))
                });
                let body = futures_util::StreamExt::chain(last, trailers);
                Ok(Response::new(http_body_util::StreamBody::new(body).boxed_unsync()))
            }));
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serving(ours, handler, &stop));
        peer.write_all(&call()).await.unwrap();
        let mut sent = Frames::behind(0, |_| 8);
        while !frames(&mut peer, &mut sent).await.iter().any(|frame| frame.kind == 1) {}
        stop.cancel();
        let start = Instant::now();
        let mut ends = Vec::new();
        while !ends.iter().any(|(kinds, _): &(Vec<u8>, _)| kinds.contains(&7)) {
            let read = frames(&mut peer, &mut sent).await;
            if read.iter().all(|frame| frame.kind == 6) {
                // The PINGs that show whether the client has read what came before.
                for ping in read {
                    sleep(Duration::from_millis(70)).await;
                    let answer = [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], &ping.payload].concat();
                    peer.write_all(&answer).await.unwrap();
                }
                continue;
            }
            ends.push((read.iter().map(|frame| frame.kind).collect(), start.elapsed()));
        }
        let (kinds, times): (Vec<_>, Vec<_>) = ends.into_iter().unzip();
        // DATA; HEADERS with RST_STREAM; GOAWAY with PING.
        assert_eq!(kinds, [vec![0], vec![1, 3], vec![7, 6]]);
        let pause = PAUSE + 3 * Duration::from_millis(70);
        assert!(times[1] >= times[0] + pause && times[2] >= times[1] + pause, "{times:?}");
        assert!(times[2] < GRACE / 2, "{times:?}");
        drop(peer);
        serving.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn at_its_maximum_age_a_connection_ends_gracefully() {
        let (peer, ours) = tokio::io::duplex(1 << 16);
        let handler =
            BoxCloneSyncService::new(tower::service_fn(async |request: Request<RequestBody>| {
                let Ending(ending) = request.extensions().get().cloned().unwrap();
                let ended = futures_util::stream::once(async move {
                    ending.cancelled().await;
                    Ok(http_body::Frame::data(Bytes::from_static(b"ended")))
                });
                Ok(Response::new(http_body_util::StreamBody::new(ended).boxed_unsync()))
            }));
        let age = Duration::from_secs(1000);
        let terms = Terms {
            handler,
            stop: CancellationToken::new(),
            max_age: Some(age),
            refusals: Arc::default(),
            cuts: Arc::default(),
            quiet: QUIET,
        };
        let known = Peer::Unix { uid: None, pid: None };
        let opened = known.clone();
        let opening = async { Ok((ours, opened)) };
        let serving = tokio::spawn(serve(opening, known, terms));
        let (mut calls, connection) = h2::client::handshake(peer).await.unwrap();
        let connection = tokio::spawn(connection);
        let start = Instant::now();
        let request = Request::get("http://localhost/").body(()).unwrap();
        let (reply, _) = calls.send_request(request, true).unwrap();
        let mut body = reply.await.unwrap().into_body();
        // GOAWAY comes first, and the call is still open.
        while calls.clone().ready().await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let told = start.elapsed();
        assert!(told >= age * 9 / 10 && told <= age * 11 / 10 + KEEP_ALIVE, "{told:?}");
        assert_eq!(body.data().await.unwrap().unwrap(), "ended");
        let elapsed = start.elapsed();
        assert!(elapsed >= told + AGE_GRACE - Duration::from_secs(2), "{elapsed:?}");
        assert!(elapsed <= age * 11 / 10 + AGE_GRACE + Duration::from_secs(2), "{elapsed:?}");
        serving.await.unwrap();
        connection.await.unwrap().unwrap();
    }
}
