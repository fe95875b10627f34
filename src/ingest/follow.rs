//! Follows the file that Falco's `file_output` appends to, across rotation.
//!
//! Bytes in the order they were written, and a mark where one file ends and the next begins.
//! Lines are somebody else's business, and so is what becomes of an unfinished one. Nothing is
//! stored between runs: a follower starts at the **beginning** of the file that is there, so that
//! nothing written before it came is lost, and a second follower reads it all again. Files that
//! were rotated away before it started are not looked for.
//!
//! # The algorithm
//!
//! The open files are a queue, oldest first. The first is read; every later one was, when it was
//! found, what the path named instead. An empty queue waits for a file; more than one file is a
//! rotation under way. One *look*, in this order:
//!
//! 1. Stat the path (following symbolic links). If it names a file that is not in the queue, open
//!    it and append it. That it names nothing, or cannot be opened, changes nothing: the first file
//!    is read on.
//! 2. Note whether a later file has bytes in it.
//! 3. Read the first file from where we are, starting `GUARD_BYTES` early.
//! 4. If it is shorter than it was, or those early bytes are not the ones read before, it was
//!    truncated (`copytruncate`): go on from its beginning, after [`Piece::Restart`].
//! 5. If it has new bytes, hand them on.
//! 6. If it has none, and step 2 found bytes in a later file, drop it and go on with the next,
//!    after [`Piece::Restart`].
//!
//! Step 6 needs no time limit. Falco has one writer, which closes the old file (and with that
//! flushes it) before it writes into the new one. So a byte in the new file, seen *before* a read
//! of the old one that returned nothing, proves that the old one is complete. It holds in either
//! order: when the new file appears with SIGUSR1, and when logrotate's `create` makes it long
//! before Falco is told. The price: a rotated file stays open until the next alert is written.
//!
//! # Why polling
//!
//! A look costs two system calls on a thread of the blocking pool, at most a hundred times a second
//! while alerts come and twenty when none do. That needs no watch limit and no dependency, and sees
//! the same on overlays, on network file systems and through Kubernetes' chain of links, where
//! inotify sees part or nothing. While there is more to read nothing sleeps.
//!
//! # What it cannot do
//!
//! - Read what was written between the last look and a `copytruncate`: it is in the copy, which has
//!   a name we do not know. Rotation by renaming has no such hole.
//! - See a file that was put under the path and rotated away again between two looks. Looks are
//!   taken only while somebody waits for [`Follower::next`].
//! - Hold more than `MAX_FILES` at once, should that many rotations pass while the first is read.
//! - Know that two programs write: what a second writer adds to a file already left is not read.
//! - Tell an edit before our place from a truncation: the file is read again from its beginning.
//! - Leave a file that was bind-mounted by itself: its name never names another. Mount its folder.
//!
//! It refuses anything but a regular file: a directory is a mistake (container runtimes make one
//! where a mounted file is missing), and a FIFO belongs to standard input (opening and closing
//! it to have a look could kill its writer with SIGPIPE). All other errors are logged when they
//! change, and waited out.

use std::collections::VecDeque;
use std::fmt;
use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::mem;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;
use std::time::Duration;

use nix::fcntl::OFlag;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

/// How much one call of [`Follower::next`] reads at most. Large enough that the hop to a blocking
/// thread is small beside the read.
pub(super) const READ_BYTES: usize = 256 * 1024;

/// How many bytes before our place are read again and compared, to notice a file that was truncated
/// and has already grown past our place. Enough to hold the time in nanoseconds that every alert
/// line has at its end (Falco 0.39 on) or among its fields (before): two tails do not agree by
/// chance.
const GUARD_BYTES: usize = 256;

/// How many files are held open at once. Only a rotation every few seconds while gigabytes are
/// being caught up with comes near it.
const MAX_FILES: usize = 16;

/// The pause after the end of a file was reached with new bytes: a busy writer is read in batches
/// instead of line by line. It doubles with each look that finds nothing.
const SHORT_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause between two looks: what an alert waits at most when none came before it.
const LONG_PAUSE: Duration = Duration::from_millis(50);

/// The pause after an error other than a missing file. Each attempt may be an audit record.
const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// What [`Follower::next`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes were appended to the buffer.
    Data,
    /// Nothing was appended. What follows is from another file, or from the same one truncated: an
    /// unfinished line before it will never be completed.
    Restart,
}

