//! A Falco of our own: started, read, restarted, and ended with us.
//!
//! 1. The program runs with its standard output read for alerts and its standard error passed
//!    through, so that its log stays where its operator looks for it.
//! 2. When it ends by itself it is started again, after a pause that doubles from
//!    [`FIRST_PAUSE`] to [`LONGEST_PAUSE`] and begins anew once it has run for
//!    [`LONGEST_PAUSE`].
//! 3. At shutdown it gets SIGTERM, and SIGKILL after [`STOP_GRACE`]. What it printed meanwhile is
//!    still read.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Input, Intake, stream};

/// The pause before the first restart.
pub const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between restarts.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long Falco may take to stop before it is killed.
pub const STOP_GRACE: Duration = Duration::from_secs(5);

/// Keeps `command` (program first), started as `child`, running until `stop`.
pub async fn keep_running(
    intake: &Intake,
    command: &[String],
    mut child: Child,
    stop: CancellationToken,
) {
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
        intake.is_down(Input::Command, "Falco has ended and is going to be started again");
        child = loop {
            let (ended, seconds) = (Ended(&ended), pause.as_secs());
            tracing::warn!(program = ?command.first(), %ended, seconds, "restarting Falco");
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            match start(command) {
                Ok(child) => {
                    intake.is_up(Input::Command);
                    break child;
                }
                Err(error) => {
                    tracing::error!(program = ?command.first(), %error, "cannot start Falco")
                }
            }
        };
    }
}

/// Starts `command`. Needs a tokio runtime.
///
/// # Errors
/// When it cannot be started. The first time that is a mistake in the command line, and waiting
/// would not mend it.
pub fn start(command: &[String]) -> io::Result<Child> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no program is named"));
    };
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()?;
    tracing::info!(program, pid = child.id(), "started Falco");
    Ok(child)
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
            end.await
        }
        ended = &mut end => {
            // Whatever it printed last is in the pipe; a grandchild that holds the pipe open is
            // not waited for.
            let _ = tokio::time::timeout(Duration::from_secs(1), read).await;
            ended
        }
    }
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
