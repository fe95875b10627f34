//! Runs the inputs, each in its own task, until they are stopped.
//!
//! A reload changes them. Inputs that stay keep running, so that a file is not read again from its
//! beginning. Removed inputs are stopped, with a warning, and new ones are started. A program
//! starts only after the previous one has ended. [`crate::ingest::presence`] has the state of each
//! input.

use std::sync::Arc;

use tokio_util::sync::{CancellationToken, DropGuard};

use super::{Error, Parts};
use crate::ingest::presence::Asked;
use crate::ingest::source::Source;
use crate::ingest::{self, Input, Intake};

/// The inputs that run.
#[derive(Debug)]
pub(super) struct Inputs {
    intake: Arc<Intake>,
    stop: CancellationToken,
    running: Vec<Running>,
    /// One token for each input that is stopping, cancelled when the input has ended.
    leaving: Vec<CancellationToken>,
}

#[derive(Debug)]
struct Running {
    source: Source,
    stop: CancellationToken,
    /// Cancelled when the input has ended.
    ended: CancellationToken,
}

impl Inputs {
    /// Has no inputs yet. All inputs end at `stop`.
    pub(super) fn new(intake: Arc<Intake>, stop: CancellationToken) -> Self {
        Self { intake, stop, running: Vec::new(), leaving: Vec::new() }
    }

    /// Starts every input that `config` names. An input that fails later ends the server.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub(super) fn start(
        &mut self,
        parts: &mut Parts,
        config: &ingest::Config,
    ) -> Result<(), Error> {
        self.expect_posts(config);
        for source in Source::all(config) {
            let (running, ended) = self.running(&source);
            let (intake, stop) = (self.intake.clone(), running.stop.clone());
            self.intake.presence().expect(&source.asked(), source.not_yet());
            let source = source.start(&intake)?;
            parts.spawn(async move {
                let _ended = ended;
                Ok(source.read(&intake, stop).await?)
            });
            self.running.push(running);
        }
        Ok(())
    }

    /// Changes the inputs to those that `config` names. Logs an input that fails.
    pub(super) fn change(&mut self, parts: &mut Parts, config: &ingest::Config) {
        self.expect_posts(config);
        let wanted = Source::all(config);
        let (stay, go) =
            std::mem::take(&mut self.running).into_iter().partition::<Vec<_>, _>(|running| {
                // An input that has failed is started again. Standard input ends only once.
                let over = running.ended.is_cancelled() && running.source != Source::Stdin;
                !over && wanted.contains(&running.source)
            });
        self.running = stay;
        for gone in &go {
            gone.stop.cancel();
            let asked = gone.source.asked();
            self.intake.presence().forget(&asked);
            if !wanted.iter().any(|source| source.asked() == asked) {
                tracing::warn!(input = %asked, "the new settings no longer have this input");
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
                if let Err(error) = source.start_late(&intake, stop).await {
                    tracing::error!(%error, "an input of the new settings failed");
                }
                Ok(())
            });
            self.running.push(running);
        }
    }

    /// Registers posts as an input, or removes them. The gateway receives them, so they have no
    /// task.
    fn expect_posts(&self, config: &ingest::Config) {
        let (presence, posts) = (self.intake.presence(), Asked::from(Input::Http));
        match (config.http, presence.states().contains_key(&posts)) {
            (true, false) => presence.expect(&posts, None),
            (false, true) => {
                presence.forget(&posts);
                tracing::warn!(input = %posts, "the new settings no longer have this input");
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
