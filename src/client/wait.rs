//! `falconer wait`: waits for alerts, for scripts and CI.

use std::time::Duration;

use tokio::time::timeout;

use super::hints;
use super::lines::Lines;
use super::show::{Output, Show};
use super::{ClientError, Server};
use crate::filter::Filter;

/// The options of `falconer wait`.
#[derive(Debug, Clone)]
pub struct Wait {
    /// The filter.
    pub filter: String,
    /// The number of alerts.
    pub count: u64,
    /// The timeout.
    pub timeout: Duration,
    /// The earliest time, or the greatest age, of retained alerts that count; `None` counts new
    /// alerts only.
    pub since: Option<String>,
}

/// Waits for matching alerts, and writes them to standard output.
///
/// # Errors
/// When they do not arrive in time, or the server cannot be read.
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
                // A keep-alive or a `lost` message is no alert.
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
