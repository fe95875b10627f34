//! Records from a stream of bytes: standard input, a child's standard output.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use super::{Input, Intake, Lines};

/// How much is read at once, in bytes: a pipe holds 64 KiB, more only where its writer asked.
const READ_BYTES: usize = 256 << 10;

/// Reads lines to the end of `stream`, handing on what each read brought in one append.
///
/// # Errors
/// When reading fails; what came before has been taken.
pub async fn read(
    intake: &Intake,
    input: Input,
    mut stream: impl AsyncRead + Unpin,
) -> io::Result<()> {
    let mut lines = Lines::default();
    let mut chunk = Vec::with_capacity(READ_BYTES);
    loop {
        chunk.clear();
        let read = stream.read_buf(&mut chunk).await?;
        let mut delivery = intake.begin(input);
        if read == 0 {
            lines.end(|line| delivery.line(line));
            delivery.finish();
            return Ok(());
        }
        lines.push(&chunk, |line| delivery.line(line));
        delivery.finish();
    }
}
