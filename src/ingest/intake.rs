//! The one way into the hub: records in, a batch of alerts out, everything counted.
//!
//! A record that is no alert never stops the stream. It is counted by input and kind, and the
//! first few of each are shown in the log with every control character made visible.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::{Timestamp, ZonedDateTime};

use super::follow::Claims;
use super::lines::Line;
use super::presence::Presence;
use crate::event::{self, Event, Origin, Record, Reject, Time};
use crate::hub::{Batch, Hub};

/// How many records of a kind are shown in the log; the rest are only counted.
const SAMPLES: u64 = 3;

/// How much of a record is shown, in characters.
const SAMPLE_LENGTH: usize = 200;

/// How many batches wait for the next delivery: posts are taken by a few threads. Each has a few
/// hundred KiB at most.
const SPARES: usize = 4;

/// The rule of Falco's metrics snapshots, and the field in it that tells Falco's version.
const METRICS_RULE: &str = "Falco internal: metrics snapshot";
const VERSION_FIELD: &str = "falco.version";

/// Takes records from every input.
#[derive(Debug)]
pub struct Intake {
    hub: Arc<Hub>,
    origin: Origin,
    counts: Mutex<Counts>,
    latest: Mutex<BTreeMap<Input, Timestamp>>,
    presence: Presence,
    /// Which files are being read.
    pub(super) claims: Claims,
    falco_version: OnceLock<String>,
    /// Empty batches with the room and the labels of deliveries that have ended.
    spare: Mutex<Vec<Batch>>,
}

/// Where a record came from: the words used in logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// The standard output of a Falco we started.
    Command,
    /// A file that Falco writes.
    File,
    /// What was posted to the gateway.
    Http,
    /// Invented alerts.
    Demo,
}

impl Input {
    /// The input's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Stdin => "stdin",
            Self::Command => "command",
            Self::File => "file",
            Self::Http => "http",
            Self::Demo => "demo",
        }
    }
}

/// How many records came in, by input and status: `accepted`, or the kind of [`Reject`].
pub type Counts = BTreeMap<(Input, &'static str), u64>;

/// The status of records that are alerts.
pub const ACCEPTED: &str = "accepted";

impl Intake {
    /// An intake to `hub`; `origin` stands in for what an alert does not say.
    #[must_use]
    pub fn new(hub: Arc<Hub>, origin: Origin) -> Self {
        Self {
            hub,
            origin,
            counts: Mutex::default(),
            latest: Mutex::default(),
            presence: Presence::default(),
            claims: Claims::default(),
            falco_version: OnceLock::new(),
            spare: Mutex::default(),
        }
    }

    /// Which inputs were asked for, and which of them give nothing.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// When each input last gave an alert.
    #[must_use]
    pub fn latest(&self) -> BTreeMap<Input, Timestamp> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many records came in.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Falco's version, once a metrics snapshot has told it.
    #[must_use]
    pub fn falco_version(&self) -> Option<&str> {
        self.falco_version.get().map(String::as_str)
    }

    /// Begins a delivery of records from `input`, appended together by each [`Delivery::finish`].
    #[must_use]
    pub fn begin(&self, input: Input) -> Delivery<'_> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let batch = spare.unwrap_or_default();
        Delivery { intake: self, input, batch, accepted: 0, rejected: BTreeMap::new() }
    }

    /// Takes a body of one JSON object, however it is laid out, or of one record a line.
    pub fn body(&self, input: Input, body: &[u8]) {
        let mut delivery = self.begin(input);
        // Falco posts one object without a line end; it may be pretty-printed by others.
        if !delivery.is_record(body) {
            for line in body.split(|byte| *byte == b'\n') {
                delivery.line(Line::Whole(line));
            }
        }
        delivery.end();
    }

    /// Counts something that was turned away before it could be read.
    pub fn refused(&self, input: Input) {
        self.count(input, "refused", 1);
    }

    fn reject(&self, input: Input, reject: &Reject, record: &[u8]) {
        let seen = self.count(input, reject.kind(), 1);
        if seen <= SAMPLES {
            let text = String::from_utf8_lossy(record.get(..4 * SAMPLE_LENGTH).unwrap_or(record));
            let sample: String = text.chars().take(SAMPLE_LENGTH).collect();
            let hint = hint(reject);
            // As `Debug`, whatever is no plain character is shown as its number.
            tracing::warn!(input = input.name(), %reject, ?sample, hint, "not an alert");
        }
    }

    fn count(&self, input: Input, status: &'static str, records: u64) -> u64 {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((input, status)).or_default();
        *count += records;
        *count
    }

    fn learn(&self, event: &Event<'_>) {
        if event.rule == METRICS_RULE
            && let Some((_, version)) = event.fields.iter().find(|(name, _)| name == VERSION_FIELD)
            && let event::Value::Text(version) = version
        {
            // The first snapshot tells; another Falco's version is told after the next start.
            let _ = self.falco_version.set(version.clone().into_owned());
        }
    }
}

