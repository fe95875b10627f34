//! `falconer events -f FILE`: a file followed as the server follows one, across rotation
//! ([`crate::ingest::follow`]).
//!
//! 1. How long the file is at the start is noted: the lines that end within are what is *there*, later
//!    ones are what *comes*. A follower reads from the beginning, so both pass by here, in order.
//! 2. Of what is there, the newest so many are held where that was asked for (`--last`); with
//!    `--since` it is all looked at; else it is passed over.
//! 3. Where what was there ends, or the file turns out to be another, what is held is shown.
//! 4. What comes is shown as it comes.

use std::collections::VecDeque;
use std::path::Path;

use super::ClientError;
use super::show::Show;
use super::wanted::{Chosen, Events};
use crate::ingest::follow::{Follower, Piece};
use crate::ingest::{Line, Lines};

/// Follows the file at `path`, for ever.
pub(super) async fn follow(
    path: &Path,
    wanted: &Events,
    chosen: &Chosen,
    show: &mut Show<std::io::Stdout>,
) -> Result<(), ClientError> {
    let failed = |error| ClientError::File { path: path.display().to_string(), error };
    let mut left = tokio::fs::metadata(path).await.map_or(0, |metadata| metadata.len());
    let mut held =
        Held { newest: VecDeque::new(), last: wanted.last, since: wanted.since.is_some() };
    let (mut lines, mut chunk) = (Lines::default(), Vec::new());
    let mut follower = Follower::new(path.into());
    loop {
        let piece = follower.next(&mut chunk).await.map_err(failed)?;
        let mut outcome = Ok(());
        let mut comes = |line: Line<'_>| {
            if let Line::Whole(line) = line
                && outcome.is_ok()
                && chosen.takes(line)
            {
                outcome = show.line(line);
            }
        };
        let there = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let (old, new) = chunk.split_at_checked(there).unwrap_or_default();
        lines.push(old, |line| held.take(line, &mut comes));
        left = if piece == Piece::Data { left - there as u64 } else { 0 };
        if left == 0 {
            held.newest.drain(..).for_each(|line| comes(Line::Whole(&line)));
        }
        match piece {
            Piece::Data => lines.push(new, &mut comes),
            // A line that was never finished may still be a whole alert.
            Piece::Restart => lines.end(&mut comes),
        }
        outcome?;
        show.flush()?;
        chunk.clear();
    }
}

/// What was there, as far as it may be shown.
struct Held {
    newest: VecDeque<Vec<u8>>,
    last: Option<usize>,
    since: bool,
}

impl Held {
    fn take(&mut self, line: Line<'_>, show: &mut impl FnMut(Line<'_>)) {
        match (self.last, line) {
            (Some(last), Line::Whole(line)) if last > 0 && Chosen::reads(line) => {
                if self.newest.len() == last {
                    self.newest.pop_front();
                }
                self.newest.push_back(line.to_owned());
            }
            (None, line) if self.since => show(line),
            _ => {}
        }
    }
}
