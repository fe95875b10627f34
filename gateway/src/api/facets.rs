//! `GET /api/v1/facets`: the most frequent values of fields, for a filter and a time range.

use axum::{extract::State, response::Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    answer::numbers,
    ask::{Asked, Range, number},
    count::{Counted, Counter, LENGTH, Top},
};
use crate::{
    port::{PRIORITIES, Row},
    problem::{Document, Refusal},
    state::Gateway,
};

/// The default fields.
const DEFAULT_FIELDS: [&str; 9] = [
    "priority",
    "rule",
    "source",
    "hostname",
    "tags",
    "k8s.ns.name",
    "container.image.repository",
    "proc.name",
    "user.name",
];

/// The maximum number of fields of a request.
const MAX_FIELDS: usize = 16;
/// The default and the maximum number of values of a field.
const DEFAULT_TOP: u32 = 10;
const MAX_TOP: u32 = 1000;

/// The size of the JSON around the values, and around one value, in bytes.
const SHORT: usize = 16 << 10;
const BESIDE: usize = 96;

/// The parameters of facets.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Wanted {
    /// Field names, separated by commas; at most 16. The default is `priority`, `rule`, `source`,
    /// `hostname`, `tags`, `k8s.ns.name`, `container.image.repository`, `proc.name`, `user.name`.
    fields: Option<String>,
    /// The maximum number of values of each field.
    #[param(minimum = 1, maximum = 1000, default = 10)]
    top: Option<u32>,
}

/// The most frequent values of fields.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Facets {
    /// The fields, in the requested order.
    facets: Vec<Facet>,
    /// The number of alerts that were counted.
    matched: u64,
    /// The number of alerts that were scanned.
    scanned: u64,
}

/// The most frequent values of a field.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Facet {
    /// The field's name.
    field: String,
    /// The values, most frequent first.
    values: Vec<Counted>,
    /// The number of occurrences of all other values.
    other: u64,
    /// The number of distinct values, including those that are not in `values`.
    distinct: u64,
    /// Whether there are more than 10,000 distinct values. `distinct` is then a lower bound, and a
    /// frequent value can be missing from `values`.
    capped: bool,
    /// The number of alerts without the field.
    missing: u64,
}

/// Returns the most frequent values of fields.
#[utoipa::path(
    get, path = "/api/v1/facets", tag = "numbers", params(Range, Wanted),
    responses(
        (status = 200, description = "The values, most frequent first", body = Facets),
        (status = 400, description = "A parameter is invalid", body = Document, content_type = "application/problem+json"),
        (status = 422, description = "The scan timed out, or the answer would exceed 8 MiB", body = Document, content_type = "application/problem+json"),
        (status = 503, description = "No memory is free for the answer; try again", body = Document, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn facets(
    State(gateway): State<Gateway>,
    Asked(range, Wanted { fields, top }): Asked<Range, Wanted>,
) -> Result<Response, Refusal> {
    let fields = names(fields.as_deref())?;
    let top = number("top", top.unwrap_or(DEFAULT_TOP), MAX_TOP)?;
    let about = SHORT + fields.len() * top * (LENGTH + BESIDE);
    let history = gateway.port.history(range.into()).await?;
    let facets = numbers(&gateway, history, about, move |scan| {
        let mut tally = Tally::new(fields);
        let scanned = scan.all(|row| tally.count(row))?;
        Ok(tally.facets(top, scanned))
    });
    facets.await
}

fn names(fields: Option<&str>) -> Result<Vec<String>, Refusal> {
    let Some(fields) = fields else {
        return Ok(DEFAULT_FIELDS.map(str::to_owned).to_vec());
    };
    let fields: Vec<String> = fields.split(',').map(|name| name.trim().to_owned()).collect();
    if fields.len() > MAX_FIELDS || fields.iter().any(String::is_empty) {
        let detail = format!("fields: up to {MAX_FIELDS} names, separated by commas");
        return Err(Refusal::parameter("fields", detail));
    }
    Ok(fields)
}

/// The counts so far.
struct Tally {
    /// The fields in the index, and the output fields, whose names are in `named`.
    columns: Vec<Column>,
    /// The column of each name in `named`.
    places: Vec<usize>,
    named: Vec<String>,
    matched: u64,
}

struct Column {
    field: String,
    counter: Counter,
    present: u64,
}

impl Tally {
    fn new(fields: Vec<String>) -> Self {
        let indexed = ["priority", "rule", "source", "hostname", "tags"];
        let others = || fields.iter().enumerate().filter(|(_, f)| !indexed.contains(&f.as_str()));
        Self {
            places: others().map(|(place, _)| place).collect(),
            named: others().map(|(_, name)| name.clone()).collect(),
            columns: fields
                .into_iter()
                .map(|field| Column { field, counter: Counter::default(), present: 0 })
                .collect(),
            matched: 0,
        }
    }

    fn count(&mut self, row: &dyn Row) {
        self.matched += 1;
        let time = row.time();
        for column in &mut self.columns {
            let Column { field, counter, present } = column;
            let mut value = |value: &str| {
                if !value.is_empty() {
                    *present += 1;
                    counter.add(value, time);
                }
            };
            match field.as_str() {
                "priority" => value(PRIORITIES.get(row.priority()).unwrap_or(&"")),
                "rule" => value(row.rule()),
                "source" => value(row.source()),
                "hostname" => value(row.hostname()),
                "tags" => {
                    // An alert can have several tags, but counts once.
                    let before = *present;
                    let mut any = false;
                    row.tags(&mut |tag| {
                        any = true;
                        counter.add(tag, time);
                    });
                    *present = before + u64::from(any);
                }
                _ => {}
            }
        }
        if !self.named.is_empty() {
            row.fields(&self.named, &mut |at, value| {
                let place = self.places.get(at).copied().unwrap_or(usize::MAX);
                if let Some(column) = self.columns.get_mut(place) {
                    column.present += 1;
                    column.counter.add(value, time);
                }
            });
        }
    }

    fn facets(self, top: usize, scanned: u64) -> Facets {
        let matched = self.matched;
        let facet = |Column { field, counter, present }: Column| {
            let Top { values, other, distinct, capped } = counter.top(top);
            let missing = matched.saturating_sub(present);
            Facet { field, values, other, distinct, capped, missing }
        };
        Facets { facets: self.columns.into_iter().map(facet).collect(), matched, scanned }
    }
}
