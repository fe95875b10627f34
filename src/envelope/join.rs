//! Lines that a runtime cut into parts: of standard output and of standard error one line each may
//! be under way, as long as [`MAX_RECORD`] at most.
//!
//! The memory of a line goes with the line. A line whose end never comes is given up when another
//! begins in its place, and counted.

use super::{Beside, Kind, Stream};
use crate::event::MAX_RECORD;

/// A line's part in a longer one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// Parts of different kinds are never one line.
    pub(super) kind: Kind,
    pub(super) stream: Stream,
    /// Whose output it is, where the record says; a hash.
    pub(super) of: u64,
    /// Whether more parts follow.
    pub(super) more: bool,
    /// Whether that is a guess, which an alert that is whole refutes.
    pub(super) doubtful: bool,
}

/// What a part came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// More parts follow.
    Held,
    /// It is the whole line.
    Alone,
    /// The last part of this line, with what stood beside the first.
    Whole(Vec<u8>, Beside),
    /// The last part of a line that was too long.
    TooLarge,
}

#[derive(Debug, Default)]
pub(super) struct Joins {
    stdout: Option<Join>,
    stderr: Option<Join>,
    given_up: u64,
}

#[derive(Debug)]
struct Join {
    kind: Kind,
    of: u64,
    /// Empty from when it was too long.
    text: Vec<u8>,
    too_large: bool,
    beside: Beside,
}

impl Joins {
    /// Takes a part.
    pub(super) fn add(&mut self, share: Share, text: &[u8], beside: &Beside) -> Joined {
        let slot = match share.stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        match slot.take_if(|join| !join.is_of(share)) {
            // Of one stream there is one line at a time; another's whole line is no reason to give
            // one up.
            Some(other) if !share.more => {
                *slot = Some(other);
                return Joined::Alone;
            }
            Some(_) => self.given_up += 1,
            None if slot.is_none() && !share.more => return Joined::Alone,
            None => {}
        }
        let join = slot.get_or_insert_with(|| Join {
            kind: share.kind,
            of: share.of,
            text: Vec::new(),
            too_large: false,
            beside: beside.clone(),
        });
        if join.text.len() + text.len() > MAX_RECORD {
            join.too_large = true;
            join.text = Vec::new();
        }
        if !join.too_large {
            join.text.extend_from_slice(text);
        }
        if share.more {
            return Joined::Held;
        }
        match slot.take() {
            Some(join) if !join.too_large => Joined::Whole(join.text, join.beside),
            _ => Joined::TooLarge,
        }
    }

    /// Whether the beginning of this part's line is held.
    pub(super) fn awaits(&self, share: Share) -> bool {
        let slot = match share.stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        slot.as_ref().is_some_and(|join| join.is_of(share))
    }

    /// Counts a line that came to nothing.
    pub(super) fn give_up(&mut self) {
        self.given_up += 1;
    }

    pub(super) fn given_up(&mut self) -> u64 {
        std::mem::take(&mut self.given_up)
    }

    pub(super) fn held(&self) -> usize {
        [&self.stdout, &self.stderr].into_iter().flatten().map(|join| join.text.capacity()).sum()
    }

    pub(super) fn end(&mut self) {
        let held = [self.stdout.take(), self.stderr.take()];
        self.given_up += held.iter().flatten().count() as u64;
    }
}

impl Join {
    fn is_of(&self, share: Share) -> bool {
        (self.kind, self.of) == (share.kind, share.of)
    }
}
