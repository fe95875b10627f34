//! The inputs, each a part of its own that hands alerts to one intake until it is told to stop.
//!
//! What is configured may change: inputs that stay are not touched, so that a file is not read
//! again from its beginning; those that are gone are ended, with a warning, new ones are started. A
//! program is started only after the one before it has ended. Which there are, and which of them
//! give nothing, is noted in [`crate::ingest::presence`].

use std::path::PathBuf;
use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Error, Parts};
use crate::ingest::command::Program;
use crate::ingest::presence::Asked;
use crate::ingest::{self, Input, Intake};

/// What an input reads.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Stdin,
    File(PathBuf),
    Command(Vec<String>),
}

impl Source {
    fn asked(&self) -> Asked {
        match self {
            Self::Stdin => Input::Stdin.into(),
            Self::File(path) => Asked::file(path),
            Self::Command(_) => Input::Command.into(),
        }
    }

    /// Why it gives nothing before it is started.
    fn not_yet(&self) -> Option<&'static str> {
        match self {
            Self::Stdin => None,
            Self::File(_) => Some("has not been opened yet"),
            Self::Command(_) => Some("has not been started yet"),
        }
    }
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
        self.expect_posts(config);
        for source in sources(config) {
            let (running, ended) = self.running(&source);
            let (intake, stop) = (self.intake.clone(), running.stop.clone());
            self.intake.presence().expect(&source.asked(), source.not_yet());
            match source {
                Source::Command(command) => {
                    let program = start_program(command)?;
                    self.intake.presence().up(&Input::Command.into());
                    parts.spawn(async move {
                        let _ended = ended;
                        ingest::command::keep_running(&intake, program, stop).await;
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
        self.expect_posts(config);
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
            let asked = gone.source.asked();
            self.intake.presence().forget(&asked);
            if !wanted.iter().any(|source| source.asked() == asked) {
                tracing::warn!(input = %asked, "the new settings do not have this input any more");
            }
        }
        self.leaving.retain(|ended| !ended.is_cancelled());
        self.leaving.extend(go.into_iter().map(|gone| gone.ended));
        for source in wanted {
            if self.running.iter().any(|running| running.source == source) {
                continue;
            }
            self.intake.presence().expect(&source.asked(), source.not_yet());
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

    /// Posts come through the gateway, which is no part of ours.
    fn expect_posts(&self, config: &ingest::Config) {
        let (presence, posts) = (self.intake.presence(), Asked::from(Input::Http));
        match (config.http, presence.states().contains_key(&posts)) {
            (true, false) => presence.expect(&posts, None),
            (false, true) => {
                presence.forget(&posts);
                tracing::warn!(input = %posts, "the new settings do not have this input any more");
            }
            _ => {}
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

fn start_program(command: Vec<String>) -> Result<Program, Error> {
    let program = command.first().cloned().unwrap_or_default();
    Program::start(command).map_err(|error| Error::Command { program, error })
}

async fn start_late(
    intake: &Arc<Intake>,
    source: Source,
    stop: CancellationToken,
) -> Result<(), Error> {
    let asked = source.asked();
    let presence = intake.presence();
    match source {
        _ if stop.is_cancelled() => Ok(()),
        Source::Command(command) => {
            // A file system that hangs may hold it up.
            let program = spawn_blocking(move || start_program(command))
                .await?
                .inspect_err(|_| presence.down(&asked, "the program cannot be started"))?;
            presence.up(&asked);
            ingest::command::keep_running(intake, program, stop).await;
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
        Source::File(path) => {
            match stop.run_until_cancelled(ingest::files::read(intake, &path)).await {
                Some(Err(error)) => {
                    intake.presence().down(&Asked::file(&path), &error.to_string());
                    Err(Error::File { path, error })
                }
                Some(Ok(())) | None => Ok(()),
            }
        }
        Source::Command(_) => Ok(()),
    }
}
