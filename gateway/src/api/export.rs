//! `GET /api/v1/export`: the retained alerts as a file, NDJSON or CSV.
//!
//! 1. The file is written in parts, as fast as the client reads it. Alerts that are evicted before
//!    their part is written are left out. If the file cannot be completed, the connection breaks
//!    off, so that no client takes a part for the whole.
//! 2. CSV is RFC 4180. A cell that a spreadsheet would run as a formula gets an apostrophe in
//!    front, because attackers choose the command lines in alerts.

use std::{io, ops::ControlFlow, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{
    HeaderValue,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE},
};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    ask::{Asked, Range},
    events::Format,
};
use crate::{
    limits::{answers::held, room::Place},
    port::{Ask, Order, PRIORITIES, Row},
    problem::{Document, Refusal},
    state::Gateway,
};

/// The approximate size of a part, in bytes.
const PART: usize = 256 << 10;
/// The memory of an export, in bytes: a part that is being written, and one in flight.
const HOLDS: usize = 2 * PART;
/// The maximum number of alerts that one part scans.
const LOOKED_AT: u64 = 50_000;
/// The maximum number of columns with output fields.
const MAX_COLUMNS: usize = 32;
/// The columns before them.
const COLUMNS: [&str; 8] =
    ["cursor", "time", "priority", "source", "rule", "hostname", "tags", "output"];

/// The parameters of a file.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// The format of the file.
    #[param(inline)]
    format: Option<File>,
    /// Output fields that become columns of a CSV file, separated by commas. At most 32.
    columns: Option<String>,
}

/// The format of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum File {
    /// Falco's JSON, a line for each alert.
    #[default]
    Ndjson,
    /// CSV.
    Csv,
}

