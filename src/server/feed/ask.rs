//! The words of a question, read: which alerts, from where to where.

use falconer_gateway::port::{Ask, Mistake, Unanswerable};

use crate::hub::Hub;
use crate::ingest;
use crate::query::{self, Filters, PositionError, Prepared, Selection, Unprepared};

/// Which alerts are asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) selection: Selection,
    /// The sequence number of the first that may be meant.
    pub(super) start: u64,
    /// The one after the last.
    pub(super) end: u64,
}

pub(super) async fn read(ask: &Ask, hub: &Hub, filters: &Filters) -> Result<Asked, Unanswerable> {
    let filter = match ask.filter.as_deref() {
        Some(text) => Some(filter(text, filters).await?),
        None => None,
    };
    let now = ingest::now();
    let time = |name, text: &Option<String>| {
        text.as_deref().map(|text| query::time(text, now)).transpose().map_err(wrong(name, hub))
    };
    let place =
        |name, text: &Option<String>, read: fn(&str, &Hub) -> Result<u64, PositionError>| {
            text.as_deref().map(|text| read(text, hub)).transpose().map_err(wrong(name, hub))
        };
    let selection =
        Selection { filter, since: time("since", &ask.since)?, until: time("until", &ask.until)? };
    let starts = [
        place("after", &ask.after, query::after)?,
        place("last", &ask.last, query::last)?,
        selection.since.map(|since| hub.since(since)),
    ];
    let end = place("before", &ask.before, query::before)?.unwrap_or(u64::MAX).min(hub.head());
    // Alerts that are gone are part of the answer to a reader that asks to go on behind one.
    let start = starts.into_iter().flatten().max().unwrap_or_else(|| hub.oldest());
    Ok(Asked { selection, start, end })
}

/// The alert with this cursor alone.
pub(super) fn one(cursor: &str, hub: &Hub) -> Result<Asked, Unanswerable> {
    let sequence = query::before(cursor, hub).map_err(|error| match error {
        PositionError::EarlierRun { .. } => Unanswerable::NotFound,
        error => wrong("cursor", hub)(error),
    })?;
    if sequence == 0 || sequence >= hub.head() {
        return Err(Unanswerable::NotFound);
    }
    if sequence < hub.oldest() {
        return Err(gone("the alert is no longer kept".to_owned(), hub));
    }
    Ok(Asked { selection: Selection::default(), start: sequence, end: sequence + 1 })
}

async fn filter(text: &str, filters: &Filters) -> Result<Prepared, Unanswerable> {
    filters.prepare(text).await.map_err(|error| match error {
        Unprepared::Syntax(error) => Unanswerable::Invalid {
            parameter: "filter",
            detail: error.to_string(),
            mistake: Some(Mistake {
                column: error.column,
                found: error.found,
                expected: error.expected,
                meant: error.meant,
            }),
        },
        error => Unanswerable::Busy { detail: format!("filter: {error}") },
    })
}

fn wrong(parameter: &'static str, hub: &Hub) -> impl Fn(PositionError) -> Unanswerable {
    move |error| match error {
        PositionError::EarlierRun { .. } => gone(format!("{parameter}: {error}"), hub),
        error => Unanswerable::Invalid { parameter, detail: error.to_string(), mistake: None },
    }
}

fn gone(detail: String, hub: &Hub) -> Unanswerable {
    let oldest = hub.oldest();
    let oldest = (oldest < hub.head()).then(|| hub.cursor(oldest).to_string());
    Unanswerable::Gone { detail, oldest }
}
