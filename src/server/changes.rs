//! Whether files have changed: settings, certificates.
//!
//! 1. Each is looked at (`stat`, links followed) every [`PERIOD`]. That costs nothing, and sees the
//!    same everywhere, also the links that Kubernetes swaps above a file, of which inotify sees
//!    part.
//! 2. A file has settled when two looks in a row find the same. A change counts once every file
//!    that changed has settled, so that of a certificate and its key that are replaced one after
//!    the other both are new.
//! 3. One that has settled waits for the others at most [`LONGEST_WAIT`]; one that never settles
//!    counts as it is after [`LONGEST_UNREST`]. So no file keeps another's change out.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

/// The time between two looks.
pub(super) const PERIOD: Duration = Duration::from_secs(2);

/// How long a file that has settled waits for others that have not.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How long a file may go on changing before it counts as it is.
pub(super) const LONGEST_UNREST: Duration = Duration::from_secs(60);

/// Files, and how they were last seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    known: Looks,
    last: Looks,
    /// Since when which files are other than they are known.
    changed: BTreeMap<PathBuf, Instant>,
    /// Since when one of them has settled and waits for the others.
    waiting: Option<Instant>,
}

type Looks = BTreeMap<PathBuf, Look>;

/// What tells a file from what it was; `None` where there is none.
type Look = Option<(u64, u64, i64, i64, u64)>;

impl Changes {
    /// Watches `paths`, as they are now: to be made before they are read.
    pub(super) fn of(paths: Vec<PathBuf>) -> Self {
        let known: Looks = paths.into_iter().map(|path| (path.clone(), look(&path))).collect();
        Self { last: known.clone(), known, ..Self::default() }
    }

    /// The same files as they are now.
    pub(super) fn again(&self) -> Self {
        Self::of(self.known.keys().cloned().collect())
    }

    /// Watches `paths` instead; those that were watched before as they were seen then.
    pub(super) fn instead(self, paths: Vec<PathBuf>) -> Self {
        let mut next = Self::of(paths);
        for (path, seen) in self.known {
            if let Some(known) = next.known.get_mut(&path) {
                *known = seen;
            }
        }
        next
    }

    /// Waits until one has changed. Nothing is lost when this is dropped.
    pub(super) async fn next(&mut self) {
        loop {
            sleep(PERIOD).await;
            let before = self.last.clone();
            // A file system that hangs holds up a thread of the pool, and nobody else.
            let looking = move || before.into_keys().map(|path| (path.clone(), look(&path)));
            let Ok(seen) = spawn_blocking(move || looking().collect::<Looks>()).await else {
                continue;
            };
            if self.judge(seen, Instant::now()) {
                return;
            }
        }
    }

    /// Whether what was seen at `now` is a change that counts; it is known then.
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
                tracing::warn!(?path, "this file changes all the time; it is read as it is");
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
    async fn a_change_is_told_once_also_of_a_link_above() {
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
    /// One file changes all the time: another's change counts all the same, and soon.
    #[tokio::test(start_paused = true)]
    async fn a_file_that_never_settles_keeps_no_other_out() {
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
        // By itself it counts now and then.
        let begun = Instant::now();
        changes.next().await;
        let took = begun.elapsed();
        assert!(took >= LONGEST_UNREST && took <= LONGEST_UNREST + 3 * PERIOD, "{took:?}");
        writing.abort();
    }
}
