//! The accept loop.
//!
//! 1. A permit is acquired before a connection is accepted. Above the limit, connections wait in
//!    the kernel's queue.
//! 2. A failed accept never ends the loop. An error of one connection is ignored. After a shortage
//!    of file descriptors or memory, the next attempt waits, with growing pauses.
//! 3. At shutdown the listener is closed first, so that new clients are refused at once. Requests
//!    in flight have a grace period, after which they are cut off.

mod activity;
mod connection;
mod taking;
mod tls;

use std::{future::Future, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use connection::{Protocol, Routes};

use crate::{
    config::Config,
    guard::{access::Access, client::Client, paced::Paced},
    port::Port,
    router::guarded,
    state::Gateway,
};

/// The pause after the first failed accept. It doubles with each further one.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
/// The longest pause, so that clients are served again a second after the shortage ends.
const PAUSE_MOST: Duration = Duration::from_secs(1);

/// Serves the gateway on `listener` until `shutdown` completes, and then until the requests in
/// flight have ended or their grace period is over.
pub async fn serve(
    listener: TcpListener,
    port: Arc<dyn Port>,
    config: Config,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let limits = config.limits;
    let stopping = CancellationToken::new();
    let tls = config.tls.clone();
    let tells_who = tls.is_some() || config.posts_per_second.is_some() || Access::is_on();
    let readable = config.allowed_origins.clone();
    let gateway = Gateway::new(port, config, stopping.clone());
    let routes = Routes {
        loopback: guarded(gateway.clone().on_loopback(), &readable),
        elsewhere: guarded(gateway, &readable),
    };
    let protocol = Protocol::new(limits, tls, routes, tells_who, stopping.clone());
    let places = Places::new(limits.connections);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    tracing::debug!(address = %listener.local_addr()?, "gateway listens");

    loop {
        let (place, stream, address) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let client = Client::new(&stream, address);
        let connection = protocol.clone().serve(stream, client);
        let span = tracing::debug_span!("http", peer = %address);
        connections.spawn(async move {
            connection.instrument(span).await;
            drop(place);
        });
        while connections.try_join_next().is_some() {}
    }

    drop(listener);
    stopping.cancel();
    let finished =
        timeout(limits.grace, async { while connections.join_next().await.is_some() {} });
    if finished.await.is_err() {
        tracing::warn!(grace = ?limits.grace, "requests cut off at shutdown");
    }
    connections.shutdown().await;
    Ok(())
}

/// Accepts the next connection, with its permit. Cancel-safe.
async fn accept(
    listener: &TcpListener,
    places: &Places,
) -> (Option<OwnedSemaphorePermit>, TcpStream, SocketAddr) {
    let place = places.take().await;
    let mut pause = PAUSE_FIRST;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are small and urgent. A socket that rejects the option works too.
                let _ = stream.set_nodelay(true);
                return (place, stream, peer);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, ?pause, "accept failed; trying again after a pause");
                sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MOST);
            }
        }
    }
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

/// The permits for connections.
struct Places {
    free: Arc<Semaphore>,
    full: Paced,
}

impl Places {
    fn new(count: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(count)), full: Paced::default() }
    }

    /// Waits for a permit. `None` only if the semaphore were closed, which it never is.
    async fn take(&self) -> Option<OwnedSemaphorePermit> {
        if self.free.available_permits() == 0
            && let Some(times) = self.full.due()
        {
            tracing::warn!(times, "connection limit reached; clients wait");
        }
        self.free.clone().acquire_owned().await.ok()
    }
}
