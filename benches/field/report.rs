//! The results, as tables for people and as JSON for programs.
//!
//! A case has a row for each contender. A row has a value for each metric and round. Tables and
//! targets use the median of the rounds. The JSON has all values.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::contender::Contender;

/// A measured quantity.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Metric {
    /// Alerts delivered (or taken in) per second.
    Rate,
    /// Alerts delivered (or taken in) per second of the server's CPU time.
    PerCpu,
    /// The server's CPU time per alert, in microseconds.
    CpuMicros,
    /// MiB of frames (or lines) per second.
    MibPerSecond,
    /// The server's CPU time in percent of the elapsed time.
    CpuShare,
    /// The load generator's CPU time in percent. Near 100, it is the limit.
    LoadShare,
    /// The latency from writing an alert until a reader has it.
    P50,
    P99,
    P999,
    /// The time from the start of the process to the first answer.
    StartMillis,
    /// The time from writing the first alert until every reader has the last one.
    AllMillis,
    /// The number of readers that got every alert.
    Readers,
    /// The memory per idle reader.
    KibPerReader,
    /// The memory per retained alert.
    BytesPerAlert,
    /// The server's maximum memory.
    PeakMib,
}

impl Metric {
    fn name(self) -> &'static str {
        match self {
            Self::Rate => "alerts/s",
            Self::PerCpu => "alerts/CPU s",
            Self::CpuMicros => "CPU µs/alert",
            Self::MibPerSecond => "MiB/s",
            Self::CpuShare => "CPU %",
            Self::LoadShare => "load CPU %",
            Self::P50 => "p50 µs",
            Self::P99 => "p99 µs",
            Self::P999 => "p99.9 µs",
            Self::StartMillis => "to first answer, ms",
            Self::AllMillis => "to all readers, ms",
            Self::Readers => "readers with all alerts",
            Self::KibPerReader => "KiB/reader",
            Self::BytesPerAlert => "bytes/alert kept",
            Self::PeakMib => "peak MiB",
        }
    }

    fn show(self, value: f64) -> String {
        match self {
            Self::Rate | Self::PerCpu | Self::Readers | Self::BytesPerAlert => grouped(value),
            Self::CpuMicros => format!("{value:.3}"),
            Self::MibPerSecond | Self::P50 | Self::P99 | Self::P999 => grouped(value),
            Self::CpuShare | Self::LoadShare => format!("{value:.2}"),
            _ => format!("{value:.1}"),
        }
    }
}

/// The results of one contender in one case.
pub(crate) struct Row {
    pub(crate) contender: Contender,
    pub(crate) metrics: BTreeMap<Metric, Vec<f64>>,
    /// The error, if it failed. Then values are missing.
    pub(crate) failed: Option<String>,
}

impl Row {
    pub(crate) fn new(contender: Contender) -> Self {
        Self { contender, metrics: BTreeMap::new(), failed: None }
    }

    /// Adds a round's value.
    pub(crate) fn add(&mut self, metric: Metric, value: f64) {
        self.metrics.entry(metric).or_default().push(value);
    }

    pub(crate) fn median(&self, metric: Metric) -> Option<f64> {
        let mut values = self.metrics.get(&metric)?.clone();
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.len() / 2;
        Some(if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        })
    }
}

/// The results of one case.
pub(crate) struct Case {
    pub(crate) name: String,
    /// The metric of the comparison, and whether a larger value is better.
    pub(crate) ratio: Option<(Metric, bool)>,
    pub(crate) rows: Vec<Row>,
}

impl Case {
    pub(crate) fn value(&self, contender: Contender, metric: Metric) -> Option<f64> {
        self.rows.iter().find(|row| row.contender == contender)?.median(metric)
    }

    /// Returns how many times better falconer is than `other`.
    fn times_better(&self, other: Contender) -> Option<f64> {
        let (metric, more_is_better) = self.ratio?;
        let (ours, theirs) = (self.value(Contender::Falconer, metric)?, self.value(other, metric)?);
        Some(if more_is_better { ours / theirs } else { theirs / ours })
    }

