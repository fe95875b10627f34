//! Reader groups: one "read up to here" mark each.
//!
//! Falco had one queue, and an alert that one client took was gone for the others. A group is the
//! read position of that queue, but removes nothing. A call that names no position begins at its
//! group's mark and moves it as alerts are sent. Calls without metadata belong to [`DEFAULT`].

use std::collections::HashMap;

/// The group of calls that name none.
pub const DEFAULT: &str = "default";

/// The maximum number of groups besides [`DEFAULT`]. Each costs memory, and every client can create
/// one.
pub const MAX_GROUPS: usize = 1024;

/// The maximum length of a group's name, in bytes.
pub const MAX_GROUP_NAME: usize = 128;

/// The group that a call names cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// The name is empty, too long, or has characters other than visible ASCII.
    #[error("a group's name is 1 to {MAX_GROUP_NAME} visible ASCII characters")]
    Name,
    /// There are [`MAX_GROUPS`] groups already.
    #[error("there are {MAX_GROUPS} reader groups already; use one of them, or restart the server")]
    TooMany,
}

#[derive(Debug)]
pub(super) struct Groups {
    default: u64,
    named: HashMap<Box<str>, u64>,
}

impl Default for Groups {
    fn default() -> Self {
        // The default group exists from the first alert on. Alerts that were evicted before its
        // first reader are lost to it, and announced.
        Self { default: 1, named: HashMap::new() }
    }
}

impl Groups {
    /// Returns the mark of `name`. A new group's mark is `oldest`.
    pub(super) fn mark(&mut self, name: &str, oldest: u64) -> Result<&mut u64, GroupError> {
        if name == DEFAULT {
            return Ok(&mut self.default);
        }
        if name.is_empty()
            || name.len() > MAX_GROUP_NAME
            || !name.bytes().all(|byte| byte.is_ascii_graphic())
        {
            return Err(GroupError::Name);
        }
        if self.named.len() >= MAX_GROUPS && !self.named.contains_key(name) {
            return Err(GroupError::TooMany);
        }
        Ok(self.named.entry(name.into()).or_insert(oldest))
    }

    pub(super) fn advance(&mut self, name: &str, end: u64) {
        let mark = match name {
            DEFAULT => Some(&mut self.default),
            _ => self.named.get_mut(name),
        };
        if let Some(mark) = mark {
            *mark = end.max(*mark);
        }
    }
}