/// Follows one path across rename, truncation and re-creation.
pub(super) struct Follower {
    path: PathBuf,
    tail: Hold,
    /// When the next look is due; `None` is at once.
    rest: Option<Instant>,
    /// How long the next rest will be.
    pause: Duration,
}

impl Follower {
    /// A follower of `path`. Nothing is opened before the first [`next`](Self::next).
    pub(super) fn new(path: PathBuf) -> Self {
        let tail = Hold::Ours(Box::new(Tail::new(path.clone())));
        Self { path, tail, rest: None, pause: SHORT_PAUSE }
    }

    /// Waits until there is more to read, then appends up to [`READ_BYTES`] to `buffer`.
    ///
    /// Cancel-safe: a look that was under way is finished by the next call, and the buffer is
    /// touched only when the call returns. A dropped follower leaves at most one look to end by
    /// itself.
    ///
    /// # Errors
    ///
    /// When the path names something that is not a regular file before any file was followed, and
    /// when the runtime ends. Both are for the operator; nothing is gained by calling again.
    pub(super) async fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<Piece> {
        loop {
            if let Some(until) = self.rest.filter(|until| Instant::now() < *until) {
                sleep_until(until).await;
            }
            self.rest = None;
            match self.look(buffer).await? {
                Sight::Data { more: true } => return Ok(Piece::Data),
                Sight::Data { more: false } => {
                    self.pause = SHORT_PAUSE;
                    self.rest_for(SHORT_PAUSE);
                    return Ok(Piece::Data);
                }
                Sight::Restart => return Ok(Piece::Restart),
                Sight::Nothing => {
                    self.rest_for(self.pause);
                    self.pause = LONG_PAUSE.min(self.pause * 2);
                }
                Sight::Failing => self.rest_for(ERROR_PAUSE),
                Sight::Refused(why) => {
                    self.rest_for(ERROR_PAUSE);
                    return Err(io::Error::new(ErrorKind::InvalidInput, why));
                }
            }
        }
    }

    /// One look on a blocking thread, started here or by a call that was cancelled.
    async fn look(&mut self, buffer: &mut Vec<u8>) -> io::Result<Sight> {
        self.tail = match mem::replace(&mut self.tail, Hold::Lost) {
            Hold::Ours(mut tail) => Hold::Looking(spawn_blocking(move || {
                let sight = tail.look(Instant::now());
                (tail, sight)
            })),
            held @ (Hold::Looking(_) | Hold::Lost) => held,
        };
        let Hold::Looking(looking) = &mut self.tail else {
            return Err(io::Error::other("the file's reader has ended"));
        };
        // The only place where a call can be cancelled; the handle stays where it is.
        match looking.await {
            Ok((tail, sight)) => {
                if let Sight::Data { .. } = sight {
                    buffer.extend_from_slice(tail.fresh());
                }
                self.tail = Hold::Ours(tail);
                Ok(sight)
            }
            Err(error) => {
                self.tail = Hold::Lost;
                Err(io::Error::other(error))
            }
        }
    }

    fn rest_for(&mut self, pause: Duration) {
        self.rest = Some(Instant::now() + pause);
    }
}

impl fmt::Debug for Follower {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Follower").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Who has the tail.
enum Hold {
    Ours(Box<Tail>),
    /// A blocking thread has it and brings it back.
    Looking(JoinHandle<(Box<Tail>, Sight)>),
    /// The blocking thread did not bring it back; this is final.
    Lost,
}

/// What one look came to.
#[derive(Debug, PartialEq, Eq)]
enum Sight {
    /// There are fresh bytes; `more` when the read was full, so there may be more at once.
    Data {
        more: bool,
    },
    Restart,
    Nothing,
    /// Nothing can be read because of an error, which was logged.
    Failing,
    /// There is no file yet, and what the path names can never be one.
    Refused(&'static str),
}

/// The algorithm without its clock and threads.
struct Tail {
    path: PathBuf,
    /// Oldest first; see the head of this file.
    files: VecDeque<Source>,
    /// Before this the path is not looked at again.
    path_due: Option<Instant>,
    path_trouble: Trouble,
    read_trouble: Trouble,
    chunk: Vec<u8>,
    /// What is fresh in the chunk: from, to.
    fresh: (usize, usize),
}

impl Tail {
    fn new(path: PathBuf) -> Self {
        Self {
            path,
            files: VecDeque::new(),
            path_due: None,
            path_trouble: Trouble::default(),
            read_trouble: Trouble::default(),
            chunk: vec![0; GUARD_BYTES + READ_BYTES],
            fresh: (0, 0),
        }
    }

