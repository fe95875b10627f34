//! Which alerts `falconer events` is to show.

use std::path::PathBuf;

use jiff::{Timestamp, tz::TimeZone};

use super::ClientError;
use super::show::Output;
use crate::event::{self, Record, Time};
use crate::filter::Filter;
use crate::query;

/// What is wanted.
#[derive(Debug, Clone, Default)]
pub struct Events {
    /// Go on with those that come.
    pub follow: bool,
    /// Only so many of the newest.
    pub last: Option<usize>,
    /// Only those of this time, or age, and younger.
    pub since: Option<String>,
    /// Only those of before this time, or age.
    pub until: Option<String>,
    /// Only those for which this condition holds.
    pub filter: Option<String>,
    /// How they are written.
    pub output: Output,
    /// A file of Falco's JSON lines, `-` for standard input; the server without.
    pub file: Option<PathBuf>,
}

/// What is chosen of a file's lines, as a server would.
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
                "--since is not before --until, so that no alert is between; the other way round?",
            ));
        }
        Ok(Self { filter, since, until })
    }

    /// Whether the line is an alert at all.
    pub(super) fn reads(line: &[u8]) -> bool {
        let now = || Timestamp::now().to_zoned_datetime(TimeZone::UTC);
        event::read(line, now, |_| ()).is_ok()
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
