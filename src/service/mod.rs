//! What we answer.

/// How alerts are handed to readers, and whose version is told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Who of a reader group gets an alert.
    pub delivery: Delivery,
    /// Whether a reader is told in the stream what it missed.
    pub lost_events: LostEvents,
    /// Falco's version as the operator states it; `None` asks Falco.
    pub falco_version: Option<String>,
}

/// Who of a reader group gets an alert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Every open `sub` gets every alert.
    #[default]
    FanOut,
    /// Each alert goes to exactly one stream of the group, as in Falco.
    Shared,
}

/// Whether a reader is told in the stream what it missed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LostEvents {
    /// With one alert of rule `Falconer internal: events lost`.
    #[default]
    Announce,
    /// Only counted.
    Count,
}