    /// The bytes the last look read, if it came to [`Sight::Data`].
    fn fresh(&self) -> &[u8] {
        let (from, to) = self.fresh;
        self.chunk.get(from..to).unwrap_or_default()
    }

    fn look(&mut self, now: Instant) -> Sight {
        // In this order: bytes ahead prove the first file complete only if the read comes after.
        let ahead = self.look_ahead(now);
        self.read_on(&ahead)
    }

    fn look_ahead(&mut self, now: Instant) -> Ahead {
        let refused = self.look_at_path(now);
        Ahead { refused, written: self.files.iter_mut().skip(1).any(Source::is_written) }
    }

    fn read_on(&mut self, ahead: &Ahead) -> Sight {
        let Some(first) = self.files.front_mut() else {
            return match (ahead.refused, &self.path_trouble) {
                (Some(why), _) => Sight::Refused(why),
                (None, Trouble(Some((ErrorKind::NotFound, _)) | None)) => Sight::Nothing,
                (None, Trouble(Some(_))) => Sight::Failing,
            };
        };
        let read = first.read(&mut self.chunk);
        if !matches!(read, Read::Failed(_)) && self.read_trouble.end() {
            info!(path = ?self.path, "alert file can be read again");
        }
        match (read, ahead.written) {
            (Read::Bytes { from, to }, _) => {
                self.fresh = (from, to);
                Sight::Data { more: to - from == READ_BYTES }
            }
            (Read::Truncated, _) => {
                info!(path = ?self.path, read = first.place, "alert file was truncated");
                first.rewind();
                Sight::Restart
            }
            (Read::End, false) => Sight::Nothing,
            (Read::End, true) => {
                info!(path = ?self.path, read = first.place, "alert file was rotated");
                self.files.pop_front();
                Sight::Restart
            }
            (Read::Failed(error), true) => {
                warn!(path = ?self.path, %error, "rotated alert file left before its end");
                self.files.pop_front();
                Sight::Restart
            }
            (Read::Failed(error), false) => {
                if self.read_trouble.is_new(&error) {
                    warn!(path = ?self.path, %error, "alert file cannot be read");
                }
                Sight::Failing
            }
        }
    }

    /// Appends the file that the path names, if it is a new one. Says why, if it never can be.
    fn look_at_path(&mut self, now: Instant) -> Option<&'static str> {
        if self.path_due.is_some_and(|due| now < due) || self.files.len() >= MAX_FILES {
            return None;
        }
        let mut pause = SHORT_PAUSE;
        let mut refused = None;
        match self.open_new() {
            Ok(found) => {
                if self.path_trouble.end() {
                    info!(path = ?self.path, "alert file is there");
                }
                self.files.extend(found);
                if self.files.len() >= MAX_FILES {
                    warn!(path = ?self.path, files = MAX_FILES, "too many rotations to follow");
                }
            }
            Err(Unopened::Unfit(why)) => {
                pause = ERROR_PAUSE;
                refused = Some(why);
                if self.path_trouble.is_new(&io::Error::new(ErrorKind::InvalidInput, why)) {
                    warn!(path = ?self.path, error = why, "alert file cannot be followed");
                }
            }
            Err(Unopened::Io(error)) => {
                let missing = error.kind() == ErrorKind::NotFound;
                if !missing {
                    pause = ERROR_PAUSE;
                }
                match (self.path_trouble.is_new(&error), missing) {
                    (true, true) => info!(path = ?self.path, "waiting for the alert file"),
                    (true, false) => {
                        warn!(path = ?self.path, %error, "alert file cannot be opened");
                    }
                    (false, _) => {}
                }
            }
        }
        self.path_due = Some(now + pause);
        refused
    }

    fn open_new(&self) -> Result<Option<Source>, Unopened> {
        // Stat comes first: it is the cheap answer, and opening a FIFO would already be noticed.
        let metadata = std::fs::metadata(&self.path)?;
        if self.has(&metadata) {
            return Ok(None);
        }
        regular(metadata.file_type())?;
        // Should a FIFO or a terminal have taken the path in between: neither block nor adopt it.
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(&self.path)?;
        let metadata = file.metadata()?;
        regular(metadata.file_type())?;
        Ok(if self.has(&metadata) { None } else { Some(Source::new(file, &metadata)) })
    }

