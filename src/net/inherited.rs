//! Sockets that were bound for us by whoever started us: systemd's socket activation
//! (`sd_listen_fds(3)`). Their path or port, mode and group are its business, and so is the file.

use std::fmt;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

/// Sockets that were handed over and have not been used.
pub struct Inherited(ListenFd);

impl fmt::Debug for Inherited {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Inherited").field(&self.0.len()).finish()
    }
}

impl Inherited {
    /// Those that the environment names, which is changed so that no child takes them for its
    /// own: to be called while there is one thread only.
    #[must_use]
    pub fn from_environment() -> Self {
        Self(ListenFd::from_env())
    }

    /// None.
    #[must_use]
    pub fn none() -> Self {
        Self(ListenFd::empty())
    }

    /// The first that is a listening unix socket.
    pub(super) fn unix(&mut self) -> Option<UnixListener> {
        (0..self.0.len()).find_map(|number| self.0.take_unix_listener(number).ok().flatten())
    }

    /// Closes those that nobody has taken, and gives their number: a client would connect and hear
    /// nothing.
    #[must_use]
    pub fn close(mut self) -> usize {
        let sockets = std::iter::from_fn(|| self.unix()).count();
        sockets + std::iter::from_fn(|| self.tcp()).count()
    }

    /// The first that is a listening TCP socket.
    pub(super) fn tcp(&mut self) -> Option<TcpListener> {
        (0..self.0.len()).find_map(|number| self.0.take_tcp_listener(number).ok().flatten())
    }
}
