//! `GET /api/v1/status`, `/metrics`, and the probes `/livez` and `/readyz`.
//!
//! Probes answer with one line of text, which a kubelet shows as the reason.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_TYPE, VARY},
};

use super::{
    ask::{Asked, Nothing},
    exposition::{self, Answered},
    json::Json,
};
use crate::{port::Status, problem::Refusal, state::Gateway};

/// Returns the status of the server.
#[utoipa::path(
    get, path = "/api/v1/status", tag = "numbers",
    responses((status = 200, description = "The status", body = Status))
)]
pub(crate) async fn status(
    State(gateway): State<Gateway>,
    Asked(Nothing {}, Nothing {}): Asked<Nothing>,
) -> Result<Json<Status>, Refusal> {
    Ok(Json(Status { ingest: gateway.ingest, ..gateway.port.status() }))
}

pub(crate) async fn metrics(State(gateway): State<Gateway>, headers: HeaderMap) -> Response {
    let Answered { exposition, content_type } = exposition::asked(&headers);
    let headers = [(CONTENT_TYPE, content_type), (VARY, "Accept")];
    (headers, gateway.port.metrics(exposition)).into_response()
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