fn hint(reject: &Reject) -> &'static str {
    match reject {
        Reject::NotAnAlert => "Falco's own log lines are expected here; alerts need json_output",
        Reject::NotAnObject { .. } => {
            "send the object itself, not the text of it and no array around it; several, one a line"
        }
        Reject::Malformed { .. } => "each record must be one whole JSON object",
        Reject::Incomplete { .. } => "an alert has rule, priority and time",
        Reject::TooLarge => "shorten the rule's output",
        Reject::Empty => "",
    }
}

/// Records of one input on their way into the log.
#[derive(Debug)]
pub struct Delivery<'a> {
    intake: &'a Intake,
    input: Input,
    batch: Batch,
    accepted: u64,
    /// Records that were no alerts, by kind, beyond the first few of each: they are counted
    /// together, since a body may be made of nothing else.
    rejected: BTreeMap<&'static str, (u64, u64)>,
}

impl Delivery<'_> {
    /// Takes one record.
    pub fn line(&mut self, line: Line<'_>) {
        match line {
            Line::Whole(record) => {
                if let Err(reject) = self.read(record) {
                    self.reject(&reject, record);
                }
            }
            Line::TooLong => self.reject(&Reject::TooLarge, b""),
        }
    }

    fn reject(&mut self, reject: &Reject, record: &[u8]) {
        if matches!(reject, Reject::Empty) {
            return;
        }
        let (shown, more) = self.rejected.entry(reject.kind()).or_default();
        if *shown < SAMPLES {
            *shown += 1;
            self.intake.reject(self.input, reject, record);
        } else {
            *more += 1;
        }
    }

    /// Appends what has been taken, and nothing follows.
    fn end(mut self) {
        self.finish();
        let mut spare = self.intake.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARES {
            spare.push(self.batch);
        }
    }

    /// Appends what has been taken; readers see it all at once. More may follow.
    pub fn finish(&mut self) {
        for (kind, (_, more)) in std::mem::take(&mut self.rejected) {
            if more > 0 {
                self.intake.count(self.input, kind, more);
            }
        }
        let accepted = std::mem::take(&mut self.accepted);
        if accepted == 0 {
            return;
        }
        self.intake.count(self.input, ACCEPTED, accepted);
        let mut latest = self.intake.latest.lock().unwrap_or_else(PoisonError::into_inner);
        latest.insert(self.input, Timestamp::now());
        drop(latest);
        let numbers = self.intake.hub.append(&mut self.batch);
        tracing::debug!(
            input = self.input.name(),
            first = numbers.start,
            last = numbers.end.saturating_sub(1),
            "alerts received"
        );
    }

    /// Takes `body` if it is one record as a whole.
    fn is_record(&mut self, body: &[u8]) -> bool {
        match self.read(body) {
            Ok(()) => true,
            // Several lines: each is judged for itself. One line, or one array: this is its verdict.
            Err(Reject::NotAnObject { what }) => {
                self.intake.reject(self.input, &Reject::NotAnObject { what }, body);
                true
            }
            Err(_) if body.trim_ascii().contains(&b'\n') => false,
            Err(reject) => {
                self.reject(&reject, body);
                true
            }
        }
    }

    fn read(&mut self, record: &[u8]) -> Result<(), Reject> {
        let Self { intake, batch, accepted, .. } = self;
        event::read(record, ZonedDateTime::now, |Record { event, line }| {
            intake.learn(&event);
            batch.push(&event, &line, &intake.origin);
            *accepted += 1;
        })
    }
}

/// The time now, as an alert has it.
#[must_use]
pub fn now() -> Time {
    Timestamp::now().into()
}
