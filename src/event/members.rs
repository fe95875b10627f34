//! Reads the members of a JSON object that is no alert, to find an alert inside.

use std::borrow::Cow;

use super::Reject;
use super::json::Value;
use super::scan::{Malformed, Scanner};

/// Calls `each` for every member whose key is `wanted`, in order and with repeated keys. Skips
/// others without recursion.
///
/// # Errors
/// If the text is not exactly one JSON object. `each` may have been called before the error.
pub fn members<'a>(
    text: &'a str,
    wanted: impl Fn(&str) -> bool,
    mut each: impl FnMut(Cow<'a, str>, Value<'a>),
) -> Result<(), Reject> {
    let mut scanner = Scanner::new(text);
    scanner
        .members(|key, scanner| {
            if wanted(&key) {
                each(key, scanner.value()?);
                return Ok(());
            }
            scanner.skip().map(drop)
        })
        .and_then(|()| scanner.end())
        .map_err(|Malformed { at }| Reject::Malformed { column: at + 1 })
}

/// Returns the bytes of a JSON array of numbers from 0 to 255, or `None` for any other value.
/// `journalctl -o json` writes such an array for a value that is not printable text.
#[must_use]
pub fn octets(array: &str) -> Option<Vec<u8>> {
    let mut octets = Vec::with_capacity(array.len() / 4);
    let mut scanner = Scanner::new(array);
    let read = scanner.elements(|scanner| {
        let at_fault = Malformed { at: 0 };
        let Value::Plain(number) = scanner.value()? else { return Err(at_fault) };
        octets.push(number.parse().map_err(|_| at_fault)?);
        Ok(())
    });
    read.is_ok().then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_members_come_in_order_and_others_are_checked() {
        let seen = |text| {
            let mut seen = Vec::new();
            let read = members(text, |key| key.len() == 1, |key, value| seen.push((key, value)));
            read.map(|()| seen)
        };
        let object = r#"{"a":"x","bb":[{"a":1}],"a":2,"c":{"a":[]}}"#;
        assert_eq!(
            seen(object).unwrap(),
            [
                ("a".into(), Value::Text("x".into())),
                ("a".into(), Value::Plain("2".into())),
                ("c".into(), Value::Nested(r#"{"a":[]}"#)),
            ]
        );
        for broken in ["", "[]", "{", r#"{"a":1}{"a":1}"#, r#"{"bb":nul}"#] {
            assert!(matches!(seen(broken), Err(Reject::Malformed { .. })), "{broken}");
        }
    }

    #[test]
    fn octets_are_bytes_and_nothing_else() {
        assert_eq!(octets("[123, 0,255]"), Some(b"{\x00\xff".to_vec()));
        assert_eq!(octets("[]"), Some(Vec::new()));
        for other in ["[256]", "[-1]", "[1.0]", r#"["1"]"#, "[[1]]", "[true]", "[null]"] {
            assert_eq!(octets(other), None, "{other}");
        }
    }
}
