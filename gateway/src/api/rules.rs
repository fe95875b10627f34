//! `GET /api/v1/rules`: which rules were hit, how often, where and when.

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

/// Rules told apart; Falco's own are about a hundred.
const MAX_RULES: usize = 2_000;
/// Bytes of an answer, about: as many rules as Falco has take some 100 KiB.
const LENGTH: usize = 1 << 20;
/// Machines of a rule.
const HOSTS: usize = 5;
/// Points of a rule's line.
const SPARK: usize = 24;

/// The rules that were hit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rules {
    /// Most frequent first.
    rules: Vec<Rule>,
    /// Alerts of further rules: 2,000 are told apart.
    other: u64,
    /// Where `spark` begins.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// Where it ends.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// Alerts that were counted.
    matched: u64,
    /// Alerts that were looked at.
    scanned: u64,
}

/// A rule that was hit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rule {
    /// Its name; empty for text alerts, which do not carry it.
    rule: String,
    /// Its event source.
    source: String,
    /// Its priority.
    priority: &'static str,
    /// Its tags, as the latest alert has them.
    tags: Vec<String>,
    /// How many alerts.
    count: u64,
    /// When the first one happened.
    #[schema(value_type = String, format = DateTime)]
    first: Timestamp,
    /// When the last one happened.
    #[schema(value_type = String, format = DateTime)]
    last: Timestamp,
    /// The machines with most of them.
    hosts: Vec<Counted>,
    /// How many machines there are, `hosts` and others; 10,000 are told apart.
    distinct_hosts: u64,
    /// How many in each part of the time.
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

/// Which rules were hit, how often, where and when.
#[utoipa::path(
    get, path = "/api/v1/rules", tag = "numbers", params(Range),
    responses(
        (status = 200, description = "The rules, most frequent first", body = Rules),
        (status = 400, description = "A parameter is wrong", body = Document, content_type = "application/problem+json"),
        (status = 422, description = "It takes too long or becomes too large", body = Document, content_type = "application/problem+json"),
        (status = 503, description = "There is no memory for the answer now", body = Document, content_type = "application/problem+json"),
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

/// A rule, its source and its priority.
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
