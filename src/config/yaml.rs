//! Parses YAML text into [`Node`]s. Only this file uses the YAML library.
//!
//! The library returns values without positions, and typed scalars where the text is needed (`0.40`
//! as a float, `0x10` as 16). Several passes over the same text work around both. Each pass visits
//! the same nodes in the same order, so a node is identified by its number:
//!
//! 1. The first pass records the shape of each node (null, text, list, map; `survey.rs`).
//! 2. The second pass asks for each node in its known shape. A scalar then comes as its text.
//! 3. A message needs a third pass, which rejects the node with one number. The library's error has
//!    the node's line and column.
//!
//! Rejects text that is not YAML, is too large, or has too many nodes or too much content. Aliases
//! multiply the last two. Only the first document counts, as in Falco, but the others must be YAML
//! as well. The tree has keys that appear twice, and the caller reports them. Does no IO.

use std::fmt;

use serde::de::{
    Deserialize as _, DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess,
    Visitor,
};

use super::{
    place::{At, Position},
    survey::{Shape, Survey},
    tree::{Entry, Node, Value, merged},
};

/// The largest text, in bytes. Falco's own file has about 60 KiB, most of it comments.
pub(super) const MAX_TEXT: usize = 1 << 20;

/// The most content of all scalars, aliases followed, in bytes. A few aliases can repeat a long
/// scalar until it fits into no memory.
const MAX_CONTENT: usize = 4 * MAX_TEXT;

/// The reason why a text could not be parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unreadable {
    pub(super) position: Option<Position>,
    pub(super) reason: String,
}

/// A parsed text.
#[derive(Debug)]
pub(super) struct Document {
    text: String,
    shapes: Vec<Shape>,
    /// Whether the text has more documents, which are ignored.
    pub(super) more: bool,
}

/// Parses a text; `at` returns the origin of the node with a number.
pub(super) fn parse(text: &str, at: impl Fn(usize) -> At) -> Result<(Document, Node), Unreadable> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    check_characters(text)?;
    let unreadable = |error| unreadable(&error, text);
    let mut shapes = Vec::new();
    let mut documents = serde_yaml::Deserializer::from_str(text);
    if let Some(document) = documents.next() {
        Survey(&mut shapes).deserialize(document).map_err(&unreadable)?;
    }
    let mut more = false;
    for document in documents {
        // Junk after the first document, such as a line with less indentation, is a document too.
        IgnoredAny::deserialize(document).map_err(&unreadable)?;
        more = true;
    }
    let document = Document { text: text.to_owned(), shapes, more };
    let root = document.build(&at, None).map_err(&unreadable)?;
    Ok((document, root.unwrap_or_else(|| Node::new(Value::Null, at(0)))))
}

impl Document {
    /// Returns the position of the node with this number.
    pub(super) fn locate(&self, number: usize) -> Option<Position> {
        let error = self.build(&|_| At::Whole, Some(number)).err()?;
        position(&error, &self.text)
    }

    /// Returns the number of nodes, aliases followed.
    pub(super) fn nodes(&self) -> usize {
        self.shapes.len()
    }

    fn build(
        &self,
        at: &dyn Fn(usize) -> At,
        refuse: Option<usize>,
    ) -> Result<Option<Node>, serde_yaml::Error> {
        let Some(document) = serde_yaml::Deserializer::from_str(&self.text).next() else {
            return Ok(None);
        };
        let mut walk = Walk { shapes: &self.shapes, number: 0, content: 0, refuse, at };
        Build(&mut walk).deserialize(document).map(Some)
    }
}

/// Rejects a text that is too large or has a character that YAML forbids. The library's error has
/// no position for such a character.
fn check_characters(text: &str) -> Result<(), Unreadable> {
    if text.len() > MAX_TEXT {
        let reason = format!("longer than {MAX_TEXT} bytes");
        return Err(Unreadable { position: None, reason });
    }
    let forbidden = |c: char| {
        let control = c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
        control || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    match text.find(forbidden) {
        None => Ok(()),
        Some(index) => {
            let (before, rest) = text.split_at(index);
            let c = rest.chars().next().unwrap_or_default();
            let reason = format!("character U+{:04X} is not allowed in YAML", u32::from(c));
            Err(Unreadable { position: Some(position_after(before)), reason })
        }
    }
}

/// Returns the position right after a text.
pub(super) fn position_after(text: &str) -> Position {
    let line = text.split('\n').count();
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Position { line, column }
}

/// Returns the position of an error, from its byte offset, which is exact. The library's line is
/// one too high at the end of a text, and counts line breaks that no editor counts.
fn position(error: &serde_yaml::Error, text: &str) -> Option<Position> {
    let index = error.location()?.index();
    text.get(..index.min(text.len())).map(position_after)
}

fn unreadable(error: &serde_yaml::Error, text: &str) -> Unreadable {
    let mut reason = error.to_string();
    if let Some(place) = error.location() {
        // The finding's prefix has the position already.
        let said = format!(" at line {} column {}", place.line(), place.column());
        reason = reason.replacen(&said, "", 1);
    }
    Unreadable { position: position(error, text), reason }
}

/// The state of the second and third pass.
struct Walk<'w> {
    shapes: &'w [Shape],
    /// The number of the next node.
    number: usize,
    /// Bytes of all scalars so far.
    content: usize,
    /// The node to reject.
    refuse: Option<usize>,
    at: &'w dyn Fn(usize) -> At,
}

