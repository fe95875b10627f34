//! Scans JSON text in one pass. It checks the syntax (RFC 8259) and returns values as written.
//!
//! 1. The caller opens an object or array and gets its members. It takes each value
//!    ([`Scanner::value`]), skips it ([`Scanner::skip`]) or opens it in turn. So every byte is read
//!    once.
//! 2. A value is skipped without recursion, however deep it is.
//! 3. Strings are searched eight bytes at a time for a quote, a backslash or a control character.
//!
//! We have a scanner of our own because parsing is half the cost of ingest, and this one reads an
//! alert's fields in place. It rejects the same text as serde_json; tests and a fuzz target check
//! this. serde_json decodes the escapes ([`super::json::unescape`]), lone surrogates like `\ud800`
//! included.

use std::borrow::Cow;

use super::json::{Value, unescape};

/// A position in JSON text.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// The text is not JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed {
    /// The position of the error, in bytes from 0.
    pub(super) at: usize,
}

/// The notation of a string.
enum Spelling {
    /// Without escapes.
    Plain,
    /// With escapes.
    Escaped,
}

type Result<T> = std::result::Result<T, Malformed>;

impl<'a> Scanner<'a> {
    /// Starts at the first byte of `text` that is not white space.
    pub(super) fn new(text: &'a str) -> Self {
        let mut scanner = Self { text, at: 0 };
        scanner.space();
        scanner
    }

    /// Returns the position of the next byte, from 0.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Returns the next byte, which tells the kind of the value.
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Reads an object. `each` gets the key of every member, and must read its value.
    ///
    /// # Errors
    /// If there is no valid object. `each` has then seen the members before the error.
    pub(super) fn members(
        &mut self,
        mut each: impl FnMut(Cow<'a, str>, &mut Self) -> Result<()>,
    ) -> Result<()> {
        self.expect(b'{')?;
        self.space();
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.key()?;
            each(key, self)?;
            self.space();
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
            self.space();
        }
    }

    /// Reads an array. `each` must read every element.
    ///
    /// # Errors
    /// If there is no valid array. `each` has then seen the elements before the error.
    pub(super) fn elements(&mut self, mut each: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        self.expect(b'[')?;
        self.space();
        if self.take(b']') {
            return Ok(());
        }
        loop {
            each(self)?;
            self.space();
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',')?;
            self.space();
        }
    }

    /// Reads a value of any kind.
    ///
    /// # Errors
    /// If there is no valid value.
    pub(super) fn value(&mut self) -> Result<Value<'a>> {
        Ok(match self.peek() {
            Some(b'"') => Value::Text(self.string()?),
            Some(b'{' | b'[') => Value::Nested(self.skip()?),
            Some(b'n') => {
                self.word("null")?;
                Value::Null
            }
            _ => Value::Plain(self.skip()?.into()),
        })
    }

    /// Skips a value of any kind and returns it as written.
    ///
    /// # Errors
    /// If there is no valid value.
    pub(super) fn skip(&mut self) -> Result<&'a str> {
        let start = self.at;
        // The closing byte of each open object and array, the innermost last.
        let mut open = Vec::new();
        loop {
            match self.peek() {
                Some(b'"') => _ = self.quoted()?,
                Some(b'{') => {
                    self.at += 1;
                    self.space();
                    if !self.take(b'}') {
                        self.skip_key()?;
                        open.push(b'}');
                        continue;
                    }
                }
                Some(b'[') => {
                    self.at += 1;
                    self.space();
                    if !self.take(b']') {
                        open.push(b']');
                        continue;
                    }
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word("true")?,
                Some(b'f') => self.word("false")?,
                Some(b'n') => self.word("null")?,
                _ => return self.malformed(),
            }
            // A value has ended. The objects and arrays around it may end here, too.
            loop {
                let Some(end) = open.last() else { return Ok(self.since(start)) };
                self.space();
                if self.take(*end) {
                    open.pop();
                    continue;
                }
                self.expect(b',')?;
                self.space();
                if *end == b'}' {
                    self.skip_key()?;
                }
                break;
            }
        }
    }

    /// Checks that only white space is left.
    ///
    /// # Errors
    /// If there is more.
    pub(super) fn end(&mut self) -> Result<()> {
        self.space();
        if self.at == self.text.len() { Ok(()) } else { self.malformed() }
    }

    /// Reads a key and its colon, up to the beginning of the value.
    fn key(&mut self) -> Result<Cow<'a, str>> {
        let key = self.string()?;
        self.colon()?;
        Ok(key)
    }

    fn skip_key(&mut self) -> Result<()> {
        self.quoted()?;
        self.colon()
    }

    fn colon(&mut self) -> Result<()> {
        self.space();
        self.expect(b':')?;
        self.space();
        Ok(())
    }

    /// Reads a string and returns its text.
    fn string(&mut self) -> Result<Cow<'a, str>> {
        let start = self.at;
        Ok(match self.quoted()? {
            Spelling::Escaped => unescape(self.since(start)).into(),
            Spelling::Plain => self.text.get(start + 1..self.at - 1).unwrap_or_default().into(),
        })
    }

    /// Skips a string and its quotes.
    fn quoted(&mut self) -> Result<Spelling> {
        self.expect(b'"')?;
        let mut spelling = Spelling::Plain;
        loop {
            self.at += plain_length(self.rest());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(spelling);
                }
                Some(b'\\') => {
                    spelling = Spelling::Escaped;
                    self.at += 1;
                    self.escape()?;
                }
                _ => return self.malformed(),
            }
        }
    }

    /// Skips the rest of an escape after its backslash.
    fn escape(&mut self) -> Result<()> {
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let digits = self.rest().get(1..5).unwrap_or_default();
                if digits.len() < 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return self.malformed();
                }
                self.at += 5;
            }
            _ => return self.malformed(),
        }
        Ok(())
    }

    fn number(&mut self) -> Result<()> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            _ = self.take(b'+') || self.take(b'-');
            self.digits()?;
        }
        Ok(())
    }

    /// Skips one digit or more.
    fn digits(&mut self) -> Result<()> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count > 0 { Ok(()) } else { self.malformed() }
    }

    fn word(&mut self, word: &str) -> Result<()> {
        if !self.rest().starts_with(word.as_bytes()) {
            return self.malformed();
        }
        self.at += word.len();
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.take(byte) { Ok(()) } else { self.malformed() }
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Returns the text from `start` to here. Both are character boundaries.
    fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn malformed<T>(&self) -> Result<T> {
        Err(Malformed { at: self.at })
    }
}

