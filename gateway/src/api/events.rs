//! `GET /api/v1/events` and `/api/v1/events/{cursor}`: pages of retained alerts, and one alert.
//!
//! Pages are divided by cursors, not by numbers, so that new alerts do not shift them. A page scans
//! at most [`LOOKED_AT`] alerts within the time limit of a scan, so that a filter with few matches
//! is answered in time. A page of long alerts ends at [`PAGE`] bytes. `next` continues where the
//! page stopped.

use std::ops::ControlFlow;

use axum::{
    extract::{Path, State, rejection::PathRejection},
    response::Response,
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use utoipa::{IntoParams, ToSchema};

use super::{
    alert::KeptAlert,
    answer::{answer, scan},
    ask::{Asked, Nothing, Range, number},
};
use crate::{
    limits::scans::Scan,
    port::{self, Ask, Row},
    problem::{Document, Problem, Refusal},
    state::Gateway,
};

/// The maximum number of alerts that one page scans.
const LOOKED_AT: u64 = 200_000;

/// The size at which a page ends, in bytes. It is enough for a thousand of the longer alerts.
const PAGE: usize = 2 << 20;

/// The maximum size of the last or only alert of a page and its surrounding JSON, in bytes.
const ALERT: usize = (1 << 20) + (4 << 10);

/// The default and the maximum number of alerts of a page.
const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// The parameters of a page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Page {
    /// Only alerts after the one with this cursor.
    after: Option<String>,
    /// Only alerts before the one with this cursor.
    before: Option<String>,
    /// Considers only this number of newest alerts.
    last: Option<String>,
    /// The maximum number of alerts.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<u32>,
    /// The order of the alerts.
    #[param(inline)]
    order: Option<Order>,
    /// The format of an alert.
    #[param(inline)]
    format: Option<Format>,
}

/// The order of alerts.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    /// Newest first.
    #[default]
    Desc,
    /// Oldest first.
    Asc,
}

/// The format of an alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// As Falco wrote it, byte for byte.
    #[default]
    Native,
    /// As grpcurl prints the gRPC message.
    Protojson,
}

impl Format {
    /// Appends the alert's JSON.
    pub(crate) fn write(self, row: &dyn Row, out: &mut Vec<u8>) {
        match self {
            Self::Native => {
                // A posted object can have several lines, with line breaks only between tokens.
                out.extend(row.line().iter().map(|byte| match byte {
                    b'\n' | b'\r' => b' ',
                    byte => *byte,
                }));
            }
            Self::Protojson => out.extend_from_slice(row.protojson().as_bytes()),
        }
    }
}

/// An alert and its cursor.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it describes what is written; alerts are not read for it")]
pub(crate) struct Item {
    /// The alert's cursor, opaque: `<epoch>.<sequence>`.
    cursor: String,
    /// The alert, as Falco wrote it.
    #[schema(value_type = KeptAlert)]
    event: (),
}

impl Item {
    /// Appends an alert to a page, unless its line is not valid JSON.
    fn append(row: &dyn Row, format: Format, out: &mut Vec<u8>) -> bool {
        let begin = out.len();
        if out.last() != Some(&b'[') {
            out.push(b',');
        }
        Self::write(row, format, out);
        let item = out.get(begin..).unwrap_or_default();
        let item = item.strip_prefix(b",").unwrap_or(item);
        let valid = serde_json::from_slice::<IgnoredAny>(item).is_ok();
        if !valid {
            out.truncate(begin);
        }
        valid
    }

