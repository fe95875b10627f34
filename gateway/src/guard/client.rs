//! Who asks: requests carry it as an extension.

use std::{fmt, net::SocketAddr, sync::Arc};

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Where it connects from.
    pub address: SocketAddr,
    /// Who its certificate, which was verified, says it is; `None` where it showed none.
    pub identity: Option<Arc<str>>,
}

impl Client {
    /// Whether it is on this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }
}

impl fmt::Display for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.identity {
            Some(identity) => write!(formatter, "{} ({identity})", self.address),
            None => self.address.fmt(formatter),
        }
    }
}
