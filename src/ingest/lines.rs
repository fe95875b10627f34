//! Splits chunks of bytes into lines of at most [`MAX_RECORD`].
//!
//! 1. A line that is whole within a chunk is passed on without a copy.
//! 2. The rest of a chunk is buffered for the next one, up to [`MAX_RECORD`].
//! 3. A longer line is reported once, dropped, and skipped to its end.

use crate::event::MAX_RECORD;

/// Splits chunks into lines.
#[derive(Debug, Default)]
pub struct Lines {
    partial: Vec<u8>,
    /// Whether the current line is too long.
    skipping: bool,
}

/// A line, if it is not too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// A line, without its line end.
    Whole(&'a [u8]),
    /// A line that was longer than [`MAX_RECORD`].
    TooLong,
}

impl Lines {
    /// Takes a chunk and passes every line that ends in it to `each`.
    pub fn push(&mut self, chunk: &[u8], mut each: impl FnMut(Line<'_>)) {
        let mut rest = chunk;
        while let Some((line, after)) = split_line(rest) {
            rest = after;
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if self.partial.is_empty() {
                each(judge(line));
            } else {
                self.partial.extend_from_slice(line.get(..=MAX_RECORD).unwrap_or(line));
                each(judge(&self.partial));
                self.forget();
            }
        }
        if self.skipping {
            return;
        }
        if self.partial.len() + rest.len() > MAX_RECORD {
            self.forget();
            self.skipping = true;
            each(Line::TooLong);
        } else {
            self.partial.extend_from_slice(rest);
        }
    }

    /// Ends the stream. An unfinished line is passed on as the last one.
    pub fn end(&mut self, mut each: impl FnMut(Line<'_>)) {
        if !self.partial.is_empty() {
            each(judge(&self.partial));
        }
        *self = Self::default();
    }

    /// Empties the partial line and frees the memory of a long one.
    fn forget(&mut self) {
        /// The capacity in bytes that stays for the next line.
        const KEPT: usize = 16 << 10;
        self.partial.clear();
        self.partial.shrink_to(KEPT);
    }
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    let (line, rest) = bytes.split_at_checked(end)?;
    Some((line, rest.get(1..).unwrap_or_default()))
}

fn judge(line: &[u8]) -> Line<'_> {
    if line.len() > MAX_RECORD { Line::TooLong } else { Line::Whole(line) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines_of<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Option<Vec<u8>>> {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        let mut each = |line: Line<'_>| {
            seen.push(match line {
                Line::Whole(line) => Some(line.to_vec()),
                Line::TooLong => None,
            });
        };
        for chunk in chunks {
            lines.push(chunk, &mut each);
        }
        lines.end(&mut each);
        seen
    }

    #[test]
    fn too_long_lines_are_reported_once_and_the_next_is_read() {
        let long = [vec![b'x'; MAX_RECORD + 1], b"\nnext\n".to_vec()].concat();
        for size in [1 << 10, MAX_RECORD, usize::MAX] {
            let seen = lines_of(long.chunks(size));
            assert_eq!(seen, [None, Some(b"next".to_vec())], "chunks of {size}");
        }
        let longest = [vec![b'x'; MAX_RECORD], b"\n".to_vec()].concat();
        assert_eq!(lines_of(longest.chunks(999)), [Some(vec![b'x'; MAX_RECORD])]);
    }

    proptest! {
        #[test]
        fn any_chunks_give_the_same_lines_as_the_whole(
            text in "[a\n]{0,60}",
            cuts in prop::collection::vec(0_usize..60, 0..8),
        ) {
            let mut expected: Vec<_> =
                text.split('\n').map(|line| Some(line.as_bytes().to_vec())).collect();
            if expected.last().is_some_and(|last| last.as_deref() == Some(b"")) {
                expected.pop();
            }
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks = cuts.windows(2).map(|pair| &text.as_bytes()[pair[0]..pair[1]]);
            prop_assert_eq!(lines_of(chunks), expected);
        }
    }
}
