//! `falconer wait`: for scripts and CI, ends well when what is waited for has happened.

use std::time::Duration;

use tokio::time::timeout;

use super::hints;
use super::lines::Lines;
use super::show::{Output, Show};
use super::{ClientError, Server};
use crate::filter::Filter;

/// What is waited for.
#[derive(Debug, Clone)]
pub struct Wait {
    /// The condition.
    pub filter: String,
    /// How many alerts.
    pub count: u64,
    /// How long, at most.
    pub timeout: Duration,
    /// Alerts of this time, or age, count too; only those to come without.
    pub since: Option<String>,
}

/// Waits, and writes what it waited for to standard output.
///
/// # Errors
/// When it does not happen in time, or cannot be told.
pub async fn wait(wanted: &Wait, server: &Server) -> Result<(), ClientError> {
    Filter::parse(&wanted.filter)?;
    let mut seen = 0;
    let waiting = async {
        let last = wanted.since.is_none().then(|| "0".to_owned());
        let parameters = [
            ("filter", Some(wanted.filter.clone())),
            ("since", wanted.since.clone()),
            ("last", last),
        ];
        let mut connection = server.connect().await?;
        let path = "/api/v1/events/stream";
        let accept = "application/x-ndjson";
        let mut lines = Lines::of_answer(connection.get(path, &parameters, accept).await?);
        let mut show = Show::on_stdout(Output::Text);
        while seen < wanted.count {
            match lines.next().await.map_err(ClientError::Cut)? {
                // Nothing, or a notice that alerts were missed, is no alert.
                Some(line) if line.is_empty() || line.starts_with(b"{\"lost\"") => {}
                Some(line) => {
                    show.line(line)?;
                    seen += 1;
                }
                None => return Err(ClientError::Ended),
            }
        }
        Ok(show.flush()?)
    };
    let waiting = hints::beside(waiting, Some(&wanted.filter), server);
    match timeout(wanted.timeout, waiting).await {
        Ok(done) => done,
        Err(_) => Err(ClientError::Timeout { seen, wanted: wanted.count, within: wanted.timeout }),
    }
}
