//! The inputs, each a part of its own that hands alerts to one intake until it is told to stop.
//!
//! What is configured may change: inputs that stay are not touched, so that a file is not read
//! again from its beginning; those that are gone are ended, new ones are started. A program is
//! started only after the one before it has ended.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::process::Child;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Error, Parts};
use crate::ingest::{self, Input, Intake};

/// What an input reads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Stdin,
    File(PathBuf),
    Command(Vec<String>),
}

/// The inputs that run.
#[derive(Debug)]
pub(super) struct Inputs {
    intake: Arc<Intake>,
    stop: CancellationToken,
    running: Vec<Running>,
    /// Those that were told to end: each cancelled when it has.
    leaving: Vec<CancellationToken>,
}

#[derive(Debug)]
struct Running {
    source: Source,
    stop: CancellationToken,
    /// Cancelled when it has ended.
    ended: CancellationToken,
}

impl Inputs {
    /// No inputs yet; those to come end at `stop`.
    pub(super) fn new(intake: Arc<Intake>, stop: CancellationToken) -> Self {
        Self { intake, stop, running: Vec::new(), leaving: Vec::new() }
    }

    /// Starts every input that `config` names. What cannot be had ends the server.
    ///
    /// # Errors
    /// When the program to start cannot be started.
    pub(super) fn start(
        &mut self,
        parts: &mut Parts,
        config: &ingest::Config,
    ) -> Result<(), Error> {
        for source in sources(config) {
            let (running, ended) = self.running(&source);
            let (intake, stop) = (self.intake.clone(), running.stop.clone());
            match source {
                Source::Command(command) => {
                    let child = start_program(&command)?;
                    parts.spawn(async move {
                        let _ended = ended;
                        ingest::command::keep_running(&intake, &command, child, stop).await;
                        Ok(())
                    });
                }
                source => {
                    parts.spawn(async move {
                        let _ended = ended;
                        read(&intake, source, stop).await
                    });
                }
            }
            self.running.push(running);
        }
        Ok(())
    }

    /// Makes the inputs those that `config` names. What cannot be had is told in the log.
    pub(super) fn change(&mut self, parts: &mut Parts, config: &ingest::Config) {
        let wanted = sources(config);
        let (stay, go) =
            std::mem::take(&mut self.running).into_iter().partition::<Vec<_>, _>(|running| {
                // One that could not be had is tried again; standard input ends once.
                let over = running.ended.is_cancelled() && running.source != Source::Stdin;
                !over && wanted.contains(&running.source)
            });
        self.running = stay;
        for gone in &go {
            gone.stop.cancel();
            match gone.source {
                Source::Stdin => self.intake.is_up(Input::Stdin),
                Source::Command(_) => self.intake.is_up(Input::Command),
                Source::File(_) => {}
            }
        }
        self.leaving.retain(|ended| !ended.is_cancelled());
        self.leaving.extend(go.into_iter().map(|gone| gone.ended));
        for source in wanted {
            if self.running.iter().any(|running| running.source == source) {
                continue;
            }
            let (running, ended) = self.running(&source);
            let (intake, stop, before) =
                (self.intake.clone(), running.stop.clone(), self.leaving.clone());
            parts.spawn(async move {
                let _ended = ended;
                for before in before {
                    before.cancelled().await;
                }
                if let Err(error) = start_late(&intake, source, stop).await {
                    tracing::error!(%error, "an input of the new settings is not there");
                }
                Ok(())
            });
            self.running.push(running);
        }
    }

    fn running(&self, source: &Source) -> (Running, DropGuard) {
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        (Running { source: source.clone(), stop: self.stop.child_token(), ended }, guard)
    }

    /// Waits until every input has ended.
    pub(super) async fn ended(&self) {
        for ended in self.running.iter().map(|running| &running.ended).chain(&self.leaving) {
            ended.cancelled().await;
        }
    }
}

fn sources(config: &ingest::Config) -> Vec<Source> {
    let command = (!config.command.is_empty()).then(|| Source::Command(config.command.clone()));
    let stdin = config.stdin.then_some(Source::Stdin);
    let files = config.files.iter().cloned().map(Source::File);
    command.into_iter().chain(stdin).chain(files).collect()
}

fn start_program(command: &[String]) -> Result<Child, Error> {
    ingest::command::start(command).map_err(|error| Error::Command {
        program: command.first().cloned().unwrap_or_default(),
        error,
    })
}

async fn start_late(
    intake: &Arc<Intake>,
    source: Source,
    stop: CancellationToken,
) -> Result<(), Error> {
    match source {
        _ if stop.is_cancelled() => Ok(()),
        Source::Command(command) => {
            let child = start_program(&command).inspect_err(|_| {
                intake.is_down(Input::Command, "the program to start cannot be started");
            })?;
            ingest::command::keep_running(intake, &command, child, stop).await;
            Ok(())
        }
        source => read(intake, source, stop).await,
    }
}

/// Reads what is not started first.
async fn read(intake: &Arc<Intake>, source: Source, stop: CancellationToken) -> Result<(), Error> {
    match source {
        Source::Stdin => {
            let read = ingest::stream::read_stdin(intake.clone(), &stop).await;
            if stop.is_cancelled() {
                return Ok(());
            }
            intake.is_down(Input::Stdin, "standard input has ended");
            match read {
                Ok(()) => tracing::info!("standard input has ended; serving what is kept"),
                Err(error) => tracing::error!(%error, "cannot read standard input"),
            }
            Ok(())
        }
        Source::File(path) => {
            match stop.run_until_cancelled(ingest::files::read(intake, &path)).await {
                Some(Err(error)) => Err(Error::File { path, error }),
                Some(Ok(())) | None => Ok(()),
            }
        }
        Source::Command(_) => Ok(()),
    }
}
