//! Filters in use: each text compiled once, shared by all who ask for the same, and bounded in
//! memory over all of them.
//!
//! 1. [`Filters::prepare`] looks for the text among those in use; otherwise it is compiled away from
//!    the threads that serve, [`COMPILED_AT_ONCE`] at a time.
//! 2. What the filters in use take together has a bound ([`MAX_IN_USE`]); one more is refused with
//!    the numbers.
//! 3. A filter is forgotten with the last who uses it.

use std::collections::HashMap;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::expected::Expected;
use crate::filter::{Filter, SyntaxError};

/// Bytes that the filters in use may take together, with what their patterns may remember.
pub const MAX_IN_USE: usize = 64 << 20;

/// Filters compiled at a time.
const COMPILED_AT_ONCE: usize = 2;

/// The filters in use.
#[derive(Debug, Clone, Default)]
pub struct Filters(Arc<Registry>);

#[derive(Debug)]
struct Registry {
    used: Mutex<HashMap<Box<str>, Weak<Shared>>>,
    size: AtomicUsize,
    compiling: Arc<Semaphore>,
    /// Whether [`super::lookout::watch`] runs.
    watched: AtomicBool,
}

/// A filter, shared by all who ask for the same.
#[derive(Debug, Clone)]
pub struct Prepared(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    filter: Filter,
    expected: Expected,
    entry: Option<Entry>,
}

/// A filter's place among those in use.
#[derive(Debug)]
struct Entry {
    registry: Arc<Registry>,
    text: Box<str>,
    size: usize,
}

/// A filter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unprepared {
    /// Its text is none.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// Others take too much memory.
    #[error(
        "this filter takes {size} bytes when compiled, and all filters in use may take {MAX_IN_USE} \
         together; use a smaller one (patterns are large), one that others use too, or try again \
         later"
    )]
    Full {
        /// What it would take.
        size: usize,
    },
    /// The program ran out of something while compiling it.
    #[error("the filter could not be compiled; try again")]
    Failed,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            used: Mutex::default(),
            size: AtomicUsize::new(0),
            compiling: Arc::new(Semaphore::new(COMPILED_AT_ONCE)),
            watched: AtomicBool::new(false),
        }
    }
}

impl Filters {
    /// The filter that `text` says.
    ///
    /// # Errors
    /// When it says none, or there is no room for it.
    pub async fn prepare(&self, text: &str) -> Result<Prepared, Unprepared> {
        // What is before it counts for the columns of mistakes.
        let text = text.trim_end();
        if let Some(used) = self.0.used(text) {
            return Ok(used);
        }
        // The semaphore is never closed.
        let turn = self.0.compiling.clone().acquire_owned().await;
        let turn = turn.map_err(|_| Unprepared::Failed)?;
        // Others may have asked for the same meanwhile.
        if let Some(used) = self.0.used(text) {
            return Ok(used);
        }
        let owned = text.to_owned();
        let compiling = spawn_blocking(move || {
            // Held until the work has ended, whether or not anybody still waits for it.
            let _turn = turn;
            Filter::parse(&owned)
        });
        let compiled = compiling.await.map_err(|_| Unprepared::Failed)??;
        self.enter(text, compiled)
    }

    fn enter(&self, text: &str, filter: Filter) -> Result<Prepared, Unprepared> {
        let mut used = self.0.lock();
        // Two may have compiled it at once: all who use it share one.
        if let Some(shared) = used.get(text).and_then(Weak::upgrade) {
            return Ok(Prepared(shared));
        }
        let size = filter.size() + size_of::<Shared>() + 2 * text.len();
        let room = |used: usize| used.checked_add(size).filter(|sum| *sum <= MAX_IN_USE);
        let reserved = self.0.size.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        reserved.map_err(|_| Unprepared::Full { size })?;
        let entry = Entry { registry: self.0.clone(), text: text.into(), size };
        let shared = Arc::new(Shared { filter, expected: Expected::default(), entry: Some(entry) });
        used.insert(text.into(), Arc::downgrade(&shared));
        Ok(Prepared(shared))
    }

    /// Every filter that somebody waits with.
    pub(super) fn awaited(&self) -> Vec<Prepared> {
        // Nothing may be dropped while the table is locked: the last of a filter locks it too.
        let used: Vec<_> = self.0.lock().values().filter_map(Weak::upgrade).collect();
        used.into_iter().filter(|filter| filter.expected.is_awaited()).map(Prepared).collect()
    }

