//! The example lines of Falco and related programs, and the alert that each must become. Both are
//! in `tests/data/`, one a line, in the same order.
//!
//! An alert is an object with the fields of `falco.outputs.response`: `time` as
//! `seconds.nanoseconds`, enums as their numbers.

use serde_json::{Value, json};

/// Falco's JSON lines, each with its newline.
pub(crate) fn lines() -> Vec<&'static str> {
    include_str!("../data/falco-example-lines.jsonl").split_inclusive('\n').collect()
}

/// The alerts of the lines over gRPC. A `null` hostname stands for the machine's own.
pub(crate) fn alerts() -> Vec<Value> {
    let hostname = nix::unistd::gethostname().unwrap().into_string().unwrap();
    include_str!("../data/falco-example-alerts.jsonl")
        .lines()
        .map(|line| {
            let mut alert: Value = serde_json::from_str(line).unwrap();
            let name = alert.get_mut("hostname").unwrap();
            if name.is_null() {
                *name = json!(hostname);
            }
            alert
        })
        .collect()
}

/// A line of Falco's with a rule of this name.
pub(crate) fn line(rule: &str) -> String {
    let line = json!({
        "hostname": "node-a",
        "output": format!("10:00:00.000000001: Notice {rule}"),
        "output_fields": { "proc.name": "cat" },
        "priority": "Notice",
        "rule": rule,
        "source": "syscall",
        "tags": ["live"],
        "time": "2026-01-30T10:00:00.000000001Z",
    });
    format!("{line}\n")
}

/// The alert of [`line`] over gRPC.
pub(crate) fn alert(rule: &str) -> Value {
    json!({
        "time": "1769767200.000000001",
        "priority": 5,
        "source_deprecated": 0,
        "rule": rule,
        "output": format!("10:00:00.000000001: Notice {rule}"),
        "output_fields": { "proc.name": "cat" },
        "hostname": "node-a",
        "tags": ["live"],
        "source": "syscall",
    })
}
