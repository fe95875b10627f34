//! Converts shell patterns, with the meaning of C's `fnmatch` without flags, to regular
//! expressions, which match in linear time. Pure.
//!
//! `*` matches any text, `?` one character, and `[a-z]`, `[!a-z]` and `[[:digit:]]` one character
//! of a set. A backslash escapes the next character. A `[` without a closing `]` stands for itself,
//! and so does each `[` after it.

use std::iter::Peekable;
use std::str::Chars;

/// Returns whether a pattern has more than plain text.
pub(super) fn has_wildcards(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '\\'])
}

/// Returns the regular expression that matches the same texts, as a whole, as the pattern.
pub(super) fn as_regex(pattern: &str) -> String {
    let mut regex = String::from(r"(?s)\A");
    let mut rest = pattern.chars().peekable();
    // A search for the closing `]` from every bracket would take quadratic time.
    let mut unclosed = false;
    while let Some(c) = rest.next() {
        match c {
            // Several in a row mean the same as one.
            '*' => {
                while rest.next_if_eq(&'*').is_some() {}
                regex.push_str(".*");
            }
            '?' => regex.push('.'),
            '[' if !unclosed => {
                let mut inside = rest.clone();
                match set(&mut inside) {
                    Some(set) => {
                        rest = inside;
                        regex.push_str(&set);
                    }
                    None => {
                        unclosed = true;
                        push_literal(&mut regex, '[');
                    }
                }
            }
            '\\' => push_literal(&mut regex, rest.next().unwrap_or('\\')),
            c => push_literal(&mut regex, c),
        }
    }
    regex.push_str(r"\z");
    regex
}

/// Converts the set after `[`, up to the closing `]`. Returns `None` if there is no `]`.
fn set(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut set = String::from("[");
    if rest.next_if(|c| matches!(c, '!' | '^')).is_some() {
        set.push('^');
    }
    // A `]` at the start is a member of the set.
    let mut first = true;
    loop {
        match rest.next()? {
            ']' if !first => break,
            '[' if rest.peek() == Some(&':') => match class(&mut rest.clone()) {
                Some(class) => {
                    set.push_str(&class);
                    // `class` read a copy, so skip the same characters here.
                    _ = rest.nth(class.chars().count() - 2);
                }
                None => push_literal(&mut set, '['),
            },
            '\\' => push_literal(&mut set, rest.next()?),
            // Between two members `-` makes a range. At the end it is a member.
            '-' if !first && rest.peek() != Some(&']') => set.push('-'),
            c => push_literal(&mut set, c),
        }
        first = false;
    }
    set.push(']');
    Some(set)
}

/// Reads a class `[:name:]`, from the first colon on.
fn class(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    rest.next_if_eq(&':')?;
    let mut class = String::from("[:");
    while let Some(letter) = rest.next_if(char::is_ascii_lowercase) {
        class.push(letter);
    }
    rest.next_if_eq(&':')?;
    rest.next_if_eq(&']')?;
    class.push_str(":]");
    Some(class)
}

fn push_literal(regex: &mut String, c: char) {
    regex.push_str(&regex_syntax::escape(c.encode_utf8(&mut [0; 4])));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::pattern::{Pattern, Room};

    #[test]
    fn patterns_match_like_fnmatch() {
        for (pattern, yes, no) in [
            ("", &[""][..], &["a"][..]),
            ("*", &["", "a/b", "a\nb"], &[]),
            ("/home/*/.ssh/*", &["/home/a/.ssh/id", "/home/a/b/.ssh/"], &["/home/.ssh/id"]),
            ("a?c", &["abc", "a/c", "aéc"], &["ac", "abbc"]),
            ("[a-c]x", &["ax", "cx"], &["dx", "-x", "x"]),
            ("[!a-c]x", &["dx", "-x"], &["ax", "x"]),
            ("[^a]", &["b", "^"], &["a"]),
            ("[]a]", &["]", "a"], &["b"]),
            ("[a-]", &["a", "-"], &["b"]),
            ("[-a]", &["a", "-"], &["b"]),
            ("[[:digit:]x]1", &["51", "x1"], &["a1", ":1"]),
            ("[[:]", &["[", ":"], &["a"]),
            ("[&&]", &["&"], &["a"]),
            ("a[b[c", &["a[b[c"], &["abc"]),
            (r"\*\?\[a", &["*?[a"], &["xya", r"\*\?\[a"]),
            (r"[\]]", &["]"], &[r"\"]),
            (r"a\", &[r"a\"], &["a"]),
            ("a.c+", &["a.c+"], &["abc+", "a.cc"]),
        ] {
            let regex = Pattern::new(&as_regex(pattern), &mut Room::default()).unwrap();
            for text in yes {
                assert!(regex.is_match(text), "{pattern} {text}");
            }
            for text in no {
                assert!(!regex.is_match(text), "{pattern} {text}");
            }
        }
    }
}
