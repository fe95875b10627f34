//! The one way into the log: decodes records, appends alerts in batches, and counts both.
//!
//! A record that is no alert never stops the stream. It is counted by input and kind. The first few
//! of each are logged, with control characters escaped.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::{Timestamp, ZonedDateTime};

use super::follow::Claims;
use super::lines::Line;
use super::outcome::{Outcome, advice};
use super::presence::Presence;
use super::records::{self, Records, Sink};
use crate::envelope::Envelopes;
use crate::event::{self, Event, Origin, Record, Reject, Time, TimeSource};
use crate::hub::{Batch, Hub};

/// How many rejected records of a kind are logged. The rest are only counted.
const SAMPLES: u64 = 3;

/// How much of a rejected record is logged, in characters.
const SAMPLE_LENGTH: usize = 200;

/// How many empty batches are kept for later deliveries. Only a few threads take posts at a time. A
/// batch has a few hundred KiB at most.
const SPARES: usize = 4;

/// The rule of Falco's metrics snapshots, and the field in it with Falco's version.
const METRICS_RULE: &str = "Falco internal: metrics snapshot";
const VERSION_FIELD: &str = "falco.version";

/// Takes records from every input.
#[derive(Debug)]
pub struct Intake {
    hub: Arc<Hub>,
    origin: Origin,
    counts: Mutex<Counts>,
    latest: Mutex<BTreeMap<Input, Timestamp>>,
    times: Mutex<BTreeMap<TimeSource, u64>>,
    presence: Presence,
    /// The files that followers read.
    pub(super) claims: Claims,
    falco_version: Mutex<Option<(String, Time)>>,
    /// Empty batches with the buffers and labels of earlier deliveries.
    spare: Mutex<Vec<Batch>>,
}

/// The kind of input that a record came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Input {
    /// Standard input.
    Stdin,
    /// The standard output of a Falco that we started.
    Command,
    /// A file that Falco writes.
    File,
    /// Posts to the gateway.
    Http,
    /// Demo alerts.
    Demo,
}

impl Input {
    /// Returns the name, as in logs and metrics.
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

/// The number of records by input and status: `accepted`, `refused`, or the kind of [`Reject`].
pub type Counts = BTreeMap<(Input, &'static str), u64>;

/// The status of records that are alerts.
pub const ACCEPTED: &str = "accepted";

/// The status of lines whose parts came to nothing: what is missing of them is JSON.
const CUT: &str = "malformed";

impl Intake {
    /// Creates an intake to `hub`. `origin` has the defaults for what an alert does not say.
    #[must_use]
    pub fn new(hub: Arc<Hub>, origin: Origin) -> Self {
        Self {
            hub,
            origin,
            counts: Mutex::default(),
            latest: Mutex::default(),
            times: Mutex::default(),
            presence: Presence::default(),
            claims: Claims::default(),
            falco_version: Mutex::default(),
            spare: Mutex::default(),
        }
    }

    /// Returns the configured inputs and whether they are down.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Returns the time of arrival of the latest alert of each input.
    #[must_use]
    pub fn latest(&self) -> BTreeMap<Input, Timestamp> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the number of records.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns Falco's version in the latest metrics snapshot, and the time of the snapshot.
    #[must_use]
    pub fn falco_version(&self) -> Option<(String, Time)> {
        self.falco_version.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Begins a delivery of records from `input`. [`Delivery::finish`] appends them together.
    #[must_use]
    pub fn begin(&self, input: Input) -> Delivery<'_> {
        self.begin_from(input, Cow::Borrowed(&self.origin))
    }

    fn begin_from<'a>(&'a self, input: Input, origin: Cow<'a, Origin>) -> Delivery<'a> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let batch = spare.unwrap_or_default();
        Delivery {
            intake: self,
            input,
            origin,
            outcome: Outcome::default(),
            records: Records::default(),
            envelopes: Envelopes::default(),
            batch,
            accepted: 0,
            rejected: BTreeMap::new(),
        }
    }

    /// Takes a body of records in any layout. Falco posts one record without a line end, which may
    /// be a text alert of several lines.
    ///
    /// `hostname` is that of the sender, if it is not this machine: its alerts that do not say a
    /// hostname get this one. It is empty if nothing is known of the sender.
    pub fn body(&self, input: Input, hostname: Option<String>, body: &[u8]) -> Outcome {
        let origin = match hostname {
            None => Cow::Borrowed(&self.origin),
            Some(hostname) => Cow::Owned(Origin { hostname, zone: self.origin.zone.clone() }),
        };
        let mut delivery = self.begin_from(input, origin);
        let lines = || body.split(|byte| *byte == b'\n');
        if records::begins_json(body) {
            if delivery.read(body).is_err() {
                lines().for_each(|line| delivery.line(Line::Whole(line)));
            }
        } else {
            // A text alert goes on until the next one begins.
            let mut alert: Vec<u8> = Vec::new();
            for line in lines() {
                if records::begins_json(line) || event::is_text_alert(line) {
                    delivery.text(&std::mem::take(&mut alert));
                } else if !alert.is_empty() {
                    alert.push(b'\n');
                }
                alert.extend_from_slice(line);
            }
            delivery.text(&alert);
        }
        delivery.end()
    }

    /// Counts a request that was refused before its body was read.
    pub fn refused(&self, input: Input) {
        self.count(input, "refused", 1);
    }

    fn reject(&self, input: Input, reject: &Reject, record: &[u8]) {
        let seen = self.count(input, reject.kind(), 1);
        if seen <= SAMPLES {
            let text = String::from_utf8_lossy(record.get(..4 * SAMPLE_LENGTH).unwrap_or(record));
            let sample: String = text.chars().take(SAMPLE_LENGTH).collect();
            let hint = advice(reject, record);
            // `?sample`, because `Debug` escapes control characters.
            tracing::warn!(input = input.name(), %reject, ?sample, hint, "not an alert");
        }
    }

    fn count(&self, input: Input, status: &'static str, records: u64) -> u64 {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry((input, status)).or_default();
        *count += records;
        *count
    }

    /// Returns the number of alerts without a time of their own, by where their time is from.
    #[must_use]
    pub fn times(&self) -> BTreeMap<TimeSource, u64> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn count_time(&self, source: TimeSource) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        *times.entry(source).or_default() += 1;
    }

