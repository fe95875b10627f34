//! Logs refused connections with their cause, at a limited rate. Otherwise anybody who can reach
//! the port could fill the log.

use std::fmt::Display;

use crate::seldom::Seldom;

/// The refused connections of one listener.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Seldom);

impl Refusals {
    /// Logs that `peer` was refused and why, within the rate limit.
    pub(crate) fn tell(&self, peer: &dyn Display, cause: &dyn Display) {
        let Some(untold) = self.0.due() else { return };
        if untold > 0 {
            tracing::warn!(untold, "more connections were refused and not logged");
        }
        tracing::warn!(%peer, %cause, "refused a connection");
    }
}
