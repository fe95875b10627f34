//! The configuration in force: shared by those who accept connections, replaced by a reload.
//!
//! 1. A reload builds everything anew before it replaces anything; when that fails, what was in
//!    force stays.
//! 2. A connection keeps the configuration it began with; the next one has the new.
//! 3. The lock is held for a copy of a pointer, never while files are read.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rustls::ServerConfig;

use super::{Loaded, TlsError, TlsFiles, load};

/// A TLS configuration that can be replaced.
#[derive(Debug)]
pub struct Current(Mutex<Loaded>);

impl Current {
    /// Loads the files; gives the warnings about them too.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn new(files: &TlsFiles) -> Result<(Self, Vec<String>), TlsError> {
        let mut loaded = load(files, Timestamp::now())?;
        let warnings = std::mem::take(&mut loaded.warnings);
        Ok((Self(Mutex::new(loaded)), warnings))
    }

    /// What the next connection is served with.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        self.in_force().config.clone()
    }

    /// Until when the certificates count, and their files.
    #[must_use]
    pub fn expiries(&self) -> Vec<(PathBuf, Timestamp)> {
        self.in_force().expiries.clone()
    }

    /// Loads the files again, or others; gives the warnings about them.
    ///
    /// # Errors
    /// When they cannot be used; what was in force stays.
    pub fn reload(&self, files: &TlsFiles) -> Result<Vec<String>, TlsError> {
        let mut loaded = load(files, Timestamp::now())?;
        let warnings = std::mem::take(&mut loaded.warnings);
        *self.in_force() = loaded;
        Ok(warnings)
    }

    /// Nothing panics while it is held, so a poisoned lock has nothing half done.
    fn in_force(&self) -> MutexGuard<'_, Loaded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
