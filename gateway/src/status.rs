//! `GET /api/v1/status`, and the probes `/livez` and `/readyz`.
//!
//! Probes answer with one line of text, as probes do: a kubelet shows it as the reason.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{StatusCode, header::CONTENT_TYPE};
use serde::Serialize;

use crate::{port::Status, problem::Problem, state::Gateway};

#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    status: Status,
    /// Whether alerts may be posted here.
    ingest: bool,
}

pub(crate) async fn status(State(gateway): State<Gateway>) -> Response {
    let document = Document { status: gateway.port.status(), ingest: gateway.ingest };
    match serde_json::to_vec(&document) {
        Ok(json) => ([(CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => {
            tracing::error!(%error, "status not serialized");
            Problem::INTERNAL.into_response()
        }
    }
}

pub(crate) async fn livez() -> &'static str {
    "ok"
}

pub(crate) async fn readyz(State(gateway): State<Gateway>) -> Response {
    match gateway.port.ready() {
        Ok(()) => "ok".into_response(),
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason).into_response(),
    }
}
