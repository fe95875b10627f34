//! The filter language on Falco's example lines: expressions and the lines that match.
//!
//! `tests/data/filter-table.txt` has one expression a line, as `numbers | expression`. Each must
//! match exactly those lines of `falco-example-lines.jsonl`, and so must its printed form.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use falconer::event;
use falconer::filter::Filter;
use falconer::hub::{Batch, Config, Epoch, Hub, Next};
use falconer::query::{self, Selection};

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
fn labels_alone_decide_like_the_whole_alert() {
    let mut decided = 0;
    for (_, expression) in rows() {
        let filter: Filter = expression.parse().unwrap();
        for line in LINES.lines() {
            let read = |record: event::Record<'_>| {
                (filter.decide(&record.event), filter.matches(&record.event))
            };
            let (by_labels, whole) = event::read(line.as_bytes(), || unreachable!(), read).unwrap();
            assert!(by_labels.is_none_or(|known| known == whole), "{expression}: {line}");
            decided += usize::from(by_labels.is_some());
        }
    }
    assert!(decided > 1_000, "{decided}");
}

#[test]
fn a_retained_alert_is_selected_like_the_whole_alert() {
    let hub = Hub::new(Config::default(), Epoch::new(1));
    let mut batch = Batch::default();
    let odd = [
        // Duplicate keys, duplicate fields, and values of the wrong type.
        r#"{"output_fields":{"proc.name":"cat"},"rule":"r","priority":"Error","time":"2026-01-30T10:00:00Z","output":"a","message":"m","output":"b","output_fields":{"proc.name":"bash","proc.name":"sh"}}"#,
        r#"{"rule":"r","priority":"Error","time":"2026-01-30T10:00:00Z","message":"shell","output_fields":null}"#,
        r#"{"rule":"r","priority":"Error","time":"2026-01-30T10:00:00Z","output":7,"output_fields":{"proc.n\u0061me":null}}"#,
    ];
    let lines = || LINES.lines().chain(odd);
    for line in lines() {
        let push = |record: event::Record<'_>| {
            batch.push(&record.event, &record.line, &event::Origin::utc("here"))
        };
        event::read(line.as_bytes(), || unreachable!(), push).unwrap();
    }
    hub.append(&mut batch);
    let Next::Alerts(slice) = hub.next(1, usize::MAX) else { unreachable!() };
    assert_eq!(slice.alerts().count(), lines().count());
    let more = ["proc.name = sh", "proc.name in (cat, bash)", "output = b", "shell", "7", "here"];
    for expression in rows().map(|(_, expression)| expression).chain(more) {
        let selection =
            Selection { filter: Some(expression.parse().unwrap()), ..Selection::default() };
        let filter = selection.filter.as_ref().unwrap();
        for (alert, line) in slice.alerts().zip(lines()) {
            let whole = query::read(&alert, |event| filter.matches(event)).unwrap();
            assert_eq!(selection.takes(&alert), whole, "{expression}: {line}");
        }
    }
}

#[test]
fn the_whole_alert_is_decoded_only_if_labels_do_not_decide() {
    let line = r#"{"rule":"r","priority":"Error","time":"2026-01-30T10:00:00Z","tags":["t"]}"#;
    for (expression, decided) in [
        ("priority >= warning and rule contains r and not (source = y or hostname exists)", true),
        ("tags = t or time > 2026-01-01 or output exists", true),
        ("priority = debug and proc.name = cat", true),
        ("priority = error or proc.name = cat", true),
        ("not (rule = r and shell)", false),
        ("rule = r and shell", false),
        ("rule = r and not proc.name = cat", false),
        ("\"priority\" = error", false),
    ] {
        let filter: Filter = expression.parse().unwrap();
        let known =
            event::read(line.as_bytes(), || unreachable!(), |record| filter.decide(&record.event));
        assert_eq!(known.unwrap().is_some(), decided, "{expression}");
    }
}
