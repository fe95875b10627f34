//! `GET /api/v1/filter`: hints about possible mistakes in a filter. A field that no alert has
//! matches nothing, and without a hint this looks like the absence of alerts.
//!
//! It scans the newest [`LOOKED_AT`] retained alerts, whether or not they match, until every field
//! was seen. For most filters one alert is enough.

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

/// The maximum number of alerts that are scanned.
const LOOKED_AT: u64 = 200_000;
/// The approximate size of the answer, in bytes: a few hints with the names in them.
const LENGTH: usize = 16 << 10;

/// The parameters of hints.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Falco's condition language: `priority >= warning and proc.name in (bash, sh)`.
    #[param(max_length = 4096)]
    filter: Option<String>,
}

/// Possible mistakes in a filter.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct Hints {
    /// The hints, in the order of the filter; at most 8.
    hints: Vec<Hint>,
    /// The number of alerts that were scanned.
    scanned: u64,
}

/// Returns possible mistakes in a filter: fields that no retained alert has, and words that look
/// like fields.
#[utoipa::path(
    get, path = "/api/v1/filter", tag = "numbers", params(Wanted),
    responses(
        (status = 200, description = "Possible mistakes; empty if there are none", body = Hints),
        (status = 400, description = "The filter is invalid", body = Document, content_type = "application/problem+json"),
        (status = 503, description = "No memory is free for the answer; try again", body = Document, content_type = "application/problem+json"),
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
            _ if scanned.complete => Some("no retained alert".to_owned()),
            count => Some(format!("none of the newest {count} alerts")),
        };
        Ok(Hints { hints: hints.told(whose.as_deref()), scanned: scanned.count })
    });
    hints.await
}
