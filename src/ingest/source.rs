//! What Falconer reads alerts from, as the settings name it, and the reading of it.
//!
//! 1. [`Source::all`] lists what is configured. The server compares that list with the one before.
//! 2. [`Source::start`] starts what has to be started; what cannot be is told at once.
//! 3. [`Started::read`] hands on its alerts until it ends or is stopped. [`super::presence`] is told
//!    whenever it can give none.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::command::{self, Program};
use super::presence::Asked;
use super::{Config, Input, Intake, files, stream};

/// What an input reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// The file at this path, followed across rotation.
    File(PathBuf),
    /// What this program, a Falco as a rule, writes to its standard output; it is started, and
    /// started again when it ends.
    Command(Vec<String>),
}

/// A source that can be read.
#[derive(Debug)]
pub enum Started {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
    /// The program, which runs.
    Command(Program),
}

/// A source that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The program to start cannot be started.
    #[error(
        "cannot start {program:?}: {error}; check its path, after -- or in falconer.inputs.command"
    )]
    Command {
        /// The program.
        program: String,
        /// Why not.
        error: io::Error,
    },
    /// A file cannot be followed.
    #[error("falconer.inputs.files: cannot follow {path:?}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

impl Source {
    /// The sources that `config` names; posts come through the gateway, which is none of these.
    #[must_use]
    pub fn all(config: &Config) -> Vec<Self> {
        let command = (!config.command.is_empty()).then(|| Self::Command(config.command.clone()));
        let stdin = config.stdin.then_some(Self::Stdin);
        let files = config.files.iter().cloned().map(Self::File);
        command.into_iter().chain(stdin).chain(files).collect()
    }

    /// What [`super::presence`] calls it.
    pub fn asked(&self) -> Asked {
        match self {
            Self::Stdin => Input::Stdin.into(),
            Self::File(path) => Asked::file(path),
            Self::Command(_) => Input::Command.into(),
        }
    }

    /// Why it gives nothing before it is started.
    pub fn not_yet(&self) -> Option<&'static str> {
        match self {
            Self::Stdin => None,
            Self::File(_) => Some("has not been opened yet"),
            Self::Command(_) => Some("has not been started yet"),
        }
    }

    /// Makes it ready to be read.
    ///
    /// # Errors
    /// When its program cannot be started.
    pub fn start(self, intake: &Intake) -> Result<Started, SourceError> {
        let asked = self.asked();
        Ok(match self {
            Self::Stdin => Started::Stdin,
            Self::File(path) => Started::File(path),
            Self::Command(command) => {
                let program = command.first().cloned().unwrap_or_default();
                let started = Program::start(command).map_err(|error| {
                    intake.presence().down(&asked, "the program cannot be started");
                    SourceError::Command { program, error }
                })?;
                intake.presence().up(&asked);
                Started::Command(started)
            }
        })
    }

    /// Starts and reads it beside a server that runs; a file system that hangs holds up nothing else.
    ///
    /// # Errors
    /// When it cannot be started or read.
    pub async fn start_late(
        self,
        intake: &Arc<Intake>,
        stop: CancellationToken,
    ) -> Result<(), SourceError> {
        if stop.is_cancelled() {
            return Ok(());
        }
        let starting = intake.clone();
        match spawn_blocking(move || self.start(&starting)).await {
            Ok(started) => started?.read(intake, stop).await,
            // It panicked, which was logged, or the process ends.
            Err(_) => Ok(()),
        }
    }
}

impl Started {
    /// Hands on its alerts until it ends, or until `stop`.
    ///
    /// # Errors
    /// When a file cannot be followed.
    pub async fn read(
        self,
        intake: &Arc<Intake>,
        stop: CancellationToken,
    ) -> Result<(), SourceError> {
        match self {
            Self::Stdin => {
                let read = stream::read_stdin(intake.clone(), &stop).await;
                if stop.is_cancelled() {
                    return Ok(());
                }
                let down = |why: &str| intake.presence().down(&Input::Stdin.into(), why);
                match read {
                    Ok(()) => {
                        down("standard input has ended");
                        tracing::info!("standard input has ended; serving what is kept");
                    }
                    Err(error) => {
                        down(&format!("standard input cannot be read: {error}"));
                        tracing::error!(%error, "cannot read standard input");
                    }
                }
                Ok(())
            }
            Self::File(path) => match stop.run_until_cancelled(files::read(intake, &path)).await {
                Some(Err(error)) => {
                    intake.presence().down(&Asked::file(&path), &error.to_string());
                    Err(SourceError::File { path, error })
                }
                Some(Ok(())) | None => Ok(()),
            },
            Self::Command(program) => {
                command::keep_running(intake, program, stop).await;
                Ok(())
            }
        }
    }
}
