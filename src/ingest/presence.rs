//! The state of each configured input: up, or down since a time and for a cause.
//!
//! An input is *down* when nothing can come from it, whatever Falco does: its file cannot be
//! opened, standard input has ended, the program is stopped. An input that is only quiet is up.
//! Health, `/readyz`, status, page and metrics read this state.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio::sync::watch;

use super::Input;

/// A configured input.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// The kind.
    pub input: Input,
    /// The path of a file.
    pub path: Option<PathBuf>,
}

impl Asked {
    /// Returns the input for the file at `path`.
    #[must_use]
    pub fn file(path: &Path) -> Self {
        Self { input: Input::File, path: Some(path.into()) }
    }
}

impl From<Input> for Asked {
    fn from(input: Input) -> Self {
        Self { input, path: None }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.input.name())?;
        self.path.as_ref().map_or(Ok(()), |path| write!(formatter, " {}", path.display()))
    }
}

/// Why and since when an input is down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    /// The cause, without a path.
    pub why: String,
    /// The time since which it is down.
    pub since: Timestamp,
}

/// Every configured input. `None` means up.
pub type States = BTreeMap<Asked, Option<Down>>;

/// The states of a server's inputs. Clones share them.
#[derive(Debug, Clone)]
pub struct Presence(watch::Sender<States>);

impl Default for Presence {
    fn default() -> Self {
        Self(watch::Sender::new(States::new()))
    }
}

impl Presence {
    /// Adds a configured input. It is down if `why` gives a cause, otherwise up.
    pub fn expect(&self, asked: &Asked, why: Option<&str>) {
        let down = why.map(|why| Down { why: why.into(), since: Timestamp::now() });
        self.0.send_modify(|states| {
            states.insert(asked.clone(), down);
        });
    }

    /// Removes an input that is no longer configured.
    pub fn forget(&self, asked: &Asked) {
        self.0.send_if_modified(|states| states.remove(asked).is_some());
    }

    /// Marks an input as up. An input that is not configured is ignored.
    pub fn up(&self, asked: &Asked) {
        self.0.send_if_modified(|states| {
            states.get_mut(asked).is_some_and(|state| state.take().is_some())
        });
    }

    /// Marks an input as down with a cause. If it was down before, `since` does not change.
    pub fn down(&self, asked: &Asked, why: &str) {
        self.0.send_if_modified(|states| {
            let Some(state) = states.get_mut(asked) else { return false };
            if state.as_ref().is_some_and(|down| down.why == why) {
                return false;
            }
            let since = state.as_ref().map_or_else(Timestamp::now, |down| down.since);
            *state = Some(Down { why: why.into(), since });
            true
        });
    }

    /// Returns the current states.
    #[must_use]
    pub fn states(&self) -> States {
        self.0.borrow().clone()
    }

    /// Watches the states.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<States> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_configured_inputs_are_reported_since_their_first_cause() {
        let presence = Presence::default();
        let (file, stdin) = (Asked::file(Path::new("/a")), Asked::from(Input::Stdin));
        presence.down(&file, "not configured");
        assert!(presence.states().is_empty());
        presence.expect(&file, Some("not yet"));
        presence.expect(&stdin, None);
        let since = presence.states()[&file].as_ref().unwrap().since;
        presence.down(&file, "forbidden");
        let down = Down { why: "forbidden".into(), since };
        assert_eq!(presence.states()[&file], Some(down));
        let mut seen = presence.watch();
        seen.mark_unchanged();
        presence.down(&file, "forbidden");
        presence.up(&stdin);
        assert!(!seen.has_changed().unwrap(), "no state has changed");
        presence.up(&file);
        assert!(seen.has_changed().unwrap());
        presence.forget(&file);
        presence.up(&file);
        assert_eq!(presence.states().into_keys().collect::<Vec<_>>(), [stdin]);
        assert_eq!(file.to_string(), "file /a");
    }
}
