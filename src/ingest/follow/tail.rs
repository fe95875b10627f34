//! The algorithm of a follower without clock and threads: looks at the path, reads, and returns the
//! result. The head of [`super`] describes it.

use std::collections::VecDeque;
use std::fs::{File, FileType, Metadata, OpenOptions};
use std::io::{self, ErrorKind};
use std::mem;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::OFlag;
use tokio::time::Instant;
use tracing::{info, warn};

use super::claims::{Claim, Identity, Taken};

/// The maximum size in bytes of one read. It is large enough that switching to a blocking thread
/// costs little in comparison.
pub(super) const READ_BYTES: usize = 256 * 1024;

/// How many bytes before our position are read again and compared, to detect a file that was
/// truncated and has already grown past our position. They include the time in nanoseconds that
/// every alert line has at its end (Falco 0.39 and later) or among its fields (before), so they do
/// not match by chance.
pub(super) const GUARD_BYTES: usize = 256;

/// The maximum number of open files. Only rotations every few seconds, while gigabytes are still
/// unread, come near it.
pub(super) const MAX_FILES: usize = 16;

/// The pause after an error other than a missing file. Each attempt may be logged by the system's
/// audit.
pub(super) const ERROR_PAUSE: Duration = Duration::from_secs(1);

/// The time after which a missing file counts as gone, if the old file gets no bytes either. A
/// rotation takes seconds at most.
pub(super) const GONE_PAUSE: Duration = Duration::from_secs(60);

/// The cause if the path names nothing, and no bytes came for [`GONE_PAUSE`].
pub(in crate::ingest) const GONE: &str =
    "is gone, and nothing was written to the old file since; create it again";

/// The result of one look.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// There are new bytes. If `more`, the read was full, so there may be more at once.
    Data {
        more: bool,
    },
    Restart,
    Nothing,
    /// An error, which was logged, prevents reading.
    Failing,
    /// There is no file yet, and the path names something that cannot be followed.
    Refused(&'static str),
}

/// The state of a follower without clock and threads.
pub(super) struct Tail {
    path: PathBuf,
    claim: Claim,
    /// Oldest first; see the head of [`super`].
    files: VecDeque<Source>,
    /// The time since which the path names nothing and no bytes come.
    gone: Option<Instant>,
    /// The cause, if the file is down.
    down: Option<String>,
    /// The time before which the path is not checked again.
    path_due: Option<Instant>,
    path_trouble: Trouble,
    read_trouble: Trouble,
    chunk: Vec<u8>,
    /// The range of the new bytes in the chunk: from, to.
    fresh: (usize, usize),
}

impl Tail {
    pub(super) fn new(path: PathBuf, claim: Claim) -> Self {
        Self {
            path,
            claim,
            files: VecDeque::new(),
            gone: None,
            down: None,
            path_due: None,
            path_trouble: Trouble::default(),
            read_trouble: Trouble::default(),
            chunk: vec![0; GUARD_BYTES + READ_BYTES],
            fresh: (0, 0),
        }
    }

    /// Returns the bytes that the last look read, if it returned [`Sight::Data`].
    pub(super) fn fresh(&self) -> &[u8] {
        let (from, to) = self.fresh;
        self.chunk.get(from..to).unwrap_or_default()
    }

    pub(super) fn look(&mut self, now: Instant) -> Sight {
        // Bytes in a later file prove that the first one is complete only if this order is kept.
        let ahead = self.look_ahead(now);
        let sight = self.read_on(&ahead);
        self.judge(&sight, now);
        sight
    }

    /// Returns the cause, if the file was down at the last look.
    pub(super) fn down(&self) -> Option<&str> {
        self.down.as_deref()
    }

    fn judge(&mut self, sight: &Sight, now: Instant) {
        let missing = self.path_trouble.is(ErrorKind::NotFound);
        // A rotation may be in progress, or Falco may still write to the old file.
        let resting = missing && !self.files.is_empty();
        let gone = match sight {
            Sight::Nothing if resting => now >= *self.gone.get_or_insert(now) + GONE_PAUSE,
            _ => {
                self.gone = None;
                false
            }
        };
        let path_trouble = self.path_trouble.text.as_deref().filter(|_| !resting);
        self.down = match self.read_trouble.text.as_deref().or(path_trouble) {
            None if gone => Some(GONE.to_owned()),
            why => why.map(str::to_owned),
        };
    }

