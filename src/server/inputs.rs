//! The inputs, each a part of its own that hands alerts to one intake until it is told to stop.
//!
//! What is configured may change: inputs that stay are not touched, so that a file is not read
//! again from its beginning; those that are gone are ended, with a warning, new ones are started. A
//! program is started only after the one before it has ended. Which there are, and which of them
//! give nothing, is noted in [`crate::ingest::presence`].

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

    /// Makes the inputs those that `config` names. What cannot be had is told in the log.
    pub(super) fn change(&mut self, parts: &mut Parts, config: &ingest::Config) {
        self.expect_posts(config);
        let wanted = Source::all(config);
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
                if let Err(error) = source.start_late(&intake, stop).await {
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
