//! The configured sources of alerts: lists, starts and reads them.
//!
//! 1. [`Source::all`] lists the configured sources. At a reload the server compares the lists.
//! 2. [`Source::start`] starts a source, and fails at once if that is not possible.
//! 3. [`Started::read`] reads its alerts until it ends or is stopped, and reports to
//!    [`super::presence`] when it is down.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::command::{self, Program};
use super::presence::Asked;
use super::{Config, Input, Intake, files, pattern, stream};

/// A configured source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Standard input.
    Stdin,
    /// The file at this path, followed across rotation.
    File(PathBuf),
    /// The files that this pattern matches.
    Files(PathBuf),
    /// The standard output of this command, usually Falco. It is started, and restarted if it
    /// exits.
    Command(Vec<String>),
}

/// A source that is ready to be read.
#[derive(Debug)]
pub enum Started {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
    /// Files that a pattern matches.
    Files(PathBuf),
    /// A running program.
    Command(Program),
}

/// A source cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The program cannot be started.
    #[error(
        "cannot start {program:?}: {error}; check its path, after -- or in falconer.inputs.command"
    )]
    Command {
        /// The program.
        program: String,
        /// The reason.
        error: io::Error,
    },
    /// A file cannot be followed.
    #[error("falconer.inputs.files: cannot follow {path:?}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
}

impl Source {
    /// Returns the sources in `config`. HTTP is not one of them, because posts come through the
    /// gateway.
    #[must_use]
    pub fn all(config: &Config) -> Vec<Self> {
        let command = (!config.command.is_empty()).then(|| Self::Command(config.command.clone()));
        let stdin = config.stdin.then_some(Self::Stdin);
        // Patterns are last, so that they leave out the files that are named.
        let (patterns, files): (Vec<_>, Vec<_>) =
            config.files.iter().cloned().partition(|path| pattern::is_pattern(path));
        let files = files.into_iter().map(Self::File);
        let patterns = patterns.into_iter().map(Self::Files);
        command.into_iter().chain(stdin).chain(files).chain(patterns).collect()
    }

    /// Returns its key in [`super::presence`].
    pub fn asked(&self) -> Asked {
        match self {
            Self::Stdin => Input::Stdin.into(),
            Self::File(path) | Self::Files(path) => Asked::file(path),
            Self::Command(_) => Input::Command.into(),
        }
    }

    /// Returns why it is down before it is started, if it is.
    pub fn not_yet(&self) -> Option<&'static str> {
        match self {
            Self::Stdin => None,
            Self::File(_) => Some("has not been opened yet"),
            Self::Files(_) => Some("has not been expanded yet"),
            Self::Command(_) => Some("has not been started yet"),
        }
    }

    /// Starts its program, if it has one.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn start(self, intake: &Intake) -> Result<Started, SourceError> {
        let asked = self.asked();
        Ok(match self {
            Self::Stdin => Started::Stdin,
            Self::File(path) => Started::File(path),
            Self::Files(pattern) => Started::Files(pattern),
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

    /// Starts and reads it while the server runs. It starts on a blocking thread, so that a hanging
    /// file system does not block the event loop.
    ///
    /// # Errors
    /// If it cannot be started or read.
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
            // It panicked, which was logged, or the runtime is shutting down.
            Err(_) => Ok(()),
        }
    }
}

impl Started {
    /// Reads its alerts until it ends, or until `stop`.
    ///
    /// # Errors
    /// If a file cannot be followed.
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
                        tracing::info!("standard input has ended; still serving retained alerts");
                    }
                    Err(error) => {
                        down(&format!("cannot read standard input: {error}"));
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
            Self::Files(pattern) => {
                stop.run_until_cancelled(pattern::read(intake, &pattern)).await;
                Ok(())
            }
            Self::Command(program) => {
                command::keep_running(intake, program, stop).await;
                Ok(())
            }
        }
    }
}
