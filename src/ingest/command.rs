//! A Falco of our own: started, read, restarted, and ended with us.
//!
//! 1. The program runs with its standard output read for alerts and its standard error passed
//!    through, so that its log stays where its operator looks for it.
//! 2. When it ends by itself it is started again, after a pause that doubles from
//!    [`FIRST_PAUSE`] to [`LONGEST_PAUSE`] and begins anew once it has run for
//!    [`LONGEST_PAUSE`].
//! 3. At shutdown it gets SIGTERM, and SIGKILL after [`STOP_GRACE`]. What it printed meanwhile is
//!    still read. When we are killed, it is killed too ([`super::child`]).
//! 4. The input is down while the program does not run, is stopped, or has closed its standard
//!    output, from which nothing can come again. Only the program itself is looked at, not what it
//!    started.

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

/// The longest pause between restarts.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long Falco may take to stop before it is killed.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// How often is looked whether Falco is stopped.
const LOOK_PAUSE: Duration = Duration::from_secs(2);

/// How long a program may take to end after it has closed its standard output.
const CLOSED_GRACE: Duration = Duration::from_secs(1);

/// A program that runs, and what it was started by and can be started with again.
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
    /// When it cannot be started. The first time that is a mistake in the command line, and
    /// waiting would not mend it.
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
        intake.presence().down(&asked, "Falco has ended and is going to be started again");
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

/// Reads `child` until it has ended, ending it at `stop`.
async fn run(
    intake: &Intake,
    child: &mut Child,
    stop: &CancellationToken,
) -> io::Result<ExitStatus> {
    let stdout = child.stdout.take();
    let read = async {
        match stdout {
            // It is read to its end: that is what ends with the program.
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
            // Whatever it printed last is in the pipe; a grandchild that holds the pipe open is
            // not waited for.
            let _ = tokio::time::timeout(Duration::from_secs(1), read).await;
            ended
        }
        never = watch(intake, pid) => match never {},
    }
}

/// Tells that a program whose output has ended lives on, unless it ends soon.
async fn closed(intake: &Intake, stop: &CancellationToken) {
    sleep(CLOSED_GRACE).await;
    if !stop.is_cancelled() {
        let why = "Falco has closed its standard output and lives on; restart it";
        tracing::warn!("{why}");
        intake.presence().down(&Asked::from(Input::Command), why);
    }
}

/// Tells whether the program is stopped, for as long as it is awaited.
async fn watch(intake: &Intake, pid: Option<u32>) -> Infallible {
    let asked = Asked::from(Input::Command);
    let mut was = false;
    loop {
        sleep(LOOK_PAUSE).await;
        let stopped = pid.is_some_and(is_stopped);
        match (was, stopped) {
            (false, true) => {
                tracing::warn!(pid, "Falco is stopped (SIGSTOP); let it go on with kill -CONT");
                let why = "Falco is stopped (SIGSTOP); let it go on with kill -CONT";
                intake.presence().down(&asked, why);
            }
            (true, false) => {
                tracing::info!(pid, "Falco goes on");
                intake.presence().up(&asked);
            }
            _ => {}
        }
        was = stopped;
    }
}

/// Whether a process is stopped, or held by a debugger.
fn is_stopped(pid: u32) -> bool {
    std::fs::read(format!("/proc/{pid}/stat")).is_ok_and(|stat| matches!(state(&stat), b'T' | b't'))
}

/// The state in `/proc/PID/stat`: behind the name, which stands in parentheses and may have some.
fn state(stat: &[u8]) -> u8 {
    let after = stat.rsplit(|byte| *byte == b')').next().unwrap_or_default();
    after.iter().copied().find(|byte| *byte != b' ').unwrap_or_default()
}

fn terminate(child: &Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended just now; then there is nobody to tell.
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
    fn the_state_is_behind_the_name() {
        assert_eq!(state(b"12 (falco) T 1 12 12 0"), b'T');
        assert_eq!(state(b"12 (a) T (b)) S 1 12 12 0"), b'S');
        assert_eq!(state(b""), 0);
        assert!(!is_stopped(std::process::id()));
    }
}
