//! The tree a settings text becomes before anything is known about its meaning.
//!
//! A scalar is its text, never a typed value: what counts as a boolean or a number is Falco's
//! rule (`scalar.rs`), not YAML's, and `0660` or `0.40` must survive as they were written. Every
//! node remembers where it came from, so that a message can point at it.

use std::collections::HashSet;

use super::place::{At, quoted};

/// One value and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) at: At,
    /// The text before `${VAR}` was expanded, when that changed it.
    pub(super) unexpanded: Option<String>,
}

/// What YAML can say, without types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// `~`, `null` or nothing at all, not quoted.
    Null,
    Text(String),
    List(Vec<Node>),
    /// In the order of the text; a key that is written twice is here twice.
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

    /// The entries of a map; none for anything else.
    pub(super) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Null | Value::Text(_) | Value::List(_) => &[],
        }
    }

    /// Looks a key up; of a key written twice the first counts, as in Falco.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key.as_deref() == Some(key))
    }

    /// What is here, to follow the name of a key in a message.
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

/// Applies YAML's merge key: the entries of the map behind `<<` (or of a list of maps) join the
/// map, after its own, which win; of several sources the earlier wins.
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

/// A `<<` whose value is not made of maps stays an ordinary key, and is met as an unknown one.
fn is_merge(entry: &Entry) -> bool {
    let is_map = |node: &Node| matches!(node.value, Value::Map(_));
    entry.key.as_deref() == Some("<<")
        && match &entry.value.value {
            Value::List(sources) => sources.iter().all(is_map),
            _ => is_map(&entry.value),
        }
}
