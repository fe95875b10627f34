//! Posted alerts that were turned away.
//!
//! Falco takes every answer for success, so a wrong host name or a switched-off input would lose
//! alerts without anyone seeing it. Each refused POST is told to the host process, which counts
//! it, and the log names the cause and the way out.

use http::HeaderValue;

use super::paced::Paced;
use crate::{port::Port, problem::Problem};

#[derive(Debug, Default)]
pub(crate) struct Refusals(Paced);

impl Refusals {
    pub(crate) fn note(&self, port: &dyn Port, problem: Problem, host: Option<&HeaderValue>) {
        port.refused(problem.status);
        if let Some(refused) = self.0.due() {
            // Debug form: the name is whatever the client sent.
            let status = problem.status.as_u16();
            tracing::warn!(status, refused, ?host, reason = problem.detail, "post refused");
        }
    }
}
