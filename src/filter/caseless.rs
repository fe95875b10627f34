//! Case-insensitive substring search. Pure, and in linear time.
//!
//! Case is folded by character, to upper case and back to lower, so `ſ` finds `S` and `ς` finds
//! `Σ`. Most text is ASCII, where this takes one pass over the bytes.

use std::borrow::Cow;

use memchr::memmem::Finder;

/// A substring to search for.
#[derive(Debug, Clone)]
pub(super) struct Caseless {
    folded: Finder<'static>,
}

impl Caseless {
    pub(super) fn new(needle: &str) -> Self {
        Self { folded: Finder::new(fold(needle).as_bytes()).into_owned() }
    }

    pub(super) fn is_in(&self, text: &str) -> bool {
        self.folded.find(fold(text).as_bytes()).is_some()
    }

    /// Returns about how many bytes of memory it takes.
    pub(super) fn size(&self) -> usize {
        size_of::<Self>() + self.folded.needle().len()
    }
}

fn fold(text: &str) -> Cow<'_, str> {
    if !text.is_ascii() {
        return text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect();
    }
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => text.to_ascii_lowercase().into(),
        false => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_for_any_script() {
        for (needle, yes, no) in [
            ("", &["", "x"][..], &[][..]),
            ("shell", &["A SHELL", "Shell", "a shell!"], &["shel", "she ll"]),
            ("SS", &["ss", "ſſ", "straße"], &["s"]),
            ("ΣΑΣ", &["σας", "σασ"], &["σα"]),
            ("k", &["K", "\u{212a}"], &["c"]),
            ("é", &["É", "CAFÉ"], &["e"]),
        ] {
            for text in yes {
                assert!(Caseless::new(needle).is_in(text), "{needle} in {text}");
            }
            for text in no {
                assert!(!Caseless::new(needle).is_in(text), "{needle} in {text}");
            }
        }
    }
}