    /// An open file keeps its number, so a file of the queue is never taken for a new one, nor a
    /// new one for it.
    fn has(&self, metadata: &Metadata) -> bool {
        self.files.iter().any(|file| file.id == identity(metadata))
    }
}

/// What is known of the path and the later files before the first one is read.
struct Ahead {
    refused: Option<&'static str>,
    /// A later file has bytes in it.
    written: bool,
}

/// Device and inode.
type Identity = (u64, u64);

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Why the path gave no file.
#[derive(Debug)]
enum Unopened {
    Unfit(&'static str),
    Io(io::Error),
}

impl From<io::Error> for Unopened {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn regular(kind: FileType) -> Result<(), Unopened> {
    if kind.is_file() {
        Ok(())
    } else if kind.is_dir() {
        Err(Unopened::Unfit("is a directory, not the file that file_output writes"))
    } else if kind.is_fifo() {
        Err(Unopened::Unfit("is a FIFO, which cannot be followed; read it as standard input"))
    } else {
        Err(Unopened::Unfit("is not a regular file"))
    }
}

/// One open file and our place in it.
struct Source {
    file: File,
    id: Identity,
    place: u64,
    /// The last bytes before our place, [`GUARD_BYTES`] or as many as there were.
    guard: Vec<u8>,
    written: bool,
}

/// What reading a [`Source`] came to.
enum Read {
    /// Where the fresh bytes are in the chunk.
    Bytes {
        from: usize,
        to: usize,
    },
    End,
    Truncated,
    Failed(io::Error),
}

impl Source {
    fn new(file: File, metadata: &Metadata) -> Self {
        let written = metadata.len() > 0;
        Self { file, id: identity(metadata), place: 0, guard: Vec::new(), written }
    }

    /// Whether the file had bytes in it, ever.
    fn is_written(&mut self) -> bool {
        self.written |= self.file.metadata().is_ok_and(|metadata| metadata.len() > 0);
        self.written
    }

    fn read(&mut self, chunk: &mut [u8]) -> Read {
        let from = self.guard.len();
        let Some(chunk) = chunk.get_mut(..from + READ_BYTES) else { return Read::End };
        let to = match self.file.read_at(chunk, self.place.saturating_sub(from as u64)) {
            Ok(to) => to,
            Err(error) if error.kind() == ErrorKind::Interrupted => return Read::End,
            Err(error) => return Read::Failed(error),
        };
        let seen = chunk.get(..to).unwrap_or_default();
        match seen.split_at_checked(from) {
            // Network file systems may read short in the middle of a file: ask for its size.
            None => match self.file.metadata() {
                Ok(metadata) if metadata.len() < self.place => Read::Truncated,
                Ok(_) => Read::End,
                Err(error) => Read::Failed(error),
            },
            Some((before, _)) if before != self.guard => Read::Truncated,
            Some((_, [])) => Read::End,
            Some((_, fresh)) => {
                self.place += fresh.len() as u64;
                let guard = seen.get(to.saturating_sub(GUARD_BYTES)..).unwrap_or_default();
                self.guard.clear();
                self.guard.extend_from_slice(guard);
                Read::Bytes { from, to }
            }
        }
    }

    fn rewind(&mut self) {
        self.place = 0;
        self.guard.clear();
    }
}

/// The error that is on, if one is, so that it is logged when it changes and not each time it is
/// met.
#[derive(Debug, Default)]
struct Trouble(Option<(ErrorKind, Option<i32>)>);

impl Trouble {
    fn is_new(&mut self, error: &io::Error) -> bool {
        let now = Some((error.kind(), error.raw_os_error()));
        mem::replace(&mut self.0, now) != now
    }