    /// Returns the case as a table.
    pub(crate) fn table(&self) -> String {
        let mut metrics: Vec<_> =
            self.rows.iter().flat_map(|row| row.metrics.keys().copied()).collect();
        metrics.sort_unstable();
        metrics.dedup();
        let mut lines = vec![vec![self.name.clone()]];
        lines[0].extend(metrics.iter().map(|metric| metric.name().to_owned()));
        if let Some((metric, _)) = self.ratio {
            lines[0].push(format!("falconer is better by ({})", metric.name()));
        }
        for row in &self.rows {
            let mut line = vec![row.contender.name().to_owned()];
            line.extend(metrics.iter().map(|metric| {
                row.median(*metric).map_or_else(|| "".into(), |value| metric.show(value))
            }));
            if self.ratio.is_some() {
                let times = self.times_better(row.contender).map(|times| format!("{times:.2}x"));
                line.push(times.unwrap_or_default());
            }
            lines.push(line);
        }
        let mut text = aligned(&lines);
        for row in &self.rows {
            if let Some(reason) = &row.failed {
                let _ = writeln!(text, "{}: {reason}", row.contender.name());
            }
        }
        text
    }

    pub(crate) fn json(&self) -> Value {
        let rows: Vec<_> = self
            .rows
            .iter()
            .map(|row| {
                let metrics: serde_json::Map<_, _> = row
                    .metrics
                    .iter()
                    .map(|(metric, rounds)| {
                        let median = row.median(*metric);
                        (metric.name().into(), json!({ "median": median, "rounds": rounds }))
                    })
                    .collect();
                json!({
                    "contender": row.contender.name(),
                    "metrics": metrics,
                    "falconer_is_better_by": self.times_better(row.contender),
                    "failed": row.failed,
                })
            })
            .collect();
        let compared_by = self.ratio.map(|(metric, _)| metric.name());
        json!({ "case": self.name, "compared_by": compared_by, "rows": rows })
    }
}

/// A target of the project.
pub(crate) struct Target {
    pub(crate) text: &'static str,
    /// The measured value, or `None` if its case did not run.
    pub(crate) got: Option<f64>,
    pub(crate) wanted: Wanted,
}

/// The bound of a target.
#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

impl Target {
    fn met(&self) -> Option<bool> {
        self.got.map(|got| match self.wanted {
            Wanted::AtLeast(bound) => got >= bound,
            Wanted::AtMost(bound) => got <= bound,
        })
    }

    pub(crate) fn json(&self) -> Value {
        let (at_least, at_most) = match self.wanted {
            Wanted::AtLeast(bound) => (Some(bound), None),
            Wanted::AtMost(bound) => (None, Some(bound)),
        };
        json!({
            "target": self.text, "at_least": at_least, "at_most": at_most,
            "got": self.got, "met": self.met(),
        })
    }
}

/// Returns all targets as a table.
pub(crate) fn targets_table(targets: &[Target]) -> String {
    let mut lines = vec![["target", "wanted", "got", "met"].map(str::to_owned).to_vec()];
    for target in targets {
        let number = |value: f64| match value {
            value if value >= 1000.0 => grouped(value),
            value => format!("{value:.2}"),
        };
        let wanted = match target.wanted {
            Wanted::AtLeast(bound) => format!("≥ {}", number(bound)),
            Wanted::AtMost(bound) => format!("≤ {}", number(bound)),
        };
        let met = target.met().map_or("not measured", |met| if met { "yes" } else { "NO" });
        let got = target.got.map(number).unwrap_or_default();
        lines.push(vec![target.text.into(), wanted, got, met.into()]);
    }
    aligned(&lines)
}

/// Formats a Markdown table whose columns are also aligned in a terminal. The first line is the
/// head. The first column is left-aligned, all others are right-aligned.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines[0].len();
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let cells: Vec<_> =
            line.iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, width))| {
                    if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
                })
                .collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if number == 0 {
            let rules: Vec<_> = widths
                .iter()
                .enumerate()
                .map(|(column, width)| match column {
                    0 => "-".repeat(*width),
                    _ => format!("{}:", "-".repeat(width - 1)),
                })
                .collect();
            let _ = writeln!(text, "| {} |", rules.join(" | "));
        }
    }
    text
}

/// Formats a whole number in groups of three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
