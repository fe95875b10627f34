//! `falconer events -f FILE`: follows a file as the server does, across rotation
//! ([`crate::ingest::follow`]).
//!
//! 1. The length of the file at the start divides its lines: those that end within it are *old*,
//!    later ones are *new*. A follower reads from the beginning, so both come by here, in order.
//! 2. With `--last` the newest old lines are held. With `--since` all old lines are considered.
//!    With neither they are skipped.
//! 3. At the end of the old lines, or when the file is replaced, the held lines are shown.
//! 4. New lines are shown as they arrive.

use std::collections::VecDeque;
use std::path::Path;

use super::ClientError;
use super::opened::Opener;
use super::show::Show;
use super::wanted::{Chosen, Events};
use crate::ingest::follow::{Follower, Piece};
use crate::ingest::{Line, Lines};

/// Follows the file at `path` without end.
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
    let mut opener = Opener::default();
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
        lines.push(old, |line| opened(&mut opener, line, |line| held.take(line, &mut comes)));
        left = if piece == Piece::Data { left - there as u64 } else { 0 };
        if left == 0 {
            held.newest.drain(..).for_each(|line| comes(Line::Whole(&line)));
        }
        match piece {
            Piece::Data => lines.push(new, |line| opened(&mut opener, line, &mut comes)),
            // An unfinished line can still be a complete alert.
            Piece::Restart => lines.end(|line| opened(&mut opener, line, &mut comes)),
        }
        outcome?;
        show.flush()?;
        chunk.clear();
    }
}

/// Passes on the alert in a line. A part of an alert waits for its other parts.
fn opened(opener: &mut Opener, line: Line<'_>, mut each: impl FnMut(Line<'_>)) {
    let Line::Whole(line) = line else { return each(line) };
    if let Some(line) = opener.line(line) {
        each(Line::Whole(&line));
    }
}

/// The old lines that can be shown.
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