    /// Whether one was on.
    fn end(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::symlink;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    use tempfile::TempDir;
    use tokio::time::timeout;

    use super::*;

    /// How long a test waits for what must come.
    const DEADLINE: Duration = Duration::from_secs(20);

    /// A tail with a clock of its own, and what it gave: a `|` is a restart.
    struct Scene {
        dir: TempDir,
        tail: Tail,
        now: Instant,
        got: String,
    }

    impl Scene {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let tail = Tail::new(dir.path().join("alerts"));
            Self { dir, tail, now: Instant::now(), got: String::new() }
        }

        fn at(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        fn rename(&self, from: &str, to: &str) {
            fs::rename(self.at(from), self.at(to)).unwrap();
        }

        /// One look, when all pauses are over.
        fn look(&mut self) -> Sight {
            self.now += 2 * ERROR_PAUSE;
            let sight = self.tail.look(self.now);
            match sight {
                Sight::Data { .. } => {
                    self.got.push_str(std::str::from_utf8(self.tail.fresh()).unwrap());
                }
                Sight::Restart => self.got.push('|'),
                Sight::Nothing | Sight::Failing | Sight::Refused(_) => {}
            }
            sight
        }

        /// Looks until there has been nothing for many seconds, and gives what came.
        fn settle(&mut self) -> String {
            let mut quiet = 0;
            for _ in 0..1000 {
                quiet = if self.look() == Sight::Nothing { quiet + 1 } else { 0 };
                if quiet == 10 {
                    return mem::take(&mut self.got);
                }
            }
            panic!("no end of it: {:?}", self.look());
        }
    }

    fn append(path: impl AsRef<Path>, text: &str) {
        let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn truncate(path: impl AsRef<Path>) {
        OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
    }

    #[test]
    fn gives_what_was_there_and_what_is_appended() {
        let mut s = Scene::new();
        append(s.at("alerts"), "one\ntwo\n");
        assert_eq!(s.settle(), "one\ntwo\n");
        append(s.at("alerts"), "thr");
        assert_eq!(s.settle(), "thr");
        append(s.at("alerts"), "ee\n");
        assert_eq!(s.settle(), "ee\n");
        assert_eq!(s.settle(), "");
    }

    #[test]
    fn waits_for_a_missing_file() {
        let mut s = Scene::new();
        assert_eq!(s.settle(), "");
        append(s.at("alerts"), "");
        assert_eq!(s.settle(), "");
        append(s.at("alerts"), "one\n");
        assert_eq!(s.settle(), "one\n");
    }

    #[test]
    fn renamed_file_is_read_to_its_end_before_the_new_one() {
        let mut s = Scene::new();
        append(s.at("alerts"), "one\n");
        assert_eq!(s.settle(), "one\n");
        s.rename("alerts", "alerts.1");
        append(s.at("alerts.1"), "two\n");
        assert_eq!(s.settle(), "two\n");
        append(s.at("alerts.1"), "three\n");
        append(s.at("alerts"), "four\n");
        assert_eq!(s.settle(), "three\n|four\n");
        append(s.at("alerts"), "five\n");
        assert_eq!(s.settle(), "five\n");
    }

    #[test]
    fn new_file_made_long_before_the_old_one_is_left() {
        let mut s = Scene::new();
        append(s.at("alerts"), "one\n");
        assert_eq!(s.settle(), "one\n");
        s.rename("alerts", "alerts.1");
        append(s.at("alerts"), "");
        assert_eq!(s.settle(), "");
        append(s.at("alerts.1"), "two\n");
        assert_eq!(s.settle(), "two\n");
        append(s.at("alerts.1"), "three\n");
        append(s.at("alerts"), "four\n");
        assert_eq!(s.settle(), "three\n|four\n");
    }

    /// A new file with bytes and a look that still saw it empty: the old one is not left yet.
    #[test]
    fn an_old_sight_of_the_new_file_does_not_end_the_old_one() {
        let mut s = Scene::new();
        append(s.at("alerts"), "one\n");
        assert_eq!(s.settle(), "one\n");
        s.rename("alerts", "alerts.1");
        append(s.at("alerts"), "");
        s.look();
        s.now += ERROR_PAUSE;
        let ahead = s.tail.look_ahead(s.now);
        append(s.at("alerts"), "two\n");
        assert_eq!(s.tail.read_on(&ahead), Sight::Nothing);
        assert_eq!(s.settle(), "|two\n");
    }

    #[test]
    fn removed_and_made_again() {
        let mut s = Scene::new();
        append(s.at("alerts"), "one\n");
        assert_eq!(s.settle(), "one\n");
        fs::remove_file(s.at("alerts")).unwrap();
        assert_eq!(s.settle(), "");
        append(s.at("alerts"), "two\n");
        assert_eq!(s.settle(), "|two\n");
        append(s.at("alerts"), "thr");
        fs::remove_file(s.at("alerts")).unwrap();
        append(s.at("alerts"), "four\n");
        assert_eq!(s.settle(), "thr|four\n");
    }

    #[test]
    fn renamed_back_is_read_on() {
        let mut s = Scene::new();
        append(s.at("alerts"), "one\n");
        assert_eq!(s.settle(), "one\n");
        s.rename("alerts", "alerts.1");
        append(s.at("alerts"), "");
        assert_eq!(s.settle(), "");
        s.rename("alerts.1", "alerts");
        append(s.at("alerts"), "two\n");
        assert_eq!(s.settle(), "two\n");
    }

    #[test]
    fn rotations_during_a_long_read_are_kept_in_order() {
        let mut s = Scene::new();
        let long = "x".repeat(3 * READ_BYTES);
        append(s.at("alerts"), &long);
        assert_eq!(s.look(), Sight::Data { more: true });
        s.rename("alerts", "alerts.3");
        append(s.at("alerts"), "two\n");
        assert_eq!(s.look(), Sight::Data { more: true });
        s.rename("alerts", "alerts.2");
        append(s.at("alerts"), "");
        assert_eq!(s.look(), Sight::Data { more: true });
        // Rotated while empty, and away for good: it must not hold up what comes after it.
        fs::remove_file(s.at("alerts")).unwrap();
        fs::remove_file(s.at("alerts.2")).unwrap();
        append(s.at("alerts"), "three\n");
        assert_eq!(s.settle(), format!("{long}|two\n||three\n"));
        assert_eq!(s.tail.files.len(), 1);
    }

    #[test]
    fn files_held_open_are_bounded() {
        let mut s = Scene::new();
        append(s.at("alerts"), "start\n");
        assert_eq!(s.settle(), "start\n");
        for n in 0..2 * MAX_FILES {
            s.rename("alerts", &format!("alerts.{n}"));
            append(s.at("alerts"), "");
            s.look();
            assert!(s.tail.files.len() <= MAX_FILES);
        }
        append(s.at("alerts.2"), "middle\n");
        append(s.at("alerts"), "end\n");
        let got = s.settle();
        assert_eq!(got.replace('|', ""), "middle\nend\n");
        assert!(got.starts_with('|'));
    }

    #[test]
    fn truncated_in_place() {
        let mut s = Scene::new();
        append(s.at("alerts"), "one\ntw");
        assert_eq!(s.settle(), "one\ntw");
        truncate(s.at("alerts"));
        assert_eq!(s.settle(), "|");
        append(s.at("alerts"), "three\n");
        assert_eq!(s.settle(), "three\n");
        truncate(s.at("alerts"));
        append(s.at("alerts"), "4\n");
        assert_eq!(s.settle(), "|4\n");
    }

    #[test]
    fn truncated_and_grown_to_our_place_or_past_it() {
        for again in ["two\n", "two\nand more\n"] {
            let mut s = Scene::new();
            append(s.at("alerts"), "one\n");
            assert_eq!(s.settle(), "one\n");
            truncate(s.at("alerts"));
            append(s.at("alerts"), again);
            assert_eq!(s.settle(), format!("|{again}"));
        }
    }

    #[test]
    fn truncated_far_in() {
        let mut s = Scene::new();
        let long = "line\n".repeat(READ_BYTES / 3);
        append(s.at("alerts"), &long);
        assert_eq!(s.settle(), long);
        truncate(s.at("alerts"));
        append(s.at("alerts"), "short\n");
        assert_eq!(s.settle(), "|short\n");
    }

    #[test]
    fn follows_a_link_that_is_swapped() {
        let mut s = Scene::new();
        for day in ["a", "b"] {
            fs::create_dir(s.at(day)).unwrap();
            append(s.at(day).join("alerts"), &format!("{day}1\n"));
        }
        symlink("a", s.at("..data")).unwrap();
        symlink("..data/alerts", s.at("alerts")).unwrap();
        assert_eq!(s.settle(), "a1\n");
        symlink("b", s.at("..new")).unwrap();
        s.rename("..new", "..data");
        append(s.at("a").join("alerts"), "a2\n");
        assert_eq!(s.settle(), "a2\n|b1\n");
    }

    #[test]
    fn refuses_what_is_not_a_file_until_one_is_followed() {
        let mut s = Scene::new();
        fs::create_dir(s.at("alerts")).unwrap();
        assert!(matches!(s.look(), Sight::Refused(why) if why.contains("directory")));
        fs::remove_dir(s.at("alerts")).unwrap();
        nix::unistd::mkfifo(&s.at("alerts"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(s.look(), Sight::Refused(why) if why.contains("FIFO")));
        fs::remove_file(s.at("alerts")).unwrap();
        append(s.at("alerts"), "one\n");
        assert_eq!(s.settle(), "one\n");
        s.rename("alerts", "alerts.1");
        fs::create_dir(s.at("alerts")).unwrap();
        append(s.at("alerts.1"), "two\n");
        assert_eq!(s.settle(), "two\n");
    }

    /// A loop of links stands for every error of the path; permissions mean nothing to root.
    #[test]
    fn errors_are_logged_when_they_change_and_waited_out() {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false);
        tracing::subscriber::with_default(subscriber.finish(), || {
            let mut s = Scene::new();
            for _ in 0..10 {
                assert_eq!(s.look(), Sight::Nothing);
            }
            symlink("alerts", s.at("alerts")).unwrap();
            for _ in 0..10 {
                assert_eq!(s.look(), Sight::Failing);
            }
            fs::remove_file(s.at("alerts")).unwrap();
            append(s.at("alerts"), "one\n");
            assert_eq!(s.settle(), "one\n");
        });
        assert_eq!(log.count("waiting for the alert file"), 1);
        assert_eq!(log.count("alert file cannot be opened"), 1);
        assert_eq!(log.count("alert file is there"), 1);
    }

    /// A directory opened behind the follower's back: every read of it fails.
    #[test]
    fn unreadable_file_is_kept_until_there_is_another() {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false);
        tracing::subscriber::with_default(subscriber.finish(), || {
            let mut s = Scene::new();
            let file = File::open(s.dir.path()).unwrap();
            let metadata = file.metadata().unwrap();
            s.tail.files.push_back(Source::new(file, &metadata));
            for _ in 0..10 {
                assert_eq!(s.look(), Sight::Failing);
            }
            append(s.at("alerts"), "one\n");
            assert_eq!(s.look(), Sight::Restart);
            assert_eq!(s.settle(), "|one\n");
        });
        assert_eq!(log.count("alert file cannot be read"), 1);
        assert_eq!(log.count("alert file can be read again"), 1);
    }

    #[tokio::test]
    async fn an_alert_is_there_soon() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts");
        append(&path, "");
        let mut follower = Follower::new(path.clone());
        let mut buffer = Vec::new();
        let mut best = DEADLINE;
        for _ in 0..5 {
            // Long enough for the pauses to have become as long as they get.
            assert!(timeout(4 * LONG_PAUSE, follower.next(&mut buffer)).await.is_err());
            let wrote = Instant::now();
            append(&path, "line\n");
            let piece = timeout(DEADLINE, follower.next(&mut buffer)).await.unwrap().unwrap();
            assert_eq!(piece, Piece::Data);
            best = best.min(wrote.elapsed());
        }
        assert_eq!(buffer, b"line\n".repeat(5));
        assert!(best < Duration::from_millis(100), "took {best:?}");
    }

