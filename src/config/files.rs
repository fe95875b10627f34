//! What the room asks the file system: the only file of it that does IO.
//!
//! A file is read up to one byte more than is allowed, which shows that there is more. What is
//! neither a file nor a directory is not opened as an include: a pipe would never end.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::{include::MAX_FILES, yaml::MAX_TEXT};

/// What is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or a link to nothing.
    Nothing,
    /// A regular file: what is in it, as far as it may be read.
    File(Vec<u8>),
    /// A directory: the regular files in it, links followed, in no order.
    Directory(Vec<PathBuf>),
    /// A pipe, a socket, a device.
    Other,
}

/// Looks at what `config_files` names.
pub(super) fn look(path: &Path) -> io::Result<Found> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(Found::Nothing),
                _ => Err(error),
            };
        }
    };
    if found.is_file() {
        read(path).map(Found::File)
    } else if found.is_dir() {
        list(path).map(Found::Directory)
    } else {
        Ok(Found::Other)
    }
}

/// Whether it is a file that can be read again; one that is not there is for reading to tell.
pub(super) fn is_regular(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |found| found.is_file())
}

/// Whether it is a file without a byte.
pub(super) fn is_empty(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() == 0)
}

/// Reads a file, of whatever kind: the main one may come through a pipe.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The regular files of a directory; one more than is allowed at most.
fn list(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let path = entry?.path();
        if files.len() > MAX_FILES {
            break;
        }
        if fs::metadata(&path).is_ok_and(|found| found.is_file()) {
            files.push(path);
        }
    }
    Ok(files)
}
