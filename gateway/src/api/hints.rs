//! `GET /api/v1/filter`: what of a condition may be a slip. A field that no alert has is asked for
//! in vain, and nothing else would tell: the answer is then that there is none.
//!
//! The newest [`LOOKED_AT`] alerts kept are looked at, whether or not they pass, and no longer than
//! until every field was seen: for most conditions that is one alert.

use std::ops::ControlFlow;

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    answer::numbers,
    ask::{Asked, Nothing},
    json::Json,
};
use crate::{
    port::{Ask, Hint, Order},
    problem::{Document, Refusal},
    state::Gateway,
};

/// Alerts that are looked at.
const LOOKED_AT: u64 = 200_000;
/// Bytes of the answer, about: some hints, each with the names it is about.
const LENGTH: usize = 16 << 10;

/// Which condition.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Falco's condition language: `priority >= warning and proc.name in (bash, sh)`.
    #[param(max_length = 4096)]
    filter: Option<String>,
}

/// What of a condition may be a slip.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Hints {
    /// In the condition's order; at most 8.
    hints: Vec<Hint>,
    /// Alerts that were looked at.
    scanned: u64,
}

/// What of a condition may be a slip: fields that no alert kept has, words that look like fields.
#[utoipa::path(
    get, path = "/api/v1/filter", tag = "numbers", params(Wanted),
    responses(
        (status = 200, description = "What may be a slip; nothing, if all is well", body = Hints),
        (status = 400, description = "It is no condition", body = Document, content_type = "application/problem+json"),
        (status = 503, description = "There is no memory for the answer now", body = Document, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn hints(
    State(gateway): State<Gateway>,
    Asked(Wanted { filter }, Nothing {}): Asked<Wanted>,
) -> Result<Response, Refusal> {
    let Some(filter) = filter.filter(|text| !text.trim().is_empty()) else {
        return Ok(Json(Hints::default()).into_response());
    };
    let mut hints = gateway.port.hints(filter).await?;
    if hints.is_settled() {
        let hints = Hints { hints: hints.told(None), scanned: 0 };
        return Ok(Json(hints).into_response());
    }
    let history = gateway.port.history(Ask::default()).await?;
    let hints = numbers(&gateway, history, LENGTH, move |scan| {
        let scanned = scan.some(Order::NewestFirst, LOOKED_AT, &mut |row| {
            hints.look(row);
            if hints.is_settled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let whose = match scanned.count {
            0 => None,
            _ if scanned.complete => Some("no alert kept".to_owned()),
            count => Some(format!("none of the newest {count} alerts")),
        };
        Ok(Hints { hints: hints.told(whose.as_deref()), scanned: scanned.count })
    });
    hints.await
}
