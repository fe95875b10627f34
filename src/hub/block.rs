//! Blocks, the units of the log: consecutive alerts, encoded, immutable and shared.
//!
//! A [`Batch`] collects alerts and cuts them into blocks of about [`BLOCK_BYTES`]. A [`Block`] is
//! one buffer of gRPC frames, one of JSON lines and a small index. A [`Slice`] is a range of alerts
//! of one block, and costs one reference count.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::labels::{LabelSet, Labelling, Labels};
use crate::event::{self, Event, Origin, Priority, Time, TimeSource};

/// The size in bytes of frames or of lines at which a block is closed, and up to which small blocks
/// are merged. It is large enough for one write to carry many alerts, and small enough for a
/// stalled reader to hold little memory beyond what the log retains.
pub(super) const BLOCK_BYTES: usize = 64 << 10;

/// The number of alerts of each priority, most severe first.
pub type PriorityCounts = [u64; Priority::ALL.len()];

/// Alerts on their way into the log. After an append it is empty, and keeps its buffers and known
/// labels for the next alerts.
#[derive(Debug, Default)]
pub struct Batch {
    closed: Vec<Block>,
    open: Open,
}

#[derive(Debug, Default)]
struct Open {
    /// Where the time of the next alert is from.
    time_source: TimeSource,
    frames: Vec<u8>,
    lines: Vec<u8>,
    index: Vec<Entry>,
    labels: Labelling,
}

/// Consecutive alerts in both encodings.
#[derive(Debug)]
pub(super) struct Block {
    /// The sequence number of the first alert.
    pub(super) first: u64,
    /// How many times its alerts were merged.
    level: u8,
    frames: Bytes,
    lines: Bytes,
    index: Box<[Entry]>,
    labels: LabelSet,
    /// The latest time of its alerts. A search for a time skips blocks that are older.
    latest: Time,
}

/// The index entry of an alert: what is known without decoding it.
#[derive(Debug, Clone, Copy)]
struct Entry {
    time: Time,
    /// The end of its frame in the block's frames.
    frame_end: u32,
    /// The end of its line in the block's lines.
    line_end: u32,
    /// The index of its labels in the block's labels.
    labels: u16,
    priority: Priority,
    time_source: TimeSource,
}

/// Consecutive alerts of one block, shared with it.
#[derive(Debug, Clone)]
pub struct Slice {
    block: Arc<Block>,
    range: Range<usize>,
}

/// One alert of a slice.
#[derive(Debug, Clone, Copy)]
pub struct Alert<'a> {
    /// The sequence number in the log.
    pub sequence: u64,
    /// The time of the event.
    pub time: Time,
    /// The severity.
    pub priority: Priority,
    /// Where the time is from.
    pub time_source: TimeSource,
    /// Rule, source, hostname and tags.
    pub labels: &'a Labels,
    /// The gRPC frame.
    pub frame: &'a [u8],
    /// The JSON line, as it arrived.
    pub line: &'a [u8],
}

impl Batch {
    /// Adds an alert and encodes its frame, once. `line` is its JSON. An alert without a hostname
    /// gets that of `origin`.
    pub fn push(&mut self, event: &Event<'_>, line: &str, origin: &Origin) {
        // A frame is about as long as its line. Reserve once, not in a dozen small steps.
        self.open.frames.reserve(line.len());
        event::encode(event, origin, &mut self.open.frames);
        self.open.lines.extend_from_slice(line.as_bytes());
        self.open.index.push(Entry {
            time: event.time,
            frame_end: offset(self.open.frames.len()),
            line_end: offset(self.open.lines.len()),
            labels: self.open.labels.of(event, &origin.hostname),
            priority: event.priority,
            time_source: std::mem::take(&mut self.open.time_source),
        });
        if self.open.frames.len() >= BLOCK_BYTES || self.open.lines.len() >= BLOCK_BYTES {
            self.close();
        }
    }

    /// Notes where the time of the next alert is from, if it is not the alert's own.
    pub fn time_is_from(&mut self, source: TimeSource) {
        self.open.time_source = source;
    }

