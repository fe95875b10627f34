//! How many records of a source were alerts, and why the first of the others was none.

use crate::envelope;
use crate::event::Reject;

/// How many records of a delivery were alerts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Records that were alerts.
    pub accepted: u64,
    /// Records that were not.
    pub rejected: u64,
    /// The first record that was no alert.
    pub first_rejected: Option<Rejected>,
}

/// A record that is no alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// Its number among the records, from 1.
    pub record: u64,
    /// Why it is no alert, and what to do.
    pub reason: String,
}

impl Outcome {
    /// Counts an alert.
    pub(crate) fn accept(&mut self) {
        self.accepted += 1;
    }

    /// Counts a record that is no alert. Nothing but white space is no record.
    pub(crate) fn reject(&mut self, reject: &Reject, record: &[u8]) {
        if matches!(reject, Reject::Empty) {
            return;
        }
        self.count(1, || match advice(reject, record) {
            "" => reject.to_string(),
            advice => format!("{reject} ({advice})"),
        });
    }

    /// Counts lines of which only parts arrived.
    pub(crate) fn cut(&mut self, lines: u64) {
        if lines > 0 {
            self.count(lines, || "a part of a line, without the rest of it".to_owned());
        }
    }

    /// Adds the outcome of the records that follow.
    pub(crate) fn add(&mut self, next: Self) {
        let before = self.accepted + self.rejected;
        self.first_rejected = self.first_rejected.take().or_else(|| {
            let first = next.first_rejected?;
            Some(Rejected { record: before + first.record, ..first })
        });
        self.accepted += next.accepted;
        self.rejected += next.rejected;
    }

    /// Says how many records were no alerts, and why the first was none; `None` if all were.
    #[must_use]
    pub fn report(&self) -> Option<String> {
        let Rejected { record, reason } = self.first_rejected.as_ref()?;
        let (rejected, all) = (self.rejected, self.accepted + self.rejected);
        Some(match all {
            1 => format!("not an alert: {reason}"),
            _ => format!(
                "{rejected} of {all} records are not alerts; the first is record {record}: {reason}"
            ),
        })
    }

    fn count(&mut self, records: u64, why: impl FnOnce() -> String) {
        let record = self.accepted + self.rejected + 1;
        self.first_rejected.get_or_insert_with(|| Rejected { record, reason: why() });
        self.rejected += records;
    }
}

/// Says what a record that is no alert is likely to be, or what to do about it.
pub(super) fn advice(reject: &Reject, record: &[u8]) -> &'static str {
    envelope::likely(record).unwrap_or(match reject {
        Reject::NotAnAlert => "Falco's log lines are normal here; for alerts set json_output: true",
        Reject::NotAnObject { .. } => "send the object itself, not in a string",
        Reject::Malformed { .. } => "each record must be one whole JSON object",
        Reject::Incomplete { .. } => "an alert needs rule and priority",
        Reject::TooLarge => "shorten the rule's output",
        Reject::Empty => "",
    })
}
