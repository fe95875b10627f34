//! JSON values as they stand in the text: numbers keep every digit, strings are unescaped only
//! when somebody asks.
//!
//! serde_json checks the syntax and finds where a value ends; the value itself is never put
//! through a float. Falco's numbers reach 2^64-1 and nanoseconds since 1970, both beyond what a
//! double can hold.

use std::borrow::Cow;

use serde::Deserializer as _;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// What a JSON value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Null,
    /// `true`, `false` or a number, as written.
    Plain(&'a str),
    String(Cow<'a, str>),
    /// An array or an object, as written.
    Nested(&'a str),
}

/// What the JSON value `raw` is.
pub(super) fn value(raw: &str) -> Value<'_> {
    match raw.as_bytes().first() {
        Some(b'"') => unquote(raw).map_or(Value::Null, Value::String),
        Some(b'n') | None => Value::Null,
        Some(b'[' | b'{') => Value::Nested(raw),
        Some(_) => Value::Plain(raw),
    }
}

/// Calls `each` with every member of the object `json`, in order: the key unescaped, the value as
/// it is written.
///
/// # Errors
/// When `json` is not one JSON object; members before the mistake have been seen by then.
pub(super) fn members<'a>(
    json: &'a str,
    each: impl FnMut(Cow<'a, str>, &'a str),
) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Members(each).deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Calls `each` with every element of the array `json`.
///
/// # Errors
/// When `json` is not one JSON array.
pub(super) fn elements<'a>(
    json: &'a str,
    each: impl FnMut(&'a str),
) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    Elements(each).deserialize(&mut deserializer)?;
    deserializer.end()
}

/// Writes `text` as a JSON string.
pub(super) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The text of a JSON string literal; `None` when `raw` is not one.
pub(super) fn unquote(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    match serde_json::from_str::<String>(raw) {
        Ok(text) => Some(Cow::Owned(text)),
        // A surrogate without its pair: valid JSON, no Unicode text. What can be kept is kept.
        Err(_) => {
            serde_json::Deserializer::from_str(raw).deserialize_bytes(Lossy).ok().map(Cow::Owned)
        }
    }
}

struct Members<F>(F);

impl<'de, F: FnMut(Cow<'de, str>, &'de str)> DeserializeSeed<'de> for Members<F> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(Cow<'de, str>, &'de str)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((key, value)) = map.next_entry::<&'de RawValue, &'de RawValue>()? {
            if let Some(key) = unquote(key.get()) {
                (self.0)(key, value.get());
            }
        }
        Ok(())
    }
}

struct Elements<F>(F);

impl<'de, F: FnMut(&'de str)> DeserializeSeed<'de> for Elements<F> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(&'de str)> Visitor<'de> for Elements<F> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a JSON array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(value) = seq.next_element::<&'de RawValue>()? {
            (self.0)(value.get());
        }
        Ok(())
    }
}

struct Lossy;

impl Visitor<'_> for Lossy {
    type Value = String;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a JSON string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<String, E> {
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members_of(json: &str) -> Option<Vec<(String, String)>> {
        let mut found = Vec::new();
        members(json, |key, raw| found.push((key.into_owned(), raw.to_owned()))).ok()?;
        Some(found)
    }

    #[test]
    fn members_keep_order_and_every_digit() {
        let json = r#" { "b" : 18446744073709551615 , "a":0.0,"é\n":[1, {"x":2}] } "#;
        let expected = [("b", "18446744073709551615"), ("a", "0.0"), ("é\n", r#"[1, {"x":2}]"#)];
        assert_eq!(members_of(json), Some(expected.map(|(k, v)| (k.into(), v.into())).to_vec()));
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for json in ["", "[]", "1", "{", r#"{"a":1"#, r#"{"a":1}}"#, r#"{"a":1} x"#, r#"{a:1}"#] {
            assert_eq!(members_of(json), None, "{json}");
        }
    }

    #[test]
    fn strings_are_unescaped_and_lone_surrogates_repaired() {
        for (json, text) in [
            (r#""plain""#, "plain"),
            (r#""""#, ""),
            (r#""tab\tquote\" \u00e9 \ud83d\ude00""#, "tab\tquote\" é 😀"),
            (r#""a\ud800b""#, "a\u{fffd}\u{fffd}\u{fffd}b"),
        ] {
            assert_eq!(value(json), Value::String(text.into()), "{json}");
        }
    }

    #[test]
    fn deep_nesting_is_skipped_without_recursion() {
        let deep = format!(r#"{{"a":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(members_of(&deep).map(|members| members.len()), Some(1));
    }
}
