//! `falconer ingest`: standard input to a running server, for Falco's `program_output`.
//!
//! Lines that are there are posted together. While the server is not there, or has no room, nothing
//! more is read, and it is tried again for [`GONE`]: Falco waits, or gives this program up, and says so
//! itself. That nobody takes them is said at once, and from then on every [`TOLD`].

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt as _;
use tokio::time::{Instant, sleep};

use super::http::Connection;
use super::{ClientError, LONGEST, Server};

/// Most that is posted at once, in bytes.
const MOST: usize = 256 << 10;

/// How long a server may be gone before what is on its way to it is given up.
const GONE: Duration = Duration::from_secs(60);

/// How often is told that a server is still gone.
const TOLD: Duration = Duration::from_secs(10);

/// The pauses between two tries: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Posts lines until standard input ends.
///
/// # Errors
/// When the server refuses them, or is gone for too long.
pub async fn ingest(server: &Server) -> Result<(), ClientError> {
    let mut input = tokio::io::stdin();
    let mut unsent = BytesMut::with_capacity(MOST);
    let mut connection = None;
    loop {
        let read = input.read_buf(&mut unsent).await?;
        let whole = match memchr::memrchr(b'\n', &unsent) {
            _ if read == 0 => unsent.len(),
            Some(end) => end + 1,
            // No alert is that long; the server counts it as such.
            None if unsent.len() > LONGEST => unsent.len(),
            None => 0,
        };
        if whole > 0 {
            post(server, &mut connection, unsent.split_to(whole).freeze()).await?;
        }
        if read == 0 {
            return Ok(());
        }
        unsent.reserve(MOST);
    }
}

async fn post(
    server: &Server,
    connection: &mut Option<Connection>,
    lines: Bytes,
) -> Result<(), ClientError> {
    let (mut pause, begun) = (PAUSES.0, Instant::now());
    let mut tell = begun;
    loop {
        let reused = connection.is_some();
        let posting = async {
            let mut open = match connection.take() {
                Some(open) => open,
                None => server.connect().await?,
            };
            open.post(lines.clone()).await?;
            Ok::<_, ClientError>(open)
        };
        match posting.await {
            Ok(open) => {
                *connection = Some(open);
                if tell > begun {
                    tracing::info!(after = ?begun.elapsed(), "the server takes alerts again");
                }
                return Ok(());
            }
            Err(error) if !error.may_pass() || begun.elapsed() >= GONE => return Err(error),
            // The server closes what was idle for long; a new connection says whether it is there.
            Err(ClientError::Unreachable { .. }) if reused => continue,
            Err(error) => {
                if Instant::now() >= tell {
                    let left = GONE.saturating_sub(begun.elapsed());
                    tracing::warn!(%error, ?left, "nobody takes the alerts; trying again");
                    tell = Instant::now() + TOLD;
                }
                sleep(pause).await;
            }
        }
        pause = (pause * 2).min(PAUSES.1);
    }
}
