//! The inputs, each a part of its own that hands alerts to one intake until it is told to stop.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Error, Parts};
use crate::ingest::{self, Intake};

/// Starts every input that `inputs` names, and `demo` alerts a second.
///
/// # Errors
/// When the program to start cannot be started.
pub(super) fn start(
    parts: &mut Parts,
    inputs: &ingest::Config,
    demo: Option<u32>,
    intake: &Arc<Intake>,
    stop: &CancellationToken,
) -> Result<(), Error> {
    if !inputs.command.is_empty() {
        let (intake, stop, command) = (intake.clone(), stop.clone(), inputs.command.clone());
        let child = ingest::command::start(&command).map_err(|error| Error::Command {
            program: command.first().cloned().unwrap_or_default(),
            error,
        })?;
        parts.spawn(async move {
            ingest::command::keep_running(&intake, &command, child, stop).await;
            Ok(())
        });
    }
    if inputs.stdin {
        let (intake, stop) = (intake.clone(), stop.clone());
        parts.spawn(async move {
            tokio::select! {
                read = ingest::stream::read_stdin(intake) => match read {
                    Ok(()) => tracing::info!("standard input has ended; serving what is kept"),
                    Err(error) => tracing::error!(%error, "cannot read standard input"),
                },
                () = stop.cancelled() => {}
            }
            Ok(())
        });
    }
    for path in inputs.files.clone() {
        let (intake, stop) = (intake.clone(), stop.clone());
        parts.spawn(async move {
            tokio::select! {
                read = ingest::files::read(&intake, &path) => {
                    read.map_err(|error| Error::File { path, error })
                }
                () = stop.cancelled() => Ok(()),
            }
        });
    }
    if let Some(rate) = demo {
        let (intake, stop) = (intake.clone(), stop.clone());
        parts.spawn(async move {
            ingest::demo::run(&intake, rate, stop).await;
            Ok(())
        });
    }
    Ok(())
}
