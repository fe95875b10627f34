//! Regular expressions: compiled to a bounded size, matched in linear time. Pure.
//!
//! The engine is the `regex` crate's own, asked by its lower door: only there it tells how large a
//! pattern became, which is what it costs in memory and, for texts made to be slow, in time.
//!
//! 1. All patterns of a filter share [`MAX_COMPILED`]; the one that exceeds it is refused, with
//!    what is left of it.
//! 2. What a search remembers (states of a lazy automaton) is bounded by [`REMEMBERED`] and kept
//!    once a pattern, not once a thread; a search beside another one begins with nothing.

use std::fmt::Display;
use std::sync::Mutex;

use regex_automata::meta::{Cache, Regex};
use regex_automata::util::syntax;
use regex_automata::{Input, PatternID};

/// How large the compiled patterns of a filter may be together, in bytes: four of the largest
/// classes (`\w`), or some twenty ordinary patterns.
pub const MAX_COMPILED: usize = 256 << 10;

/// What a pattern may remember while it searches, in bytes.
pub(super) const REMEMBERED: usize = 128 << 10;

/// Bytes of a compiled pattern that make a step of [`Work`](super::Work). Measured: a text that
/// defeats the lazy automaton takes 8 µs a byte with a pattern of 43 KB.
const STEP: usize = 8;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    size: usize,
    cache: Mutex<Option<Cache>>,
}

/// Room for the patterns of one filter.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MAX_COMPILED)
    }
}

impl Clone for Pattern {
    fn clone(&self) -> Self {
        Self { regex: self.regex.clone(), size: self.size, cache: Mutex::default() }
    }
}

impl Pattern {
    /// Compiles `pattern` into what is left of `room`. The error says what is expected.
    pub(super) fn new(pattern: &str, room: &mut Room) -> Result<Self, String> {
        let config = Regex::config()
            .nfa_size_limit(Some(room.0))
            .hybrid_cache_capacity(REMEMBERED)
            // Neither answers anything here, and both take memory.
            .onepass(false)
            .backtrack(false);
        let build = Regex::builder().configure(config).build(pattern);
        let regex = build.map_err(|error| error.syntax_error().map_or_else(too_large, wrong))?;
        let size = regex.memory_usage();
        room.0 = room.0.checked_sub(size).ok_or_else(too_large)?;
        Ok(Self { regex, size, cache: Mutex::default() })
    }

    /// Whether it can be one. The error says what is expected.
    pub(super) fn check(pattern: &str) -> Result<(), String> {
        syntax::parse(pattern).map(drop).map_err(|error| wrong(&error))
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        let input = Input::new(text).earliest(true);
        let search = |cache: &mut Cache| -> Option<PatternID> {
            self.regex.search_half_with(cache, &input).map(|half| half.pattern())
        };
        match self.cache.try_lock() {
            Ok(mut kept) => search(kept.get_or_insert_with(|| self.regex.create_cache())).is_some(),
            Err(_) => search(&mut self.regex.create_cache()).is_some(),
        }
    }

    /// Bytes it takes in memory at most, with what it remembers.
    pub(super) fn size(&self) -> usize {
        self.size + REMEMBERED
    }

    /// Steps that a byte of text costs at worst.
    pub(super) fn steps(&self) -> u64 {
        (self.size / STEP).max(1) as u64
    }
}

/// The last of the error's lines says what is wrong, the others show where.
fn wrong(error: &impl Display) -> String {
    let text = error.to_string();
    let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    format!("a pattern ({})", why.escape_debug())
}

fn too_large() -> String {
    format!(
        "a smaller pattern: `regex`, `glob` and `pmatch` of a filter may have {MAX_COMPILED} bytes \
         together when compiled (bounds such as {{1,50}} and classes such as \\w are large)"
    )
}
