//! The retained blocks, oldest first, within a bound.
//!
//! 1. [`Log::append`] numbers a batch's blocks and appends them. Whenever the last [`MERGED`]
//!    blocks have the same level and fit into one block, they are merged into one of the next
//!    level. So single alerts become large blocks, and each alert is copied two or three times.
//! 2. If the log exceeds the bound, it evicts whole blocks, oldest first. It always retains the
//!    newest block.
//! 3. [`Log::next`] serves readers: it returns alerts from a sequence number on, or the gap before
//!    the oldest retained alert, or that there is nothing new.

use std::collections::VecDeque;
use std::sync::Arc;

use super::block::{Batch, Block, PriorityCounts, Slice};
use crate::event::Time;

/// How many blocks of a level are merged into one. A larger number means less copying, but more
/// small blocks at the end, which readers have to gather.
const MERGED: usize = 8;

#[derive(Debug)]
pub(super) struct Log {
    blocks: VecDeque<Arc<Block>>,
    /// The sequence number of the next alert, from 1.
    next: u64,
    bytes: usize,
    retain: usize,
    counts: PriorityCounts,
}

/// The result of reading the log from a sequence number on.
#[derive(Debug, Clone)]
pub enum Next {
    /// Alerts to deliver; continue at [`Slice::end`].
    Alerts(Slice),
    /// Lost alerts; continue at [`Gap::end`].
    Lost(Gap),
    /// There are no further alerts yet.
    CaughtUp,
}

/// Alerts that were evicted before a reader read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The sequence number of the first lost alert.
    pub first: u64,
    /// The sequence number after the last lost alert.
    pub end: u64,
}

impl Gap {
    /// Returns the number of lost alerts.
    #[must_use]
    pub fn count(self) -> u64 {
        self.end - self.first
    }
}

impl Log {
    pub(super) fn new(retain: u64) -> Self {
        Self { blocks: VecDeque::new(), next: 1, bytes: 0, retain: bound(retain), counts: [0; 8] }
    }

    /// Appends a batch. Returns the evicted blocks, so that the caller frees their memory after it
    /// has released the lock.
    pub(super) fn append(&mut self, batch: &mut Batch) -> Vec<Arc<Block>> {
        for block in batch.take_closed() {
            self.push(block);
        }
        self.evict()
    }

    /// Changes the bound and returns the evicted blocks.
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

    /// Merges the last [`MERGED`] blocks, if they have one level and fit into one block.
    fn merged_tail(&mut self) -> Option<Block> {
        let start = self.blocks.len().checked_sub(MERGED)?;
        let tail = || self.blocks.range(start..).map(Arc::as_ref);
        let merged = Block::merge(tail())?;
        let replaced: usize = tail().map(Block::bytes).sum();
        self.bytes -= replaced;
        Some(merged)
    }

    /// Returns the sequence number of the next alert.
    pub(super) fn head(&self) -> u64 {
        self.next
    }

    /// Returns the sequence number of the oldest retained alert, or [`Self::head`] if there is
    /// none.
    pub(super) fn oldest(&self) -> u64 {
        self.blocks.front().map_or(self.next, |block| block.first)
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reads from sequence number `from` on: at most `budget` bytes of frames, but at least one
    /// alert.
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

    /// Returns the first alerts from sequence number `start` on and before `end`, from one block.
    pub(super) fn first_of(&self, start: u64, end: u64) -> Option<Slice> {
        let at = self.blocks.partition_point(|block| block.end() <= start);
        self.blocks.get(at)?.within(start, end)
    }

    /// Returns the last alerts from sequence number `start` on and before `end`, from one block.
    pub(super) fn last_of(&self, start: u64, end: u64) -> Option<Slice> {
        let at = self.blocks.partition_point(|block| block.first < end).checked_sub(1)?;
        self.blocks.get(at)?.within(start, end)
    }

    /// Returns the bound, in bytes.
    pub(super) fn retain(&self) -> usize {
        self.retain
    }

    /// Returns the number of alerts of each priority since the start.
    pub(super) fn counts(&self) -> PriorityCounts {
        self.counts
    }

    /// Returns the time of the oldest retained alert.
    pub(super) fn oldest_time(&self) -> Option<Time> {
        let slice = self.blocks.front()?.slice(self.oldest(), 0)?;
        slice.alerts().next().map(|alert| alert.time)
    }

    /// Returns the sequence number of the first retained alert with this time or a later one, or
    /// [`Self::head`] if there is none.
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
