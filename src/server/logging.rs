//! Where the log goes, and how much of it ([`super::level`]). Nobody who logs waits for standard error,
//! or fails with it ([`Queue`]); what is said to whoever started the process goes the same way, in
//! order.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use super::log_queue::Queue;

/// What goes to standard error.
static QUEUE: LazyLock<Queue> = LazyLock::new(Queue::new);

/// How long standard error may take for what is left at the end.
const LAST_TIME: Duration = Duration::from_secs(1);

/// Logs to standard error from here on; `filter` is `FALCONER_LOG`. Colours are for terminals whose
/// user has not set `NO_COLOR` (no-color.org). What panics is told there too.
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
        // The process ends with this one.
        if thread.name() == Some("main") {
            flush_log();
        }
    }));
}

/// Says something to whoever started the process, on standard error. Never waits, never fails.
pub fn tell(text: &str) {
    push(format!("{text}\n").as_bytes());
}

/// Gives standard error a moment to take what was said last: the process is about to end.
pub fn flush_log() {
    QUEUE.flush(LAST_TIME);
}

/// How many lines standard error did not take.
pub(crate) fn lost_lines() -> u64 {
    QUEUE.lost()
}

fn push(line: &[u8]) {
    // Not through the standard library's handle: whoever writes holds its lock.
    QUEUE.push(line, || Ok(File::from(io::stderr().as_fd().try_clone_to_owned()?)));
}

/// One line of the log: tracing writes each whole.
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
