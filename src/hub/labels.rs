//! Labels: the rule, source, hostname and tags of an alert, as stored in a block.
//!
//! Most alerts of a block have the same labels as others. A block therefore stores each set once
//! ([`LabelSet`]), an alert's index entry refers to it, and blocks of one batch share sets. An
//! equal set is searched for by its hash among the latest ones only, so alerts that all differ cost
//! little more than their own text.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::{Arc, LazyLock};

use foldhash::fast::RandomState;

use crate::event::Event;

/// How many of the latest sets are searched for an equal one.
const LOOK_BACK: usize = 256;

/// The maximum size of the labels remembered from earlier blocks, in bytes. The blocks may have
/// been evicted.
const REMEMBERED: usize = 64 << 10;

/// The labels of an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Rule, source, hostname and each tag, one after the other.
    text: Box<str>,
    /// The end of each of them in `text`.
    ends: Box<[u32]>,
    hash: u64,
}

impl Labels {
    fn new<'t>(parts: impl Iterator<Item = &'t str>, hash: u64) -> Self {
        let mut text = String::new();
        let mut ends = Vec::with_capacity(parts.size_hint().0);
        for part in parts {
            text.push_str(part);
            // A record has at most 1 MiB, and so have its labels.
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self { text: text.into(), ends: ends.into(), hash }
    }

    /// Returns the rule's name, empty for most text alerts.
    #[must_use]
    pub fn rule(&self) -> &str {
        self.part(0)
    }

    /// Returns the event source's name.
    #[must_use]
    pub fn source(&self) -> &str {
        self.part(1)
    }

    /// Returns the alert's hostname, or the default that was set when it arrived.
    #[must_use]
    pub fn hostname(&self) -> &str {
        self.part(2)
    }

    /// Returns the rule's tags, sorted.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        (3..self.ends.len()).map(|at| self.part(at))
    }

    fn part(&self, at: usize) -> &str {
        let end = |at: usize| self.ends.get(at).map_or(0, |end| *end as usize);
        let start = at.checked_sub(1).map_or(0, end);
        self.text.get(start..end(at)).unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        size_of::<Self>() + self.text.len() + size_of_val(&*self.ends)
    }
}

/// The labels of a block's alerts.
#[derive(Debug, Default)]
pub(super) struct LabelSet(Vec<Arc<Labels>>);

impl LabelSet {
    pub(super) fn get(&self, number: u16) -> Option<&Labels> {
        self.0.get(usize::from(number)).map(Arc::as_ref)
    }

    fn share(&self, number: u16) -> Option<Arc<Labels>> {
        self.0.get(usize::from(number)).cloned()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Labels>> {
        self.0.iter()
    }

    /// Returns the memory they take at most, in bytes. Sets that blocks share count for each block.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|labels| labels.bytes() + size_of::<Arc<Labels>>()).sum()
    }
}

/// Builds a [`LabelSet`].
#[derive(Debug, Default)]
pub(super) struct Labelling {
    known: Known,
    /// Labels of earlier blocks. Most alerts have some of them again, and share them.
    earlier: Known,
    earlier_bytes: usize,
}

#[derive(Debug, Default)]
struct Known {
    set: LabelSet,
    /// The hash of each set, for the search.
    hashes: Vec<u64>,
}

impl Labelling {
    /// Returns the index of an event's labels, and adds them if they are new.
    pub(super) fn of(&mut self, event: &Event<'_>, hostname: &str) -> u16 {
        let hostname = event.hostname.as_deref().unwrap_or(hostname);
        let own = [event.rule.as_ref(), event.source.as_ref(), hostname];
        let parts = || own.into_iter().chain(event.tags.iter().map(AsRef::as_ref));
        let hash = hash(parts());
        let equal = |labels: &Labels| {
            labels.rule() == event.rule
                && labels.source() == event.source
                && labels.hostname() == hostname
                && labels.tags().eq(event.tags.iter().map(AsRef::as_ref))
        };
        if let Some(number) = self.known.find(hash, equal) {
            return number;
        }
        let earlier = self.earlier.find(hash, equal).and_then(|at| self.earlier.set.share(at));
        let labels = earlier.unwrap_or_else(|| {
            let labels = Arc::new(Labels::new(parts(), hash));
            self.remember(&labels);
            labels
        });
        self.known.add(labels)
    }

