//! The filter language on Falco's example lines: expressions and the lines that match.
//!
//! `tests/data/filter-table.txt` has one a line, as `numbers | expression`. Each expression must
//! match those lines of `falco-example-lines.jsonl` and no others; what it prints must too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use falconer::event;
use falconer::filter::Filter;

const LINES: &str = include_str!("data/falco-example-lines.jsonl");
const TABLE: &str = include_str!("data/filter-table.txt");

fn matching(filter: &Filter) -> Vec<usize> {
    let matches = |line: &str| {
        event::read(line.as_bytes(), || unreachable!(), |record| filter.matches(&record.event))
    };
    let lines = LINES.lines().enumerate();
    lines.filter(|(_, line)| matches(line).unwrap()).map(|(number, _)| number + 1).collect()
}

fn rows() -> impl Iterator<Item = (Vec<usize>, &'static str)> {
    let rows = TABLE.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    rows.map(|line| {
        let (numbers, expression) = line.split_once("| ").unwrap();
        (numbers.split_whitespace().map(|number| number.parse().unwrap()).collect(), expression)
    })
}

#[test]
fn expressions_match_the_lines_they_should() {
    assert!(rows().count() >= 100);
    let mut wrong = Vec::new();
    for (expected, expression) in rows() {
        let filter: Filter = expression.parse().unwrap_or_else(|error| {
            unreachable!("{expression}: {error}");
        });
        let printed = filter.to_string();
        for (text, filter) in [(expression, &filter), (&printed, &printed.parse().unwrap())] {
            let found = matching(filter);
            if found != expected {
                wrong.push(format!("{text}: {found:?}, expected {expected:?}"));
            }
        }
        assert_eq!(printed.parse::<Filter>().unwrap(), filter, "{expression} as {printed}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn output_fields_are_needed_only_when_named() {
    for (expression, needed) in [
        ("priority >= warning and rule contains x and not (source = y or hostname exists)", false),
        ("shell or tags = x or time > 2026-01-01 or output exists", false),
        ("priority >= warning and not (rule = x or proc.name = cat)", true),
        ("\"priority\" = warning", true),
    ] {
        assert_eq!(expression.parse::<Filter>().unwrap().needs_fields(), needed, "{expression}");
    }
}
