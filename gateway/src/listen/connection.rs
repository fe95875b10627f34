//! Serves one connection: HTTP/1.1 or HTTP/2.
//!
//! 1. The TLS handshake, if there is one, and the first complete request head have a timeout. So
//!    neither a silent client nor a slow one keeps a connection.
//! 2. After that the connection can be idle for as long as Falco keeps it for reuse. HTTP/2 also
//!    sends PINGs. A client that reads nothing is disconnected, and an HTTP/2 stream whose answer
//!    is not read is reset (`taking.rs`).
//! 3. At shutdown, and at its maximum age if it has one, the requests in flight are finished and
//!    the connection is closed.

use std::{convert::Infallible, future::pending, pin::pin, sync::Arc, time::Duration};

use axum::{body::Body, extract, response::Response};
use futures_util::FutureExt;
use http::{Method, Request};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use super::{activity::Activity, taking::Streams, tls};
use crate::{
    config::{Limits, Tls},
    guard::client::Client,
};

/// The maximum number of headers: far more than a browser sends, and less than hyper's default of
/// 100.
const MAX_HEADERS: usize = 64;
/// The maximum size of the headers of an HTTP/2 request, in bytes.
const MAX_HEADER_LIST: u32 = 16 << 10;
/// The maximum number of concurrent streams. A dashboard needs a handful.
const HTTP2_STREAMS: u32 = 64;
/// The number of reset streams after which the connection is closed.
const HTTP2_PENDING_RESETS: usize = 20;
const HTTP2_LOCAL_RESETS: usize = 256;
/// The HTTP/2 receive window of a stream and of a connection, in bytes. Clients can send this much
/// beyond the budget for bodies.
const HTTP2_STREAM_WINDOW: u32 = 64 << 10;
const HTTP2_CONNECTION_WINDOW: u32 = 128 << 10;
/// The send buffer of a stream, in bytes.
const HTTP2_SEND_BUFFER: usize = 64 << 10;
/// The interval of PINGs, and the timeout of an answer.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(30);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// The routes for clients on this machine, and for all others.
#[derive(Clone)]
pub(crate) struct Routes<S> {
    pub(crate) loopback: S,
    pub(crate) elsewhere: S,
}

/// The protocol settings of all connections.
#[derive(Clone)]
pub(crate) struct Protocol<S> {
    builder: Builder<Streams>,
    tls: Option<Arc<dyn Tls>>,
    limits: Limits,
    routes: Routes<S>,
    /// Whether every request carries its [`Client`], not only posts. It costs an allocation.
    tells_who: bool,
    /// Cancelled when connections have to end.
    stopping: CancellationToken,
}

impl<S> Protocol<S>
where
    S: Service<extract::Request, Response = Response, Error = Infallible, Future: Send>
        + Clone
        + Send
        + Sync
        + 'static,
{
    pub(crate) fn new(
        limits: Limits,
        tls: Option<Arc<dyn Tls>>,
        routes: Routes<S>,
        tells_who: bool,
        stopping: CancellationToken,
    ) -> Self {
        let mut builder = Builder::new(Streams { stall: limits.stall });
        builder
            .http1()
            // [`Activity`] has one timer for the connection instead.
            .header_read_timeout(None)
            .max_headers(MAX_HEADERS);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(HTTP2_STREAMS)
            .max_pending_accept_reset_streams(HTTP2_PENDING_RESETS)
            .max_local_error_reset_streams(HTTP2_LOCAL_RESETS)
            .max_header_list_size(MAX_HEADER_LIST)
            .initial_stream_window_size(HTTP2_STREAM_WINDOW)
            .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
            .max_send_buf_size(HTTP2_SEND_BUFFER)
            .keep_alive_interval(HTTP2_PING_EVERY)
            .keep_alive_timeout(HTTP2_PING_TIMEOUT);
        Self { builder, tls, limits, routes, tells_who, stopping }
    }

    /// Serves `client` on `stream` until it disconnects, exceeds a limit, or the connection must
    /// end.
    pub(crate) async fn serve(self, stream: TcpStream, client: Client) {
        let deadline = Instant::now() + self.limits.first_request;
        let Some(tls) = self.tls.clone() else {
            return self.drive(stream, client, deadline).await;
        };
        let accepting = timeout_at(deadline, tls::accept(&*tls, stream, client));
        let accepted = tokio::select! {
            accepted = accepting => accepted,
            () = self.stopping.cancelled() => return,
        };
        match accepted {
            Ok(Ok((stream, client))) => self.drive(stream, client, deadline).await,
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("connection closed: TLS handshake timed out"),
        }
    }

    /// Serves HTTP on `io`.
    async fn drive<I>(self, io: I, client: Client, deadline: Instant)
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { builder, limits, routes, tells_who, stopping, .. } = self;
        let mut io = TimeoutStream::new(io);
        io.set_write_timeout(Some(limits.stall));
        let certified = client.identity.is_some();
        let routes = match client.is_loopback() {
            true => routes.loopback,
            false => routes.elsewhere,
        };
        let activity = Activity::default();
        let requests = activity.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let busy = requests.begin();
            // A posted alert without a hostname gets that of its sender.
            if tells_who || request.method() == Method::POST {
                request.extensions_mut().insert(client.clone());
            }
            let answer = routes.clone().oneshot(request.map(Body::new));
            async move { answer.await.map(|response| busy.until_sent(response)) }
        });
        let io = TokioIo::new(Box::pin(io));
        let mut connection = pin!(builder.serve_connection(io, service));
        let ended = tokio::select! {
            // A request that arrived in time counts, even if this task runs late.
            biased;
            ended = connection.as_mut() => ended,
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = activity.idle(deadline, limits.idle) => {
                tracing::debug!("connection closed: no request");
                connection.as_mut().graceful_shutdown();
                // No request is in flight. HTTP/2 sends GOAWAY.
                connection.now_or_never().unwrap_or(Ok(()))
            }
            () = activity.lost() => {
                tracing::debug!("connection closed: the client did not read an answer");
                Ok(())
            }
            () = old(certified.then_some(limits.age)) => {
                tracing::debug!("the connection has reached its maximum age");
                connection.as_mut().graceful_shutdown();
                timeout(limits.grace, connection).await.unwrap_or(Ok(()))
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error, "connection ended early");
        }
    }
}

async fn old(age: Option<Duration>) {
    match age {
        Some(age) => sleep(age).await,
        None => pending().await,
    }
}
