//! Waiting for what a test asserts, with a limit: a busy machine does late what an idle one does at
//! once, so a test that looks once fails on it.
//!
//! 1. [`eventually`] and [`eventually_async`] look again and again until there is something.
//! 2. [`Log`] is what a process writes to its standard error, which goes to a file: a line comes at
//!    some time after what it tells of.
//! 3. That a line is *not* there is known only behind one that comes later: wait for that one, or look
//!    when the process has ended.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// What `look` gives as soon as it gives something; fails with `what` when it takes too long.
#[track_caller]
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        thread::sleep(PAUSE);
    }
}

/// The same for what is asked with an await.
pub(crate) async fn eventually_async<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// The standard error of a process.
#[derive(Debug, Clone)]
pub(crate) struct Log(PathBuf);

impl Log {
    /// The log of a process whose folder this is.
    pub(crate) fn within(dir: &Path) -> Self {
        Self(dir.join("stderr"))
    }

    /// What the process is to write to.
    pub(crate) fn create(&self) -> Stdio {
        File::create(&self.0).unwrap().into()
    }

    /// What it has so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.0).unwrap_or_default()).into_owned()
    }

    /// Waits until it has `expected`; all it has by then.
    #[track_caller]
    pub(crate) fn wait_for(&self, expected: &str) -> String {
        self.wait_for_more(expected, 0)
    }

    /// Waits until it has `expected` more than `known` times; all it has by then.
    #[track_caller]
    pub(crate) fn wait_for_more(&self, expected: &str, known: usize) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.text();
            if text.matches(expected).count() > known {
                return text;
            }
            assert!(Instant::now() < deadline, "no {expected:?} in the log:\n{text}");
            thread::sleep(PAUSE);
        }
    }

    /// How often it has this so far.
    pub(crate) fn count(&self, expected: &str) -> usize {
        self.text().matches(expected).count()
    }
}
