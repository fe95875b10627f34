//! Whether files have changed: settings, certificates.
//!
//! Each is looked at (`stat`, links followed) every [`PERIOD`]; a change counts when two looks in a
//! row find the same, so that of a certificate and its key that are replaced one after the other
//! both are new. That costs nothing, and sees the same everywhere, also the links that Kubernetes
//! swaps above a file, of which inotify sees part.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// The time between two looks.
pub(super) const PERIOD: Duration = Duration::from_secs(2);

/// Files, and how they were last seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    known: Looks,
    last: Looks,
}

type Looks = BTreeMap<PathBuf, Look>;

/// What tells a file from what it was; `None` where there is none.
type Look = Option<(u64, u64, i64, i64, u64)>;

impl Changes {
    /// Watches `paths`, as they are now: to be made before they are read.
    pub(super) fn of(paths: Vec<PathBuf>) -> Self {
        let known: Looks = paths.into_iter().map(|path| (path.clone(), look(&path))).collect();
        Self { last: known.clone(), known }
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
            let steady = seen == self.last;
            self.last = seen;
            if steady && self.last != self.known {
                self.known.clone_from(&self.last);
                return;
            }
        }
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
}
