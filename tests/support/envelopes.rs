//! The cases of `tests/data/envelopes.txt`.
#![allow(clippy::indexing_slicing, reason = "tests fail by panicking")]

use serde_json::{Value, json};

/// Lines, and the alerts in them.
#[derive(Debug)]
pub(crate) struct Case {
    /// The rule of its alerts.
    pub(crate) name: String,
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) alerts: Vec<Inside>,
}

/// An alert that must come out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Inside {
    /// `Some(Cri)` as `Debug` has it, or `None`.
    pub(crate) kind: String,
    /// `None` where this machine's name is all there is.
    pub(crate) host: Option<String>,
    pub(crate) time: Option<String>,
}

/// What cuts lines does so after this many bytes.
const PART: usize = 16 << 10;

/// Every case, in order.
pub(crate) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in include_str!("../data/envelopes.txt").lines() {
        if let Some(name) = line.strip_prefix("case ") {
            cases.push(Case { name: name.to_owned(), lines: Vec::new(), alerts: Vec::new() });
        } else if let Some(line) = line.strip_prefix("< ") {
            let case = cases.last_mut().unwrap();
            case.lines.push(filled(line, &case.name).into_bytes());
        } else if let Some(alert) = line.strip_prefix("> ") {
            let words: Vec<_> = alert.split(' ').collect();
            let word = |at: usize| Some(words[at]).filter(|word| *word != "-").map(str::to_owned);
            let kind =
                if words[0] == "None" { "None".into() } else { format!("Some({})", words[0]) };
            let inside = Inside { kind, host: word(1), time: word(2) };
            cases.last_mut().unwrap().alerts.push(inside);
        } else {
            assert!(line.is_empty() || line.starts_with('#'), "{line}");
        }
    }
    cases
}

/// An alert of this rule as Falco writes it.
pub(crate) fn alert(rule: &str, host: bool, padding: usize) -> Value {
    let mut alert = json!({
        "output": format!("10:00:00.000000001: Notice \"{rule}\" \\ ü"),
        "output_fields": { "proc.cmdline": "ü€😀\t\"".repeat(padding) },
        "priority": "Notice",
        "rule": rule,
        "source": "syscall",
        "tags": ["live"],
        "time": "2026-01-30T10:00:00.000000001Z",
    });
    if host {
        alert["hostname"] = json!("node-a");
    }
    alert
}

/// A line with the alerts of its words in braces.
fn filled(line: &str, rule: &str) -> String {
    let mut line = line.to_owned();
    let text = format!("10:00:00.408091526: Warning {rule} (user=root file=/etc/shadow)");
    // Its parts are cut anywhere, but where a character would be cut the runtime that writes JSON
    // destroys it, and CRI's lines would be no text here: those have a test of their own.
    let long = alert(rule, true, 0).to_string().replacen(
        "\"proc.cmdline\":\"\"",
        &format!("\"proc.cmdline\":\"{}\"", "a b".repeat(14_000)),
        1,
    );
    let parts: Vec<_> =
        long.as_bytes().chunks(PART).map(|part| str::from_utf8(part).unwrap()).collect();
    assert_eq!(parts.len(), 3);
    let mut words = vec![
        ("json".to_owned(), alert(rule, true, 3).to_string()),
        ("bare".to_owned(), alert(rule, false, 3).to_string()),
        ("text".to_owned(), text),
    ];
    for (number, part) in parts.iter().enumerate() {
        words.push((format!("long {}", number + 1), (*part).to_owned()));
    }
    for (word, value) in words {
        let quoted = serde_json::to_string(&value).unwrap();
        line = line.replace(&format!("{{\"{word}\"}}"), &quoted[1..quoted.len() - 1]);
        line = line.replace(&format!("{{{word}}}"), &value);
        line = line.replace(&format!("[{word}]"), &format!("{:?}", value.as_bytes()));
    }
    line
}
