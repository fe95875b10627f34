//! The blocks that are kept, oldest first, within a bound.
//!
//! 1. [`Log::append`] numbers a batch's blocks and puts them at the end. Whenever there are
//!    [`MERGED`] of a level, they become one of the next level, as long as they fit one block:
//!    single alerts become large blocks, and each is copied two or three times on the way.
//! 2. What exceeds the bound is evicted whole, oldest first; the newest block always stays.
//! 3. [`Log::next`] is the reader's side: alerts from a sequence number on, or what is missing
//!    before the oldest one kept, or nothing new.

use std::collections::VecDeque;
use std::sync::Arc;

use super::block::{Batch, Block, PriorityCounts, Slice};
use crate::event::Time;

/// How many blocks of a level become one of the next. More means less copying and more small blocks
/// at the end; a reader gathers those.
const MERGED: usize = 8;

#[derive(Debug)]
pub(super) struct Log {
    blocks: VecDeque<Arc<Block>>,
    /// The number the next alert gets; the first one is 1.
    next: u64,
    bytes: usize,
    retain: usize,
    counts: PriorityCounts,
}

/// What a reader finds at its place in the log.
#[derive(Debug, Clone)]
pub enum Next {
    /// Alerts to deliver; go on at [`Slice::end`].
    Alerts(Slice),
    /// These alerts are gone; go on at [`Gap::end`].
    Lost(Gap),
    /// Everything has been read.
    CaughtUp,
}

/// Alerts that were evicted before a reader read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first one missed.
    pub first: u64,
    /// The sequence number after the last one missed.
    pub end: u64,
}

impl Gap {
    /// How many alerts were missed.
    #[must_use]
    pub fn count(self) -> u64 {
        self.end - self.first
    }
}

impl Log {
    pub(super) fn new(retain: u64) -> Self {
        Self { blocks: VecDeque::new(), next: 1, bytes: 0, retain: bound(retain), counts: [0; 8] }
    }

    /// Appends, and hands back what was evicted: freeing memory can wait until the lock is gone.
    pub(super) fn append(&mut self, batch: &mut Batch) -> Vec<Arc<Block>> {
        for block in batch.take_closed() {
            self.push(block);
        }
        self.evict()
    }

    /// Changes the bound, and hands back what was evicted.
    pub(super) fn set_retain(&mut self, retain: u64) -> Vec<Arc<Block>> {
        self.retain = bound(retain);
        self.evict()
    }

    fn evict(&mut self) -> Vec<Arc<Block>> {
        let mut evicted = Vec::new();
        while self.bytes > self.retain && self.blocks.len() > 1 {
            let Some(oldest) = self.blocks.pop_front() else { break };
            self.bytes -= oldest.bytes();
            evicted.push(oldest);
        }
        evicted
    }

    fn push(&mut self, mut block: Block) {
        block.first = self.next;
        block.count(&mut self.counts);
        self.next = block.end();
        self.bytes += block.bytes();
        self.blocks.push_back(Arc::new(block));
        while let Some(merged) = self.merged_tail() {
            self.blocks.truncate(self.blocks.len() - MERGED);
            self.bytes += merged.bytes();
            self.blocks.push_back(Arc::new(merged));
        }
    }

    /// The last blocks as one, if they are as many as are merged, all of a level, and fit.
    fn merged_tail(&mut self) -> Option<Block> {
        let start = self.blocks.len().checked_sub(MERGED)?;
        let tail = || self.blocks.range(start..).map(Arc::as_ref);
        let merged = Block::merge(tail())?;
        let replaced: usize = tail().map(Block::bytes).sum();
        self.bytes -= replaced;
        Some(merged)
    }

    /// The number the next alert will get.
    pub(super) fn head(&self) -> u64 {
        self.next
    }

    /// The number of the oldest alert kept, or [`Self::head`] when there is none.
    pub(super) fn oldest(&self) -> u64 {
        self.blocks.front().map_or(self.next, |block| block.first)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What there is from sequence number `from` on, at most `budget` bytes of frames (but one
    /// alert at least).
    pub(super) fn next(&self, from: u64, budget: usize) -> Next {
        if from < self.oldest() {
            return Next::Lost(Gap { first: from, end: self.oldest() });
        }
        let at = self.blocks.partition_point(|block| block.end() <= from);
        self.blocks
            .get(at)
            .and_then(|block| block.slice(from, budget))
            .map_or(Next::CaughtUp, Next::Alerts)
    }

    /// The first alerts from sequence number `start` on and before `end`: those of one block.
    pub(super) fn first_of(&self, start: u64, end: u64) -> Option<Slice> {
        let at = self.blocks.partition_point(|block| block.end() <= start);
        self.blocks.get(at)?.within(start, end)
    }

    /// The last alerts from sequence number `start` on and before `end`: those of one block.
    pub(super) fn last_of(&self, start: u64, end: u64) -> Option<Slice> {
        let at = self.blocks.partition_point(|block| block.first < end).checked_sub(1)?;
        self.blocks.get(at)?.within(start, end)
    }

    /// The bound, in bytes.
    pub(super) fn retain(&self) -> usize {
        self.retain
    }

    /// How many alerts of each priority were ever appended.
    pub(super) fn counts(&self) -> PriorityCounts {
        self.counts
    }

    /// The time of the oldest alert kept.
    pub(super) fn oldest_time(&self) -> Option<Time> {
        let slice = self.blocks.front()?.slice(self.oldest(), 0)?;
        slice.alerts().next().map(|alert| alert.time)
    }

    /// The number of the first alert kept that happened at or after `time`, or the head.
    pub(super) fn since(&self, time: Time) -> u64 {
        self.blocks
            .iter()
            .find_map(|block| block.position_since(time).map(|at| block.first + at as u64))
            .unwrap_or(self.next)
    }
}

fn bound(retain: u64) -> usize {
    usize::try_from(retain).unwrap_or(usize::MAX)
}
