//! Reads the lines of an answer, one by one.

use http_body_util::{BodyDataStream, BodyExt as _};
use hyper::body::Incoming;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio_util::io::StreamReader;

use super::LONGEST;
use futures_util::TryStreamExt as _;

/// The lines of an answer.
pub(super) struct Lines {
    reader: BufReader<Box<dyn AsyncRead + Send + Unpin>>,
    line: Vec<u8>,
}

impl Lines {
    /// Reads the lines of an answer.
    pub(super) fn of_answer(body: Incoming) -> Self {
        let stream = BodyDataStream::new(body.boxed()).map_err(std::io::Error::other);
        Self { reader: BufReader::new(Box::new(StreamReader::new(stream))), line: Vec::new() }
    }

    /// Returns the next line without its line break; `None` at the end. Lines longer than any alert
    /// are skipped.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<&[u8]>> {
        loop {
            self.line.clear();
            let mut limited = (&mut self.reader).take(LONGEST as u64);
            if limited.read_until(b'\n', &mut self.line).await? == 0 {
                return Ok(None);
            }
            if self.line.last() == Some(&b'\n') || self.line.len() < LONGEST {
                let line = self.line.strip_suffix(b"\n").map_or(self.line.len(), <[u8]>::len);
                self.line.truncate(line);
                return Ok(Some(&self.line));
            }
            self.skip_line().await?;
        }
    }

    async fn skip_line(&mut self) -> std::io::Result<()> {
        loop {
            let bytes = self.reader.fill_buf().await?;
            let (length, done) = match memchr::memchr(b'\n', bytes) {
                Some(at) => (at + 1, true),
                None => (bytes.len(), bytes.is_empty()),
            };
            self.reader.consume(length);
            if done {
                return Ok(());
            }
        }
    }
}