    fn look_ahead(&mut self, now: Instant) -> Ahead {
        let refused = self.look_at_path(now);
        Ahead { refused, written: self.files.iter_mut().skip(1).any(Source::is_written) }
    }

    fn read_on(&mut self, ahead: &Ahead) -> Sight {
        let Some(first) = self.files.front_mut() else {
            return match (ahead.refused, &self.path_trouble) {
                (Some(why), _) => Sight::Refused(why),
                (None, trouble) if trouble.is_on() && !trouble.is(ErrorKind::NotFound) => {
                    Sight::Failing
                }
                (None, _) => Sight::Nothing,
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
            (Read::Again, _) | (Read::End, false) => Sight::Nothing,
            (Read::End, true) => {
                info!(path = ?self.path, read = first.place, "alert file was rotated");
                self.leave_first();
                Sight::Restart
            }
            (Read::Failed(error), true) => {
                warn!(path = ?self.path, %error, "skipped the rest of a rotated alert file");
                self.leave_first();
                Sight::Restart
            }
            (Read::Failed(error), false) => {
                if self.read_trouble.is_new(&error, || format!("cannot be read: {error}")) {
                    warn!(path = ?self.path, %error, "alert file cannot be read");
                }
                Sight::Failing
            }
        }
    }

    fn leave_first(&mut self) {
        if let Some(left) = self.files.pop_front() {
            self.claim.release(left.id);
        }
    }

    /// Appends the file that the path names, if it is new. Returns the reason if the path names
    /// something that cannot be followed.
    fn look_at_path(&mut self, now: Instant) -> Option<&'static str> {
        if self.path_due.is_some_and(|due| now < due) || self.files.len() >= MAX_FILES {
            return None;
        }
        let mut pause = super::SHORT_PAUSE;
        let mut refused = None;
        match self.open_new(now) {
            Ok(found) => {
                if self.path_trouble.end() {
                    info!(path = ?self.path, "found the alert file");
                }
                self.files.extend(found);
                if self.files.len() >= MAX_FILES {
                    warn!(path = ?self.path, files = MAX_FILES, "too many rotated files are open");
                }
            }
            Err(Unopened::Taken(Taken { by, news })) => {
                pause = ERROR_PAUSE;
                self.path_trouble.end();
                if news {
                    warn!(
                        path = ?self.path, same_as = ?by,
                        "two names of one alert file, which is read once; name it once"
                    );
                }
            }
            Err(Unopened::Unfit(why)) => {
                pause = ERROR_PAUSE;
                refused = Some(why);
                let error = io::Error::new(ErrorKind::InvalidInput, why);
                if self.path_trouble.is_new(&error, || why.to_owned()) {
                    warn!(path = ?self.path, error = why, "alert file cannot be followed");
                }
            }
            Err(Unopened::Io(error)) if error.kind() == ErrorKind::NotFound => {
                let why = missing(&self.path);
                if self.path_trouble.is_new(&error, || why.to_owned()) {
                    info!(path = ?self.path, why, "waiting for the alert file");
                }
                // The directory may exist by now, which changes the text but not the error.
                self.path_trouble.text = Some(why.to_owned());
            }
            Err(Unopened::Io(error)) => {
                pause = ERROR_PAUSE;
                if self.path_trouble.is_new(&error, || format!("cannot be opened: {error}")) {
                    warn!(path = ?self.path, %error, "alert file cannot be opened");
                }
            }
        }
        self.path_due = Some(now + pause);
        refused
    }

    fn open_new(&mut self, now: Instant) -> Result<Option<Source>, Unopened> {
        // Stat first: it is cheap, and opening a FIFO would affect its writer.
        let metadata = std::fs::metadata(&self.path)?;
        if self.has(&metadata) {
            return Ok(None);
        }
        regular(metadata.file_type())?;
        // The path may name a FIFO or a terminal by now. Do not block on it or make it our
        // terminal.
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(&self.path)?;
        let metadata = file.metadata()?;
        regular(metadata.file_type())?;
        if self.has(&metadata) {
            return Ok(None);
        }
        self.claim.take(identity(&metadata), now).map_err(Unopened::Taken)?;
        Ok(Some(Source::new(file, &metadata)))
    }

