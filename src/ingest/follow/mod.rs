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
//! change, and waited out. What is on is told to whoever made the follower: a file that cannot be
//! opened or read, that was never there, or that is gone for longer than a rotation takes.
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
use tail::{ERROR_PAUSE, Sight, Tail};

/// The pause after the end of a file was reached with new bytes: a busy writer is read in batches
/// instead of line by line. It doubles with each look that finds nothing.
const SHORT_PAUSE: Duration = Duration::from_millis(10);

/// The longest pause between two looks: what an alert waits at most when none came before it.
const LONG_PAUSE: Duration = Duration::from_millis(50);

/// What [`Follower::next`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes were appended to the buffer.
    Data,
    /// Nothing was appended. What follows is from another file, or from the same one truncated: an
    /// unfinished line before it will never be completed.
    Restart,
}

/// Follows one path across rename, truncation and re-creation.
pub(crate) struct Follower {
    path: PathBuf,
    tail: Hold,
    /// When the next look is due; `None` is at once.
    rest: Option<Instant>,
    /// How long the next rest will be.
    pause: Duration,
    /// Told when it changes: why nothing comes, or that something may.
    tell: Tell,
    told: Option<Option<String>>,
}

/// Whom to tell why nothing comes, or that something may.
type Tell = Box<dyn FnMut(Option<&str>) + Send>;

impl Follower {
    /// A follower of `path`, by itself.
    pub(crate) fn new(path: PathBuf) -> Self {
        Self::among(&Claims::default(), path, |_| {})
    }

    /// A follower of `path` among others, that tells when nothing can come any more, and why, and
    /// when something can. Nothing is opened before the first [`next`](Self::next).
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
    /// Cancel-safe: a look that was under way is finished by the next call, and the buffer is
    /// touched only when the call returns. A dropped follower leaves at most one look to end by
    /// itself.
    ///
    /// # Errors
    ///
    /// When the path names something that is not a regular file at the first look, which is a
    /// mistake in the settings, and when the runtime ends. Both are for the operator; nothing is
    /// gained by calling again.
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

/// Who has the tail.
enum Hold {
    Ours(Box<Tail>),
    /// A blocking thread has it and brings it back.
    Looking(JoinHandle<(Box<Tail>, Sight)>),
    /// The blocking thread did not bring it back; this is final.
    Lost,
}
