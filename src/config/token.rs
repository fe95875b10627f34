//! The file with the word that lets HTTP clients in.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use falconer_gateway::{BadToken, Token};

/// Most that is read of the file, in bytes.
const LARGEST: u64 = 4 << 10;

/// The token cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("falconer.gateway.token_file {path:?}: cannot be read: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It holds something else.
    #[error("falconer.gateway.token_file {path:?}: {error}")]
    Token {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: BadToken,
    },
}

/// Reads the token in a file; with it comes a warning when all users of the machine may read it.
///
/// # Errors
/// When the file cannot be read, or holds none.
pub fn token(path: &Path) -> Result<(Token, Option<String>), TokenError> {
    let read = || {
        let mut text = String::new();
        let file = File::open(path)?;
        let mode = file.metadata()?.permissions().mode();
        file.take(LARGEST).read_to_string(&mut text)?;
        Ok((text, mode))
    };
    let (text, mode) = read().map_err(|error| TokenError::Read { path: path.into(), error })?;
    let token = text.parse().map_err(|error| TokenError::Token { path: path.into(), error })?;
    let exposed = (mode & 0o007 != 0).then(|| {
        let mode = mode & 0o777;
        format!(
            "falconer.gateway.token_file {path:?}: every user of this machine may read it (mode \
             {mode:04o}); write `chmod 640`, or defaultMode: 0440 for a secret in Kubernetes"
        )
    });
    Ok((token, exposed))
}
