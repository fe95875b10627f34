//! Parses the filter, times and cursors of a request into a selection and a range of the log.

use falconer_gateway::port::{Ask, Lost, Mistake, Unanswerable};
use jiff::Timestamp;

use crate::hub::Hub;
use crate::ingest;
use crate::query::{self, Filters, PositionError, Prepared, Selection, Unprepared};

/// The requested alerts.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) selection: Selection,
    /// The first sequence number of the range.
    pub(super) start: u64,
    /// The sequence number after the range.
    pub(super) end: u64,
    /// The alerts lost before `start`.
    pub(super) lost: Option<Lost>,
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
    // Not raised to the oldest alert: a reader that resumes from an evicted one must learn of the
    // loss.
    let start = starts.into_iter().flatten().max().unwrap_or_else(|| hub.oldest());
    Ok(Asked { selection, start, end, lost: None })
}

/// As [`read`], for a live stream. Without a position it starts at the head of the log.
pub(super) async fn following(
    ask: &Ask,
    hub: &Hub,
    filters: &Filters,
) -> Result<Asked, Unanswerable> {
    let mut asked = read(ask, hub, filters).await?;
    if let Some(id) = &ask.resume {
        (asked.start, asked.lost) = resumed(id, hub);
        // An age counted from the client's first request, so it no longer applies.
        let is_moment = |text: &String| text.parse::<Timestamp>().is_ok();
        asked.selection.since =
            asked.selection.since.filter(|_| ask.since.as_ref().is_some_and(is_moment));
    } else if ask.after.is_none() && ask.since.is_none() && ask.last.is_none() {
        asked.start = asked.end;
    }
    Ok(asked)
}

/// Returns where a client resumes after its library has reconnected, and what it lost. With an
/// unknown cursor it starts at the oldest alert: it may get alerts twice, but misses none.
fn resumed(id: &str, hub: &Hub) -> (u64, Option<Lost>) {
    let cause = match query::after(id, hub) {
        Ok(start) => return (start, None),
        Err(PositionError::EarlierRun { .. }) => {
            "restart: the cursor is from an earlier run of the server, whose alerts are gone; the \
             stream starts at the oldest alert of this run"
        }
        Err(_) => {
            "unknown position: the Last-Event-ID is no cursor of this server; the stream starts at \
             the oldest retained alert"
        }
    };
    let lost = Lost { count: None, first: None, last: None, cause: cause.to_owned() };
    (hub.oldest(), Some(lost))
}

/// Selects the one alert with this cursor.
pub(super) fn one(cursor: &str, hub: &Hub) -> Result<Asked, Unanswerable> {
    let sequence = query::before(cursor, hub).map_err(|error| match error {
        PositionError::EarlierRun { .. } => Unanswerable::NotFound,
        error => wrong("cursor", hub)(error),
    })?;
    if sequence == 0 || sequence >= hub.head() {
        return Err(Unanswerable::NotFound);
    }
    if sequence < hub.oldest() {
        return Err(gone("the alert has been evicted".to_owned(), hub));
    }
    Ok(Asked { selection: Selection::default(), start: sequence, end: sequence + 1, lost: None })
}

pub(super) async fn filter(text: &str, filters: &Filters) -> Result<Prepared, Unanswerable> {
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
