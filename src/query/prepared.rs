//! The filters in use. Each is compiled once for all readers with the same text, and the memory of
//! all of them is bounded.
//!
//! 1. [`Filters::prepare`] looks for the text among the filters in use. A new one is compiled on a
//!    blocking thread, [`COMPILED_AT_ONCE`] at a time.
//! 2. All filters in use share a memory limit ([`MAX_IN_USE`]). A filter that would exceed it is
//!    rejected, with the numbers.
//! 3. A filter is removed when its last user drops it.

use std::collections::HashMap;
use std::ops::Deref;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::expected::Expected;
use crate::filter::{Filter, SyntaxError};

/// The maximum size of all filters in use, the caches of their patterns included, in bytes.
pub const MAX_IN_USE: usize = 64 << 20;

/// How many filters are compiled at a time.
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

/// A compiled filter, shared by all readers with the same text.
#[derive(Debug, Clone)]
pub struct Prepared(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    filter: Filter,
    expected: Expected,
    entry: Option<Entry>,
}

/// A filter's entry among those in use.
#[derive(Debug)]
struct Entry {
    registry: Arc<Registry>,
    text: Box<str>,
    size: usize,
}

/// A filter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unprepared {
    /// Its text is not valid.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// The filters in use leave too little of [`MAX_IN_USE`].
    #[error(
        "this filter takes {size} bytes when compiled, and all filters in use may take {MAX_IN_USE} \
         together; use a smaller one (patterns are large) or one that is in use already, or try \
         again later"
    )]
    Full {
        /// The bytes that it would take.
        size: usize,
    },
    /// Its compilation panicked, or the server is shutting down.
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
    /// Returns the compiled filter of `text`.
    ///
    /// # Errors
    /// If the text is not valid, or the filters in use leave too little memory.
    pub async fn prepare(&self, text: &str) -> Result<Prepared, Unprepared> {
        // Leading space counts for the columns of errors, trailing space does not.
        let text = text.trim_end();
        if let Some(used) = self.0.used(text) {
            return Ok(used);
        }
        // The semaphore is never closed.
        let turn = self.0.compiling.clone().acquire_owned().await;
        let turn = turn.map_err(|_| Unprepared::Failed)?;
        // Another reader may have compiled the same text meanwhile.
        if let Some(used) = self.0.used(text) {
            return Ok(used);
        }
        let owned = text.to_owned();
        let compiling = spawn_blocking(move || {
            // Held until the work has ended, even if the reader has left.
            let _turn = turn;
            Filter::parse(&owned)
        });
        let compiled = compiling.await.map_err(|_| Unprepared::Failed)??;
        self.enter(text, compiled)
    }

    fn enter(&self, text: &str, filter: Filter) -> Result<Prepared, Unprepared> {
        let mut used = self.0.lock();
        // Two readers may have compiled it at once. The first result is shared.
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

    /// Returns the filters with idle readers.
    pub(super) fn awaited(&self) -> Vec<Prepared> {
        // Drop no filter while the table is locked, because dropping the last reference locks it.
        let used: Vec<_> = self.0.lock().values().filter_map(Weak::upgrade).collect();
        used.into_iter().filter(|filter| filter.expected.is_awaited()).map(Prepared).collect()
    }

    /// Notes that [`super::lookout::watch`] runs.
    pub(super) fn watch(&self) {
        self.0.watched.store(true, Ordering::Relaxed);
    }

    /// Returns the size of all filters in use, in bytes.
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
        // The entry may belong to a new filter with the same text.
        if used.get(&self.text).is_some_and(|filter| filter.strong_count() == 0) {
            used.remove(&self.text);
        }
        if used.is_empty() {
            // Free the table's memory after a peak.
            used.shrink_to_fit();
        }
        drop(used);
        self.registry.size.fetch_sub(self.size, Ordering::Relaxed);
    }
}

impl Prepared {
    /// Returns the latest alerts that may match it.
    pub(super) fn expected(&self) -> &Expected {
        &self.0.expected
    }

    /// Returns whether [`super::lookout::watch`] wakes its idle readers.
    pub(super) fn is_watched(&self) -> bool {
        let entry = self.0.entry.as_ref();
        entry.is_some_and(|entry| entry.registry.watched.load(Ordering::Relaxed))
    }

    /// Returns where an idle reader that has read everything before `next` continues.
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

/// Parses a filter that is not shared.
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

    /// Returns a filter whose pattern takes most of the limit of one filter.
    fn large(number: usize) -> String {
        format!(r"a regex '\w\s\w\s\w{number}'")
    }

    #[tokio::test]
    async fn equal_texts_share_one_filter_and_release_its_memory() {
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
    async fn all_filters_in_use_share_a_memory_limit() {
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
        // Small filters and those in use are still accepted.
        filters.prepare(&large(0)).await.unwrap();
        filters.prepare("proc.name = cat").await.unwrap();
        used.clear();
        filters.prepare(&large(1)).await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn concurrent_readers_share_a_filter() {
        let filters = Filters::default();
        for round in 0..50 {
            let text = format!("proc.name = cat-{round}");
            let both = tokio::join!(filters.prepare(&text), filters.prepare(&text));
            assert!(Arc::ptr_eq(&both.0.unwrap().0, &both.1.unwrap().0));
        }
        assert_eq!(filters.size(), 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn filters_come_and_go_while_the_table_is_scanned() {
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
    async fn an_invalid_filter_is_reported() {
        let wrong = Filters::default().prepare("proc.name =").await.unwrap_err();
        assert!(matches!(wrong, Unprepared::Syntax(_)));
    }
}