/// Builds one node.
struct Build<'b, 'w>(&'b mut Walk<'w>);

impl<'de> DeserializeSeed<'de> for Build<'_, '_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Node, D::Error> {
        let Self(walk) = self;
        let number = walk.number;
        walk.number += 1;
        if walk.refuse == Some(number) {
            return from.deserialize_any(Refuse);
        }
        // The first pass visited the same nodes, so there is always a shape.
        let shape = walk.shapes.get(number).copied();
        let at = (walk.at)(number);
        let value = match shape.ok_or_else(|| D::Error::custom("the text changed"))? {
            Shape::Null => from.deserialize_ignored_any(IgnoredAny).map(|_| Value::Null),
            Shape::Text => from.deserialize_str(Content(walk)),
            Shape::List => from.deserialize_seq(Content(walk)),
            Shape::Map => from.deserialize_map(Content(walk)),
        }?;
        Ok(Node::new(value, at))
    }
}

/// Builds the content of a node whose shape is known.
struct Content<'b, 'w>(&'b mut Walk<'w>);

impl<'de> Visitor<'de> for Content<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the same node as before")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.0.content = self.0.content.saturating_add(text.len());
        if self.0.content > MAX_CONTENT {
            return Err(E::custom(format_args!(
                "more than {MAX_CONTENT} bytes once aliases are followed"
            )));
        }
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element_seed(Build(&mut *self.0))? {
            nodes.push(node);
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key_seed(Build(&mut *self.0))? {
            let value = map.next_value_seed(Build(&mut *self.0))?;
            let name = match key.value {
                Value::Text(name) => Some(name),
                Value::Null | Value::List(_) | Value::Map(_) => None,
            };
            entries.push(Entry { key: name, at: key.at, value });
        }
        Ok(Value::Map(merged(entries)))
    }
}

/// Rejects every value: the default methods of a visitor are errors. The library adds the position.
struct Refuse;

impl Visitor<'_> for Refuse {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing")
    }
}

#[cfg(test)]
mod tests {
    use super::super::place::Spot;
    use super::*;

    fn at(number: usize) -> At {
        At::In(0, Spot::Node(number))
    }

    /// Every node as `line:column text`, in the order of their numbers.
    fn places(text: &str) -> Vec<String> {
        let (document, root) = parse(text, at).expect(text);
        let mut lines = Vec::new();
        collect(&document, &root, &mut lines);
        lines
    }

    fn collect(document: &Document, node: &Node, lines: &mut Vec<String>) {
        let mut line = |at: At, what: &str| {
            let At::In(0, Spot::Node(number)) = at else { panic!("{at:?}") };
            let Position { line, column } = document.locate(number).expect("a position");
            lines.push(format!("{line}:{column} {what}"));
        };
        match &node.value {
            Value::Null => line(node.at, "null"),
            Value::Text(text) => line(node.at, text),
            Value::List(nodes) => {
                line(node.at, "[]");
                nodes.iter().for_each(|node| collect(document, node, lines));
            }
            Value::Map(entries) => {
                line(node.at, "{}");
                for Entry { key, at, value } in entries {
                    let At::In(0, Spot::Node(number)) = at else { panic!("{at:?}") };
                    let Position { line, column } = document.locate(*number).expect("a position");
                    lines.push(format!("{line}:{column} {}:", key.as_deref().unwrap_or("?")));
                    collect(document, value, lines);
                }
            }
        }
    }

