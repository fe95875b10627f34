//! Waiting with a timeout for the facts that a test asserts. A test that looks only once fails on a
//! busy machine.
//!
//! 1. [`eventually`] and [`eventually_async`] look repeatedly until there is a value.
//! 2. [`Log`] is the standard error of a process, in a file. A line appears some time after the
//!    event that it reports.
//! 3. To assert that a line is *not* there, first wait for a later line, or until the process has
//!    exited.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use super::PATIENCE;

/// The time between two looks.
const PAUSE: Duration = Duration::from_millis(10);

/// Calls `look` until it returns a value. Panics with `what` after [`PATIENCE`].
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

/// Like [`eventually`], for an async `look`.
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
    /// The log of the process with this folder.
    pub(crate) fn within(dir: &Path) -> Self {
        Self(dir.join("stderr"))
    }

    /// Creates the file, for the standard error of the process.
    pub(crate) fn create(&self) -> Stdio {
        File::create(&self.0).unwrap().into()
    }

    /// The text so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.0).unwrap_or_default()).into_owned()
    }

    /// Waits until the log has `expected`, and returns the text so far.
    #[track_caller]
    pub(crate) fn wait_for(&self, expected: &str) -> String {
        self.wait_for_more(expected, 0)
    }

    /// Waits until the log has `expected` more than `known` times, and returns the text so far.
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

    /// The number of times that the log has `expected` so far.
    pub(crate) fn count(&self, expected: &str) -> usize {
        self.text().matches(expected).count()
    }
}
