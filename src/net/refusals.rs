//! Refused connections in the log: each with its cause, but no more of them than somebody reads.
//! Whoever can reach the port can be refused as often as they like.

use std::fmt::Display;

use crate::seldom::Seldom;

/// The refusals of one listener.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Seldom);

impl Refusals {
    /// Tells that `peer` was refused and why, if it is not one too many.
    pub(crate) fn tell(&self, peer: &dyn Display, cause: &dyn Display) {
        let Some(untold) = self.0.due() else { return };
        if untold > 0 {
            tracing::warn!(untold, "more connections were refused in the minute before");
        }
        tracing::warn!(%peer, %cause, "refused a connection");
    }
}
