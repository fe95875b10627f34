//! `falconer serve` as a process of its own, fed through its standard input.
//!
//! 1. Certificates and the socket are in a temporary folder, which is removed with the server.
//! 2. `start` returns when the server has printed its greeting, which means that everything
//!    listens. If another process has bound the TCP port meanwhile, it tries another port.
//! 3. `stop` sends SIGTERM and waits. A drop does the same, and kills the server after 10 s.
//! 4. Standard error goes to a file. A test can wait for a line of it ([`Server::wait_for_log`]),
//!    and prints it if it fails.
//!
//! `FALCONER_BIN` names another binary than the one of this build: a release, a package.

use std::{
    collections::HashSet,
    env,
    fs::{self, File},
    io::Write,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{Mutex, mpsc::sync_channel},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tempfile::TempDir;

use super::wait::Log;
use super::{PATIENCE, Transport, certs};

#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    stdin: Option<ChildStdin>,
    transport: Transport,
    address: String,
    authority: Option<certs::Authority>,
    log: Log,
    dir: TempDir,
}

impl Server {
    /// Starts a server that has no alert yet.
    pub(crate) fn start(transport: Transport) -> Self {
        Self::start_with(transport, &[])
    }

    /// Like [`Self::start`], with more `-o KEY=VALUE` settings.
    pub(crate) fn start_with(transport: Transport, settings: &[&str]) -> Self {
        // Another process may have bound the port meanwhile.
        let attempts = if transport == Transport::Tls { 3 } else { 1 };
        Self::start_anew(attempts, || Self::spawn(transport, settings))
    }

    /// Calls `spawn` until the server listens, at most `attempts` times.
    pub(crate) fn start_anew(attempts: usize, mut spawn: impl FnMut() -> Self) -> Self {
        for attempt in 1.. {
            let mut server = spawn();
            match server.wait_until_it_listens() {
                Ok(()) => return server,
                Err(_) if attempt < attempts => {}
                Err(reason) => panic!("the server did not start: {reason}\n{}", server.stderr()),
            }
        }
        unreachable!("the last attempt returns or panics")
    }

    /// Starts a server on a unix socket whose standard input is `file`.
    pub(crate) fn start_reading(file: File) -> Self {
        let mut server = Self::spawn_reading(Transport::Unix, &[], file.into(), &[]);
        server.wait_until_it_listens().unwrap();
        server
    }

    pub(crate) fn spawn(transport: Transport, settings: &[&str]) -> Self {
        Self::spawn_reading(transport, settings, Stdio::piped(), &[])
    }

    /// Starts a process with these settings, standard input and environment variables.
    pub(crate) fn spawn_reading(
        transport: Transport,
        settings: &[&str],
        stdin: Stdio,
        variables: &[(&str, &Path)],
    ) -> Self {
        let dir = tempfile::Builder::new().prefix("falconer-").tempdir().unwrap();
        let address = match transport {
            Transport::Unix => format!("unix://{}", dir.path().join("falco.sock").display()),
            Transport::Tls => format!("127.0.0.1:{}", free_port()),
        };
        let mut command = Command::new(binary());
        command.arg("serve");
        let mut set = |setting: String| {
            command.arg("-o").arg(setting);
        };
        set("grpc.enabled=true".into());
        set(format!("grpc.bind_address={address}"));
        set("falconer.inputs.stdin=true".into());
        set("falconer.gateway.enabled=false".into());
        let mut authority = None;
        if transport == Transport::Tls {
            authority = Some(certs::write(dir.path()));
            set(format!("grpc.private_key={}", dir.path().join("server.key").display()));
            set(format!("grpc.cert_chain={}", dir.path().join("server.crt").display()));
            set(format!("grpc.root_certs={}", dir.path().join("ca.crt").display()));
        }
        settings.iter().for_each(|&setting| set(setting.to_owned()));
        let log = Log::within(dir.path());
        let mut process = command
            .env_remove("FALCO_HOSTNAME")
            .env_remove("FALCO_GRPC_HOSTNAME")
            .envs(variables.iter().copied())
            .stdin(stdin)
            .stdout(Stdio::null())
            .stderr(log.create())
            .spawn()
            .unwrap();
        let stdin = process.stdin.take();
        Self { process, stdin, transport, address, authority, log, dir }
    }