    /// Appends an alert and its cursor.
    pub(crate) fn write(row: &dyn Row, format: Format, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"cursor":""#);
        out.extend_from_slice(row.cursor().as_bytes());
        out.extend_from_slice(br#"","event":"#);
        format.write(row, out);
        out.push(b'}');
    }
}

/// A page of alerts.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "it describes what is written: alerts first, then the end")]
pub(crate) struct Items {
    /// The alerts, in the requested order.
    items: Vec<Item>,
    /// The cursor for the next page. Send it as `before`, or with `order=asc` as `after`.
    next: Option<String>,
    /// The cursor of the last alert that was scanned.
    scanned_to: Option<String>,
    /// Whether this is the last page.
    complete: bool,
}

/// The part of a page after its alerts.
#[derive(Debug, Serialize)]
struct End {
    next: Option<String>,
    scanned_to: Option<String>,
    complete: bool,
}

/// Returns retained alerts, one page at a time.
#[utoipa::path(
    get, path = "/api/v1/events", tag = "alerts", params(Range, Page),
    responses(
        (status = 200, description = "A page of alerts", body = Items),
        (status = 400, description = "A parameter is invalid", body = Document, content_type = "application/problem+json"),
        (status = 410, description = "The cursor is of an earlier run of the server", body = Document, content_type = "application/problem+json"),
        (status = 503, description = "No memory is free for the answer; try again", body = Document, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn page(
    State(gateway): State<Gateway>,
    Asked(range, page): Asked<Range, Page>,
) -> Result<Response, Refusal> {
    let Page { after, before, last, limit, order, format } = page;
    let limit = number("limit", limit.unwrap_or(DEFAULT_LIMIT), MAX_LIMIT)?;
    let history = gateway.port.history(Ask { after, before, last, ..range.into() }).await?;
    let order = match order.unwrap_or_default() {
        Order::Desc => port::Order::NewestFirst,
        Order::Asc => port::Order::OldestFirst,
    };
    let format = format.unwrap_or_default();
    let page = move |scan: &mut Scan<'_>| {
        let mut json = br#"{"items":["#.to_vec();
        let mut count = 0;
        let scanned = scan.some(order, LOOKED_AT, &mut |row| {
            count += usize::from(Item::append(row, format, &mut json));
            let goes_on = count < limit && json.len() < PAGE;
            if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        let end = End {
            next: if scanned.complete { None } else { scanned.to.clone() },
            scanned_to: scanned.to,
            complete: scanned.complete,
        };
        json.push(b']');
        // The first brace of this document becomes a comma.
        let end = serde_json::to_vec(&end).unwrap_or_default();
        json.push(b',');
        json.extend_from_slice(end.get(1..).unwrap_or_default());
        json
    };
    let (json, place) = scan(&gateway, history, PAGE + ALERT, page).await?;
    Ok(answer(json, place, PAGE + ALERT)?)
}

/// The parameters of one alert.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct As {
    /// The format of the alert.
    #[param(inline)]
    format: Option<Format>,
}

/// Returns one alert.
#[utoipa::path(
    get, path = "/api/v1/events/{cursor}", tag = "alerts",
    params(As, ("cursor" = String, Path, description = "The alert's cursor", pattern = "^[0-9a-f]+[.][0-9]+$")),
    responses(
        (status = 200, description = "The alert", body = Item),
        (status = 400, description = "The cursor is invalid", body = Document, content_type = "application/problem+json"),
        (status = 404, description = "There is no such alert", body = Document, content_type = "application/problem+json"),
        (status = 410, description = "The alert is no longer retained", body = Document, content_type = "application/problem+json"),
        (status = 503, description = "No memory is free for the answer; try again", body = Document, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn one(
    State(gateway): State<Gateway>,
    cursor: Result<Path<String>, PathRejection>,
    Asked(As { format }, Nothing {}): Asked<As>,
) -> Result<Response, Refusal> {
    let Path(cursor) = cursor.map_err(|_| Problem::PATH_UNREADABLE)?;
    let place = gateway.answers.enter(ALERT).await?;
    let mut history = gateway.port.alert(&cursor)?;
    let mut json = Vec::new();
    history.scan(port::Order::OldestFirst, 1, &|| false, &mut |row| {
        Item::write(row, format.unwrap_or_default(), &mut json);
        ControlFlow::Break(())
    });
    if json.is_empty() {
        // It was evicted between the two scans.
        return Err(Problem::NOT_KEPT.into());
    }
    Ok(answer(json, place, ALERT)?)
}