    #[tokio::test]
    async fn an_idle_follower_rests() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts");
        append(&path, "");
        let mut follower = Follower::new(path);
        let mut buffer = Vec::new();
        assert!(timeout(10 * LONG_PAUSE, follower.next(&mut buffer)).await.is_err());
        assert_eq!(follower.pause, LONG_PAUSE);
    }

    #[tokio::test]
    async fn a_cancelled_call_loses_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts");
        let text: String = (0..200_000).map(|n| format!("{n}\n")).collect();
        let mut follower = Follower::new(path.clone());
        let mut buffer = Vec::new();
        let mut cancelled = 0;
        let end = Instant::now() + DEADLINE;
        while buffer.len() < text.len() && Instant::now() < end {
            // Polled once and dropped.
            tokio::select! {
                biased;
                piece = follower.next(&mut buffer) => assert_eq!(piece.unwrap(), Piece::Data),
                () = std::future::ready(()) => {
                    cancelled += 1;
                    if cancelled == 1 {
                        append(&path, &text);
                    }
                }
            }
            tokio::task::yield_now().await;
        }
        assert!(buffer == text.as_bytes(), "{} of {} bytes", buffer.len(), text.len());
    }

    #[tokio::test]
    async fn a_directory_is_an_error_that_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let mut follower = Follower::new(dir.path().to_path_buf());
        let mut buffer = Vec::new();
        let error = timeout(DEADLINE, follower.next(&mut buffer)).await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains("is a directory"));
    }

    /// A writer that behaves as Falco and logrotate do, in every way they can be set up.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn ten_thousand_lines_across_twenty_rotations() {
        const LINES: usize = 10_000;
        const ROTATIONS: usize = 20;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts");
        let read = Arc::new(AtomicUsize::new(0));
        let writer = {
            let (path, read) = (path.clone(), Arc::clone(&read));
            std::thread::spawn(move || write_and_rotate(&path, LINES, ROTATIONS, &read))
        };

        let mut follower = Follower::new(path);
        let mut buffer = Vec::new();
        let mut next = 0;
        let mut restarts = 0;
        let all = async {
            while next < LINES {
                if follower.next(&mut buffer).await.unwrap() == Piece::Restart {
                    restarts += 1;
                    assert!(
                        buffer.is_empty(),
                        "unfinished: {:?}",
                        String::from_utf8_lossy(&buffer)
                    );
                }
                while let Some(end) = buffer.iter().position(|&byte| byte == b'\n') {
                    let line = String::from_utf8(buffer.drain(..=end).collect()).unwrap();
                    assert_eq!(line, line_of(next));
                    next += 1;
                }
                read.store(next, Ordering::SeqCst);
            }
        };
        let done = timeout(DEADLINE, all).await;
        assert!(done.is_ok(), "stopped at line {next} after {restarts} restarts");
        writer.join().unwrap();
        assert_eq!(restarts, ROTATIONS);
        assert!(buffer.is_empty());
    }

    fn line_of(n: usize) -> String {
        format!("{n} {}\n", "x".repeat(n * 7919 % 400))
    }

    fn write_and_rotate(path: &Path, lines: usize, rotations: usize, read: &AtomicUsize) {
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        let mut below = move |limit: u64| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random % limit
        };
        let open = || OpenOptions::new().create(true).append(true).open(path).unwrap();
        let wait_for = |line: usize| {
            let end = Instant::now() + DEADLINE;
            while read.load(Ordering::SeqCst) < line && Instant::now() < end {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        let mut file = open();
        let mut rotated = 0;
        // The line from which on the file is written anew, after it lost its name.
        let mut reopen_at = usize::MAX;
        let mut first_of_file = 0;
        for n in 0..lines {
            if n == reopen_at {
                file = open();
                reopen_at = usize::MAX;
                first_of_file = n;
            }
            let line = line_of(n);
            let (head, rest) = line.split_at(below(line.len() as u64) as usize);
            file.write_all(head.as_bytes()).unwrap();
            if below(50) == 0 {
                std::thread::sleep(Duration::from_millis(below(4)));
            }
            file.write_all(rest.as_bytes()).unwrap();

            let share = lines / (rotations + 1);
            if rotated == rotations || n < share * (rotated + 1) || reopen_at != usize::MAX {
                continue;
            }
            // Two rotations between two looks are one too many; see the head of this file.
            wait_for(first_of_file + 1);
            let old = path.with_extension(rotated.to_string());
            match below(4) {
                // `create`, then SIGUSR1 some lines later.
                0 => {
                    fs::rename(path, old).unwrap();
                    drop(open());
                    reopen_at = n + 1 + below(100) as usize;
                }
                // SIGUSR1 makes the new file.
                1 => {
                    fs::rename(path, old).unwrap();
                    reopen_at = n + 1 + below(100) as usize;
                }
                2 => {
                    fs::remove_file(path).unwrap();
                    reopen_at = n + 1;
                }
                // What is not read by then is lost by design, so all of it is.
                _ => {
                    wait_for(n + 1);
                    truncate(path);
                    first_of_file = n + 1;
                }
            }
            rotated += 1;
        }
    }

    /// What was logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn count(&self, text: &str) -> usize {
            String::from_utf8_lossy(&self.0.lock().unwrap()).matches(text).count()
        }
    }

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl tracing_subscriber::fmt::MakeWriter<'_> for Log {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }
}
