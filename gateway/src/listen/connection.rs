//! One connection, from its first byte to its last: HTTP/1.1 or HTTP/2, whichever it speaks.
//!
//! 1. TLS, where there is TLS, and the first complete request head must come soon, or the connection
//!    is closed: neither a silent client nor one that sends a byte now and then keeps a place.
//! 2. From then on it may be idle for as long as Falco keeps it for reuse; an HTTP/2 one is asked for
//!    signs of life as well. A client that reads nothing of what is written to it is given up, and
//!    so is an HTTP/2 stream of whose answer nothing is taken (`taking.rs`).
//! 3. At shutdown, and at its greatest age where it has one, the requests in flight are finished and
//!    then it ends.

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

/// Far more than a browser sends, far less than hyper's default of 100 with room for long values.
const MAX_HEADERS: usize = 64;
/// Bytes of an HTTP/2 request's headers.
const MAX_HEADER_LIST: u32 = 16 << 10;
/// A dashboard needs a handful of requests at once; bounds what one connection can have in work.
const HTTP2_STREAMS: u32 = 64;
/// Streams reset by the client, or by us for its errors, before the connection is closed.
const HTTP2_PENDING_RESETS: usize = 20;
const HTTP2_LOCAL_RESETS: usize = 256;
/// Bytes of bodies on their way to us, per stream and connection: what a client may send before
/// anybody asks for it, beside the budget of those that are read.
const HTTP2_STREAM_WINDOW: u32 = 64 << 10;
const HTTP2_CONNECTION_WINDOW: u32 = 128 << 10;
/// Bytes on their way to the client per stream.
const HTTP2_SEND_BUFFER: usize = 64 << 10;
/// Asked every 30 s, dead after 20 s without an answer.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(30);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// What is answered to clients of this machine, and to all others.
#[derive(Clone)]
pub(crate) struct Routes<S> {
    pub(crate) loopback: S,
    pub(crate) elsewhere: S,
}

/// How every connection is spoken to; made once.
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
            // [`Activity`] does that, once for a connection.
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

    /// Serves `client` on `stream` until it is done, misbehaves, or has to end.
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
            Ok(Err(error)) => tracing::debug!(%error, "no TLS came about"),
            Err(_) => tracing::debug!("connection closed: TLS took too long"),
        }
    }

    /// Speaks HTTP on `io`.
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
            // What has come in time counts, however late this task is.
            biased;
            ended = connection.as_mut() => ended,
            () = stopping.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
            () = activity.idle(deadline, limits.idle) => {
                tracing::debug!("connection closed: no request came");
                connection.as_mut().graceful_shutdown();
                // Nothing to finish: the client is told, where its protocol has a way, and no more.
                connection.now_or_never().unwrap_or(Ok(()))
            }
            () = activity.lost() => {
                tracing::debug!("connection closed: its client took too little of an answer");
                Ok(())
            }
            () = old(certified.then_some(limits.age)) => {
                tracing::debug!("the connection has reached its greatest age");
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
