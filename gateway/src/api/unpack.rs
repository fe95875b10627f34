//! Limits the cost of a posted body, and selects its thread.
//!
//! 1. A short body without compression, such as an alert of Falco's, is decoded on the thread that
//!    read it.
//! 2. Any other body is decompressed and decoded on a blocking thread, a few at a time. The others
//!    wait within the time limit of a body.
//! 3. A body with too many lines, gzip members or decompressed bytes is rejected as a whole, before
//!    any of its alerts is taken. The error has the limit and the number.

use std::{io::Read as _, sync::Arc};

use bytes::Bytes;
use flate2::bufread::GzDecoder;
use tokio::task::spawn_blocking;

use crate::{
    limits::{
        budget::MAX_BODY,
        turns::{Turn, Turns},
    },
    port::{Port, Sender, Taken},
    problem::{Problem, Refusal},
};

/// The maximum size of a body that is decoded on a serving thread, in bytes. Alerts of that size
/// take a fraction of a millisecond, and line ends alone two.
const SHORT: usize = 16 << 10;

/// The maximum number of lines of a body. 8 MiB of alerts have about 20,000.
pub(crate) const MAX_LINES: usize = 65_536;

/// The maximum number of gzip members of a body. Each has a cost, even if it is empty.
pub(crate) const MAX_PARTS: usize = 256;

/// Waits for a turn to decode a body. `None` if the body needs none.
pub(crate) async fn turn(turns: &Turns, body: &[u8], gzip: bool) -> Result<Option<Turn>, Problem> {
    if !gzip && body.len() <= SHORT {
        return Ok(None);
    }
    turns.next().await.map(Some)
}

/// A body to decode.
pub(crate) struct Work {
    pub(crate) port: Arc<dyn Port>,
    pub(crate) body: Bytes,
    /// Whether the body is compressed.
    pub(crate) gzip: bool,
    pub(crate) sender: Sender,
}

/// Decodes a body. `held` is dropped when that has ended, even if the caller was cancelled.
pub(crate) async fn take<H: Send + 'static>(
    Work { port, body, gzip, sender }: Work,
    turn: Option<Turn>,
    held: H,
) -> Result<Taken, Refusal> {
    if turn.is_none() {
        return Ok(port.ingest(body, sender));
    }
    let work = move || {
        let body = if gzip { unpacked(&body).map(Bytes::from) } else { Ok(body) };
        let taken = body.and_then(|body| {
            bounded(&body)?;
            Ok(port.ingest(body, sender))
        });
        drop((turn, held));
        taken
    };
    // It panicked, which was logged.
    spawn_blocking(work).await.unwrap_or(Err(Problem::INTERNAL.into()))
}

/// Checks the number of lines.
fn bounded(body: &[u8]) -> Result<(), Refusal> {
    let lines = 1 + body.iter().map(|byte| usize::from(*byte == b'\n')).sum::<usize>();
    if lines <= MAX_LINES {
        return Ok(());
    }
    Err(Problem::BODY_TOO_MANY_LINES.with(format!(
        "The body has {lines} lines; it may have {MAX_LINES}. Nothing of it was taken: post fewer \
         alerts at once, and no empty lines."
    )))
}

/// Decompresses a body, one gzip member after the other.
fn unpacked(mut body: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut unpacked = Vec::new();
    let mut parts = 0;
    while !body.is_empty() || parts == 0 {
        parts += 1;
        if parts > MAX_PARTS {
            return Err(Problem::BODY_TOO_MANY_PARTS.with(format!(
                "The body has more than {MAX_PARTS} gzip members. Nothing of it was taken: \
                 compress it as a whole."
            )));
        }
        let mut part = GzDecoder::new(body);
        let left = (MAX_BODY + 1 - unpacked.len()) as u64;
        let read = part.by_ref().take(left).read_to_end(&mut unpacked);
        read.map_err(|_| Problem::BODY_NOT_GZIP)?;
        if unpacked.len() > MAX_BODY {
            return Err(Problem::BODY_TOO_LARGE.with(
                "Unpacked, the body is larger than 8 MiB. Nothing of it was taken: post fewer \
                 alerts at once."
                    .to_owned(),
            ));
        }
        body = part.into_inner();
    }
    Ok(unpacked)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn parts_are_put_together_and_counted() {
        let body = [packed(b"{\"a\""), packed(b""), packed(b":1}\n")].concat();
        assert_eq!(unpacked(&body).unwrap(), b"{\"a\":1}\n");
        assert!(unpacked(&packed(b"x").repeat(MAX_PARTS)).is_ok());
        for wrong in [&packed(b"").repeat(MAX_PARTS + 1)[..], b"", b"{}", &body[..body.len() - 1]] {
            assert!(unpacked(wrong).is_err());
        }
        assert!(unpacked(&[&packed(b"x")[..], b"y"].concat()).is_err(), "what follows is none");
    }

    #[test]
    fn lines_are_counted() {
        assert!(bounded(&b"\n".repeat(MAX_LINES - 1)).is_ok());
        assert!(bounded(&b"\n".repeat(MAX_LINES)).is_err());
    }
}
