//! Writes the log to standard error; [`super::level`] sets its level. Logging never waits for
//! standard error and never fails with it ([`Queue`]). Messages of commands go the same way, in
//! order.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use super::log_queue::Queue;

/// The lines for standard error.
static QUEUE: LazyLock<Queue> = LazyLock::new(Queue::new);

/// How long the end of the process waits for the remaining lines.
const LAST_TIME: Duration = Duration::from_secs(1);

/// Starts logging to standard error; `filter` is `FALCONER_LOG`. Colours are used on a terminal
/// unless `NO_COLOR` is set (no-color.org). Panics are logged too.
pub fn log_to_stderr(filter: Option<String>, no_color: Option<String>) {
    let (filter, wrong) = super::level::filter(filter.as_deref());
    let color = no_color.is_none_or(|value| value.is_empty()) && io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Line).with_ansi(color).init();
    if let Some(wrong) = wrong {
        tracing::warn!("{wrong}");
    }
    std::panic::set_hook(Box::new(|panic| {
        let thread = thread::current();
        tell(&format!("thread {:?} {panic}", thread.name().unwrap_or("without a name")));
        let backtrace = Backtrace::capture();
        if backtrace.status() == BacktraceStatus::Captured {
            tell(&backtrace.to_string());
        }
        // The process ends with the main thread.
        if thread.name() == Some("main") {
            flush_log();
        }
    }));
}

/// Writes a message of a command to standard error. Never waits, never fails.
pub fn tell(text: &str) {
    push(format!("{text}\n").as_bytes());
}

/// Waits up to one second for the remaining lines to be written, before the process ends.
pub fn flush_log() {
    QUEUE.flush(LAST_TIME);
}

/// Returns the number of lost lines.
pub(crate) fn lost_lines() -> u64 {
    QUEUE.lost()
}

fn push(line: &[u8]) {
    // Not through the standard library's handle, because a writer holds its lock.
    QUEUE.push(line, || Ok(File::from(io::stderr().as_fd().try_clone_to_owned()?)));
}

/// Writes one line of the log. tracing writes each line in one call.
struct Line;

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
