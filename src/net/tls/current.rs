//! The TLS configuration in force, which listeners share and a reload replaces.
//!
//! 1. A reload builds everything new before it replaces anything. If that fails, the configuration
//!    in force stays.
//! 2. A connection keeps the configuration that it began with. Later connections use the new one.
//! 3. The lock is held for the copy of a pointer, never while files are read.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use rustls::ServerConfig;

use super::{Loaded, TlsError, TlsFiles, load};

/// A TLS configuration that can be replaced.
#[derive(Debug)]
pub struct Current(Mutex<Loaded>);

impl Current {
    /// Loads the files. Also returns the warnings about them.
    ///
    /// # Errors
    /// If the files cannot be used.
    pub fn new(files: &TlsFiles) -> Result<(Self, Vec<String>), TlsError> {
        let mut loaded = load(files, Timestamp::now())?;
        let warnings = std::mem::take(&mut loaded.warnings);
        Ok((Self(Mutex::new(loaded)), warnings))
    }

    /// Returns the configuration for the next connection.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        self.in_force().config.clone()
    }

    /// Returns the files of the server's certificates, and when they expire.
    #[must_use]
    pub fn expiries(&self) -> Vec<(PathBuf, Timestamp)> {
        self.in_force().expiries.clone()
    }

    /// Loads the same or other files, and returns the warnings about them.
    ///
    /// # Errors
    /// If the files cannot be used. Then the configuration in force stays.
    pub fn reload(&self, files: &TlsFiles) -> Result<Vec<String>, TlsError> {
        let mut loaded = load(files, Timestamp::now())?;
        let warnings = std::mem::take(&mut loaded.warnings);
        *self.in_force() = loaded;
        Ok(warnings)
    }

    /// Locks the configuration. Nothing panics under the lock, so poisoning can be ignored.
    fn in_force(&self) -> MutexGuard<'_, Loaded> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