/// Returns the number of bytes before the first quote, backslash or control character.
fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let special = special(u64::from_le_bytes(*word));
        if special != 0 {
            return 8 * number + special.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    let tail = rest.iter().position(is_special).unwrap_or(rest.len());
    8 * words.len() + tail
}

/// Searches eight bytes at once. The lowest bit set in the result is the high bit of the first
/// byte that is a quote, a backslash or a control character. Higher bits may be wrong, because a
/// subtraction borrows from the bytes above.
fn special(word: u64) -> u64 {
    const LOW: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = LOW << 7;
    // Sets the high bit of each byte below `bound`. This holds for ASCII bytes only, so the last
    // line masks the others.
    let below = |word: u64, bound: u8| word.wrapping_sub(LOW * u64::from(bound));
    let equal = |byte: u8| below(word ^ (LOW * u64::from(byte)), 1);
    (equal(b'"') | equal(b'\\') | below(word, 0x20)) & !word & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    fn ours(json: &str) -> Option<String> {
        let mut scanner = Scanner::new(json);
        let value = scanner.skip().ok()?;
        scanner.end().ok()?;
        Some(value.to_owned())
    }

    fn theirs(json: &str) -> Option<String> {
        serde_json::from_str::<Box<RawValue>>(json).ok().map(|value| value.get().to_owned())
    }

    #[test]
    fn accepts_and_rejects_the_same_json_as_serde_json() {
        let words = ["", " ", "null", "nul", "nulll", "true ", "falsy", "\u{feff}1", "\u{a0}1"];
        let numbers =
            ["0", "-0", "01", "-", "1.", ".5", "1.5e+9", "1e", "1e5.", "+1", "1 1", "-e", "1E-"];
        let strings = [
            r#"""#,
            r#""""#,
            r#""\"#,
            r#""\x""#,
            r#""\u12""#,
            r#""\u12G4""#,
            r#""\ud800""#,
            "\"a\nb\"",
            "\"a\u{7f}\u{80}\"",
            r#""12345678\"1234567""#,
            "\"1234567\u{1}\"",
        ];
        let nested = [
            "[",
            "]",
            "[]",
            "[ ]",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1}",
            "{",
            "{}",
            "{ }",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1"#,
            r#"{"a":1,}"#,
            r#"{"a":1]"#,
            "{1:2}",
            r#"{"a":{"b":[{}]}} "#,
        ];
        for json in words.iter().chain(&numbers).chain(&strings).chain(&nested) {
            assert_eq!(ours(json), theirs(json), "{json:?}");
        }
    }

    #[test]
    fn deep_nesting_uses_no_stack() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(ours(&deep).as_ref(), Some(&deep));
    }

    proptest! {
        #[test]
        fn accepts_and_rejects_the_same_random_text_as_serde_json(
            json in r#"[\[\]{}",:a\\u0-9.eE\-+ \n\ttrue]{0,24}"#,
            text in r#"([^\x00]|\\["\\u0-9a-f]|[\x00-\x22]){0,24}"#,
        ) {
            prop_assert_eq!(ours(&json), theirs(&json));
            let quoted = format!("{{\"{text}\":[{json},\"{text}\"]}}");
            prop_assert_eq!(ours(&quoted), theirs(&quoted));
        }

        #[test]
        fn the_first_special_byte_is_found(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let first = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20));
            prop_assert_eq!(plain_length(&bytes), first.unwrap_or(bytes.len()));
        }
    }
}