    /// Notes that somebody looks at what comes, for all who wait with a filter.
    pub(super) fn watch(&self) {
        self.0.watched.store(true, Ordering::Relaxed);
    }

    /// Bytes that the filters in use take.
    #[must_use]
    pub fn size(&self) -> usize {
        self.0.size.load(Ordering::Relaxed)
    }
}

impl Registry {
    fn used(&self, text: &str) -> Option<Prepared> {
        self.lock().get(text)?.upgrade().map(Prepared)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Weak<Shared>>> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut used = self.registry.lock();
        // Another of the same text may have taken the place.
        if used.get(&self.text).is_some_and(|filter| filter.strong_count() == 0) {
            used.remove(&self.text);
        }
        if used.is_empty() {
            // After a peak the table is given back too.
            used.shrink_to_fit();
        }
        drop(used);
        self.registry.size.fetch_sub(self.size, Ordering::Relaxed);
    }
}

impl Prepared {
    /// What comes that may pass it.
    pub(super) fn expected(&self) -> &Expected {
        &self.0.expected
    }

    /// Whether those who wait with it are told of what may pass.
    pub(super) fn is_watched(&self) -> bool {
        let entry = self.0.entry.as_ref();
        entry.is_some_and(|entry| entry.registry.watched.load(Ordering::Relaxed))
    }

    /// Where a reader that waits with it, and has read everything before `next`, goes on.
    #[must_use]
    pub fn next(&self, next: u64) -> u64 {
        self.expected().next(next)
    }
}

impl Deref for Prepared {
    type Target = Filter;

    fn deref(&self) -> &Filter {
        &self.0.filter
    }
}

/// A filter of one's own.
impl FromStr for Prepared {
    type Err = SyntaxError;

    fn from_str(text: &str) -> Result<Self, SyntaxError> {
        let filter = Filter::parse(text)?;
        Ok(Self(Arc::new(Shared { filter, expected: Expected::default(), entry: None })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A filter whose pattern takes most of what one may have.
    fn large(number: usize) -> String {
        format!(r"a regex '\w\s\w\s\w{number}'")
    }

    #[tokio::test]
    async fn equal_texts_share_one_filter_and_give_its_room_back() {
        let filters = Filters::default();
        let one = filters.prepare("proc.name = cat").await.unwrap();
        let size = filters.size();
        let other = filters.prepare("proc.name = cat ").await.unwrap();
        assert!(Arc::ptr_eq(&one.0, &other.0));
        assert_eq!(filters.size(), size);
        drop((one, other));
        assert_eq!(filters.size(), 0);
        assert!(filters.0.lock().is_empty());
    }

    #[tokio::test]
    async fn filters_in_use_are_bounded_together() {
        let filters = Filters::default();
        let mut used = Vec::new();
        let full = loop {
            match filters.prepare(&large(used.len())).await {
                Ok(filter) => used.push(filter),
                Err(error) => break error,
            }
            assert!(filters.size() <= MAX_IN_USE);
        };
        assert!(matches!(full, Unprepared::Full { size } if size > 100 << 10), "{full}");
        assert!(used.len() > 64, "{} filters", used.len());
        // Small ones and those in use are still there for everybody.
        filters.prepare(&large(0)).await.unwrap();
        filters.prepare("proc.name = cat").await.unwrap();
        used.clear();
        filters.prepare(&large(1)).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn those_who_ask_at_the_same_time_share_too() {
        let filters = Filters::default();
        for round in 0..50 {
            let text = format!("proc.name = cat-{round}");
            let both = tokio::join!(filters.prepare(&text), filters.prepare(&text));
            assert!(Arc::ptr_eq(&both.0.unwrap().0, &both.1.unwrap().0));
        }
        assert_eq!(filters.size(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn filters_come_and_go_while_the_table_is_looked_through() {
        let filters = Filters::default();
        let looking = filters.clone();
        let looking = tokio::spawn(async move {
            loop {
                assert!(looking.awaited().is_empty());
                tokio::task::yield_now().await;
            }
        });
        for number in 0..2000 {
            drop(filters.prepare(&format!("proc.name = cat-{number}")).await.unwrap());
        }
        looking.abort();
        assert_eq!(filters.size(), 0);
    }

    #[tokio::test]
    async fn what_is_no_filter_is_told() {
        let wrong = Filters::default().prepare("proc.name =").await.unwrap_err();
        assert!(matches!(wrong, Unprepared::Syntax(_)));
    }
}
