//! Listening sockets from systemd's socket activation (`sd_listen_fds(3)`). systemd owns their path
//! or port, mode, group and file.

use std::fmt;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;

/// Inherited sockets that no listener uses yet.
pub struct Inherited(ListenFd);

impl fmt::Debug for Inherited {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Inherited").field(&self.0.len()).finish()
    }
}

impl Inherited {
    /// Takes the sockets that the environment names. Removes the variables, so that no child takes
    /// the sockets for its own. Call this while the process has one thread only.
    #[must_use]
    pub fn from_environment() -> Self {
        Self(ListenFd::from_env())
    }

    /// Returns no sockets.
    #[must_use]
    pub fn none() -> Self {
        Self(ListenFd::empty())
    }

    /// Takes the first listening unix socket.
    pub(super) fn unix(&mut self) -> Option<UnixListener> {
        (0..self.0.len()).find_map(|number| self.0.take_unix_listener(number).ok().flatten())
    }

    /// Closes the unused sockets and returns their number. On an open one, a client could connect
    /// and would get no answer.
    #[must_use]
    pub fn close(mut self) -> usize {
        let sockets = std::iter::from_fn(|| self.unix()).count();
        sockets + std::iter::from_fn(|| self.tcp()).count()
    }

    /// Takes the first listening TCP socket.
    pub(super) fn tcp(&mut self) -> Option<TcpListener> {
        (0..self.0.len()).find_map(|number| self.0.take_tcp_listener(number).ok().flatten())
    }
}
