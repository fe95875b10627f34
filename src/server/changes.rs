//! Whether files have changed: settings, certificates.
//!
//! Each is looked at (`stat`, links followed) every [`PERIOD`]; a change counts when two looks in a
//! row find the same, so that of a certificate and its key that are replaced one after the other
//! both are new. That costs nothing, and sees the same everywhere, also the links that Kubernetes
//! swaps above a file, of which inotify sees part.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// The time between two looks.
pub(super) const PERIOD: Duration = Duration::from_secs(2);

/// Files, and how they were last seen.
#[derive(Debug, Default)]
pub(super) struct Changes {
    paths: Vec<PathBuf>,
    known: Vec<Look>,
    last: Vec<Look>,
}

/// What tells a file from what it was; `None` where there is none.
type Look = Option<(u64, u64, i64, i64, u64)>;

impl Changes {
    /// Watches `paths`, as they are now.
    pub(super) fn of(paths: Vec<PathBuf>) -> Self {
        let known = look(&paths);
        Self { paths, last: known.clone(), known }
    }

    /// Waits until one has changed. Nothing is lost when this is dropped.
    pub(super) async fn next(&mut self) {
        loop {
            sleep(PERIOD).await;
            let paths = self.paths.clone();
            // A file system that hangs holds up a thread of the pool, and nobody else.
            let Ok(seen) = spawn_blocking(move || look(&paths)).await else { continue };
            let steady = seen == self.last;
            self.last = seen;
            if steady && self.last != self.known {
                self.known.clone_from(&self.last);
                return;
            }
        }
    }
}

fn look(paths: &[PathBuf]) -> Vec<Look> {
    paths.iter().map(|path| look_at(path)).collect()
}

fn look_at(path: &Path) -> Look {
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
        let mut changes = Changes::of(paths);
        assert!(!changed(&mut changes).await);
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
