//! Which inputs were asked for, and which of them give nothing: since when, and why.
//!
//! An input is *down* when nothing can come from it, whatever Falco does: its file cannot be
//! opened, standard input has ended, the program is stopped. One that is only quiet is up. Health,
//! `/readyz`, status, page and metrics all tell what stands here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use tokio::sync::watch;

use super::Input;

/// An input that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Asked {
    /// What kind it is.
    pub input: Input,
    /// Which one, where there may be several.
    pub path: Option<PathBuf>,
}

impl Asked {
    /// The file at `path`.
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

/// That an input gives nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Down {
    /// Why; names no path.
    pub why: String,
    /// Since when.
    pub since: Timestamp,
}

/// Every input that was asked for; `None` where all is well.
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
    /// Notes that an input is asked for, and is up unless there is a reason.
    pub fn expect(&self, asked: &Asked, why: Option<&str>) {
        let down = why.map(|why| Down { why: why.into(), since: Timestamp::now() });
        self.0.send_modify(|states| {
            states.insert(asked.clone(), down);
        });
    }

    /// Notes that an input is no longer asked for.
    pub fn forget(&self, asked: &Asked) {
        self.0.send_if_modified(|states| states.remove(asked).is_some());
    }

    /// Notes that an input may give alerts. One that nobody asks for stays forgotten.
    pub fn up(&self, asked: &Asked) {
        self.0.send_if_modified(|states| {
            states.get_mut(asked).is_some_and(|state| state.take().is_some())
        });
    }

    /// Notes why nothing comes from an input. The time it went down stays when the reason changes.
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

    /// How they are now.
    #[must_use]
    pub fn states(&self) -> States {
        self.0.borrow().clone()
    }

    /// How they are, and how they change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<States> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_is_told_and_since_the_first_reason() {
        let presence = Presence::default();
        let (file, stdin) = (Asked::file(Path::new("/a")), Asked::from(Input::Stdin));
        presence.down(&file, "nobody asked");
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
        assert!(!seen.has_changed().unwrap(), "nothing is new");
        presence.up(&file);
        assert!(seen.has_changed().unwrap());
        presence.forget(&file);
        presence.up(&file);
        assert_eq!(presence.states().into_keys().collect::<Vec<_>>(), [stdin]);
        assert_eq!(file.to_string(), "file /a");
    }
}
