//! The real clients as processes: which there are, how each is started, what it says.
//!
//! `tests/clients/setup` installs them into `FALCONER_CLIENTS` (default `target/clients`) and says
//! in `NAME.skip` why one cannot be had. A test whose client is missing says so and passes; with
//! `CI=true` it fails.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{PATIENCE, server::Server};

/// A client library and what runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Library {
    /// Python, today's grpcio.
    GrpcioCurrent,
    /// Python, grpcio 1.56.
    Grpcio156,
    /// Python, Falco's own client, 0.4.0.
    FalcoPy,
    /// Node, grpc-js.
    GrpcJs,
    /// Go, Falco's own client, 0.6.1.
    ClientGo,
    /// grpcurl, by reflection.
    Grpcurl,
    /// Python, which asks an HTTP API what its description allows.
    Schemathesis,
}

impl Library {
    /// The name `tests/clients/setup` installs it under.
    fn name(self) -> &'static str {
        match self {
            Self::GrpcioCurrent => "current",
            Self::Grpcio156 => "v1_56",
            Self::FalcoPy => "falco_py",
            Self::GrpcJs => "node",
            Self::ClientGo => "go",
            Self::Grpcurl => "grpcurl",
            Self::Schemathesis => "schemathesis",
        }
    }

    /// Whether the client is there; if not, says why, and fails where nothing may be missing.
    pub(crate) fn is_installed(self) -> bool {
        is_installed(self.name())
    }

    /// The program with everything that says how to reach the server. For grpcurl the arguments
    /// are its flags, and the address and what is asked come after them.
    fn command(self, server: &Server, args: &[&str]) -> Command {
        let mut command = match self {
            Self::GrpcioCurrent | Self::Grpcio156 => self.python("outputs.py"),
            Self::FalcoPy => self.python("client_py.py"),
            Self::GrpcJs => {
                let mut command = Command::new("node");
                command.arg(sources().join("node/outputs.js"));
                command.env("NODE_PATH", home().join("node/node_modules"));
                command
            }
            Self::ClientGo => Command::new(home().join("bin/falco-go")),
            Self::Grpcurl => return grpcurl(server, args),
            // It is told the gateway's address among its arguments.
            Self::Schemathesis => {
                let program = home().join("venv/schemathesis/bin/schemathesis");
                let mut command = Command::new(program);
                // It leaves notes where it runs.
                command.args(args).current_dir(server.dir());
                return command;
            }
        };
        if let Some(certs) = server.certs() {
            command.arg("--certs").arg(certs);
        }
        command.arg(server.endpoint()).args(args);
        command
    }

    fn python(self, script: &str) -> Command {
        let mut command = Command::new(home().join("venv").join(self.name()).join("bin/python"));
        command.arg(sources().join("python").join(script)).env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// Runs the client to its end.
    pub(crate) fn run(self, server: &Server, args: &[&str]) -> Outcome {
        self.start(server, args).finish()
    }

    /// Starts the client; its standard input stays open until the end.
    pub(crate) fn start(self, server: &Server, args: &[&str]) -> Client {
        Client::spawn(format!("{self:?} {args:?}"), self.command(server, args))
    }

    /// Runs the client to its end and gives its output as text.
    pub(crate) fn text(self, server: &Server, args: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(server, args).output().unwrap();
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "{self:?} {args:?}: {status}\n{stderr}");
        String::from_utf8(stdout).unwrap()
    }
}

/// A call with grpcurl: `args` are flags, then what is asked.
fn grpcurl(server: &Server, args: &[&str]) -> Command {
    let mut command = Command::new(home().join("bin/grpcurl"));
    let (asked, flags) = args.split_last().unwrap();
    if let Some(dir) = server.certs() {
        for (flag, file) in [("-cacert", "ca.crt"), ("-cert", "client.crt"), ("-key", "client.key")]
        {
            command.arg(flag).arg(dir.join(file));
        }
    } else {
        command.args(["-plaintext", "-unix"]);
    }
    command.args(["-max-time", "60"]).args(flags);
    match server.socket() {
        Some(path) => command.arg(path),
        None => command.arg(server.endpoint()),
    };
    // "describe NAME" is two arguments.
    command.args(asked.split(' '));
    command
}

