//! Who asked for what and how it was answered, a line each where `FALCONER_LOG` has
//! `falconer_gateway::access=debug`.
//!
//! The query stays out: what somebody looks for says more than the log's readers may know, and a
//! token that was put there by mistake would be kept.

use std::time::Instant;

use axum::extract::Request;
use http::{Method, StatusCode};

use super::client::Client;

/// What `FALCONER_LOG` calls it, wherever this file is.
const TARGET: &str = "falconer_gateway::access";

/// A request on its way.
pub(crate) struct Access(Option<Line>);

struct Line {
    client: String,
    method: Method,
    path: String,
    began: Instant,
}

impl Access {
    /// Whether the log wants it.
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

    /// Tells how it was answered; the body may still be on its way.
    pub(crate) fn answered(self, status: StatusCode) {
        let Self(Some(Line { client, method, path, began })) = self else { return };
        let ms = began.elapsed().as_secs_f64() * 1e3;
        tracing::debug!(target: TARGET, %client, %method, ?path, status = status.as_u16(), ms, "answered");
    }
}
