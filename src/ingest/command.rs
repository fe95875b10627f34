//! Runs Falco as a child process: starts it, reads its alerts, restarts it, and ends it.
//!
//! 1. Its standard output is read for alerts. Its standard error is passed through, so that its log
//!    is where the operator expects it.
//! 2. If it exits, it is restarted after a pause. The pause doubles from [`FIRST_PAUSE`] to
//!    [`LONGEST_PAUSE`], and is reset when the program has run for [`LONGEST_PAUSE`].
//! 3. At shutdown it gets SIGTERM, and SIGKILL after [`STOP_GRACE`]. Its last output is still read.
//!    When we are killed, it is killed too ([`super::child`]).
//! 4. The input is down while the program does not run, is stopped, or has closed its standard
//!    output. Only the program itself is checked, not its children.

use std::convert::Infallible;
use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::child::Starter;
use super::presence::Asked;
use super::{Input, Intake, stream};

/// The pause before the first restart.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause before a restart.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long Falco may take to exit after SIGTERM before it is killed.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// How often to check whether Falco is stopped (SIGSTOP).
const LOOK_PAUSE: Duration = Duration::from_secs(2);

/// How long a program may take to exit after it has closed its standard output.
const CLOSED_GRACE: Duration = Duration::from_secs(1);

/// A running program, with what is needed to restart it.
#[derive(Debug)]
pub struct Program {
    command: Vec<String>,
    starter: Arc<Starter>,
    child: Child,
}

impl Program {
    /// Starts `command`, program first. Needs a tokio runtime.
    ///
    /// # Errors
    /// If it cannot be started. At the first start this is an error in the command line, so there
    /// is no retry.
    pub fn start(command: Vec<String>) -> io::Result<Self> {
        let starter = Arc::new(Starter::new()?);
        let child = start(&starter, &command)?;
        Ok(Self { command, starter, child })
    }
}

fn start(starter: &Starter, command: &[String]) -> io::Result<Child> {
    let child = starter.start(command)?;
    tracing::info!(program = ?command.first(), pid = child.id(), "started Falco");
    Ok(child)
}

/// Keeps a program running until `stop`.
pub async fn keep_running(intake: &Intake, program: Program, stop: CancellationToken) {
    let Program { command, starter, mut child } = program;
    let asked = Asked::from(Input::Command);
    let mut pause = FIRST_PAUSE;
    loop {
        let started = Instant::now();
        let ended = run(intake, &mut child, &stop).await;
        if stop.is_cancelled() {
            return;
        }
        if started.elapsed() >= LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        intake.presence().down(&asked, "Falco has exited and will be restarted");
        child = loop {
            let (ended, seconds) = (Ended(&ended), pause.as_secs());
            tracing::warn!(program = ?command.first(), %ended, seconds, "restarting Falco");
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            let (starter, again) = (starter.clone(), command.clone());
            let started = spawn_blocking(move || start(&starter, &again)).await;
            match started.map_err(io::Error::other).flatten() {
                Ok(child) => {
                    intake.presence().up(&asked);
                    break child;
                }
                Err(error) => {
                    tracing::error!(program = ?command.first(), %error, "cannot start Falco")
                }
            }
        };
    }
}

/// Reads the output of `child` until it exits. Ends it at `stop`.
async fn run(
    intake: &Intake,
    child: &mut Child,
    stop: &CancellationToken,
) -> io::Result<ExitStatus> {
    let stdout = child.stdout.take();
    let read = async {
        match stdout {
            // Read to the end of the output, which comes when the program exits.
            Some(stdout) => {
                let never = CancellationToken::new();
                stream::read(intake, Input::Command, stdout, &never).await
            }
            None => Ok(()),
        }
    };
    let pid = child.id();
    let end = async {
        tokio::select! {
            ended = child.wait() => return ended,
            () = stop.cancelled() => {}
        }
        terminate(child);
        match tokio::time::timeout(STOP_GRACE, child.wait()).await {
            Ok(ended) => ended,
            Err(_) => {
                tracing::warn!(seconds = STOP_GRACE.as_secs(), "Falco did not stop; killing it");
                child.kill().await?;
                child.wait().await
            }
        }
    };
    tokio::pin!(read, end);
    tokio::select! {
        read = &mut read => {
            if let Err(error) = read {
                tracing::error!(%error, "cannot read Falco's output");
            }
            tokio::select! {
                ended = &mut end => ended,
                () = closed(intake, stop) => end.await,
            }
        }
        ended = &mut end => {
            // Read the last output from the pipe, but do not wait long for a grandchild that holds
            // it open.
            let _ = tokio::time::timeout(Duration::from_secs(1), read).await;
            ended
        }
        never = watch(intake, pid) => match never {},
    }
}

/// Reports a program that has closed its output but does not exit soon.
async fn closed(intake: &Intake, stop: &CancellationToken) {
    sleep(CLOSED_GRACE).await;
    if !stop.is_cancelled() {
        let why = "Falco has closed its standard output but still runs; restart it";
        tracing::warn!("{why}");
        intake.presence().down(&Asked::from(Input::Command), why);
    }
}

/// Reports whether the program is stopped, without end.
async fn watch(intake: &Intake, pid: Option<u32>) -> Infallible {
    let asked = Asked::from(Input::Command);
    let mut was = false;
    loop {
        sleep(LOOK_PAUSE).await;
        let stopped = pid.is_some_and(is_stopped);
        match (was, stopped) {
            (false, true) => {
                tracing::warn!(pid, "Falco is stopped (SIGSTOP); continue it with kill -CONT");
                let why = "Falco is stopped (SIGSTOP); continue it with kill -CONT";
                intake.presence().down(&asked, why);
            }
            (true, false) => {
                tracing::info!(pid, "Falco continues");
                intake.presence().up(&asked);
            }
            _ => {}
        }
        was = stopped;
    }
}

/// Returns whether a process is stopped, by a signal or a debugger.
fn is_stopped(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/stat")).is_ok_and(|stat| matches!(state(&stat), b'T' | b't'))
}

/// Returns the state in `/proc/PID/stat`. It follows the name, which is in parentheses and may
/// contain some.
fn state(stat: &[u8]) -> u8 {
    let after = stat.rsplit(|byte| *byte == b')').next().unwrap_or_default();
    after.iter().copied().find(|byte| *byte != b' ').unwrap_or_default()
}

fn terminate(child: &Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // This fails if it has just exited, which is fine.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}

struct Ended<'a>(&'a io::Result<ExitStatus>);

impl std::fmt::Display for Ended<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Ok(status) => write!(formatter, "{status}"),
            Err(error) => write!(formatter, "{error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_follows_the_name() {
        assert_eq!(state(b"12 (falco) T 1 12 12 0"), b'T');
        assert_eq!(state(b"12 (a) T (b)) S 1 12 12 0"), b'S');
        assert_eq!(state(b""), 0);
        assert!(!is_stopped(std::process::id()));
    }
}
