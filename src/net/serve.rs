//! Accepting connections, and ending them together.
//!
//! 1. A connection is accepted while fewer than [`MAX_CONNECTIONS`] are open. Accepting never
//!    ends for an error: out of file descriptors, it waits a moment and goes on.
//! 2. Each is served by a task of its own ([`connection`]).
//! 3. At `stop` nothing is accepted any more, and each connection finishes what it has begun.
//!    After [`GRACE`] what is left is dropped.

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

/// How many connections may be open: each needs a file descriptor and some tens of kilobytes.
const MAX_CONNECTIONS: usize = 16_384;

/// How old a connection whose peer was verified by its certificate may become.
const MAX_AGE: Duration = Duration::from_secs(24 * 60 * 60);

/// The pause after a failed `accept`, such as for want of file descriptors: it doubles with each
/// that follows, and a second after the shortage has ended clients are served again.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MOST: Duration = Duration::from_secs(1);

/// A listener, bound.
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
    /// Makes what `listen` asks for, of what was inherited if there is any of its kind. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    /// When it cannot be had, with the remedy.
    pub fn bind(listen: &Listen, inherited: &mut Inherited) -> Result<Self, ListenError> {
        let kind = match listen {
            Listen::Unix(socket) => Kind::Unix(match inherited.unix() {
                Some(listener) => {
                    if !socket.links.is_empty() {
                        tracing::warn!("falconer.socket.links is not for a socket of systemd's");
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

    /// Connections that were ended because their peers sent too much that is no call.
    #[must_use]
    pub fn cuts(&self) -> Arc<Cuts> {
        self.cuts.clone()
    }

    /// Never silent for longer than `quiet`, on any connection; tests have less time than people.
    #[must_use]
    pub fn quiet_for(self, quiet: Duration) -> Self {
        Self { quiet, ..self }
    }

    /// The TLS configuration in force, where there is one: for reloading it.
    #[must_use]
    pub fn tls(&self) -> Option<Arc<tls::Current>> {
        match &self.kind {
            Kind::Unix(_) => None,
            Kind::Tcp { tls, .. } => Some(tls.clone()),
        }
    }

    /// Serves until `stop`, then until every connection has ended or [`GRACE`] is over.
    pub async fn serve(self, handler: Handler, stop: CancellationToken) {
        let connections = TaskTracker::new();
        let max_age = matches!(self.kind, Kind::Tcp { .. }).then_some(MAX_AGE);
        let refusals = Arc::new(Refusals::default());
        let cuts = self.cuts.clone();
        let quiet = self.quiet;
        let terms = Terms { handler, stop: stop.clone(), max_age, refusals, cuts, quiet };
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        // Dropped with this function, it ends what is left after the grace.
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
            tracing::warn!(left, seconds = GRACE.as_secs(), "dropping connections");
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
                    tracing::warn!(connections, untold, "every connection is taken: others wait");
                }
                places.clone().acquire_owned().await.map_err(io::Error::other)?
            }
        };
        let accepted = match &self.kind {
            Kind::Unix(bound) => Accepted::Unix(bound.listener.accept().await?.0),
            Kind::Tcp { listener, tls } => {
                let (stream, address) = listener.accept().await?;
                // The peer may have left already; then reading will say so.
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
