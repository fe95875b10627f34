//! Reads configuration files and directories.
//!
//! Reading stops one byte after the size limit, so that a larger file is noticed. An include that
//! is neither a file nor a directory is not opened, because reading a pipe might never end.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::{include::MAX_FILES, yaml::MAX_TEXT};

/// What [`super::Open`] found at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Nothing, or a dangling link.
    Nothing,
    /// A regular file: its content, up to one byte beyond the size limit.
    File(Vec<u8>),
    /// A directory: the regular files in it, links followed, in any order.
    Directory(Vec<PathBuf>),
    /// A pipe, a socket, a device.
    Other,
}

/// Reads a path that `config_files` names.
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

/// Whether the path is a regular file, which can be read again. True if the path cannot be
/// examined: reading it then reports the error.
pub(super) fn is_regular(path: &Path) -> bool {
    fs::metadata(path).map_or(true, |found| found.is_file())
}

/// Whether the file has no bytes.
pub(super) fn is_empty(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| found.len() == 0)
}

/// Reads a file of any kind. The main file may be a pipe.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let limit = u64::try_from(MAX_TEXT).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Lists the regular files of a directory, up to one more than [`MAX_FILES`].
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
