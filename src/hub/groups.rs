//! Reader groups: one "read up to here" mark each.
//!
//! Falco had one queue, and what one client took no other saw. A group is that queue's read
//! position without the taking: calls that do not say where to start begin at their group's mark
//! and move it on as they are sent alerts. Calls without metadata belong to [`DEFAULT`].

use std::collections::HashMap;

/// The group of calls that name none.
pub const DEFAULT: &str = "default";

/// How many groups may be named besides [`DEFAULT`]: a name costs memory, and anybody who may
/// connect may name one.
pub const MAX_GROUPS: usize = 1024;

/// The longest name of a group, in bytes.
pub const MAX_GROUP_NAME: usize = 128;

/// A call names a group it cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// Empty, too long, or with characters other than visible ASCII.
    #[error("a group's name is 1 to {MAX_GROUP_NAME} visible ASCII characters")]
    Name,
    /// All [`MAX_GROUPS`] names are taken.
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
        // The default group has been there from the first alert on: what was evicted before
        // anybody came is lost to it, and it is told so.
        Self { default: 1, named: HashMap::new() }
    }
}

impl Groups {
    /// The mark of `name`, new at `oldest` if the name is.
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