    /// Returns whether the file is in the queue. An open file keeps its inode number, so the result
    /// is reliable.
    fn has(&self, metadata: &Metadata) -> bool {
        self.files.iter().any(|file| file.id == identity(metadata))
    }
}

/// The state of the path and the later files before the first one is read.
struct Ahead {
    refused: Option<&'static str>,
    /// Whether a later file has bytes.
    written: bool,
}

fn identity(metadata: &Metadata) -> Identity {
    (metadata.dev(), metadata.ino())
}

/// Why the path's file was not opened.
#[derive(Debug)]
enum Unopened {
    Unfit(&'static str),
    /// Another follower reads it.
    Taken(Taken),
    Io(io::Error),
}

impl From<io::Error> for Unopened {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Returns how a path names nothing.
fn missing(path: &Path) -> &'static str {
    let folder =
        path.parent().is_none_or(|folder| folder.as_os_str().is_empty() || folder.is_dir());
    if path.is_symlink() {
        "is a link to a missing file; correct the link or create the file"
    } else if folder {
        "does not exist yet; Falco creates it with its first alert, or create an empty one"
    } else {
        "does not exist, and neither does its directory; create the directory or set another path"
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

/// An open file and our position in it.
struct Source {
    file: File,
    id: Identity,
    place: u64,
    /// The last bytes before our position, at most [`GUARD_BYTES`].
    guard: Vec<u8>,
    written: bool,
}

/// The result of reading a [`Source`].
enum Read {
    /// The range of the new bytes in the chunk.
    Bytes {
        from: usize,
        to: usize,
    },
    /// Everything was read.
    End,
    /// Nothing was read, but there may be more.
    Again,
    Truncated,
    Failed(io::Error),
}

impl Source {
    fn new(file: File, metadata: &Metadata) -> Self {
        let written = metadata.len() > 0;
        Self { file, id: identity(metadata), place: 0, guard: Vec::new(), written }
    }

    /// Returns whether the file has or ever had bytes.
    fn is_written(&mut self) -> bool {
        self.written |= self.file.metadata().is_ok_and(|metadata| metadata.len() > 0);
        self.written
    }

    fn read(&mut self, chunk: &mut [u8]) -> Read {
        let from = self.guard.len();
        let Some(chunk) = chunk.get_mut(..from + READ_BYTES) else { return Read::End };
        let to = match self.file.read_at(chunk, self.place.saturating_sub(from as u64)) {
            Ok(to) => to,
            Err(error) if error.kind() == ErrorKind::Interrupted => return Read::Again,
            Err(error) => return Read::Failed(error),
        };
        let seen = chunk.get(..to).unwrap_or_default();
        match seen.split_at_checked(from) {
            Some((before, _)) if before != self.guard => Read::Truncated,
            // On a network file system a read can be short in the middle of a file, so check its
            // size.
            None | Some((_, [])) => match self.file.metadata().map(|metadata| metadata.len()) {
                Ok(length) if length < self.place => Read::Truncated,
                Ok(length) if length > self.place || to < from => Read::Again,
                Ok(_) => Read::End,
                Err(error) => Read::Failed(error),
            },
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

/// The current error, if any, so that it is logged only when it changes.
#[derive(Debug, Default)]
struct Trouble {
    error: Option<(ErrorKind, Option<i32>)>,
    /// The error as text.
    text: Option<String>,
}

impl Trouble {
    fn is_new(&mut self, error: &io::Error, text: impl FnOnce() -> String) -> bool {
        let now = Some((error.kind(), error.raw_os_error()));
        let new = mem::replace(&mut self.error, now) != now;
        if new {
            self.text = Some(text());
        }
        new
    }

    fn is_on(&self) -> bool {
        self.error.is_some()
    }

    fn is(&self, kind: ErrorKind) -> bool {
        self.error.is_some_and(|(is, _)| is == kind)
    }

    /// Clears the error. Returns whether there was one.
    fn end(&mut self) -> bool {
        self.text = None;
        self.error.take().is_some()
    }
}

#[cfg(test)]
mod tests;
