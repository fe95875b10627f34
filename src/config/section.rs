//! Reads one map of the settings, key by key.
//!
//! 1. Opening a section reports a value that is no map, and keys that are unknown, belong to a
//!    later version or appear twice.
//! 2. Reading a key returns its value, or `None` if the key is absent. It reports a wrong value and
//!    returns `None` as well. The caller goes on with the default, so that one run finds every
//!    mistake; the report then decides that there is no configuration.

use std::collections::HashSet;

use super::{
    finding::Report,
    keys::Keys,
    place::{At, quoted},
    tree::{Entry, Node, Value},
};

/// A value and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed<T> {
    pub(super) value: T,
    pub(super) at: At,
}

/// A map whose keys have been checked.
#[derive(Debug)]
pub(super) struct Section<'t> {
    path: &'static str,
    entries: &'t [Entry],
}

impl<'t> Section<'t> {
    /// Opens the map of an entry. Without an entry, or without a value, the section is empty.
    pub(super) fn open(keys: &Keys, entry: Option<&'t Entry>, report: &mut Report) -> Self {
        let path = keys.path;
        let entries = match entry {
            None => &[],
            Some(Entry { value, .. }) => match &value.value {
                Value::Map(entries) => entries.as_slice(),
                // A map whose keys are all commented out.
                Value::Null => &[],
                Value::Text(_) | Value::List(_) => {
                    let expected = keys.known.join(", ");
                    let found = value.found();
                    report.error(
                        value.at,
                        format!("{path} {found}; expected a map with the keys {expected}"),
                    );
                    &[]
                }
            },
        };
        check_duplicates(path, entries, |_| true, report);
        for Entry { key, at, .. } in entries {
            match key.as_deref() {
                Some(key) if keys.known.contains(&key) => {}
                Some(key) if keys.later.contains(&key) => report.error(
                    *at,
                    format!("{path}.{key} is not supported by this version; remove it"),
                ),
                key if keys.strict => report.error(*at, keys.unknown(key)),
                key => report.warn(*at, keys.unknown(key) + "; it is ignored"),
            }
        }
        Self { path, entries }
    }

    /// Returns the entry of a key, to open a section in it.
    pub(super) fn entry(&self, key: &str) -> Option<&'t Entry> {
        self.entries.iter().find(|entry| entry.key.as_deref() == Some(key))
    }

    /// Returns the value of a key.
    pub(super) fn node(&self, key: &str) -> Option<&'t Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Returns the full name of a key, for messages.
    pub(super) fn name(&self, key: &str) -> String {
        format!("{}.{key}", self.path)
    }

    /// Reads a scalar strictly. The error of `parse` says what was expected and what to do.
    pub(super) fn scalar<T>(
        &self,
        key: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
        report: &mut Report,
    ) -> Option<Placed<T>> {
        let node = self.node(key)?;
        let parsed = match &node.value {
            Value::Text(text) => parse(text),
            Value::Null | Value::List(_) | Value::Map(_) => Err("expected one value".to_owned()),
        };
        match parsed {
            Ok(value) => Some(Placed { value, at: node.at }),
            Err(expected) => {
                let name = self.name(key);
                report.error(node.at, format!("{name} {}; {expected}", node.found()));
                None
            }
        }
    }

    /// Reads a list of texts, none of them empty. A list whose elements are all commented out is
    /// empty.
    pub(super) fn list(&self, key: &str, report: &mut Report) -> Option<Placed<Vec<String>>> {
        let node = self.node(key)?;
        let name = self.name(key);
        let elements = match &node.value {
            Value::Null => return Some(Placed { value: Vec::new(), at: node.at }),
            Value::List(elements) => elements,
            Value::Text(_) | Value::Map(_) => {
                let found = node.found();
                let what = format!("{name} {found}; expected a list; write {key}: [\"…\"]");
                let option = format!("{what}, or -o {name}[]=…");
                report.error(node.at, if matches!(node.at, At::Option(_)) { option } else { what });
                return None;
            }
        };
        let mut texts = Vec::new();
        for (nth, element) in elements.iter().enumerate() {
            match &element.value {
                Value::Text(text) if !text.is_empty() => texts.push(text.clone()),
                _ => report
                    .error(element.at, format!("{name}[{nth}] {}; expected text", element.found())),
            }
        }
        Some(Placed { value: texts, at: node.at })
    }
}

/// Reports each key that appears again, at its second place, if it is among the `checked` keys.
pub(super) fn check_duplicates(
    path: &str,
    entries: &[Entry],
    checked: impl Fn(&str) -> bool,
    report: &mut Report,
) {
    let mut seen = HashSet::new();
    for Entry { key, at, .. } in entries {
        let Some(key) = key.as_deref().filter(|key| checked(key)) else { continue };
        if !seen.insert(key) {
            let key = quoted(key);
            report.error(*at, format!("the key {key} appears twice in {path}; remove one"));
        }
    }
}
