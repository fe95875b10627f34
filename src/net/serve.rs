//! Accepts connections, and ends them at shutdown.
//!
//! 1. A connection is accepted while fewer than [`MAX_CONNECTIONS`] are open. After an error, such
//!    as a lack of file descriptors, accepting pauses and goes on.
//! 2. Each connection has its own task ([`connection`]).
//! 3. At `stop` accepting ends, and each connection finishes its calls. Connections that are still
//!    open after [`GRACE`] are dropped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::authority::RepairedIo;
use super::connection::{self, GRACE, Handler, QUIET, Serving, Terms};
use super::meter::Cuts;
use super::refusals::Refusals;
use super::{BindError, Inherited, Listen, Peer, tcp, tls, unix};
use crate::seldom::Seldom;

/// The limit of open connections. Each needs a file descriptor and some tens of kilobytes.
const MAX_CONNECTIONS: usize = 16_384;

/// The maximum age of a connection that a client certificate opened.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The pause after a failed `accept`, such as without a free file descriptor. It doubles with each
/// failure in a row. Clients are served again at most a second after a shortage.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MOST: Duration = Duration::from_secs(1);

/// A bound listener.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
    cuts: Arc<Cuts>,
    quiet: Duration,
}

#[derive(Debug)]
enum Kind {
    Unix(unix::Bound),
    Tcp { listener: tcp::Listeners, tls: Arc<tls::Current> },
}

/// The error of a listener that cannot be created.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address or path cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The TLS files are invalid.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
}

impl Listener {
    /// Creates the listener that `listen` describes, or uses an inherited socket of the same kind.
    /// Needs a tokio runtime.
    ///
    /// # Errors
    /// If the address cannot be bound or the TLS files are invalid; with the remedy.
    pub fn bind(listen: &Listen, inherited: &mut Inherited) -> Result<Self, ListenError> {
        let kind = match listen {
            Listen::Unix(socket) => Kind::Unix(match inherited.unix() {
                Some(listener) => {
                    if !socket.links.is_empty() {
                        tracing::warn!(
                            "ignoring falconer.socket.links, because systemd created the socket; \
                             set Symlinks= in its unit"
                        );
                    }
                    unix::Bound::inherited(listener)?
                }
                None => unix::bind(socket)?,
            }),
            Listen::Tcp { address, tls } => {
                let (tls, warnings) = tls::Current::new(tls)?;
                for warning in warnings {
                    tracing::warn!(%warning, "TLS");
                }
                let listener = match inherited.tcp() {
                    Some(listener) => tcp::inherited(listener)?,
                    None => tcp::bind(address)?,
                };
                Kind::Tcp { listener, tls: Arc::new(tls) }
            }
        };
        Ok(Self { kind, cuts: Arc::default(), quiet: QUIET })
    }

    /// Returns the counts of connections that exceeded a limit.
    #[must_use]
    pub fn cuts(&self) -> Arc<Cuts> {
        self.cuts.clone()
    }

    /// Sets the time without a write after which a PING is due, for tests.
    #[must_use]
    pub fn quiet_for(self, quiet: Duration) -> Self {
        Self { quiet, ..self }
    }

    /// Returns the TLS configuration in force, for reloading it; `None` for a unix socket.
    #[must_use]
    pub fn tls(&self) -> Option<Arc<tls::Current>> {
        match &self.kind {
            Kind::Unix(_) => None,
            Kind::Tcp { tls, .. } => Some(tls.clone()),
        }
    }

    /// Serves until `stop`, and then until every connection has ended, for [`GRACE`] at most.
    pub async fn serve(self, handler: Handler, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let max_age = matches!(self.kind, Kind::Tcp { .. }).then_some(MAX_AGE);
        let refusals = Arc::new(Refusals::default());
        let cuts = self.cuts.clone();
        let quiet = self.quiet;
        let terms = Terms { handler, stop: stop.clone(), max_age, refusals, cuts, quiet };
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        // Dropping the guard at the end of this function ends the connections that are left.
        let abort = CancellationToken::new();
        let _ended_with_us = abort.clone().drop_guard();
        let (shortages, full) = (Seldom::default(), Seldom::default());
        let mut pause = PAUSE_FIRST;
        loop {
            let accepted = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                accepted = self.accept(&places, &full) => accepted,
            };
            let (place, accepted) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    if let Some(untold) = shortages.due() {
                        tracing::warn!(%error, untold, "cannot accept a connection");
                    }
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = stop.cancelled() => break,
                    }
                    pause = (pause * 2).min(PAUSE_MOST);
                    continue;
                }
            };
            pause = PAUSE_FIRST;
            let connection = accepted.serve(terms.clone());
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
            let seconds = GRACE.as_secs();
            tracing::warn!(left, seconds, "dropping connections that are still open at shutdown");
        }
    }

    async fn accept(
        &self,
        places: &Arc<Semaphore>,
        full: &Seldom,
    ) -> io::Result<(tokio::sync::OwnedSemaphorePermit, Accepted)> {
        let place = match places.clone().try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                if let Some(untold) = full.due() {
                    let connections = MAX_CONNECTIONS;
                    tracing::warn!(connections, untold, "connection limit reached; clients wait");
                }
                places.clone().acquire_owned().await.map_err(io::Error::other)?
            }
        };
        let accepted = match &self.kind {
            Kind::Unix(bound) => Accepted::Unix(bound.listener.accept().await?.0),
            Kind::Tcp { listener, tls } => {
                let (stream, address) = listener.accept().await?;
                // If the peer has disconnected already, reading reports it.
                let _ = tcp::prepare(&stream);
                Accepted::Tcp(stream, address, tls.config())
            }
        };
        Ok((place, accepted))
    }
}

enum Accepted {
    Unix(UnixStream),
    Tcp(TcpStream, SocketAddr, Arc<ServerConfig>),
}

impl Accepted {
    fn serve(self, terms: Terms) -> Serving {
        match self {
            Self::Unix(stream) => {
                let credentials = stream.peer_cred().ok();
                let peer = Peer::Unix {
                    uid: credentials.map(|credentials| credentials.uid()),
                    pid: credentials.and_then(|credentials| credentials.pid()),
                };
                let known = peer.clone();
                let opening = async { Ok((RepairedIo::new(stream), known)) };
                connection::serve(opening, peer, terms)
            }
            Self::Tcp(stream, address, config) => {
                let opening = async move {
                    let stream = TlsAcceptor::from(config).accept(stream).await?;
                    let identity = tls::identity(stream.get_ref().1).map(Into::into);
                    Ok((RepairedIo::new(stream), Peer::Tcp { address, identity }))
                };
                connection::serve(opening, Peer::Tcp { address, identity: None }, terms)
            }
        }
    }
}
