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
use std::io::{self, Write as _};
use std::path::Path;

use super::ClientError;
use super::file::{self, Alerts};
use super::show::{Show, visible};
use super::wanted::{Chosen, Events};
use crate::ingest::Rejected;
use crate::ingest::follow::{Follower, Piece};

/// Follows the file at `path` without end.
pub(super) async fn follow(
    path: &Path,
    wanted: &Events,
    chosen: &Chosen,
    show: &mut Show<std::io::Stdout>,
) -> Result<(), ClientError> {
    if file::is_compressed(path) {
        return Err(ClientError::Options(
            "-f with a compressed file: nothing is appended to it; remove -f",
        ));
    }
    let failed = |error| ClientError::File { path: path.display().to_string(), error };
    let mut left = tokio::fs::metadata(path).await.map_or(0, |metadata| metadata.len());
    let mut held =
        Held { newest: VecDeque::new(), last: wanted.last, since: wanted.since.is_some() };
    let (mut alerts, mut chunk, mut told) = (Alerts::default(), Vec::new(), false);
    let mut follower = Follower::new(path.into());
    loop {
        let piece = follower.next(&mut chunk).await.map_err(failed)?;
        let mut outcome = Ok(());
        let mut comes = |line: &[u8]| {
            if outcome.is_ok() && chosen.takes(line) {
                outcome = show.line(line);
            }
        };
        let there = chunk.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let (old, new) = chunk.split_at_checked(there).unwrap_or_default();
        alerts.push(old, &mut |line| held.take(line, &mut comes));
        left = if piece == Piece::Data { left - there as u64 } else { 0 };
        if left == 0 {
            held.newest.drain(..).for_each(|line| comes(&line));
        }
        match piece {
            Piece::Data => alerts.push(new, &mut comes),
            // An unfinished line can still be a complete alert.
            Piece::Restart => alerts.end(&mut comes),
        }
        outcome?;
        show.flush()?;
        chunk.clear();
        if !told && let Some(Rejected { record, reason }) = &alerts.outcome().first_rejected {
            let path = path.to_string_lossy();
            let text = format!(
                "{path}: record {record} is not an alert: {reason}; later ones are not reported"
            );
            // Standard error can be closed; that is no failure.
            drop(writeln!(io::stderr(), "falconer: {}", visible(&text)));
            told = true;
        }
    }
}

/// The old lines that can be shown.
struct Held {
    newest: VecDeque<Vec<u8>>,
    last: Option<usize>,
    since: bool,
}

impl Held {
    fn take(&mut self, line: &[u8], show: &mut impl FnMut(&[u8])) {
        match self.last {
            Some(last) if last > 0 => {
                if self.newest.len() == last {
                    self.newest.pop_front();
                }
                self.newest.push_back(line.to_owned());
            }
            None if self.since => show(line),
            _ => {}
        }
    }
}
