//! The real clients as processes: the list of them, how each starts, and its output.
//!
//! `tests/clients/setup` installs them into `FALCONER_CLIENTS` (default `target/clients`) and
//! writes to `NAME.skip` why it could not install one. A test without its client prints that and
//! passes. With `CI=true` it fails.

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

/// A client library and the program that uses it.
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
    /// Python, which tests an HTTP API against its OpenAPI description.
    Schemathesis,
}

impl Library {
    /// Its name in `tests/clients/setup`.
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

    /// Returns whether the client is installed. If not, prints why, and panics with `CI=true`.
    pub(crate) fn is_installed(self) -> bool {
        is_installed(self.name())
    }

    /// The program with the server's address and certificates. For grpcurl the last argument is the
    /// method or command, and the others are flags.
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
            // Its arguments have the address of the gateway.
            Self::Schemathesis => {
                let program = home().join("venv/schemathesis/bin/schemathesis");
                let mut command = Command::new(program);
                // It writes files to its working directory.
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

    /// Runs the client until it exits.
    pub(crate) fn run(self, server: &Server, args: &[&str]) -> Outcome {
        self.start(server, args).finish()
    }

    /// Starts the client. Its standard input stays open until [`Client::finish`].
    pub(crate) fn start(self, server: &Server, args: &[&str]) -> Client {
        Client::spawn(format!("{self:?} {args:?}"), self.command(server, args))
    }

    /// Runs the client until it exits, and returns its output as text.
    pub(crate) fn text(self, server: &Server, args: &[&str]) -> String {
        let Output { status, stdout, stderr } = self.command(server, args).output().unwrap();
        let stderr = String::from_utf8_lossy(&stderr);
        assert!(status.success(), "{self:?} {args:?}: {status}\n{stderr}");
        String::from_utf8(stdout).unwrap()
    }
}

/// A call with grpcurl: `args` are flags, then the method or command.
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
    /// Open, because grpcurl half-closes its call at the end of its input.
    stdin: Option<ChildStdin>,
    values: Receiver<Value>,
    stderr: Option<JoinHandle<String>>,
}

/// The exit status of a client, and its output that no test has read yet.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) values: Vec<Value>,
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
    name: String,
}

impl Outcome {
    /// The output of the client, which must have succeeded.
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

    /// The next JSON value that the client prints.
    pub(crate) fn next(&mut self) -> Value {
        match self.values.recv_timeout(PATIENCE) {
            Ok(value) => value,
            Err(RecvTimeoutError::Timeout) => self.fail("prints nothing more"),
            Err(RecvTimeoutError::Disconnected) => self.fail("exited too early"),
        }
    }

    /// The next `count` JSON values.
    pub(crate) fn take(&mut self, count: usize) -> Vec<Value> {
        (0..count).map(|_| self.next()).collect()
    }

    /// Kills the client.
    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Closes the client's standard input and waits until it exits.
    pub(crate) fn finish(mut self) -> Outcome {
        self.stdin = None;
        let deadline = Instant::now() + PATIENCE;
        let mut values = Vec::new();
        loop {
            match self.values.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(value) => values.push(value),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    self.fail(&format!("does not exit after {values:?}"))
                }
            }
        }
        let status = loop {
            match self.process.try_wait().unwrap() {
                Some(status) => break status,
                None if Instant::now() > deadline => {
                    self.fail("closed its output and does not exit")
                }
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

/// Returns whether a part of `tests/clients/setup` is installed. If not, prints why, and panics
/// with `CI=true`.
pub(crate) fn is_installed(name: &str) -> bool {
    if home().join(format!("{name}.stamp")).is_file() {
        return true;
    }
    let reason = fs::read_to_string(home().join(format!("{name}.skip")))
        .unwrap_or_else(|_| "not installed: run tests/clients/setup".to_owned());
    skipped(&format!("{name}: {}", reason.trim()));
    false
}

/// Prints why a test is skipped. Panics with `CI=true`.
pub(crate) fn skipped(why: &str) {
    let message = format!("SKIP {why}");
    assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "{message}");
    // Written directly, because the test runner hides the output of a passing test.
    let _ = std::io::stderr().write_all(format!("{message}\n").as_bytes());
}

/// The folder with the installed clients.
pub(crate) fn home() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join(env::var_os("FALCONER_CLIENTS").as_deref().unwrap_or(OsStr::new("target/clients")))
}

/// The folder with the sources of their programs.
pub(crate) fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}
