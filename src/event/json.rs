//! JSON values as written. Numbers keep every digit and are never converted to a float: Falco's
//! reach 2^64-1 and nanoseconds since 1970, both beyond the precision of a double.

use std::borrow::Cow;

use serde::Deserializer as _;
use serde::de::Visitor;

/// A JSON value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    /// `null`.
    Null,
    /// `true`, `false` or a number, as written.
    Plain(Cow<'a, str>),
    /// A string's text, without quotes and escapes.
    Text(Cow<'a, str>),
    /// An array or an object, as written.
    Nested(&'a str),
}

impl<'a> Value<'a> {
    /// Returns the text of a string, and `None` for any other value.
    #[must_use]
    pub fn into_text(self) -> Option<Cow<'a, str>> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// Returns the text of a JSON string. `string` includes the quotes.
pub(super) fn unescape(string: &str) -> String {
    match serde_json::from_str(string) {
        Ok(text) => text,
        // A lone surrogate is valid JSON, but not Unicode. Replace it and keep the rest.
        Err(_) => {
            let mut deserializer = serde_json::Deserializer::from_str(string);
            deserializer.deserialize_bytes(Lossy).unwrap_or_default()
        }
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

    #[test]
    fn strings_are_unescaped_and_lone_surrogates_replaced() {
        for (json, text) in [
            (r#""plain""#, "plain"),
            (r#""""#, ""),
            (r#""tab\tquote\" \u00e9 \ud83d\ude00""#, "tab\tquote\" é 😀"),
            (r#""a\ud800b""#, "a\u{fffd}\u{fffd}\u{fffd}b"),
        ] {
            assert_eq!(unescape(json), text, "{json}");
        }
    }
}