    #[test]
    fn every_node_has_its_text_and_position() {
        for (text, expected) in [
            ("a: 0.40", &["1:1 {}", "1:1 a:", "1:4 0.40"] as &[&str]),
            (
                "# comment\na:\n  b: 0x10 # c\n  'c d': \"e: f\"\n",
                &["2:1 {}", "2:1 a:", "3:3 {}", "3:3 b:", "3:6 0x10", "4:3 c d:", "4:10 e: f"],
            ),
            (
                "{a: [0660, {b: True}], c: ~}",
                &[
                    "1:1 {}",
                    "1:2 a:",
                    "1:5 []",
                    "1:6 0660",
                    "1:12 {}",
                    "1:13 b:",
                    "1:16 True",
                    "1:24 c:",
                    "1:27 ~",
                ],
            ),
            ("é: ö\nx: |\n  y\n", &["1:1 {}", "1:1 é:", "1:4 ö", "2:1 x:", "2:4 y\n"]),
            ("- 1\n- - 2\n", &["1:1 []", "1:3 1", "2:3 []", "2:5 2"]),
            ("a: 1\na: 2\n", &["1:1 {}", "1:1 a:", "1:4 1", "2:1 a:", "2:4 2"]),
            (
                "a: !x {b: 1}\nc: !!str 2",
                &["1:1 {}", "1:1 a:", "1:4 {}", "1:8 b:", "1:11 1", "2:1 c:", "2:4 2"],
            ),
            ("[x, y]: 1\nb: 2", &["1:1 {}", "1:1 ?:", "1:9 1", "2:1 b:", "2:4 2"]),
            ("\u{feff}a: 1\r\nb: 2", &["1:1 {}", "1:1 a:", "1:4 1", "2:1 b:", "2:4 2"]),
            ("a: 1\n---\nb: 2", &["1:1 {}", "1:1 a:", "1:4 1"]),
            // An alias has the position of its anchor.
            ("a: &x 1\nb: *x", &["1:1 {}", "1:1 a:", "1:4 1", "2:1 b:", "1:4 1"]),
            (
                "a: &x {m: 1, n: 2}\nb:\n  <<: *x\n  n: 3\n",
                &[
                    "1:1 {}", "1:1 a:", "1:4 {}", "1:8 m:", "1:11 1", "1:14 n:", "1:17 2",
                    "2:1 b:", "3:3 {}", "4:3 n:", "4:6 3", "1:8 m:", "1:11 1",
                ],
            ),
        ] {
            let expected: Vec<_> =
                expected.iter().map(|line| line.replace(" ~", " null")).collect();
            assert_eq!(places(text), expected, "{text}");
        }
    }

    #[test]
    fn a_quoted_null_is_text() {
        for (text, null) in [
            ("", true),
            ("~", true),
            ("null", true),
            ("---", true),
            ("'null'", false),
            ("''", false),
        ] {
            let (_, root) = parse(text, at).expect(text);
            assert_eq!(root.value == Value::Null, null, "{text}");
        }
    }

    #[test]
    fn text_that_is_not_yaml_is_rejected_with_its_position() {
        let aliases = format!(
            "a: &a [{}]\nb: &b [{}]\nc: [{}]",
            ["x"; 300].join(","),
            ["*a"; 300].join(","),
            ["*b"; 300].join(",")
        );
        let long = format!("a: &a {}\nb: [{}]", "9".repeat(100_000), ["*a"; 50].join(","));
        for (text, line, column, reason) in [
            ("a: [1", 1, 6, "did not find expected ',' or ']'"),
            ("a: b: c", 1, 5, "mapping values are not allowed"),
            ("a: 1\n\tb: 2", 2, 1, "found a tab character"),
            ("a: 1\nb: \u{1}", 2, 4, "character U+0001 is not allowed"),
            ("a: 1\n---\nb: [", 3, 5, "did not find expected node"),
            ("  a: 1\nb: 2", 2, 1, "did not find expected <document start>"),
            ("\"\"\"\"", 1, 3, "did not find expected <document start>"),
            ("a: *x", 1, 4, "unknown anchor"),
            ("a: !!int x", 1, 4, "expected an integer"),
            (&"[".repeat(200), 1, 129, "recursion limit"),
            (&aliases, 1, 0, "more than 200000 values"),
            (&long, 1, 0, "more than 4194304 bytes"),
        ] {
            let error = parse(text, at).expect_err(text);
            assert!(error.reason.contains(reason), "{error:?}");
            assert!(!error.reason.contains(&format!("line {line} column {column}")), "{error:?}");
            let position = error.position.expect("a position");
            assert_eq!(position.line, line, "{text} {error:?}");
            assert!(column == 0 || position.column == column, "{text} {error:?}");
        }
    }
}
