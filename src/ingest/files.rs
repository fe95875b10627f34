//! Reads records from a file that Falco writes, and follows it across rotation ([`super::follow`]).

use std::io;
use std::path::Path;

use super::follow::{Follower, Piece};
use super::presence::Asked;
use super::{Input, Intake, Lines};

/// Reads lines from the file at `path`, without end, and reports whether it is down.
///
/// # Errors
/// If the path at first names something that cannot be followed, such as a directory.
pub async fn read(intake: &Intake, path: &Path) -> io::Result<()> {
    tracing::info!(path = %path.display(), "following a file from its beginning");
    let (presence, asked) = (intake.presence().clone(), Asked::file(path));
    let mut follower = Follower::among(&intake.claims, path.into(), move |down| match down {
        Some(why) => presence.down(&asked, why),
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