    /// Returns the number of alerts.
    #[must_use]
    pub fn len(&self) -> usize {
        self.closed.iter().map(Block::len).sum::<usize>() + self.open.index.len()
    }

    /// Returns whether it has no alerts.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.open.index.is_empty()
    }

    /// Takes out the closed blocks.
    pub(super) fn take_closed(&mut self) -> impl Iterator<Item = Block> {
        self.closed.drain(..)
    }

    /// Makes a block of the alerts since the last one.
    pub(super) fn close(&mut self) {
        if self.open.index.is_empty() {
            return;
        }
        let latest = self.open.latest();
        // Copy to the exact size, because a block is retained for long and spare capacity with it.
        self.closed.push(Block {
            first: 0,
            level: 0,
            frames: Bytes::copy_from_slice(&self.open.frames),
            lines: Bytes::copy_from_slice(&self.open.lines),
            index: self.open.index.as_slice().into(),
            labels: self.open.labels.take(),
            latest,
        });
        for text in [&mut self.open.frames, &mut self.open.lines] {
            text.clear();
            // Free the memory that one very long alert needed.
            text.shrink_to(2 * BLOCK_BYTES);
        }
        self.open.index.clear();
    }
}

impl Open {
    fn latest(&self) -> Time {
        self.index.iter().map(|entry| entry.time).max().unwrap_or(Time::FIRST)
    }
}

/// Converts an offset. It fits, because a block has at most [`BLOCK_BYTES`] and one more alert,
/// whose record has at most 1 MiB.
fn offset(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

impl Block {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    /// Returns the sequence number after the last alert.
    pub(super) fn end(&self) -> u64 {
        self.first + self.index.len() as u64
    }

    /// Returns the memory this block takes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        /// The block itself, its reference counts and its entry in the log.
        const OVERHEAD: usize = size_of::<Block>() + 64;
        self.frames.len()
            + self.lines.len()
            + size_of_val(&*self.index)
            + self.labels.bytes()
            + OVERHEAD
    }

    /// Merges consecutive blocks into one of the next level. Returns `None` if their levels differ,
    /// or if they do not fit into one block.
    pub(super) fn merge<'a>(blocks: impl Iterator<Item = &'a Self> + Clone) -> Option<Self> {
        let Self { first, level, .. } = blocks.clone().next()?;
        let total = |size: fn(&Self) -> usize| blocks.clone().map(size).sum::<usize>();
        let (frames, lines) = (total(|block| block.frames.len()), total(|block| block.lines.len()));
        let fit = frames <= BLOCK_BYTES && lines <= BLOCK_BYTES;
        if !fit || blocks.clone().any(|block| block.level != *level) {
            return None;
        }
        let mut open = Open {
            frames: Vec::with_capacity(frames),
            lines: Vec::with_capacity(lines),
            index: Vec::with_capacity(total(Self::len)),
            ..Open::default()
        };
        for block in blocks.clone() {
            let (frames, lines) = (offset(open.frames.len()), offset(open.lines.len()));
            open.frames.extend_from_slice(&block.frames);
            open.lines.extend_from_slice(&block.lines);
            let adopted: Vec<u16> =
                block.labels.iter().map(|labels| open.labels.adopt(labels)).collect();
            open.index.extend(block.index.iter().map(|entry| Entry {
                frame_end: entry.frame_end + frames,
                line_end: entry.line_end + lines,
                labels: adopted.get(usize::from(entry.labels)).copied().unwrap_or(u16::MAX),
                ..*entry
            }));
        }
        Some(Self {
            first: *first,
            level: level + 1,
            frames: open.frames.into(),
            lines: open.lines.into(),
            index: open.index.into(),
            labels: open.labels.take(),
            latest: blocks.map(|block| block.latest).max()?,
        })
    }

    /// Returns the index of the first alert at or after `time`, if this block has one.
    pub(super) fn position_since(&self, time: Time) -> Option<usize> {
        if self.latest < time {
            return None;
        }
        self.index.iter().position(|entry| entry.time >= time)
    }

    /// Returns the alerts from sequence number `from` on: as many as fit into `budget` bytes of
    /// frames, and at least one. Returns `None` if the block has none.
    pub(super) fn slice(self: &Arc<Self>, from: u64, budget: usize) -> Option<Slice> {
        let start = usize::try_from(from.checked_sub(self.first)?).ok()?;
        let limit = self.frame_start(start).saturating_add(budget);
        let rest = self.index.get(start..).filter(|rest| !rest.is_empty())?;
        let fitting = rest.partition_point(|entry| entry.frame_end as usize <= limit);
        Some(Slice { block: self.clone(), range: start..start + fitting.max(1) })
    }

    /// Returns all of its alerts from sequence number `start` on and before `end`.
    pub(super) fn within(self: &Arc<Self>, start: u64, end: u64) -> Option<Slice> {
        let range = self.position(start)..self.position(end);
        (!range.is_empty()).then(|| Slice { block: self.clone(), range })
    }

    /// Adds its alerts to `counts`, by priority.
    pub(super) fn count(&self, counts: &mut PriorityCounts) {
        for entry in &self.index {
            if let Some(count) = counts.get_mut(entry.priority as usize) {
                *count += 1;
            }
        }
    }

    fn alert(&self, position: usize) -> Option<Alert<'_>> {
        let frame = self.frame_start(position)..self.frame_start(position + 1);
        let line = self.line_start(position)..self.line_start(position + 1);
        let entry = self.index.get(position)?;
        Some(Alert {
            sequence: self.first + position as u64,
            time: entry.time,
            priority: entry.priority,
            time_source: entry.time_source,
            labels: self.labels.get(entry.labels)?,
            frame: self.frames.get(frame)?,
            line: self.lines.get(line)?,
        })
    }

    /// Returns the index of the alert with this sequence number, clamped to `0..=len`.
    fn position(&self, sequence: u64) -> usize {
        let position = sequence.clamp(self.first, self.end()) - self.first;
        usize::try_from(position).unwrap_or(usize::MAX)
    }

    fn frame_start(&self, position: usize) -> usize {
        self.entry_before(position).map_or(0, |entry| entry.frame_end as usize)
    }

    fn line_start(&self, position: usize) -> usize {
        self.entry_before(position).map_or(0, |entry| entry.line_end as usize)
    }

    fn entry_before(&self, position: usize) -> Option<&Entry> {
        position.checked_sub(1).and_then(|before| self.index.get(before))
    }
}

