//! `falconer check`: reads and tries everything that a start would, without starting.
//!
//! 1. The settings are read as at a start. If they have errors, only these are reported.
//! 2. The sockets, ports, files and programs in them are tried without disturbing others: sockets
//!    and ports are bound and released ([`listen`]), certificates are loaded, files and programs
//!    are examined ([`inputs`]). If another server already serves there, it is identified
//!    ([`running`]). That is a warning, because it can be the server that is about to reload.
//! 3. Each finding is one line: its level, the setting it concerns, what was found, and how to fix
//!    it.

mod inputs;
mod listen;
mod running;

use std::fmt;

use crate::config::{self, Env, Options};

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The setting works.
    Ok,
    /// A fact worth knowing.
    Note,
    /// The setting works, but is probably not what was meant.
    Warning,
    /// A start would fail, or the server would be of no use.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The severity.
    pub level: Level,
    /// The setting, what was found, and how to fix it, as one line of text.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Note => "note",
            Level::Warning => "warning",
            Level::Error => "error",
        };
        write!(formatter, "{level:<8} {}", self.text)
    }
}

/// The findings so far.
#[derive(Debug, Default)]
struct Findings(Vec<Line>);

impl Findings {
    fn add(&mut self, level: Level, text: impl fmt::Display) {
        // A file name can have line breaks; the finding must stay one line.
        let text = text.to_string().replace(char::is_control, "\u{fffd}");
        self.0.push(Line { level, text });
    }
}

/// Checks a start with these options. Needs a tokio runtime.
pub async fn check(options: &Options, env: Env<'_>) -> Vec<Line> {
    let mut findings = Findings::default();
    match config::load(options, env) {
        Ok(loaded) => {
            let file = options.file.as_ref().map(|file| file.display().to_string());
            let read = file.as_deref().unwrap_or("built-in settings");
            findings.add(Level::Ok, format_args!("settings: {read} can be read"));
            for note in &loaded.notes {
                findings.add(Level::Note, note);
            }
            for warning in &loaded.warnings {
                findings.add(Level::Warning, warning);
            }
            if let Some(listen) = &loaded.config.grpc {
                listen::grpc(listen, &mut findings).await;
            }
            if let Some(gateway) = &loaded.config.gateway {
                listen::gateway(gateway, &mut findings).await;
            }
            inputs::look(&loaded.config.inputs, &mut findings);
        }
        Err(errors) => {
            for error in errors.findings() {
                findings.add(Level::Error, error);
            }
        }
    }
    findings.0
}
