//! What of an alert stands in the index: its rule, source, hostname and tags.
//!
//! Most alerts of a block share theirs with others, so a block keeps each set once
//! ([`LabelSet`]) and an alert's entry says which. Looking for an equal set goes back a bounded
//! way, so that alerts that are all different cost no more than their own text.

use crate::event::Event;

/// How many sets are compared before an alert's labels are kept once more.
const LOOK_BACK: usize = 16;

/// One alert's labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Rule, source, hostname and each tag, one after the other.
    text: Box<str>,
    /// Where each of them ends.
    ends: Box<[u32]>,
}

impl Labels {
    fn new<'t>(parts: impl Iterator<Item = &'t str>) -> Self {
        let mut text = String::new();
        let mut ends = Vec::new();
        for part in parts {
            text.push_str(part);
            // A record has at most 1 MiB, so its labels have.
            ends.push(u32::try_from(text.len()).unwrap_or(u32::MAX));
        }
        Self { text: text.into(), ends: ends.into() }
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
pub(super) struct LabelSet(Vec<Labels>);

impl LabelSet {
    /// The number of these labels, which are added unless they are there.
    pub(super) fn of(&mut self, event: &Event<'_>, hostname: &str) -> u16 {
        let hostname = event.hostname.as_deref().unwrap_or(hostname);
        let found = self.recent(|labels| {
            labels.rule() == event.rule
                && labels.source() == event.source
                && labels.hostname() == hostname
                && labels.tags().eq(event.tags.iter().map(AsRef::as_ref))
        });
        found.unwrap_or_else(|| {
            let own = [event.rule.as_ref(), event.source.as_ref(), hostname];
            self.add(Labels::new(own.into_iter().chain(event.tags.iter().map(AsRef::as_ref))))
        })
    }

    /// The number of labels that another block has.
    pub(super) fn adopt(&mut self, other: &Labels) -> u16 {
        self.recent(|labels| labels == other).unwrap_or_else(|| self.add(other.clone()))
    }

    pub(super) fn get(&self, number: u16) -> Option<&Labels> {
        self.0.get(usize::from(number))
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Labels> {
        self.0.iter()
    }

    /// What keeping them costs.
    pub(super) fn bytes(&self) -> usize {
        self.0.iter().map(Labels::bytes).sum()
    }

    /// Forgets them, and hands them on at their exact size.
    pub(super) fn take(&mut self) -> Self {
        let mut taken = std::mem::take(&mut self.0);
        taken.shrink_to_fit();
        Self(taken)
    }

    fn recent(&self, equal: impl Fn(&Labels) -> bool) -> Option<u16> {
        let from = self.0.len().saturating_sub(LOOK_BACK);
        let at = from + self.0.get(from..)?.iter().position(equal)?;
        u16::try_from(at).ok()
    }

    /// A block has fewer alerts than a `u16` can count: each has a frame of a few bytes, and a
    /// block some tens of KiB of them.
    fn add(&mut self, labels: Labels) -> u16 {
        self.0.push(labels);
        u16::try_from(self.0.len() - 1).unwrap_or(u16::MAX)
    }
}
