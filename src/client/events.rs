//! `falconer events`: alerts that are kept, or those that come, of a server or a file.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use jiff::{Timestamp, tz::TimeZone};

use super::hints::{self, OfLines};
use super::lines::Lines;
use super::show::{Output, Show};
use super::{ClientError, Server, follow};
use crate::event::{self, Record, Time};
use crate::filter::Filter;
use crate::query;

/// What is wanted.
#[derive(Debug, Clone, Default)]
pub struct Events {
    /// Go on with those that come.
    pub follow: bool,
    /// Only so many of the newest.
    pub last: Option<usize>,
    /// Only those of this time, or age, and younger.
    pub since: Option<String>,
    /// Only those of before this time, or age.
    pub until: Option<String>,
    /// Only those for which this condition holds.
    pub filter: Option<String>,
    /// How they are written.
    pub output: Output,
    /// A file of Falco's JSON lines, `-` for standard input; the server without.
    pub file: Option<PathBuf>,
}

/// Writes them to standard output.
///
/// # Errors
/// When they cannot be had, or the stream of a server that is followed ends.
pub async fn events(wanted: &Events, server: &Server) -> Result<(), ClientError> {
    let chosen = Chosen::read(wanted)?;
    let mut show = Show::on_stdout(wanted.output);
    let piped = wanted.file.as_deref() == Some(Path::new("-"));
    if wanted.follow && piped && wanted.last.is_some() {
        return Err(ClientError::Options(
            "--last with -f and standard input: nothing of it is there before; leave one out",
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
        // Standard input comes as it comes, up to its end.
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
    let mut newest = VecDeque::new();
    let failed = |error| match &wanted.file {
        Some(path) => ClientError::File { path: path.display().to_string(), error },
        None => ClientError::Cut(error),
    };
    while let Some(line) = lines.next().await.map_err(failed)? {
        if wanted.file.is_some() {
            of_lines.look(line);
            if !chosen.takes(line) {
                continue;
            }
        }
        match wanted.last {
            None => show.line(line)?,
            Some(0) => {}
            Some(last) => {
                if newest.len() == last {
                    newest.pop_front();
                }
                newest.push_back(line.to_owned());
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
        // A line without anything is a sign of life.
        if !line.is_empty() {
            show.line(line)?;
            show.flush()?;
        }
    }
    Err(ClientError::Ended)
}

/// What is chosen of a file's lines, as a server would.
pub(super) struct Chosen {
    filter: Option<Filter>,
    since: Option<Time>,
    until: Option<Time>,
}

impl Chosen {
    fn read(wanted: &Events) -> Result<Self, ClientError> {
        let now = Time::from(Timestamp::now());
        let time = |text: &Option<String>| text.as_deref().map(|t| query::time(t, now)).transpose();
        let filter = wanted.filter.as_deref().map(Filter::parse).transpose()?;
        let (since, until) = (time(&wanted.since)?, time(&wanted.until)?);
        if since.zip(until).is_some_and(|(since, until)| since >= until) {
            return Err(ClientError::Options(
                "--since is not before --until, so that no alert is between; the other way round?",
            ));
        }
        Ok(Self { filter, since, until })
    }

    /// Whether the line is an alert at all.
    pub(super) fn reads(line: &[u8]) -> bool {
        let now = || Timestamp::now().to_zoned_datetime(TimeZone::UTC);
        event::read(line, now, |_| ()).is_ok()
    }

    pub(super) fn takes(&self, line: &[u8]) -> bool {
        let now = || Timestamp::now().to_zoned_datetime(TimeZone::UTC);
        let takes = |Record { event, .. }: Record<'_>| {
            self.since.is_none_or(|since| event.time >= since)
                && self.until.is_none_or(|until| event.time < until)
                && self.filter.as_ref().is_none_or(|filter| filter.matches(&event))
        };
        event::read(line, now, takes).unwrap_or(false)
    }
}
