//! `falconer ingest`: posts standard input to a running server, for Falco's `program_output`.
//!
//! All lines available are posted together. While the server is down or overloaded, the post is
//! repeated for [`GONE`] and nothing more is read. Falco then waits, or ends this program and logs
//! that. The first failure is logged at once, later ones every [`TOLD`]. Records that are no alerts
//! are reported at the end; if none was an alert, that is an error.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep};

use super::http::Connection;
use super::{ClientError, LONGEST, Server, reported};
use crate::ingest::Outcome;

/// The most bytes to read at once for a post.
const MOST: usize = 256 << 10;

/// How long a post is repeated before it fails.
const GONE: Duration = Duration::from_secs(60);

/// The time between two log lines about a server that is down.
const TOLD: Duration = Duration::from_secs(10);

/// The first and the longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Posts lines until standard input ends.
///
/// # Errors
/// When the server rejects a post, or is down for longer than [`GONE`], and when no record was an
/// alert.
pub async fn ingest(server: &Server) -> Result<(), ClientError> {
    let mut input = tokio::io::stdin();
    let mut unsent = BytesMut::with_capacity(MOST);
    let (mut connection, mut outcome) = (None, Outcome::default());
    loop {
        let read = input.read_buf(&mut unsent).await?;
        let whole = match memchr::memrchr(b'\n', &unsent) {
            _ if read == 0 => unsent.len(),
            Some(end) => end + 1,
            // No alert is that long. The server counts the line as too large.
            None if unsent.len() > LONGEST => unsent.len(),
            None => 0,
        };
        if whole > 0 {
            outcome.add(post(server, &mut connection, unsent.split_to(whole).freeze()).await?);
        }
        if read == 0 {
            return reported(&outcome, "standard input");
        }
        unsent.reserve(MOST);
    }
}

async fn post(
    server: &Server,
    connection: &mut Option<Connection>,
    lines: Bytes,
) -> Result<Outcome, ClientError> {
    let (mut pause, begun) = (PAUSES.0, Instant::now());
    let mut tell = begun;
    loop {
        let reused = connection.is_some();
        let posting = async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => server.connect().await?,
            };
            let outcome = open.post(lines.clone()).await?;
            Ok::<_, ClientError>((open, outcome))
        };
        match posting.await {
            Ok((open, outcome)) => {
                *connection = Some(open);
                if tell > begun {
                    tracing::info!(after = ?begun.elapsed(), "the server accepts alerts again");
                }
                return Ok(outcome);
            }
            Err(error) if !error.may_pass() || begun.elapsed() >= GONE => return Err(error),
            // The server closes idle connections. A new one shows whether the server is down.
            Err(ClientError::Unreachable { .. }) if reused => continue,
            Err(error) => {
                if Instant::now() >= tell {
                    let left = GONE.saturating_sub(begun.elapsed());
                    tracing::warn!(%error, ?left, "cannot post the alerts; trying again");
                    tell = Instant::now() + TOLD;
                }
                sleep(pause).await;
            }
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}