    /// Returns the index of labels from another block, and adds them if they are new.
    pub(super) fn adopt(&mut self, other: &Arc<Labels>) -> u16 {
        let found = self.known.find(other.hash, |labels| labels == &**other);
        found.unwrap_or_else(|| self.known.add(other.clone()))
    }

    /// Returns the set and starts a new one.
    pub(super) fn take(&mut self) -> LabelSet {
        self.known.hashes.clear();
        let mut set = std::mem::take(&mut self.known.set);
        set.0.shrink_to_fit();
        set
    }

    fn remember(&mut self, labels: &Arc<Labels>) {
        self.earlier_bytes += labels.bytes();
        if self.earlier.hashes.len() == LOOK_BACK || self.earlier_bytes > REMEMBERED {
            (self.earlier, self.earlier_bytes) = (Known::default(), labels.bytes());
        }
        if self.earlier_bytes <= REMEMBERED {
            self.earlier.add(labels.clone());
        }
    }
}

impl Known {
    fn find(&self, hash: u64, equal: impl Fn(&Labels) -> bool) -> Option<u16> {
        let from = self.hashes.len().saturating_sub(LOOK_BACK);
        let at = from + self.hashes.get(from..)?.iter().position(|known| *known == hash)?;
        let number = u16::try_from(at).ok()?;
        self.set.get(number).is_some_and(equal).then_some(number)
    }

    /// Adds labels and returns their index. It fits into a `u16`, because a block has some tens of
    /// KiB of frames, each of several bytes.
    fn add(&mut self, labels: Arc<Labels>) -> u16 {
        self.hashes.push(labels.hash);
        self.set.0.push(labels);
        u16::try_from(self.hashes.len() - 1).unwrap_or(u16::MAX)
    }
}

/// Hashes labels, the same way in every block of this process. A collision costs only one
/// comparison and a copy, so an attacker gains nothing by it.
fn hash<'t>(parts: impl Iterator<Item = &'t str>) -> u64 {
    static STATE: LazyLock<RandomState> = LazyLock::new(RandomState::default);
    let mut hasher = STATE.build_hasher();
    parts.for_each(|part| part.hash(&mut hasher));
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Fields, Priority, Time};

    fn event(rule: &str) -> Event<'_> {
        Event {
            time: Time::FIRST,
            priority: Priority::Notice,
            source: "syscall".into(),
            hostname: None,
            output: "".into(),
            rule: rule.into(),
            tags: Vec::new(),
            fields: Fields::new(),
        }
    }

    /// Returns the labels of a block with one alert of `rule`.
    fn block(labelling: &mut Labelling, rule: &str) -> Arc<Labels> {
        let number = labelling.of(&event(rule), "machine");
        labelling.take().share(number).unwrap()
    }

    #[test]
    fn blocks_share_the_labels_of_earlier_ones() {
        let mut labelling = Labelling::default();
        let first = block(&mut labelling, "one");
        assert!(!Arc::ptr_eq(&first, &block(&mut labelling, "another")));
        assert!(Arc::ptr_eq(&first, &block(&mut labelling, "one")));
    }

    #[test]
    fn the_memory_of_remembered_labels_is_bounded() {
        let mut labelling = Labelling::default();
        for number in 0..10 * LOOK_BACK {
            let rule = number.to_string().repeat(number);
            assert_eq!(block(&mut labelling, &rule).rule(), rule);
            let kept = labelling.earlier.set.bytes();
            assert!(kept <= 2 * REMEMBERED, "{kept} bytes after {number}");
        }
        assert_eq!(block(&mut labelling, &"x".repeat(REMEMBERED)).rule().len(), REMEMBERED);
        assert!(labelling.earlier.hashes.is_empty());
    }
}
