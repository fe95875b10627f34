//! Runs servers as processes: starts them on their core, measures them through the kernel, and
//! kills them on every way out.
//!
//! 1. A server is started through [`exec`], which pins itself to a core, asks the kernel to be
//!    killed when the benchmark dies, and becomes the server.
//! 2. CPU time is the process's clock (all threads, user and system, to the nanosecond). Memory is
//!    read from `/proc`.
//! 3. Dropping a [`Process`] kills it by its id and waits for it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::time::ClockId;
use nix::unistd::Pid;
use tempfile::TempDir;

/// The cores of the servers and of the load generator.
pub(crate) const SERVER_CORE: usize = 0;
pub(crate) const LOAD_CORE: usize = 1;

/// A running server.
pub(crate) struct Process {
    child: Child,
    dir: TempDir,
}

impl Process {
    /// Starts `command` with a pipe as its standard input. `dir` is removed with the process.
    pub(crate) fn start(command: &Command, dir: TempDir) -> io::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .arg("exec")
            .arg(command.get_program())
            .args(command.get_args())
            .env_remove("FALCONER_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(File::create(dir.path().join("stderr"))?)
            .spawn()?;
        Ok(Self { child, dir })
    }

    /// Returns the writing end of its standard input. Can be called once.
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// Returns the CPU time that it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let clock = ClockId::pid_cpu_clock_id(self.pid()).unwrap();
        clock.now().unwrap().into()
    }

    /// Returns its resident memory, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Returns its maximum resident memory since the start or [`Self::forget_peak`], in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Resets the maximum of [`Self::peak`].
    pub(crate) fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").unwrap();
    }

    /// Returns its status and its standard error, if it has exited.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().unwrap()?;
        let said = fs::read_to_string(self.dir.path().join("stderr")).unwrap_or_default();
        Some(format!("{status}: {}", said.trim()))
    }

    fn status(&self, key: &str) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns the CPU time that the load generator has used.
pub(crate) fn own_cpu() -> Duration {
    ClockId::CLOCK_PROCESS_CPUTIME_ID.now().unwrap().into()
}

/// Creates a temporary directory for one server's socket, certificates and log.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new().prefix("falconer-bench-").tempdir().unwrap()
}

/// The role `exec`: becomes the program in the arguments.
pub(crate) fn exec(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> io::Error {
    let mut arguments = arguments.into_iter();
    let program = PathBuf::from(arguments.next().unwrap().as_ref());
    pin(SERVER_CORE);
    prctl::set_pdeathsig(Signal::SIGKILL).unwrap();
    Command::new(program).args(arguments).exec()
}

/// Pins the calling thread, and the threads it starts, to a core. Without that core the benchmark
/// runs unpinned. The report has the number of cores.
pub(crate) fn pin(core: usize) {
    let mut cores = CpuSet::new();
    if cores.set(core).is_ok() {
        let _ = sched_setaffinity(Pid::from_raw(0), &cores);
    }
}
