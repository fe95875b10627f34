//! The access log: one line for each request, if `FALCONER_LOG` has
//! `falconer_gateway::access=debug`.
//!
//! The query is left out. It can tell more than readers of the log should know, and it can have a
//! token by mistake.

use std::time::Instant;

use axum::extract::Request;
use http::{Method, StatusCode};

use super::client::Client;

/// Its name in `FALCONER_LOG`.
const TARGET: &str = "falconer_gateway::access";

/// A request in flight.
pub(crate) struct Access(Option<Line>);

struct Line {
    client: String,
    method: Method,
    path: String,
    began: Instant,
}

impl Access {
    /// Returns whether the log level includes it.
    pub(crate) fn is_on() -> bool {
        tracing::enabled!(target: TARGET, tracing::Level::DEBUG)
    }

    pub(crate) fn begin(request: &Request) -> Self {
        Self(Self::is_on().then(|| Line {
            client:
                request.extensions().get::<Client>().map(ToString::to_string).unwrap_or_default(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            began: Instant::now(),
        }))
    }

    /// Logs the answer. Its body may still be in flight.
    pub(crate) fn answered(self, status: StatusCode) {
        let Self(Some(Line { client, method, path, began })) = self else { return };
        let ms = began.elapsed().as_secs_f64() * 1e3;
        tracing::debug!(target: TARGET, %client, %method, ?path, status = status.as_u16(), ms, "answered");
    }
}
