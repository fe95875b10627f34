//! Starts a program that ends with us, even if we are killed.
//!
//! When a parent dies, Linux kills those child processes that asked for it (`PR_SET_PDEATHSIG`).
//! Falco does not ask. So:
//!
//! 1. We start ourselves once more ([`become_program`]). That process asks, checks that its parent
//!    did not die before it asked, and becomes the program by `exec`, which preserves the setting.
//! 2. For Linux the parent is the *thread* that started the process. A thread of the runtime may
//!    end earlier than the server. A [`Starter`] is therefore a thread of its own, which lives as
//!    long as the program may run.
//! 3. If the program cannot be started, the error comes back over a socket, which is standard input
//!    until the `exec`. If it can, the socket closes without data.
//!
//! This does not end a program that changes its user on the way (sudo, a setuid file, one with
//! capabilities), because Linux then clears the setting. It does not end the program's children
//! either.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{ExitCode, Stdio};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::getppid;
use tokio::process::{Child, Command};
use tokio::runtime::Handle;

/// The first argument of a process that becomes a program. Our process id and the program with its
/// arguments follow. The help omits it, because it is for internal use.
const BECOME: &str = "@become";

/// This executable, even if its path was replaced since.
const OURSELVES: &str = "/proc/self/exe";

/// The timeout of the `exec`. The program's file may be on a network file system.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts programs that end with us. Dropping the starter ends them, too.
#[derive(Debug)]
pub struct Starter(SyncSender<Order>);

/// A command, program first, and the channel for the result.
type Order = (Vec<String>, SyncSender<io::Result<Child>>);

impl Starter {
    /// Starts the thread. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If the thread cannot be started.
    pub fn new() -> io::Result<Self> {
        let (orders, taken) = sync_channel(1);
        let runtime = Handle::current();
        let work = move || {
            let _runtime = runtime.enter();
            serve(&taken);
        };
        thread::Builder::new().name("starter".into()).spawn(work)?;
        Ok(Self(orders))
    }

    /// Starts `command`. This blocks for some milliseconds.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(&self, command: &[String]) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts programs has ended");
        let (sender, answer) = sync_channel(1);
        self.0.send((command.to_vec(), sender)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

fn serve(orders: &Receiver<Order>) {
    while let Ok((command, answer)) = orders.recv() {
        // The receiver waits for the result.
        let _ = answer.send(spawn(&command));
    }
}

fn spawn(command: &[String]) -> io::Result<Child> {
    if command.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the command names no program"));
    }
    let (mut ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(PATIENCE))?;
    let mut process = Command::new(OURSELVES);
    process.arg(BECOME).arg(std::process::id().to_string()).args(command);
    process.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let child = process.kill_on_drop(true).spawn()?;
    // Close our copy of the child's end.
    drop(process);
    let mut error = [0; 4];
    match ours.read_exact(&mut error) {
        Ok(()) => Err(io::Error::from_raw_os_error(i32::from_le_bytes(error))),
        // The socket has closed, or timed out: it is the program by now, or `exec` is slow.
        Err(_) => Ok(child),
    }
}

/// Becomes another program, if this process was started for that. Must be called before anything
/// else. If it fails, it returns the exit code. If this is a normal start, it returns `None`.
#[must_use]
pub fn become_program() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    (arguments.next()? == BECOME).then(|| {
        let parent = arguments.next().and_then(|id| id.to_str()?.parse().ok());
        if let (Some(parent), Some(program)) = (parent, arguments.next()) {
            exec(parent, &program, arguments);
        }
        ExitCode::FAILURE
    })
}

fn exec(parent: i32, program: &OsString, arguments: impl Iterator<Item = OsString>) {
    // Standard input is replaced before `exec`, so duplicate the socket to report an error.
    let told = io::stdin().as_fd().try_clone_to_owned();
    let asked = prctl::set_pdeathsig(Signal::SIGKILL);
    // If the parent died before we asked, there is no signal. A new parent has another id.
    if getppid().as_raw() != parent {
        return;
    }
    let error = match asked {
        Ok(()) => std::process::Command::new(program).args(arguments).stdin(Stdio::null()).exec(),
        Err(error) => error.into(),
    };
    if let Ok(told) = told {
        let number = error.raw_os_error().unwrap_or(Errno::EINVAL as i32);
        // The reader may be gone.
        let _ = File::from(told).write_all(&number.to_le_bytes());
    }
}
