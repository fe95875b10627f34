//! The tree of a settings text, before its keys are interpreted.
//!
//! A scalar is its text, never a typed value. Booleans and numbers follow Falco's rules
//! (`scalar.rs`), not YAML's, and `0660` or `0.40` must stay as written. Each node has its origin,
//! so that a message can point at it.

use std::collections::HashSet;

use super::place::{At, quoted};

/// One value and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) at: At,
    /// The text before the expansion of `${VAR}`, if that changed it.
    pub(super) unexpanded: Option<String>,
}

/// A YAML value, without scalar types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// `~`, `null` or nothing, unquoted.
    Null,
    Text(String),
    List(Vec<Node>),
    /// In the order of the text. A key that appears twice is here twice.
    Map(Vec<Entry>),
}

/// One `key: value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// `None` for a key that is not a scalar.
    pub(super) key: Option<String>,
    pub(super) at: At,
    pub(super) value: Node,
}

impl Node {
    pub(super) fn new(value: Value, at: At) -> Self {
        Self { value, at, unexpanded: None }
    }

    /// Returns the entries of a map; none for any other value.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Null | Value::Text(_) | Value::List(_) => &[],
        }
    }

    /// Returns the entry of a key. If the key appears twice, the first counts, as in Falco.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.as_deref() == Some(key))
    }

    /// Describes the value; in a message this follows the name of the key.
    pub(super) fn found(&self) -> String {
        let text = match &self.value {
            Value::Null => return "has no value".to_owned(),
            Value::List(_) => return "is a list".to_owned(),
            Value::Map(_) => return "is a map".to_owned(),
            Value::Text(text) => text,
        };
        match &self.unexpanded {
            Some(before) => format!("is {} (from {})", quoted(text), quoted(before)),
            None => format!("is {}", quoted(text)),
        }
    }
}

/// Applies YAML's merge key: adds the entries of the map at `<<` (or of a list of maps) after the
/// map's own, which win. Of several sources the earlier wins.
pub(super) fn merged(entries: Vec<Entry>) -> Vec<Entry> {
    if !entries.iter().any(is_merge) {
        return entries;
    }
    let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_merge);
    let mut seen: HashSet<_> = own.iter().map(|entry| entry.key.clone()).collect();
    for merge in merges {
        let sources = match merge.value.value {
            Value::List(sources) => sources,
            _ => vec![merge.value],
        };
        for source in sources {
            let Value::Map(inherited) = source.value else { continue };
            own.extend(inherited.into_iter().filter(|entry| seen.insert(entry.key.clone())));
        }
    }
    own
}

/// Whether this is a merge key. A `<<` whose value is no map or list of maps is an ordinary key,
/// and later reported as unknown.
fn is_merge(entry: &Entry) -> bool {
    let is_map = |node: &Node| matches!(node.value, Value::Map(_));
    entry.key.as_deref() == Some("<<")
        && match &entry.value.value {
            Value::List(sources) => sources.iter().all(is_map),
            _ => is_map(&entry.value),
        }
}
