//! Records from a stream of bytes: standard input, a child's standard output.
//!
//! Standard input is nearly always a pipe. It is opened a second time, without blocking, and read
//! like a socket; whoever shares the first one is not affected. Anything else (a terminal, a file)
//! is read, and decoded, on a thread of its own.

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

/// What the pipe of standard input is to hold, in bytes: what Linux grants to anybody. With its own
/// 64 KiB a Falco that has a hundred alerts to write waits for us.
const PIPE_BYTES: i32 = 1 << 20;

/// How much is read at once, in bytes: what is decoded and appended before anybody reads it.
const READ_BYTES: usize = 256 << 10;

/// How often more is read at `stop`, so that a writer who never pauses does not hold up the end.
const LAST_READS: u32 = 32;

/// Reads lines to the end of standard input, or to `stop`.
///
/// # Errors
/// As [`read`].
pub async fn read_stdin(intake: Arc<Intake>, stop: &CancellationToken) -> io::Result<()> {
    if let Ok(pipe) = pipe::OpenOptions::new().open_receiver("/dev/stdin") {
        // Where the system does not grant it, the pipe is as long as it was.
        let _ = fcntl(&pipe, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
        return read(&intake, Input::Stdin, pipe, stop).await;
    }
    // Such a read cannot be interrupted: when the server ends first, its thread is left behind.
    let stopped = stop.clone();
    let reading = move || read_blocking(&intake, Input::Stdin, io::stdin().lock(), &stopped);
    match stop.run_until_cancelled(spawn_blocking(reading)).await {
        Some(read) => read.map_err(io::Error::other)?,
        None => Ok(()),
    }
}

/// Reads lines to the end of `stream`, handing on what each read brought in one append. At `stop`
/// what has been written so far is still read.
///
/// # Errors
/// When reading fails; what came before has been taken.
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
    // Only after this does the runtime know what is there to be read.
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

/// The same for what cannot be awaited.
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
            // Left behind, it is nobody's input any more.
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

/// Cuts chunks into lines and appends what each chunk brought.
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

    /// What is left is the last line, though nothing ends it.
    fn end(mut self) {
        self.lines.end(|line| self.delivery.line(line));
        self.delivery.finish();
    }
}