/// Returns the retained alerts as a file, oldest first.
#[utoipa::path(
    get, path = "/api/v1/export", tag = "alerts", params(Range, Wanted),
    responses(
        (status = 200, description = "The file", content((String = "application/x-ndjson"), (String = "text/csv"))),
        (status = 400, description = "A parameter is invalid", body = Document, content_type = "application/problem+json"),
        (status = 503, description = "No memory is free for the answer; try again", body = Document, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn export(
    State(gateway): State<Gateway>,
    Asked(range, Wanted { format, columns }): Asked<Range, Wanted>,
) -> Result<Response, Refusal> {
    let format = format.unwrap_or_default();
    let columns = match columns.as_deref() {
        None | Some("") => Vec::new(),
        Some(names) => names.split(',').map(|name| name.trim().to_owned()).collect(),
    };
    if columns.len() > MAX_COLUMNS || columns.iter().any(String::is_empty) {
        let detail = format!("columns: up to {MAX_COLUMNS} names, separated by commas");
        return Err(Refusal::parameter("columns", detail));
    }
    if !columns.is_empty() && format == File::Ndjson {
        let detail = "columns: NDJSON has whole alerts; set format=csv, or remove columns";
        return Err(Refusal::parameter("columns", detail.to_owned()));
    }
    let ask = Ask::from(range);
    // Errors of the request are reported before the file begins.
    gateway.port.history(ask.clone()).await?;
    let (content_type, name, begin) = match format {
        File::Ndjson => ("application/x-ndjson", "falco-alerts.ndjson", Vec::new()),
        File::Csv => ("text/csv; charset=utf-8", "falco-alerts.csv", header(&columns)),
    };
    let place = gateway.answers.enter(HOLDS).await?;
    let export = Export {
        gateway,
        ask,
        format,
        columns,
        begin: Some(begin),
        complete: false,
        place: place.clone(),
    };
    let parts = stream::unfold(export, |mut export| async {
        export.next().await.map(|part| (part, export))
    });
    let mut response = Body::from_stream(parts).into_response();
    response.extensions_mut().insert(place);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    Ok(response)
}

struct Export {
    gateway: Gateway,
    ask: Ask,
    format: File,
    columns: Vec<String>,
    begin: Option<Vec<u8>>,
    complete: bool,
    place: Arc<Place>,
}

impl Export {
    /// Returns the next part, or an error if the file ends early.
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        if let Some(begin) = self.begin.take()
            && !begin.is_empty()
        {
            return Some(Ok(begin.into()));
        }
        while !self.complete {
            if self.gateway.stopping.is_cancelled() {
                return self.broken_off();
            }
            let Ok(history) = self.gateway.port.history(self.ask.clone()).await else {
                return self.broken_off();
            };
            let (format, columns) = (self.format, self.columns.clone());
            // While the file waits for a turn, its client is not slow.
            self.place.settled();
            let Ok(turn) = self.gateway.scans.turn().await else {
                return self.broken_off();
            };
            let part = turn.look(history, move |scan| {
                let mut part = Vec::new();
                let scanned = scan.some(Order::OldestFirst, LOOKED_AT, &mut |row| {
                    match format {
                        File::Ndjson => {
                            Format::Native.write(row, &mut part);
                            part.push(b'\n');
                        }
                        File::Csv => record(row, &columns, &mut part),
                    }
                    if part.len() < PART {
                        ControlFlow::Continue(())
                    } else {
                        ControlFlow::Break(())
                    }
                });
                (part, scanned)
            });
            let Ok((part, scanned)) = part.await else { return self.broken_off() };
            self.complete = scanned.complete;
            self.ask.after = scanned.to.or(self.ask.after.take());
            if !part.is_empty() {
                // A part that ends with a long alert is longer.
                self.place.keep(HOLDS);
                let beyond = part.len().saturating_sub(PART);
                if self.place.claim(beyond).await.is_err() {
                    return self.broken_off();
                }
                self.place.moved();
                return Some(Ok(held(part, self.place.clone())));
            }
        }
        None
    }

    fn broken_off(&mut self) -> Option<io::Result<Bytes>> {
        self.complete = true;
        Some(Err(io::ErrorKind::ConnectionAborted.into()))
    }
}

fn header(columns: &[String]) -> Vec<u8> {
    let mut line = Vec::new();
    let names = COLUMNS.into_iter().chain(columns.iter().map(String::as_str));
    cells(names, &mut line);
    line
}

fn record(row: &dyn Row, columns: &[String], out: &mut Vec<u8>) {
    let mut tags = Vec::new();
    row.tags(&mut |tag| tags.push(tag.to_owned()));
    let mut names = vec!["output".to_owned()];
    names.extend_from_slice(columns);
    let mut fields = vec![String::new(); names.len()];
    row.fields(&names, &mut |at, value| {
        if let Some(field) = fields.get_mut(at) {
            value.clone_into(field);
        }
    });
    let own = [
        row.cursor(),
        row.time().to_string(),
        PRIORITIES.get(row.priority()).copied().unwrap_or_default().to_owned(),
        row.source().to_owned(),
        row.rule().to_owned(),
        row.hostname().to_owned(),
        tags.join(" "),
    ];
    cells(own.iter().chain(&fields).map(String::as_str), out);
}

/// Appends one CSV record.
fn cells<'c>(cells: impl Iterator<Item = &'c str>, out: &mut Vec<u8>) {
    for (at, cell) in cells.enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
        if formula || cell.contains(['"', ',', '\n', '\r']) {
            out.push(b'"');
            if formula {
                out.push(b'\'');
            }
            out.extend_from_slice(cell.replace('"', "\"\"").as_bytes());
            out.push(b'"');
        } else {
            out.extend_from_slice(cell.as_bytes());
        }
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_no_formula() {
        let mut out = Vec::new();
        cells(
            ["a", "a,b", "say \"x\"", "=1+1", "@SUM(A1)", "-1", "+1", "two\nlines", ""].into_iter(),
            &mut out,
        );
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "a,\"a,b\",\"say \"\"x\"\"\",\"'=1+1\",\"'@SUM(A1)\",\"'-1\",\"'+1\",\"two\nlines\",\r\n"
        );
    }
}
