//! `falconer events`: prints the retained or the new alerts of a server or a file.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::path::Path;

use super::hints::{self, OfLines};
use super::lines::Lines;
use super::opened::Opener;
use super::show::Show;
use super::wanted::{Chosen, Events};
use super::{ClientError, Server, follow};

/// Writes alerts to standard output.
///
/// # Errors
/// When the alerts cannot be read, or a followed stream of a server ends.
pub async fn events(wanted: &Events, server: &Server) -> Result<(), ClientError> {
    let chosen = Chosen::read(wanted)?;
    let mut show = Show::on_stdout(wanted.output);
    let piped = wanted.file.as_deref() == Some(Path::new("-"));
    if wanted.follow && piped && wanted.last.is_some() {
        return Err(ClientError::Options(
            "--last with -f and standard input: a pipe has no earlier alerts; remove one of them",
        ));
    }
    show.heading()?;
    match &wanted.file {
        None if wanted.follow => {
            let following = follow(wanted, server, &mut show);
            return hints::beside(following, wanted.filter.as_deref(), server).await;
        }
        Some(path) if wanted.follow && !piped => {
            return follow::follow(path, wanted, &chosen, &mut show).await;
        }
        // Standard input is read up to its end; -f changes nothing.
        _ => {}
    }
    let mut of_lines = OfLines::new(wanted.filter.as_deref());
    let mut lines = match &wanted.file {
        Some(path) => Lines::of_file(path).await?,
        None => {
            let parameters = [
                ("filter", wanted.filter.clone()),
                ("since", wanted.since.clone()),
                ("until", wanted.until.clone()),
            ];
            let mut connection = server.connect().await?;
            Lines::of_answer(
                connection.get("/api/v1/export", &parameters, "application/x-ndjson").await?,
            )
        }
    };
    let (mut newest, mut opener) = (VecDeque::new(), Opener::default());
    let failed = |error| match &wanted.file {
        Some(path) => ClientError::File { path: path.display().to_string(), error },
        None => ClientError::Cut(error),
    };
    while let Some(line) = lines.next().await.map_err(failed)? {
        let line = match wanted.file {
            Some(_) => opener.line(line),
            None => Some(Cow::Borrowed(line)),
        };
        let Some(line) = line else { continue };
        if wanted.file.is_some() {
            of_lines.look(&line);
            if !chosen.takes(&line) {
                continue;
            }
        }
        match wanted.last {
            None => show.line(&line)?,
            Some(0) => {}
            Some(last) => {
                if newest.len() == last {
                    newest.pop_front();
                }
                newest.push_back(line.into_owned());
            }
        }
    }
    newest.iter().try_for_each(|line| show.line(line))?;
    show.flush()?;
    match (&wanted.file, &wanted.filter) {
        (Some(_), _) => of_lines.tell(),
        (None, Some(filter)) => hints::ask(filter, server).await,
        (None, None) => {}
    }
    Ok(())
}

async fn follow(
    wanted: &Events,
    server: &Server,
    show: &mut Show<std::io::Stdout>,
) -> Result<(), ClientError> {
    let last = wanted.last.or(wanted.since.is_none().then_some(0));
    let parameters = [
        ("filter", wanted.filter.clone()),
        ("since", wanted.since.clone()),
        ("last", last.map(|last| last.to_string())),
    ];
    let mut connection = server.connect().await?;
    let path = "/api/v1/events/stream";
    let mut lines =
        Lines::of_answer(connection.get(path, &parameters, "application/x-ndjson").await?);
    while let Some(line) = lines.next().await.map_err(ClientError::Cut)? {
        // An empty line is a keep-alive.
        if !line.is_empty() {
            show.line(line)?;
            show.flush()?;
        }
    }
    Err(ClientError::Ended)
}
