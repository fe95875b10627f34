//! What the system lets us have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the number of files that may be open to what the system allows at most: every reader is
/// one, and the usual limit of 1,024 is meant for programs that use `select`.
pub(super) fn raise_open_files() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard).map(|()| hard));
    match raised {
        Ok(files) => tracing::debug!(files, "open files allowed"),
        Err(error) => tracing::warn!(%error, "the limit of open files stays as it is"),
    }
}