impl Slice {
    /// Returns the sequence number of the first alert.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.block.first + self.range.start as u64
    }

    /// Returns the sequence number after the last alert.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.block.first + self.range.end as u64
    }

    /// Returns the gRPC frames, one after the other. They share the block's memory.
    #[must_use]
    pub fn frames(&self) -> Bytes {
        let block = &self.block;
        block.frames.slice(block.frame_start(self.range.start)..block.frame_start(self.range.end))
    }

    /// Returns the alerts.
    pub fn alerts(&self) -> impl DoubleEndedIterator<Item = Alert<'_>> {
        self.range.clone().filter_map(|position| self.block.alert(position))
    }

    /// Returns the alerts from sequence number `from` on.
    pub fn alerts_from(&self, from: u64) -> impl Iterator<Item = Alert<'_>> {
        let start = self.block.position(from).clamp(self.range.start, self.range.end);
        (start..self.range.end).filter_map(|position| self.block.alert(position))
    }

    /// Returns the alert with this sequence number, if the slice has it.
    #[must_use]
    pub fn alert(&self, sequence: u64) -> Option<Alert<'_>> {
        let position = self.block.position(sequence);
        let there = sequence >= self.block.first && self.range.contains(&position);
        there.then(|| self.block.alert(position)).flatten()
    }

    /// Cuts the slice before sequence number `end`. Returns `None` if nothing is left.
    #[must_use]
    pub fn until(mut self, end: u64) -> Option<Self> {
        let keep = usize::try_from(end.saturating_sub(self.first())).unwrap_or(usize::MAX);
        self.range.end = self.range.end.min(self.range.start.saturating_add(keep));
        (!self.range.is_empty()).then_some(self)
    }
}
