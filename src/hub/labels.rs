//! What of an alert stands in the index: its rule, source, hostname and tags.
//!
//! Most alerts of a block share theirs with others, so a block keeps each set once
//! ([`LabelSet`]) and an alert's entry says which; blocks of one batch share what earlier ones
//! knew. An equal set is found by its hash, among the latest ones: alerts that are all different
//! cost little more than their own text.

use std::hash::{BuildHasher as _, Hash as _, Hasher as _};
use std::sync::{Arc, LazyLock};

use foldhash::fast::RandomState;

use crate::event::Event;

/// Among how many sets an alert's is looked for before it is kept once more.
const LOOK_BACK: usize = 256;

/// What is remembered of earlier blocks at most, in bytes: these labels may be in no block any more.
const REMEMBERED: usize = 64 << 10;

/// One alert's labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Rule, source, hostname and each tag, one after the other.
    text: Box<str>,
    /// Where each of them ends.
    ends: Box<[u32]>,
    hash: u64,
}

impl Labels {
    fn new<'t>(parts: impl Iterator<Item = &'t str>, hash: u64) -> Self {
        let mut text = String::new();
        let mut ends = Vec::with_capacity(parts.size_hint().0);
        for part in parts {
            text.push_str(part);
            // A record has at most 1 MiB, so its labels have.
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self { text: text.into(), ends: ends.into(), hash }
    }

    /// The rule's name; empty for text alerts.
    #[must_use]
    pub fn rule(&self) -> &str {
        self.part(0)
    }

    /// The event source's name.
    #[must_use]
    pub fn source(&self) -> &str {
        self.part(1)
    }

    /// The alert's machine, or the one that stands in for it.
    #[must_use]
    pub fn hostname(&self) -> &str {
        self.part(2)
    }

    /// The rule's tags, sorted.
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

    /// What keeping them costs, at most: what merging shares counts each time.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(|labels| labels.bytes() + size_of::<Arc<Labels>>()).sum()
    }
}

/// A [`LabelSet`] in the making.
#[derive(Debug, Default)]
pub(super) struct Labelling {
    known: Known,
    /// What earlier blocks have, and most alerts have again: shared instead of made anew.
    earlier: Known,
    earlier_bytes: usize,
}

#[derive(Debug, Default)]
struct Known {
    set: LabelSet,
    /// Of each of the set: what is looked through.
    hashes: Vec<u64>,
}

impl Labelling {
    /// The number of these labels, which are added unless they are there.
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

    /// The number of labels that another block has.
    pub(super) fn adopt(&mut self, other: &Arc<Labels>) -> u16 {
        let found = self.known.find(other.hash, |labels| labels == &**other);
        found.unwrap_or_else(|| self.known.add(other.clone()))
    }

    /// Hands them on, and begins anew.
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

    /// A block has fewer alerts than a `u16` can count: each has a frame of a few bytes, and a
    /// block some tens of KiB of them.
    fn add(&mut self, labels: Arc<Labels>) -> u16 {
        self.hashes.push(labels.hash);
        self.set.0.push(labels);
        u16::try_from(self.hashes.len() - 1).unwrap_or(u16::MAX)
    }
}

/// The same in every block of this process. Equal hashes of unequal labels cost one comparison and
/// a copy, so nobody gains by making them.
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

    /// The labels of a block with one alert of `rule`.
    fn block(labelling: &mut Labelling, rule: &str) -> Arc<Labels> {
        let number = labelling.of(&event(rule), "machine");
        labelling.take().share(number).unwrap()
    }

    #[test]
    fn blocks_share_what_earlier_ones_knew() {
        let mut labelling = Labelling::default();
        let first = block(&mut labelling, "one");
        assert!(!Arc::ptr_eq(&first, &block(&mut labelling, "another")));
        assert!(Arc::ptr_eq(&first, &block(&mut labelling, "one")));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
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
