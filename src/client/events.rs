//! `falconer events`: prints the retained or the new alerts of a server or a file.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _, Stdout};
use std::path::Path;

use super::file::{self, Alerts};
use super::hints::{self, OfLines};
use super::lines::Lines;
use super::show::Show;
use super::wanted::{Chosen, Events};
use super::{ClientError, Server, follow, reported};

/// The most bytes to read of a file at once.
const CHUNK: usize = 256 << 10;

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
        Some(path) => return of_file(path, wanted, &chosen, &mut show),
        None => {}
    }
    let parameters = [
        ("filter", wanted.filter.clone()),
        ("since", wanted.since.clone()),
        ("until", wanted.until.clone()),
    ];
    let mut connection = server.connect().await?;
    let answer = connection.get("/api/v1/export", &parameters, "application/x-ndjson").await?;
    let mut lines = Lines::of_answer(answer);
    let mut shown = Newest::of(wanted.last);
    while let Some(line) = lines.next().await.map_err(ClientError::Cut)? {
        shown.line(line, &mut show)?;
    }
    shown.end(&mut show)?;
    if let Some(filter) = &wanted.filter {
        hints::ask(filter, server).await;
    }
    Ok(())
}

/// Shows the alerts of a file, or of standard input, up to its end.
fn of_file(
    path: &Path,
    wanted: &Events,
    chosen: &Chosen,
    show: &mut Show<Stdout>,
) -> Result<(), ClientError> {
    let failed = |error| ClientError::File { path: path.display().to_string(), error };
    let mut source = file::open(path).map_err(failed)?;
    let mut of_lines = OfLines::new(wanted.filter.as_deref());
    let (mut alerts, mut shown) = (Alerts::default(), Newest::of(wanted.last));
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match source.read(&mut chunk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            read => read.map_err(failed)?,
        };
        let mut done = Ok(());
        let mut each = |line: &[u8]| {
            of_lines.look(line);
            if done.is_ok() && chosen.takes(line) {
                done = shown.line(line, show);
            }
        };
        match read {
            0 => alerts.end(&mut each),
            read => alerts.push(chunk.get(..read).unwrap_or_default(), &mut each),
        }
        done?;
        if read == 0 {
            break;
        }
    }
    shown.end(show)?;
    of_lines.tell();
    let source = if path == Path::new("-") { "standard input" } else { &path.to_string_lossy() };
    reported(alerts.outcome(), source)
}

/// Shows lines, or with `--last` holds the newest of them.
struct Newest {
    last: Option<usize>,
    held: VecDeque<Vec<u8>>,
}

impl Newest {
    fn of(last: Option<usize>) -> Self {
        Self { last, held: VecDeque::new() }
    }

    fn line(&mut self, line: &[u8], show: &mut Show<Stdout>) -> io::Result<()> {
        match self.last {
            None => return show.line(line),
            Some(0) => {}
            Some(last) => {
                if self.held.len() == last {
                    self.held.pop_front();
                }
                self.held.push_back(line.to_owned());
            }
        }
        Ok(())
    }

    fn end(&self, show: &mut Show<Stdout>) -> io::Result<()> {
        self.held.iter().try_for_each(|line| show.line(line))?;
        show.flush()
    }
}

async fn follow(
    wanted: &Events,
    server: &Server,
    show: &mut Show<Stdout>,
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
