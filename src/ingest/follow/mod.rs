//! Follows the file that Falco's `file_output` appends to, across rotation.
//!
//! A follower returns the bytes in the order they were written, and a mark where one file ends and
//! the next begins. The caller splits them into lines and handles an unfinished one. A follower
//! starts at the **beginning** of the file, so that no earlier alert is lost. It stores nothing, so
//! a second follower reads everything again. It does not look for files that were rotated before it
//! started.
//!
//! # The algorithm
//!
//! The open files are a queue, oldest first. The first file is read. Each later file replaced the
//! one before it under the path. If the queue is empty, the follower waits for a file. If it has
//! more than one file, a rotation is in progress. One *look* does this, in this order:
//!
//! 1. Stat the path (following symbolic links). If it names a file that is not in the queue, open
//!    the file and append it. If it names nothing or cannot be opened, continue with the first
//!    file.
//! 2. Note whether a later file has bytes.
//! 3. Read the first file from our position, starting `GUARD_BYTES` early.
//! 4. If the file is shorter than our position, or the early bytes have changed, it was truncated
//!    (`copytruncate`): return [`Piece::Restart`] and continue at its beginning.
//! 5. If it has new bytes, return them.
//! 6. If it has none, and step 2 found bytes in a later file, close it, return [`Piece::Restart`]
//!    and continue with the next file.
//!
//! Step 6 needs no timeout. Falco has one writer, which closes the old file, and so flushes it,
//! before it writes to the new one. So a byte in the new file, seen *before* a read of the old one
//! that returned nothing, proves that the old one is complete. This holds both when SIGUSR1 makes
//! Falco create the new file, and when logrotate's `create` does so long before Falco reopens it.
//! The price: a rotated file stays open until the next alert is written.
//!
//! # Why polling
//!
//! A look takes two system calls on a thread of the blocking pool, at most a hundred times a second
//! while alerts come, and twenty times if none do. Polling needs no watch limit and no dependency.
//! It works on overlays, on network file systems and through Kubernetes' chain of links, where
//! inotify sees part or nothing. While there is more to read, nothing sleeps.
//!
//! # Limitations
//!
//! - Alerts that were written between the last look and a `copytruncate` are not read. They are in
//!   the copy, whose name is unknown. Rotation by renaming loses none.
//! - A file that appears and is rotated away between two looks is not seen. Looks take place only
//!   while a caller awaits [`Follower::next`].
//! - At most `MAX_FILES` files are open at once. More rotations while the first file is read are
//!   not seen.
//! - If a second program writes to a file that was closed in step 6, its bytes are not read.
//! - An edit before our position looks like a truncation. The file is read again from its
//!   beginning.
//! - The path of a file that is bind-mounted by itself never names another file. Mount its
//!   directory.
//!
//! A follower rejects anything but a regular file. A directory is a mistake: container runtimes
//! create one if a mounted file is missing. A FIFO must be standard input: opening and closing it
//! for a look could kill its writer with SIGPIPE. Other errors are logged when they change, and
//! retried. The owner of the follower is told the cause while a file cannot be opened or read, does
//! not exist yet, or is gone for longer than a rotation takes.
//!
//! A file with two names that are both followed is read under one of them ([`claims`]).
//!
//! [`tail`] is the algorithm without clock and threads.

mod claims;
mod tail;

use std::fmt;
use std::io::{self, ErrorKind};
use std::mem;
use std::path::PathBuf;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, sleep_until};

pub(in crate::ingest) use claims::Claims;
pub(in crate::ingest) use tail::GONE;
use tail::{ERROR_PAUSE, Sight, Tail};

/// The pause after a read that reached the end of the file, so that a busy writer is read in
/// batches instead of line by line. It doubles with each look that finds nothing.
const SHORT_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause between two looks, and so the longest delay of an alert after a quiet time.
const LONG_PAUSE: Duration = Duration::from_millis(50);

/// The result of [`Follower::next`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes were appended to the buffer.
    Data,
    /// The following bytes are from another file, or from the same file after a truncation. An
    /// unfinished line will never be completed. The buffer is unchanged.
    Restart,
}

/// Follows one path across rename, truncation and re-creation.
pub(crate) struct Follower {
    path: PathBuf,
    tail: Hold,
    /// The time of the next look; `None` means at once.
    rest: Option<Instant>,
    /// The duration of the next rest.
    pause: Duration,
    /// Called when the cause of being down changes.
    tell: Tell,
    told: Option<Option<String>>,
}

/// Takes the cause why the file is down, or `None` if it is up.
type Tell = Box<dyn FnMut(Option<&str>) + Send>;

impl Follower {
    /// Creates a follower of `path` that shares no claims.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self::among(&Claims::default(), path, |_| {})
    }

    /// Creates a follower of `path` that shares `claims` with others. It calls `tell` with the
    /// cause when it goes down, and with `None` when it is up again. It opens no file before the
    /// first [`next`](Self::next).
    pub(in crate::ingest) fn among(
        claims: &Claims,
        path: PathBuf,
        tell: impl FnMut(Option<&str>) + Send + 'static,
    ) -> Self {
        let tail = Hold::Ours(Box::new(Tail::new(path.clone(), claims.enter(&path))));
        Self { path, tail, rest: None, pause: SHORT_PAUSE, tell: Box::new(tell), told: None }
    }

    /// Waits until there is more to read, then appends up to [`tail::READ_BYTES`] to `buffer`.
    ///
    /// Cancel-safe: the next call finishes a look in progress, and the buffer changes only when the
    /// call returns. After a follower is dropped, at most one look still finishes.
    ///
    /// # Errors
    ///
    /// If the path names something other than a regular file at the first look, which is an error
    /// in the settings, or if the runtime shuts down. A retry does not help.
    pub(crate) async fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<Piece> {
        loop {
            if let Some(until) = self.rest.filter(|until| Instant::now() < *until) {
                sleep_until(until).await;
            }
            self.rest = None;
            let first = self.told.is_none();
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
                Sight::Refused(_) if !first => self.rest_for(ERROR_PAUSE),
                Sight::Refused(why) => {
                    self.rest_for(ERROR_PAUSE);
                    return Err(io::Error::new(ErrorKind::InvalidInput, why));
                }
            }
        }
    }

    /// Runs one look on a blocking thread, or waits for the look of a call that was cancelled.
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
        // Only here a call can be cancelled. The handle then stays in `self.tail`.
        match looking.await {
            Ok((tail, sight)) => {
                if let Sight::Data { .. } = sight {
                    buffer.extend_from_slice(tail.fresh());
                }
                let down = tail.down();
                if self.told.as_ref().is_none_or(|told| told.as_deref() != down) {
                    (self.tell)(down);
                    self.told = Some(down.map(str::to_owned));
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

/// The owner of the tail.
enum Hold {
    Ours(Box<Tail>),
    /// A blocking thread has it and will return it.
    Looking(JoinHandle<(Box<Tail>, Sight)>),
    /// The blocking thread did not return it. This is final.
    Lost,
}
