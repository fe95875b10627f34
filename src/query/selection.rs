//! Selections: a filter and a time range.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::prepared::Prepared;
use crate::event::{self, Event, Part, Priority, Record, Time, Value};
use crate::filter::{Labels, View, Work};
use crate::hub::Alert;

/// Selects alerts by a filter and a time range. The default selects all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Selects only alerts that match.
    pub filter: Option<Prepared>,
    /// Selects only alerts with this time or a later one.
    pub since: Option<Time>,
    /// Selects only alerts with an earlier time.
    pub until: Option<Time>,
}

impl Selection {
    /// Returns whether it selects every alert.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.filter.is_none() && self.since.is_none() && self.until.is_none()
    }

    /// Returns whether it selects `alert`.
    #[must_use]
    pub fn takes(&self, alert: &Alert<'_>) -> bool {
        self.takes_within(alert, &Work::unbounded()).unwrap_or(false)
    }

    /// Like [`Self::takes`], but returns `None` if that takes more than `work` allows.
    #[must_use]
    pub fn takes_within(&self, alert: &Alert<'_>, work: &Work) -> Option<bool> {
        let in_time = self.since.is_none_or(|since| alert.time >= since)
            && self.until.is_none_or(|until| alert.time < until);
        let Some(filter) = self.filter.as_ref().filter(|_| in_time) else { return Some(in_time) };
        let known = Indexed(alert);
        let takes = filter.decide_within(&known, work).or_else(|| known.ask(filter, work));
        (!work.is_exceeded()).then_some(takes.unwrap_or(false))
    }
}

/// Decodes an alert's line again and passes the alert to `look`.
pub fn read<T>(alert: &Alert<'_>, look: impl FnOnce(&Event<'_>) -> T) -> Option<T> {
    // The log has only lines that were decoded before, with a full time. So `now` is never needed.
    let now = || Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC);
    let completed = |Record { mut event, .. }: Record<'_>| {
        event.hostname.get_or_insert_with(|| alert.labels.hostname().to_owned().into());
        look(&event)
    };
    event::read(alert.line, now, completed).ok()
}

/// An alert with its labels only.
struct Indexed<'a>(&'a Alert<'a>);

impl Indexed<'_> {
    /// Evaluates a filter that the labels do not decide. It decodes the alert's line.
    fn ask(&self, filter: &Prepared, work: &Work) -> Option<bool> {
        if work.is_exceeded() {
            return None;
        }
        let line = std::str::from_utf8(self.0.line).ok()?;
        let part = event::part(line, |name| filter.names(name)).ok()?;
        filter.matches_within(&Reread { known: self, part }, work)
    }
}

/// An alert with its labels and the decoded parts that a filter names.
struct Reread<'a> {
    known: &'a Indexed<'a>,
    part: Part<'a>,
}

impl Labels for Indexed<'_> {
    fn priority(&self) -> Priority {
        self.0.priority
    }

    fn time(&self) -> Time {
        self.0.time
    }

    fn rule(&self) -> &str {
        self.0.labels.rule()
    }

    fn source(&self) -> &str {
        self.0.labels.source()
    }

    fn hostname(&self) -> Option<&str> {
        Some(self.0.labels.hostname())
    }

    fn tags(&self) -> impl Iterator<Item = &str> {
        self.0.labels.tags()
    }
}

impl View for Reread<'_> {
    fn labels(&self) -> &impl Labels {
        self.known
    }

    fn output(&self) -> &str {
        &self.part.output
    }

    fn field(&self, name: &str) -> Option<&Value<'_>> {
        event::field(&self.part.fields, name)
    }
}
