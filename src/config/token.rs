//! Reads the file with the token of HTTP clients.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use falconer_gateway::{BadToken, Token};

/// The most to read of the file, in bytes.
const LARGEST: u64 = 4 << 10;

/// The token cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error("falconer.gateway.token_file {path:?}: cannot be read: {error}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
    /// The file has no valid token.
    #[error("falconer.gateway.token_file {path:?}: {error}")]
    Token {
        /// The file.
        path: PathBuf,
        /// The cause.
        error: BadToken,
    },
}

/// Reads the token in a file. Also returns a warning if all users of the machine can read the file.
///
/// # Errors
/// When the file cannot be read, or has no valid token.
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
            "falconer.gateway.token_file {path:?}: every user of this machine can read it (mode \
             {mode:04o}); run `chmod 640`, or set defaultMode: 0440 for a secret in Kubernetes"
        )
    });
    Ok((token, exposed))
}
