//! The log everything flows through.

/// How much the log keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Upper bound of what is kept for readers to come, in bytes: frames, JSON lines and index.
    pub retain: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { retain: 64 << 20 }
    }
}
