//! Reads records from a stream of bytes: standard input or a child's standard output.
//!
//! Standard input is nearly always a pipe. It is opened a second time, in non-blocking mode, and
//! read like a socket. The first descriptor, which other processes may share, stays unchanged.
//! Anything else (a terminal, a file) is read and decoded on a thread of its own.

use std::io::{self, Read};
use std::sync::Arc;

use futures_util::FutureExt as _;
use nix::fcntl::{FcntlArg, fcntl};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::unix::pipe;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::intake::Delivery;
use super::{Input, Intake, Lines};

/// The capacity to set for the pipe of standard input, in bytes: the maximum that Linux grants to
/// any process. With the default of 64 KiB, a Falco that writes a hundred alerts waits for us.
const PIPE_BYTES: i32 = 1 << 20;

/// The maximum size of a read, in bytes. Its alerts are decoded and appended together.
const READ_BYTES: usize = 256 << 10;

/// How many reads follow `stop`, so that a writer that never pauses does not hold up the shutdown.
const LAST_READS: u32 = 32;

/// Reads lines from standard input, to its end or until `stop`.
///
/// # Errors
/// Like [`read`].
pub async fn read_stdin(intake: Arc<Intake>, stop: &CancellationToken) -> io::Result<()> {
    if let Ok(pipe) = pipe::OpenOptions::new().open_receiver("/dev/stdin") {
        // If the system refuses, the capacity stays as it was.
        let _ = fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        return read(&intake, Input::Stdin, pipe, stop).await;
    }
    // Such a read cannot be interrupted. If the server stops first, it abandons the thread.
    let stopped = stop.clone();
    let reading = move || read_blocking(&intake, Input::Stdin, io::stdin().lock(), &stopped);
    match stop.run_until_cancelled(spawn_blocking(reading)).await {
        Some(read) => read.map_err(io::Error::other)?,
        None => Ok(()),
    }
}

/// Reads lines to the end of `stream` and appends the alerts of each read together. At `stop` it
/// still reads what has been written so far.
///
/// # Errors
/// If a read fails. The alerts before were appended.
pub async fn read(
    intake: &Intake,
    input: Input,
    mut stream: impl AsyncRead + Unpin,
    stop: &CancellationToken,
) -> io::Result<()> {
    let mut cutter = Cutter::new(intake, input);
    let mut chunk = Vec::with_capacity(READ_BYTES);
    while let Some(read) = stop.run_until_cancelled(stream.read_buf(&mut chunk)).await {
        if read? == 0 {
            cutter.end();
            return Ok(());
        }
        cutter.take(&chunk);
        chunk.clear();
    }
    // Let the runtime poll for readiness, so that it knows of data that has arrived.
    tokio::task::yield_now().await;
    for _ in 0..LAST_READS {
        match stream.read_buf(&mut chunk).now_or_never() {
            None | Some(Ok(0)) => break,
            Some(read) => _ = read?,
        }
        cutter.take(&chunk);
        chunk.clear();
    }
    cutter.end();
    Ok(())
}

/// Like [`read`], for a stream that can only be read by blocking.
fn read_blocking(
    intake: &Intake,
    input: Input,
    mut stream: impl Read,
    stop: &CancellationToken,
) -> io::Result<()> {
    let mut cutter = Cutter::new(intake, input);
    let mut chunk = vec![0; READ_BYTES];
    loop {
        match stream.read(&mut chunk) {
            // The server has abandoned this thread.
            Ok(_) if stop.is_cancelled() => return Ok(()),
            Ok(0) => break,
            Ok(length) => cutter.take(chunk.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    cutter.end();
    Ok(())
}

/// Splits chunks into lines and appends the alerts of each chunk together.
struct Cutter<'a> {
    lines: Lines,
    delivery: Delivery<'a>,
}

impl<'a> Cutter<'a> {
    fn new(intake: &'a Intake, input: Input) -> Self {
        Self { lines: Lines::default(), delivery: intake.begin(input) }
    }

    fn take(&mut self, chunk: &[u8]) {
        self.lines.push(chunk, |line| self.delivery.line(line));
        self.delivery.finish();
    }

    /// Takes the rest as the last line, even without a line end.
    fn end(mut self) {
        self.lines.end(|line| self.delivery.line(line));
        self.delivery.end();
    }
}
