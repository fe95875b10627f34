//! `falconer check`: everything a start would read and try, without starting.
//!
//! 1. The settings are read as a start reads them; where they are wrong, that is all there is to
//!    say.
//! 2. What they name is tried as far as that disturbs nobody: sockets and ports are bound and let
//!    go ([`listen`]), certificates are loaded, files and programs looked at ([`inputs`]). Where
//!    somebody serves already it is asked who it is ([`running`]): that is a warning, since it may
//!    be the server whose settings are to change.
//! 3. Each finding is a line: how bad it is, the setting it is about, what was found, and how to
//!    mend it.

mod inputs;
mod listen;
mod running;

use std::fmt;

use crate::config::{self, Env, Options};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// Works, and is probably not what was meant.
    Warning,
    /// A start would fail, or nobody could use it.
    Error,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How bad it is.
    pub level: Level,
    /// What was found and how to mend it, led by the setting it is about. One line of text.
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
        // Names of files come from anywhere: one line stays one line.
        let text = text.to_string().replace(char::is_control, "\u{fffd}");
        self.0.push(Line { level, text });
    }
}

/// Checks what a start with these options would do. Needs a tokio runtime.
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
