//! Reads records from a file that Falco writes, and follows it across rotation ([`super::follow`]).

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::Notify;

use super::follow::{self, Follower, Piece};
use super::presence::Asked;
use super::{Input, Intake, Lines};

/// Reads lines from the file at `path`, without end, and reports whether it is down.
///
/// # Errors
/// If the path at first names something that cannot be followed, such as a directory.
pub async fn read(intake: &Intake, path: &Path) -> io::Result<()> {
    read_on(intake, path, &Arc::default()).await
}

/// Reads lines from the file at `path` until the path is gone and nothing was written to the file
/// for a minute.
///
/// # Errors
/// Like [`read`].
pub(super) async fn read_while_there(intake: &Intake, path: &Path) -> io::Result<()> {
    let gone = Arc::<Notify>::default();
    tokio::select! {
        read = read_on(intake, path, &gone) => read,
        () = gone.notified() => {
            tracing::info!(path = %path.display(), "no longer following a file, which is gone");
            Ok(())
        }
    }
}

/// Notifies `gone` when the file is [`follow::GONE`].
async fn read_on(intake: &Intake, path: &Path, gone: &Arc<Notify>) -> io::Result<()> {
    tracing::info!(path = %path.display(), "following a file from its beginning");
    let (presence, asked, gone) = (intake.presence().clone(), Asked::file(path), gone.clone());
    let mut follower = Follower::among(&intake.claims, path.into(), move |down| match down {
        Some(why) => {
            presence.down(&asked, why);
            if why == follow::GONE {
                gone.notify_one();
            }
        }
        None => presence.up(&asked),
    });
    let mut lines = Lines::default();
    let mut delivery = intake.begin(Input::File);
    let mut chunk = Vec::new();
    loop {
        let piece = follower.next(&mut chunk).await?;
        match piece {
            Piece::Data => lines.push(&chunk, |line| delivery.line(line)),
            // An unfinished line may still be a whole alert.
            Piece::Restart => {
                lines.end(|line| delivery.line(line));
                delivery.restart();
            }
        }
        delivery.finish();
        chunk.clear();
    }
}
