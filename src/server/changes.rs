//! Detects changes of files: settings, certificates, tokens.
//!
//! 1. Every [`PERIOD`] each file is examined (`stat`, links followed). That is cheap and works
//!    everywhere. It also sees Kubernetes swap a link above a file, of which inotify sees only
//!    part.
//! 2. A file has settled when two examinations in a row agree. A change counts once all changed
//!    files have settled, so that a certificate and its key, replaced one after the other, change
//!    together.
//! 3. A settled file waits for others at most [`LONGEST_WAIT`]. A file that never settles counts as
//!    it is after [`LONGEST_UNREST`]. So no file can block the change of another.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

/// The time between two examinations.
pub(super) const PERIOD: Duration = Duration::from_secs(2);

/// How long a settled file waits for others.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How long a file can keep changing before it counts as it is.
pub(super) const LONGEST_UNREST: Duration = Duration::from_secs(60);

/// Watched files and their states.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    /// The states that were last read.
    known: Looks,
    /// The states at the last examination.
    last: Looks,
    /// The files that differ from `known`, and since when.
    changed: BTreeMap<PathBuf, Instant>,
    /// Since when a settled file waits for the others.
    waiting: Option<Instant>,
}

type Looks = BTreeMap<PathBuf, Look>;

/// The state of a file: device, inode, modification time (seconds, nanoseconds), size. `None` if it
/// does not exist.
type Look = Option<(u64, u64, i64, i64, u64)>;

impl Changes {
    /// Watches `paths` from their present state on. Call this before reading them.
    pub(super) fn of(paths: Vec<PathBuf>) -> Self {
        let known: Looks = paths.into_iter().map(|path| (path.clone(), look(&path))).collect();
        Self { last: known.clone(), known, ..Self::default() }
    }

    /// Watches the same files from their present state on.
    pub(super) fn again(&self) -> Self {
        Self::of(self.known.keys().cloned().collect())
    }

    /// Watches `paths` instead. Files that were watched before keep their known state.
    pub(super) fn instead(self, paths: Vec<PathBuf>) -> Self {
        let mut next = Self::of(paths);
        for (path, seen) in self.known {
            if let Some(known) = next.known.get_mut(&path) {
                *known = seen;
            }
        }
        next
    }

    /// Waits until a file has changed. Can be dropped at any time; no change is lost.
    pub(super) async fn next(&mut self) {
        loop {
            sleep(PERIOD).await;
            let before = self.last.clone();
            // A file system that hangs blocks only a thread of the pool.
            let looking = move || before.into_keys().map(|path| (path.clone(), look(&path)));
            let Ok(seen) = spawn_blocking(move || looking().collect::<Looks>()).await else {
                continue;
            };
            if self.judge(seen, Instant::now()) {
                return;
            }
        }
    }

    /// Whether the states seen at `now` are a change that counts. They are then the known ones.
    fn judge(&mut self, seen: Looks, now: Instant) -> bool {
        let last = std::mem::replace(&mut self.last, seen);
        let Self { known, last: seen, changed, .. } = self;
        let other = seen.iter().filter(|(path, look)| known.get(*path) != Some(look));
        *changed = other
            .map(|(path, _)| (path.clone(), changed.get(path).copied().unwrap_or(now)))
            .collect();
        let restless = |path: &&PathBuf| last.get(*path) != seen.get(*path);
        let unsettled = changed.keys().filter(restless).count();
        let settled = changed.len() > unsettled;
        self.waiting = settled.then(|| self.waiting.unwrap_or(now));
        let over = |since: Instant, most: Duration| now >= since + most;
        let counts = settled && unsettled == 0
            || self.waiting.is_some_and(|since| over(since, LONGEST_WAIT))
            || changed.values().any(|since| over(*since, LONGEST_UNREST));
        if counts {
            for path in changed.keys().filter(restless) {
                tracing::warn!(?path, "this file keeps changing; reading it as it is");
            }
            known.clone_from(seen);
            changed.clear();
            self.waiting = None;
        }
        counts
    }
}

fn look(path: &Path) -> Look {
    let found = fs::metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.mtime(), found.mtime_nsec(), found.size()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use tokio::time::timeout;

    async fn changed(changes: &mut Changes) -> bool {
        timeout(4 * PERIOD, changes.next()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_counts_once_also_of_a_link_above() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for version in ["1", "2"] {
            fs::create_dir(at(version)).unwrap();
            fs::write(at(version).join("tls.crt"), "same").unwrap();
        }
        symlink(at("1"), at("..data")).unwrap();
        fs::write(at("falco.yaml"), "a").unwrap();
        let paths = vec![at("..data").join("tls.crt"), at("falco.yaml"), at("missing")];
        let mut changes = Changes::of(paths[..2].to_vec());
        assert!(!changed(&mut changes).await);
        let seen = changes.again();
        fs::write(at("falco.yaml"), "while it was read").unwrap();
        changes = seen.instead(paths);
        assert!(changed(&mut changes).await);
        for change in 0..3 {
            match change {
                0 => fs::write(at("falco.yaml"), "bc").unwrap(),
                1 => fs::write(at("missing"), "here").unwrap(),
                _ => {
                    symlink(at("2"), at("..new")).unwrap();
                    fs::rename(at("..new"), at("..data")).unwrap();
                }
            }
            assert!(changed(&mut changes).await, "change {change}");
            assert!(!changed(&mut changes).await, "change {change} again");
        }
    }

    /// One file keeps changing. The change of another counts nevertheless, and soon.
    #[tokio::test(start_paused = true)]
    async fn a_file_that_never_settles_blocks_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let (restless, other) = (dir.path().join("restless"), dir.path().join("tls.crt"));
        for file in [&restless, &other] {
            fs::write(file, "").unwrap();
        }
        let (file, mut length) = (restless.clone(), 0);
        let writing = tokio::spawn(async move {
            loop {
                length += 1;
                fs::write(&file, "x".repeat(length)).unwrap();
                sleep(Duration::from_secs(1)).await;
            }
        });
        let mut changes = Changes::of(vec![restless, other.clone()]);
        fs::write(other, "new").unwrap();
        let begun = Instant::now();
        changes.next().await;
        let took = begun.elapsed();
        assert!(took >= LONGEST_WAIT && took <= LONGEST_WAIT + 3 * PERIOD, "{took:?}");
        // Alone it counts now and then.
        let begun = Instant::now();
        changes.next().await;
        let took = begun.elapsed();
        assert!(took >= LONGEST_UNREST && took <= LONGEST_UNREST + 3 * PERIOD, "{took:?}");
        writing.abort();
    }
}
