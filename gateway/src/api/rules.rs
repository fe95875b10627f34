//! `GET /api/v1/rules`: the alerts by rule, with hosts and times.

use std::collections::BTreeMap;

use axum::{extract::State, response::Response};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    answer::numbers,
    ask::{Asked, Nothing, Range},
    count::{Counted, Counter, Top},
    span::Span,
};
use crate::{
    port::{PRIORITIES, Row},
    problem::{Document, Refusal},
    state::Gateway,
};

/// The maximum number of distinct rules. Falco has about a hundred.
const MAX_RULES: usize = 2_000;
/// The approximate size of an answer, in bytes. Falco's rules take about 100 KiB.
const LENGTH: usize = 1 << 20;
/// The maximum number of hosts of a rule.
const HOSTS: usize = 5;
/// The number of points of a rule's sparkline.
const SPARK: usize = 24;

/// The rules that raised alerts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rules {
    /// The rules, most frequent first.
    rules: Vec<Rule>,
    /// The number of alerts of further rules, beyond 2,000.
    other: u64,
    /// The start of `spark`.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// The end of `spark`.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// The number of alerts that were counted.
    matched: u64,
    /// The number of alerts that were scanned.
    scanned: u64,
}

/// A rule that raised alerts.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rule {
    /// The rule's name. It is empty for text alerts, which have no rule.
    rule: String,
    /// The event source.
    source: String,
    /// The priority.
    priority: &'static str,
    /// The tags of the latest alert.
    tags: Vec<String>,
    /// The number of alerts.
    count: u64,
    /// The time of the first alert.
    #[schema(value_type = String, format = DateTime)]
    first: Timestamp,
    /// The time of the last alert.
    #[schema(value_type = String, format = DateTime)]
    last: Timestamp,
    /// The hosts with the most alerts.
    hosts: Vec<Counted>,
    /// The number of hosts, including those that are not in `hosts`; at most 10,000.
    distinct_hosts: u64,
    /// The number of alerts in equal parts of the time range.
    spark: Vec<u64>,
}

struct Tally {
    count: u64,
    first: Timestamp,
    last: Timestamp,
    tags: Vec<String>,
    hosts: Counter,
    spark: [u64; SPARK],
}

/// Returns the alerts by rule, with hosts and times.
#[utoipa::path(
    get, path = "/api/v1/rules", tag = "numbers", params(Range),
    responses(
        (status = 200, description = "The rules, most frequent first", body = Rules),
        (status = 400, description = "A parameter is invalid", body = Document, content_type = "application/problem+json"),
        (status = 422, description = "The scan timed out, or the answer would exceed 8 MiB", body = Document, content_type = "application/problem+json"),
        (status = 503, description = "No memory is free for the answer; try again", body = Document, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn rules(
    State(gateway): State<Gateway>,
    Asked(range, Nothing {}): Asked<Range>,
) -> Result<Response, Refusal> {
    let history = gateway.port.history(range.into()).await?;
    let rules = numbers(&gateway, history, LENGTH, |scan| {
        let span = Span::of(scan.history(), SPARK);
        let mut tallies = BTreeMap::new();
        let mut matched = 0;
        let scanned = scan.all(|row| {
            matched += 1;
            count(&mut tallies, row, &span);
        })?;
        let mut rules: Vec<_> = tallies.into_iter().map(told).collect();
        rules.sort_by_key(|rule: &Rule| std::cmp::Reverse(rule.count));
        let other = matched - rules.iter().map(|rule| rule.count).sum::<u64>();
        Ok(Rules { rules, other, from: span.from, to: span.to(), matched, scanned })
    });
    rules.await
}

/// A rule with its source and priority.
type Name = (String, String, usize);

fn count(tallies: &mut BTreeMap<Name, Tally>, row: &dyn Row, span: &Span) {
    let name = (row.rule().to_owned(), row.source().to_owned(), row.priority());
    let time = row.time();
    if tallies.len() >= MAX_RULES && !tallies.contains_key(&name) {
        return;
    }
    let tally = tallies.entry(name).or_insert_with(|| Tally {
        count: 0,
        first: time,
        last: time,
        tags: Vec::new(),
        hosts: Counter::default(),
        spark: [0; SPARK],
    });
    tally.count += 1;
    tally.first = time.min(tally.first);
    if tally.count == 1 || time > tally.last {
        tally.last = time.max(tally.last);
        tally.tags.clear();
        row.tags(&mut |tag| tally.tags.push(tag.to_owned()));
    }
    if !row.hostname().is_empty() {
        tally.hosts.add(row.hostname(), time);
    }
    if let Some(point) = tally.spark.get_mut(span.place(time)) {
        *point += 1;
    }
}

fn told(((rule, source, priority), tally): (Name, Tally)) -> Rule {
    let Tally { count, first, last, tags, hosts, spark } = tally;
    let Top { values: hosts, distinct: distinct_hosts, .. } = hosts.top(HOSTS);
    Rule {
        rule,
        source,
        priority: PRIORITIES.get(priority).copied().unwrap_or_default(),
        tags,
        count,
        first,
        last,
        hosts,
        distinct_hosts,
        spark: spark.to_vec(),
    }
}
