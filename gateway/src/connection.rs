//! One connection, from its first byte to its last: HTTP/1.1 or HTTP/2, whichever it speaks.
//!
//! 1. The first complete request head must come soon, or the connection is closed: neither a
//!    silent client nor one that sends a byte now and then keeps a place.
//! 2. From then on an HTTP/1 connection may idle for as long as Falco keeps it for reuse; an
//!    HTTP/2 one is asked for signs of life.
//! 3. At shutdown the requests in flight are finished and then it ends.

use std::{
    future::{Future, pending},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, body::Body};
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::Watcher},
    service::TowerToHyperService,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt;

use crate::config::Limits;

/// Far more than a browser sends, far less than hyper's default of 100 with room for long values.
const MAX_HEADERS: usize = 64;
/// Bytes of an HTTP/2 request's headers.
const MAX_HEADER_LIST: u32 = 16 << 10;
/// A dashboard needs a handful of requests at once; bounds what one connection can have in work.
const HTTP2_STREAMS: u32 = 64;
/// Streams reset by the client, or by us for its errors, before the connection is closed.
const HTTP2_PENDING_RESETS: usize = 20;
const HTTP2_LOCAL_RESETS: usize = 256;
/// Bytes on their way to the client per stream.
const HTTP2_SEND_BUFFER: usize = 64 << 10;
/// Asked every 30 s, dead after 20 s without an answer.
const HTTP2_PING_EVERY: Duration = Duration::from_secs(30);
const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How every connection is spoken to; made once.
#[derive(Clone)]
pub(crate) struct Protocol {
    builder: Builder<TokioExecutor>,
    first_request: Duration,
}

impl Protocol {
    pub(crate) fn new(limits: &Limits) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.idle)
            .max_headers(MAX_HEADERS);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(HTTP2_STREAMS)
            .max_pending_accept_reset_streams(HTTP2_PENDING_RESETS)
            .max_local_error_reset_streams(HTTP2_LOCAL_RESETS)
            .max_header_list_size(MAX_HEADER_LIST)
            .max_send_buf_size(HTTP2_SEND_BUFFER)
            .keep_alive_interval(HTTP2_PING_EVERY)
            .keep_alive_timeout(HTTP2_PING_TIMEOUT);
        Self { builder, first_request: limits.first_request }
    }

    /// Speaks HTTP on `io` until the client is done, misbehaves, or `shutdown` says to end.
    pub(crate) fn drive<I>(
        &self,
        io: I,
        router: Router,
        shutdown: Watcher,
    ) -> impl Future<Output = ()> + Send + use<I>
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let asked = Arc::new(AtomicBool::new(false));
        let silent = silence(asked.clone(), self.first_request);
        let service = router.map_request(move |request: Request<Incoming>| {
            asked.store(true, Ordering::Relaxed);
            request.map(Body::new)
        });
        let connection = self
            .builder
            .serve_connection(TokioIo::new(io), TowerToHyperService::new(service))
            .into_owned();
        async move {
            tokio::select! {
                ended = shutdown.watch(connection) => {
                    if let Err(error) = ended {
                        tracing::debug!(error, "connection ended early");
                    }
                }
                () = silent => tracing::debug!("connection closed: no request came"),
            }
        }
    }
}

/// Ends when no request has come within `limit`; never, when one has.
async fn silence(asked: Arc<AtomicBool>, limit: Duration) {
    tokio::time::sleep(limit).await;
    if asked.load(Ordering::Relaxed) {
        pending::<()>().await;
    }
}
