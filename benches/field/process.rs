//! Servers as processes of their own: started on a core of their own, measured through the
//! kernel, ended on every way out.
//!
//! 1. A server is started through [`exec`], which puts itself on a core, asks the kernel to be
//!    killed when the benchmark dies, whatever it dies of, and becomes the server.
//! 2. CPU time is the process's clock (all threads, user and system, to the nanosecond); memory is
//!    what `/proc` says.
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

/// Where servers run, and where the load comes from: two cores, where there are two.
pub(crate) const SERVER_CORE: usize = 0;
pub(crate) const LOAD_CORE: usize = 1;

/// A running server.
pub(crate) struct Process {
    child: Child,
    dir: TempDir,
}

impl Process {
    /// Starts `command`, which gets a pipe as its standard input. `dir` goes with the process.
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

    /// The end of its standard input that is written to; only once.
    pub(crate) fn stdin(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    /// The CPU time it has used.
    pub(crate) fn cpu(&self) -> Duration {
        let clock = ClockId::pid_cpu_clock_id(self.pid()).unwrap();
        clock.now().unwrap().into()
    }

    /// The memory it has now, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most memory it has had since the start or [`Self::forget_peak`], in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Starts the peak anew.
    pub(crate) fn forget_peak(&self) {
        fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").unwrap();
    }

    /// Whether it has ended by itself, and what it said.
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

/// The CPU time that the load generator has used.
pub(crate) fn own_cpu() -> Duration {
    ClockId::CLOCK_PROCESS_CPUTIME_ID.now().unwrap().into()
}

/// A temporary folder for one server's socket, certificates and log.
pub(crate) fn folder() -> TempDir {
    tempfile::Builder::new().prefix("falconer-bench-").tempdir().unwrap()
}

/// The role `exec`: becomes the program named by the arguments.
pub(crate) fn exec(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> io::Error {
    let mut arguments = arguments.into_iter();
    let program = PathBuf::from(arguments.next().unwrap().as_ref());
    pin(SERVER_CORE);
    prctl::set_pdeathsig(Signal::SIGKILL).unwrap();
    Command::new(program).args(arguments).exec()
}

/// Keeps the calling thread, and those it starts, on one core. A machine without that core is
/// measured all the same; the report says how many there were.
pub(crate) fn pin(core: usize) {
    let mut cores = CpuSet::new();
    if cores.set(core).is_ok() {
        let _ = sched_setaffinity(Pid::from_raw(0), &cores);
    }
}
