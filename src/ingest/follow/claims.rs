//! Claims on open files, so that a file with two followed names is read once.
//!
//! 1. A follower claims a file, by device and inode, before it reads it. If another follower has
//!    claimed the file, it leaves the file to that one.
//! 2. It still does so after the other one has read the file to its end and closed it, as long as
//!    its own path names that file: it is not a new file.
//! 3. When its path then names a new file, it waits for a while before it claims that one. The
//!    other follower most likely sees the same rotation, and must finish the old file first.
//! 4. When a follower ends, its claims end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Device and inode.
pub(super) type Identity = (u64, u64);

/// How long the follower that read the file before a rotation has precedence. It looks at least
/// every second.
const PRECEDENCE: Duration = Duration::from_secs(3);

/// The claims of all followers of a server.
#[derive(Debug, Clone, Default)]
pub(in crate::ingest) struct Claims(Arc<Mutex<Readers>>);

#[derive(Debug, Default)]
struct Readers {
    next: u64,
    by_number: BTreeMap<u64, Reader>,
}

#[derive(Debug)]
struct Reader {
    path: PathBuf,
    files: Vec<Identity>,
}

impl Claims {
    /// Adds a follower of `path`, without a file yet.
    pub(super) fn enter(&self, path: &Path) -> Claim {
        let mut readers = self.readers();
        let number = readers.next;
        readers.next += 1;
        readers.by_number.insert(number, Reader { path: path.into(), files: Vec::new() });
        Claim { claims: self.clone(), number, left: None }
    }

    fn readers(&self) -> MutexGuard<'_, Readers> {
        // No code panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The claims of one follower. Dropping it ends them.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    number: u64,
    /// The file that was left to another follower.
    left: Option<Left>,
}

#[derive(Debug)]
struct Left {
    file: Identity,
    to: u64,
    /// The time when the path first named another file.
    elsewhere: Option<Instant>,
}

/// Another follower reads the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// The path of the other follower.
    pub(super) by: PathBuf,
    /// Whether this follower learns it for the first time.
    pub(super) news: bool,
}

impl Claim {
    /// Claims `file`, which the path names at `now`.
    pub(super) fn take(&mut self, file: Identity, now: Instant) -> Result<(), Taken> {
        let mut readers = self.claims.readers();
        let held = |reader: &Reader| reader.files.contains(&file);
        let other = readers.by_number.iter().find(|(n, reader)| **n != self.number && held(reader));
        if let Some((to, reader)) = other {
            let by = reader.path.clone();
            let news = self.left.as_ref().is_none_or(|left| left.to != *to);
            self.left = Some(Left { file, to: *to, elsewhere: None });
            return Err(Taken { by, news });
        }
        if let Some(left) = &mut self.left
            && let Some(reader) = readers.by_number.get(&left.to)
        {
            let first = if left.file == file {
                left.elsewhere = None;
                true
            } else {
                now < *left.elsewhere.get_or_insert(now) + PRECEDENCE
            };
            if first {
                return Err(Taken { by: reader.path.clone(), news: false });
            }
        }
        self.left = None;
        if let Some(own) = readers.by_number.get_mut(&self.number) {
            own.files.push(file);
        }
        Ok(())
    }

    /// Ends the claim on `file`, which was read to its end.
    pub(super) fn release(&mut self, file: Identity) {
        let mut readers = self.claims.readers();
        if let Some(own) = readers.by_number.get_mut(&self.number) {
            own.files.retain(|held| *held != file);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.readers().by_number.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: Identity = (1, 1);
    const NEW: Identity = (1, 2);

    #[test]
    fn a_file_is_read_under_one_name_across_a_rotation() {
        let (claims, now) = (Claims::default(), Instant::now());
        let (mut one, mut two) = (claims.enter(Path::new("/1")), claims.enter(Path::new("/2")));
        assert_eq!(one.take(OLD, now), Ok(()));
        let taken = |news| Err(Taken { by: "/1".into(), news });
        assert_eq!(two.take(OLD, now), taken(true));
        assert_eq!(two.take(OLD, now), taken(false));
        // Both paths name a new file, and the second follower looks first.
        assert_eq!(two.take(NEW, now), taken(false));
        assert_eq!(one.take(NEW, now), Ok(()));
        one.release(OLD);
        assert_eq!(two.take(NEW, now + 2 * PRECEDENCE), taken(false));
        // A hard link still names the old file, which has been read.
        assert_eq!(two.take(OLD, now + 2 * PRECEDENCE), taken(false));
    }

    #[test]
    fn claims_end_when_paths_diverge_or_the_other_follower_ends() {
        let (claims, now) = (Claims::default(), Instant::now());
        let (mut one, mut two) = (claims.enter(Path::new("/1")), claims.enter(Path::new("/2")));
        one.take(OLD, now).unwrap();
        two.take(OLD, now).unwrap_err();
        two.take(NEW, now).unwrap_err();
        assert_eq!(two.take(NEW, now + PRECEDENCE), Ok(()));
        let mut three = claims.enter(Path::new("/3"));
        three.take(OLD, now).unwrap_err();
        one.release(OLD);
        three.take(OLD, now).unwrap_err();
        drop(one);
        assert_eq!(three.take(OLD, now), Ok(()), "no follower claims it any more");
    }
}
