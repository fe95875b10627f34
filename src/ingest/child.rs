//! A program that ends with us, also when we are killed.
//!
//! Linux kills a process whose parent has died if that process asked for it (`PR_SET_PDEATHSIG`),
//! which a program that knows nothing of us does not. So:
//!
//! 1. We start ourselves once more ([`become_program`]): that process asks, makes sure that its
//!    parent has not died before it did, and becomes the program (`exec`), which keeps what was
//!    asked.
//! 2. By parent Linux means the *thread* that started it. A thread of a runtime may end earlier
//!    than the process, so a [`Starter`] is a thread by itself, there for as long as the program
//!    may run.
//! 3. Why the program cannot be had comes back over a socket, which is standard input until the
//!    program has the place; when it could be had, the socket closes without a word.
//!
//! What it cannot do: end a program that becomes another user on its way (sudo, a setuid file, one
//! with capabilities), for which Linux forgets what was asked; or end what the program started.

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

/// The first argument of a process that is to become a program; then come our process and the
/// program with its arguments. It is for nobody else, so that no help names it.
const BECOME: &str = "@become";

/// This program, also when another one has taken its path since.
const OURSELVES: &str = "/proc/self/exe";

/// How long the program may take to be found. Its file may be on another machine.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts programs that end with us, and while it is there.
#[derive(Debug)]
pub struct Starter(SyncSender<Order>);

/// A command, program first, and where the answer goes.
type Order = (Vec<String>, SyncSender<io::Result<Child>>);

impl Starter {
    /// A starter for programs of a tokio runtime, which is to be entered.
    ///
    /// # Errors
    /// When there is no thread to be had.
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

    /// Starts `command`. Takes some milliseconds.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self, command: &[String]) -> io::Result<Child> {
        let gone = || io::Error::other("the thread that starts programs has ended");
        let (sender, answer) = sync_channel(1);
        self.0.send((command.to_vec(), sender)).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

fn serve(orders: &Receiver<Order>) {
    while let Ok((command, answer)) = orders.recv() {
        // Whoever asked waits for it.
        let _ = answer.send(spawn(&command));
    }
}

fn spawn(command: &[String]) -> io::Result<Child> {
    if command.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no program is named"));
    }
    let (mut ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(PATIENCE))?;
    let mut process = Command::new(OURSELVES);
    process.arg(BECOME).arg(std::process::id().to_string()).args(command);
    process.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let child = process.kill_on_drop(true).spawn()?;
    // Our copy of their end.
    drop(process);
    let mut error = [0; 4];
    match ours.read_exact(&mut error) {
        Ok(()) => Err(io::Error::from_raw_os_error(i32::from_le_bytes(error))),
        // It is the program by now, or takes its time.
        Err(_) => Ok(child),
    }
}

/// Becomes another program, if that is what this process was started for: to be called before
/// anything else. Returns when it cannot, with what to exit with.
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
    // The program gets another standard input, before it is known whether there is a program.
    let told = io::stdin().as_fd().try_clone_to_owned();
    let asked = prctl::set_pdeathsig(Signal::SIGKILL);
    // A parent that died before we asked is not told of; a new one has another number.
    if getppid().as_raw() != parent {
        return;
    }
    let error = match asked {
        Ok(()) => std::process::Command::new(program).args(arguments).stdin(Stdio::null()).exec(),
        Err(error) => error.into(),
    };
    if let Ok(told) = told {
        let number = error.raw_os_error().unwrap_or(Errno::EINVAL as i32);
        // Nobody may be there to read it.
        let _ = File::from(told).write_all(&number.to_le_bytes());
    }
}
