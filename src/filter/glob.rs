//! Shell patterns, as `fnmatch` of C reads them without flags, written as regular expressions: so
//! they match in linear time. Pure.
//!
//! `*` is anything, `?` one character, `[a-z]`, `[!a-z]` and `[[:digit:]]` one of a set, a backslash
//! takes their meaning from what follows. A `[` that nothing closes stands for itself, and so do
//! those behind it.

use std::iter::Peekable;
use std::str::Chars;

/// Whether there is anything but plain text in a pattern.
pub(super) fn has_wildcards(pattern: &str) -> bool {
    pattern.contains(['*', '?', '[', '\\'])
}

/// The regular expression that matches all of what the pattern does.
pub(super) fn as_regex(pattern: &str) -> String {
    let mut regex = String::from(r"(?s)\A");
    let mut rest = pattern.chars().peekable();
    // Looking for it again from every bracket would take quadratic time.
    let mut unclosed = false;
    while let Some(c) = rest.next() {
        match c {
            // More of them mean the same.
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

/// What stands behind `[`, up to the `]` that closes it; nothing when none does.
fn set(rest: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut set = String::from("[");
    if rest.next_if(|c| matches!(c, '!' | '^')).is_some() {
        set.push('^');
    }
    // A bracket that comes first is one of the set.
    let mut first = true;
    loop {
        match rest.next()? {
            ']' if !first => break,
            '[' if rest.peek() == Some(&':') => match class(&mut rest.clone()) {
                Some(class) => {
                    set.push_str(&class);
                    // What was looked at in a copy is now behind.
                    _ = rest.nth(class.chars().count() - 2);
                }
                None => push_literal(&mut set, '['),
            },
            '\\' => push_literal(&mut set, rest.next()?),
            // Between two of the set, a range; the last is one of the set.
            '-' if !first && rest.peek() != Some(&']') => set.push('-'),
            c => push_literal(&mut set, c),
        }
        first = false;
    }
    set.push(']');
    Some(set)
}

/// `[:name:]`, given from the colon on.
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
    fn patterns_match_as_fnmatch_does() {
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