    fn learn(&self, event: &Event<'_>) {
        if event.rule == METRICS_RULE
            && let Some((_, version)) = event.fields.iter().find(|(name, _)| name == VERSION_FIELD)
            && let event::Value::Text(version) = version
        {
            let mut known = self.falco_version.lock().unwrap_or_else(PoisonError::into_inner);
            // A file can have old snapshots. A clock that is ahead must not count for ever.
            let time = event.time.min(now());
            if known.as_ref().is_none_or(|(_, latest)| time >= *latest) {
                *known = Some((version.clone().into_owned(), time));
            }
        }
    }
}

/// Records of one input on their way into the log.
#[derive(Debug)]
pub struct Delivery<'a> {
    intake: &'a Intake,
    input: Input,
    /// The defaults for what an alert does not say.
    origin: Cow<'a, Origin>,
    outcome: Outcome,
    records: Records,
    /// What the lines of this source are wrapped in.
    envelopes: Envelopes,
    batch: Batch,
    accepted: u64,
    /// Rejected records by kind: how many were logged, and how many more there are. The latter are
    /// counted together, because a body may consist of nothing else.
    rejected: BTreeMap<&'static str, (u64, u64)>,
}

impl Delivery<'_> {
    /// Takes a line, which is one record as a rule ([`Records`]).
    pub fn line(&mut self, line: Line<'_>) {
        match line {
            Line::Whole(line) => self.records(|records, sink| records.line(line, sink)),
            Line::TooLong => self.reject(&Reject::TooLarge, b""),
        }
    }

    /// Takes a text alert of one or more lines, or lines that are none.
    fn text(&mut self, text: &[u8]) {
        if !text.contains(&b'\n') || !event::is_text_alert(text) {
            text.split(|byte| *byte == b'\n').for_each(|line| self.line(Line::Whole(line)));
        } else if let Err(reject) = self.read(text) {
            self.reject(&reject, text);
        }
    }

    /// Ends the records of one file: what comes next is another's.
    pub(super) fn restart(&mut self) {
        self.records(Records::end);
    }

    fn records(&mut self, with: impl FnOnce(&mut Records, &mut Self)) {
        let mut records = std::mem::take(&mut self.records);
        with(&mut records, self);
        self.records = records;
    }

    fn reject(&mut self, reject: &Reject, record: &[u8]) {
        if matches!(reject, Reject::Empty) {
            return;
        }
        self.outcome.reject(reject, record);
        let (shown, more) = self.rejected.entry(reject.kind()).or_default();
        if *shown < SAMPLES {
            *shown += 1;
            self.intake.reject(self.input, reject, record);
        } else {
            *more += 1;
        }
    }

    /// Appends the alerts and ends the delivery.
    pub(super) fn end(mut self) -> Outcome {
        self.restart();
        self.envelopes.end();
        self.finish();
        let mut spare = self.intake.spare.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARES {
            spare.push(self.batch);
        }
        self.outcome
    }

    /// Appends the alerts so far. Readers see them all at once. More records may follow.
    pub fn finish(&mut self) {
        for (kind, (_, more)) in std::mem::take(&mut self.rejected) {
            if more > 0 {
                self.intake.count(self.input, kind, more);
            }
        }
        let cut = self.envelopes.given_up();
        if cut > 0 {
            self.intake.count(self.input, CUT, cut);
            self.outcome.cut(cut);
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

    fn read(&mut self, record: &[u8]) -> Result<(), Reject> {
        let Self { intake, origin, outcome, batch, accepted, envelopes, .. } = self;
        let read = envelopes.read(record, &ZonedDateTime::now, |record, beside| {
            let Record { event, line, time_source } = record;
            if time_source != TimeSource::Event {
                intake.count_time(time_source);
                batch.time_is_from(time_source);
            }
            intake.learn(&event);
            *accepted += 1;
            outcome.accept();
            if event.hostname.is_some() {
                return batch.push(&event, &line, origin);
            }
            let named = beside
                .hostname
                .as_ref()
                .map(|hostname| Origin { hostname: hostname.clone(), zone: origin.zone.clone() });
            let origin = named.as_ref().unwrap_or(origin);
            batch.push(&event, &event::with_hostname(line, &origin.hostname), origin);
        });
        // A part of an alert is held until the rest of it comes.
        read.map(drop)
    }
}

impl Sink for Delivery<'_> {
    fn read(&mut self, record: &[u8]) -> Result<(), Reject> {
        Delivery::read(self, record)
    }

    fn reject(&mut self, reject: &Reject, record: &[u8]) {
        Delivery::reject(self, reject, record);
    }
}

/// Returns the current time.
#[must_use]
pub fn now() -> Time {
    Timestamp::now().into()
}
