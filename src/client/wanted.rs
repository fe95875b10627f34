//! Selects the alerts that `falconer events` shows.

use std::path::PathBuf;

use jiff::{Timestamp, tz::TimeZone};

use super::ClientError;
use super::show::Output;
use crate::event::{self, Record, Time};
use crate::filter::Filter;
use crate::query;

/// The options of `falconer events`.
#[derive(Debug, Clone, Default)]
pub struct Events {
    /// Whether to follow new alerts.
    pub follow: bool,
    /// The number of newest alerts to show; with `follow`, the number to consider.
    pub last: Option<usize>,
    /// The earliest time, or the greatest age.
    pub since: Option<String>,
    /// The time, or age, before which alerts must be.
    pub until: Option<String>,
    /// The filter.
    pub filter: Option<String>,
    /// The output format.
    pub output: Output,
    /// A file of Falco's JSON lines, `-` for standard input; `None` reads from the server.
    pub file: Option<PathBuf>,
}

/// Selects lines of a file by the same rules as a server.
pub(super) struct Chosen {
    filter: Option<Filter>,
    since: Option<Time>,
    until: Option<Time>,
}

impl Chosen {
    pub(super) fn read(wanted: &Events) -> Result<Self, ClientError> {
        let now = Time::from(Timestamp::now());
        let time = |text: &Option<String>| text.as_deref().map(|t| query::time(t, now)).transpose();
        let filter = wanted.filter.as_deref().map(Filter::parse).transpose()?;
        let (since, until) = (time(&wanted.since)?, time(&wanted.until)?);
        if since.zip(until).is_some_and(|(since, until)| since >= until) {
            return Err(ClientError::Options(
                "--since is not before --until, so no alert can match; swap them",
            ));
        }
        Ok(Self { filter, since, until })
    }

    pub(super) fn takes(&self, line: &[u8]) -> bool {
        let now = || Timestamp::now().to_zoned_datetime(TimeZone::UTC);
        let takes = |Record { event, .. }: Record<'_>| {
            self.since.is_none_or(|since| event.time >= since)
                && self.until.is_none_or(|until| event.time < until)
                && self.filter.as_ref().is_none_or(|filter| filter.matches(&event))
        };
        event::read(line, now, takes).unwrap_or(false)
    }
}