/// A running client. It is killed when dropped.
#[derive(Debug)]
pub(crate) struct Client {
    name: String,
    process: Child,
    /// Held open: the end of its input is the end of what grpcurl sends.
    stdin: Option<ChildStdin>,
    values: Receiver<Value>,
    stderr: Option<JoinHandle<String>>,
}

/// How a client ended, and what it said that nobody had read yet.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) values: Vec<Value>,
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
    name: String,
}

impl Outcome {
    /// What the client said, which must have ended well.
    pub(crate) fn values(self) -> Vec<Value> {
        assert!(
            self.status.success(),
            "{}: {}\n{:?}\n{}",
            self.name,
            self.status,
            self.values,
            self.stderr
        );
        self.values
    }
}

impl Client {
    pub(crate) fn spawn(name: String, mut command: Command) -> Self {
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let stdin = process.stdin.take();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, values) = sync_channel(1024);
        thread::spawn(move || {
            let values = serde_json::Deserializer::from_reader(stdout).into_iter::<Value>();
            for value in values.map_while(Result::ok) {
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let mut errors = process.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text);
            text
        });
        Self { name, process, stdin, values, stderr: Some(stderr) }
    }

    /// The next thing the client says.
    pub(crate) fn next(&mut self) -> Value {
        match self.values.recv_timeout(PATIENCE) {
            Ok(value) => value,
            Err(RecvTimeoutError::Timeout) => self.fail("says nothing more"),
            Err(RecvTimeoutError::Disconnected) => self.fail("ended too early"),
        }
    }

    /// The next so many things.
    pub(crate) fn take(&mut self, count: usize) -> Vec<Value> {
        (0..count).map(|_| self.next()).collect()
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Waits for its end, with its standard input closed.
    pub(crate) fn finish(mut self) -> Outcome {
        self.stdin = None;
        let deadline = Instant::now() + PATIENCE;
        let mut values = Vec::new();
        loop {
            match self.values.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(value) => values.push(value),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => self.fail(&format!("goes on after {values:?}")),
            }
        }
        let status = loop {
            match self.process.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => self.fail("closed its output and goes on"),
                None => thread::sleep(Duration::from_millis(10)),
            }
        };
        Outcome { values, status, stderr: self.stderr(), name: self.name.clone() }
    }

    fn fail(&mut self, what: &str) -> ! {
        self.kill();
        let stderr = self.stderr();
        panic!("{} {what}\n{stderr}", self.name);
    }

    fn stderr(&mut self) -> String {
        self.stderr.take().and_then(|reader| reader.join().ok()).unwrap_or_default()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether that part of `tests/clients/setup` is there; if not, says why, and fails where nothing may
/// be missing.
pub(crate) fn is_installed(name: &str) -> bool {
    if home().join(format!("{name}.stamp")).is_file() {
        return true;
    }
    let reason = fs::read_to_string(home().join(format!("{name}.skip")))
        .unwrap_or_else(|_| "not installed: run tests/clients/setup".to_owned());
    skipped(&format!("{name}: {}", reason.trim()));
    false
}

/// Says why a test is skipped, and fails where nothing may be missing.
pub(crate) fn skipped(why: &str) {
    let message = format!("SKIP {why}");
    assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{message}");
    // Past the test runner, which keeps what a passing test prints to itself.
    let _ = std::io::stderr().write_all(format!("{message}\n").as_bytes());
}

/// Where the clients are installed.
pub(crate) fn home() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(env::var_os("FALCONER_CLIENTS").as_deref().unwrap_or(OsStr::new("target/clients")))
}

/// Where their programs are.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}