    /// Waits for the greeting, which is the first output that is not a log line.
    fn wait_until_it_listens(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        while !self.stderr().lines().any(|line| line.starts_with("falconer ")) {
            if let Some(status) = self.process.try_wait().unwrap() {
                return Err(status.to_string());
            }
            if Instant::now() > deadline {
                return Err("it neither listens nor exits".to_owned());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// The folder that is removed with the server.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The address as it was configured.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The address for clients.
    pub(crate) fn endpoint(&self) -> String {
        self.address.replace("127.0.0.1", "localhost")
    }

    /// The path of the unix socket, if there is one.
    pub(crate) fn socket(&self) -> Option<PathBuf> {
        (self.transport == Transport::Unix).then(|| self.dir.path().join("falco.sock"))
    }

    /// The folder with `ca.crt`, `client.crt` and `client.key`, if the server uses TLS.
    pub(crate) fn certs(&self) -> Option<&Path> {
        (self.transport == Transport::Tls).then(|| self.dir.path())
    }

    /// The authority that signed the certificates.
    pub(crate) fn authority(&self) -> Option<&certs::Authority> {
        self.authority.as_ref()
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    }

    /// The CPU time that it has used so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // The fields follow the name in parentheses. Linux counts in hundredths of a second.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().unwrap());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }

    /// The number of its open file descriptors.
    pub(crate) fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    /// Writes to the server's standard input, which stays open.
    pub(crate) fn feed(&mut self, text: impl Into<String>) {
        let (mut stdin, text) = (self.stdin.take().unwrap(), text.into());
        let (sender, done) = sync_channel(1);
        thread::spawn(move || {
            let written = stdin.write_all(text.as_bytes());
            let _ = sender.send((stdin, written));
        });
        let (stdin, written) = done.recv_timeout(PATIENCE).expect("the server reads its input");
        written.unwrap();
        self.stdin = Some(stdin);
    }

    /// Suspends the server with SIGSTOP, as a suspended machine would.
    pub(crate) fn pause(&self) {
        kill(self.pid(), Signal::SIGSTOP).unwrap();
    }

    /// Resumes the server after [`Self::pause`].
    pub(crate) fn resume(&self) {
        kill(self.pid(), Signal::SIGCONT).unwrap();
    }

    /// Sends SIGHUP, which makes the server reload.
    pub(crate) fn hang_up(&self) {
        kill(self.pid(), Signal::SIGHUP).unwrap();
    }

    /// Sends SIGTERM and does not wait.
    pub(crate) fn terminate(&self) {
        kill(self.pid(), Signal::SIGTERM).unwrap();
    }

    /// Sends SIGTERM and waits until the server exits.
    pub(crate) fn stop(mut self) -> ExitStatus {
        self.terminate();
        let status = self.wait(PATIENCE);
        status.unwrap_or_else(|| panic!("the server did not exit\n{}", self.stderr()))
    }

    /// Waits until the server exits by itself; `None` after `patience`.
    pub(crate) fn wait(&mut self, patience: Duration) -> Option<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return Some(status);
            }
            if Instant::now() > deadline {
                return None;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.process.id()).unwrap())
    }

    /// The log so far, for the message of a failed assertion. To assert lines of it use
    /// [`Self::wait_for_log`] and [`Self::log_at_the_end`].
    pub(crate) fn stderr(&self) -> String {
        self.log.text()
    }

    /// The log of the server, to wait for its lines.
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Waits until the log has `expected`, and returns the log so far.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, expected: &str) -> String {
        self.log.wait_for(expected)
    }

    /// Stops the server and returns its whole log, for lines that must not be in it.
    pub(crate) fn log_at_the_end(mut self) -> String {
        self.terminate();
        assert!(self.wait(PATIENCE).is_some(), "the server did not exit\n{}", self.stderr());
        self.stderr()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            let _ = kill(self.pid(), Signal::SIGTERM);
            let _ = kill(self.pid(), Signal::SIGCONT);
            if self.wait(Duration::from_secs(10)).is_none() {
                let _ = self.process.kill();
                let _ = self.process.wait();
            }
        }
        if thread::panicking() {
            eprintln!("the server's log:\n{}", self.stderr());
        }
    }
}

/// The program under test.
pub(crate) fn binary() -> PathBuf {
    env::var_os("FALCONER_BIN").map_or_else(|| env!("CARGO_BIN_EXE_falconer").into(), PathBuf::from)
}

/// A TCP port on which nothing listens and which no other test of this process got.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<Option<HashSet<u16>>> = Mutex::new(None);
    loop {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().get_or_insert_default().insert(port) {
            return port;
        }
    }
}
