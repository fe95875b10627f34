//! Joins the parts of lines that a runtime cut. It holds one line of standard output and one of
//! standard error at a time, each of at most [`MAX_RECORD`].
//!
//! The memory is freed with the line. A line without its last part is dropped and counted when
//! another line begins in its place.

use super::{Beside, Kind, Stream};
use crate::event::MAX_RECORD;

/// The description of a part of a longer line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// Parts of different kinds never belong to one line.
    pub(super) kind: Kind,
    pub(super) stream: Stream,
    /// The hash of the owner of the output, if the record names it.
    pub(super) of: u64,
    /// Whether more parts follow.
    pub(super) more: bool,
    /// Whether `more` is a guess, which is wrong if the part is a whole alert.
    pub(super) doubtful: bool,
}

/// The result of adding a part.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// More parts follow.
    Held,
    /// The part is the whole line.
    Alone,
    /// The part ends this line. The values are those of the first part's record.
    Whole(Vec<u8>, Beside),
    /// The part ends a line that was too long.
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
    /// Empty once the line is too long.
    text: Vec<u8>,
    too_large: bool,
    beside: Beside,
}

impl Joins {
    /// Adds a part.
    pub(super) fn add(&mut self, share: Share, text: &[u8], beside: &Beside) -> Joined {
        let slot = match share.stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        match slot.take_if(|join| !join.is_of(share)) {
            // This part is a whole line of another owner, so the held line stays.
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

    /// Whether earlier parts of this part's line are held.
    pub(super) fn awaits(&self, share: Share) -> bool {
        let slot = match share.stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        slot.as_ref().is_some_and(|join| join.is_of(share))
    }

    /// Counts a dropped line.
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
