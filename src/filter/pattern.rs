//! Regular expressions, compiled to a bounded size and matched in linear time. Pure.
//!
//! The engine is regex-automata, the layer below the `regex` crate, because only there a compiled
//! pattern reports its size. The size is the cost in memory and, for texts made to be slow, in
//! time.
//!
//! 1. All patterns of a filter share [`MAX_COMPILED`]. The pattern that exceeds it is rejected.
//! 2. The cache of a search (states of a lazy automaton) is bounded by [`REMEMBERED`]. Each pattern
//!    keeps one cache, not one per thread. A concurrent search starts with an empty cache.

use std::fmt::Display;
use std::sync::Mutex;

use regex_automata::meta::{Cache, Regex};
use regex_automata::util::syntax;
use regex_automata::{Input, PatternID};

/// The maximum size of all compiled patterns of a filter, in bytes. It fits four of the largest
/// classes (`\w`), or about twenty ordinary patterns.
pub const MAX_COMPILED: usize = 256 << 10;

/// The maximum size of a pattern's search cache, in bytes.
pub(super) const REMEMBERED: usize = 128 << 10;

/// How many bytes of a compiled pattern count as one step of [`Work`](super::Work). Measured: a
/// text that defeats the lazy automaton takes 8 µs per byte with a pattern of 43 KB.
const STEP: usize = 8;

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    size: usize,
    cache: Mutex<Option<Cache>>,
}

/// The bytes left for the patterns of one filter.
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
    /// Compiles `pattern` and takes its size from `room`. The error says what is expected.
    pub(super) fn new(pattern: &str, room: &mut Room) -> Result<Self, String> {
        let config = Regex::config()
            .nfa_size_limit(Some(room.0))
            .hybrid_cache_capacity(REMEMBERED)
            // Both take memory and do not help here.
            .onepass(false)
            .backtrack(false);
        let build = Regex::builder().configure(config).build(pattern);
        let regex = build.map_err(|error| error.syntax_error().map_or_else(too_large, wrong))?;
        let size = regex.memory_usage();
        room.0 = room.0.checked_sub(size).ok_or_else(too_large)?;
        Ok(Self { regex, size, cache: Mutex::default() })
    }

    /// Checks the syntax of `pattern`. The error says what is expected.
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

    /// Returns how many bytes of memory it takes at most, its cache included.
    pub(super) fn size(&self) -> usize {
        self.size + REMEMBERED
    }

    /// Returns how many steps a byte of text costs at worst.
    pub(super) fn steps(&self) -> u64 {
        (self.size / STEP).max(1) as u64
    }
}

/// Takes the last line of the error, which has the reason. The lines before it show the position.
fn wrong(error: &impl Display) -> String {
    let text = error.to_string();
    let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    format!("a pattern ({})", why.escape_debug())
}

fn too_large() -> String {
    format!(
        "a smaller pattern: all `regex`, `glob` and `pmatch` patterns of a filter may take \
         {MAX_COMPILED} bytes when compiled (repetitions such as {{1,50}} and classes such as \\w \
         are large)"
    )
}
