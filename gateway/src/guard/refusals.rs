//! Counts and logs refused posts.
//!
//! Falco takes every answer for success, so with a wrong host name or a disabled input, alerts
//! would be lost unseen. The host process counts each refused POST, and the log has the cause and
//! the remedy.

use http::HeaderValue;

use super::paced::Paced;
use crate::{port::Port, problem::Problem};

#[derive(Debug, Default)]
pub(crate) struct Refusals(Paced);

impl Refusals {
    pub(crate) fn note(&self, port: &dyn Port, problem: Problem, host: Option<&HeaderValue>) {
        port.refused(problem.status);
        if let Some(refused) = self.0.due() {
            // In `Debug` form, because the client chose the name.
            let status = problem.status.as_u16();
            tracing::warn!(status, refused, ?host, reason = problem.detail, "post refused");
        }
    }
}
