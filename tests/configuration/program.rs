//! Tests that run the program, for facts that only a socket, a file or a whole start shows.

use std::fs;
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use falconer::config::{self, Options};

use super::support::certs;
use super::support::server::{binary, free_port};
use super::support::wait::{Log, eventually};

/// The running program and its working directory.
struct Program {
    process: Child,
    log: Log,
    folder: tempfile::TempDir,
}

impl Program {
    /// Starts the program in a new folder after `prepare`. `@` in options stands for the folder.
    fn start(prepare: impl FnOnce(&Path), arguments: &[&str], options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let mut command = Command::new(binary());
        command.arg("serve").args(arguments).args(["-o", "falconer.gateway.enabled=false"]);
        for option in options {
            command.args(["-o", &option.replace('@', folder.path().to_str().unwrap())]);
        }
        let log = Log::within(folder.path());
        let process = command
            .current_dir(folder.path())
            .env_remove("FALCO_HOSTNAME")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log.create())
            .spawn()
            .unwrap();
        Self { process, log, folder }
    }

    fn serve(options: &[&str]) -> Self {
        Self::start(|dir| drop(certs::write(dir)), &[], options)
    }

    fn stderr(&self) -> String {
        self.log.text()
    }

    /// Waits until the program logs that it serves.
    fn serving(mut self) -> Self {
        eventually("it serves", || {
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "{ended:?} {}", self.stderr());
            self.stderr().contains("  gRPC  ").then_some(())
        });
        self
    }

    /// Waits until the program exits by itself. Returns its exit code and standard error.
    fn ended(mut self) -> (i32, String) {
        let status = eventually("it ends", || self.process.try_wait().unwrap());
        (status.code().unwrap(), self.stderr())
    }

    fn stop(mut self) -> tempfile::TempDir {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.process.wait().unwrap().success(), "{}", self.stderr());
        std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Options for mutual TLS with the folder's files.
const TLS: [&str; 3] =
    ["grpc.private_key=@/server.key", "grpc.cert_chain=@/server.crt", "grpc.root_certs=@/ca.crt"];

/// Starts a server on a free port of `host`.
fn listening_on(host: &str) -> (Program, u16) {
    let port = free_port();
    let address = format!("grpc.bind_address={host}:{port}");
    (Program::serve(&[&TLS[..], &[&address]].concat()).serving(), port)
}

#[test]
fn wildcards_accept_both_families_and_an_address_only_its_own() {
    let ipv6 = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !ipv6 {
        eprintln!("SKIP: no IPv6 on this machine; its half of the rows is not shown");
    }
    for (host, by_ipv4, by_another, by_ipv6) in [
        ("0.0.0.0", true, true, true),
        ("[::]", true, true, true),
        ("127.0.0.1", true, false, false),
        ("[::1]", false, false, true),
    ] {
        if host.contains(':') && !ipv6 {
            continue;
        }
        let (_server, port) = listening_on(host);
        assert_eq!(TcpStream::connect(("127.0.0.1", port)).is_ok(), by_ipv4, "{host}");
        assert_eq!(TcpStream::connect(("127.0.0.2", port)).is_ok(), by_another, "{host}");
        let reached = TcpStream::connect((Ipv6Addr::LOCALHOST, port)).is_ok();
        assert_eq!(reached, by_ipv6 && ipv6, "{host}");
    }
}

#[test]
fn all_addresses_of_a_name_are_bound() {
    use std::net::ToSocketAddrs as _;
    let (_server, port) = listening_on("localhost");
    for address in ("localhost", port).to_socket_addrs().unwrap() {
        if TcpListener::bind((address.ip(), 0)).is_ok() {
            assert!(TcpStream::connect(address).is_ok(), "{address}");
        }
    }
}

/// Documented: the API cannot start; another server uses the TCP port.
#[test]
fn an_unusable_address_fails_the_start() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("grpc.bind_address={}", taken.local_addr().unwrap());
    let (_server, port) = listening_on("127.0.0.1");
    let shared = format!("grpc.bind_address=127.0.0.1:{port}");
    for (address, expected) in [
        (&*taken, "choose another port"),
        (&*shared, "choose another port"),
        ("grpc.bind_address=no-such-host.invalid:5060", "failed to lookup address"),
        ("grpc.bind_address=203.0.113.1:5060", "use an address of this machine"),
    ] {
        let (code, said) = Program::serve(&[&TLS[..], &[address]].concat()).ended();
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("cannot listen on") && said.contains(expected), "{said}");
    }
}

/// Documented: the socket's mode; another server uses the unix socket.
#[test]
fn the_sockets_directory_and_file() {
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    const SOCKET: &str = "grpc.bind_address=unix://@/a/b/falco.sock";
    let server = Program::serve(&[SOCKET]).serving();
    let directory = server.folder.path().join("a/b");
    let socket = directory.join("falco.sock");
    let made = tempfile::tempdir().unwrap();
    fs::create_dir(made.path().join("a")).unwrap();
    assert_eq!(mode(&directory), mode(&made.path().join("a")), "the mode follows the umask");
    assert_eq!(mode(&socket), 0o660);
    UnixStream::connect(&socket).unwrap();

    let taken = format!("grpc.bind_address=unix://{}", socket.display());
    let (code, said) = Program::serve(&[&taken]).ended();
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("another process is serving there"), "{said}");
    UnixStream::connect(&socket).unwrap();

    let folder = server.stop();
    assert!(!folder.path().join("a/b/falco.sock").exists(), "removed at the end");

    let stale = |folder: &Path| {
        fs::create_dir_all(folder.join("a/b")).unwrap();
        drop(UnixListener::bind(folder.join("a/b/falco.sock")).unwrap());
    };
    let server = Program::start(stale, &[], &[SOCKET]).serving();
    UnixStream::connect(server.folder.path().join("a/b/falco.sock")).unwrap();

    let no_directory = |folder: &Path| fs::write(folder.join("a"), "a file").unwrap();
    let (code, said) = Program::start(no_directory, &[], &[SOCKET]).ended();
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("cannot create its directory"), "{said}");
}

#[test]
fn a_relative_include_starts_at_the_working_directory() {
    let files = |folder: &Path| {
        fs::create_dir_all(folder.join("etc")).unwrap();
        fs::write(folder.join("etc/f.yaml"), "config_files: [here.yaml, etc/./deeper]").unwrap();
        fs::write(folder.join("here.yaml"), "grpc: [").unwrap();
        fs::write(folder.join("etc/deeper"), "falconer: {x: 1}").unwrap();
    };
    let (code, said) = Program::start(files, &["-c", "etc/f.yaml"], &[]).ended();
    assert_eq!(code, 78);
    let lines: Vec<_> = said.lines().collect();
    assert!(lines[0].starts_with("here.yaml:1:8: not readable as YAML"), "{said}");
    assert!(lines[1].starts_with("etc/./deeper:1:12: unknown key \"x\" in falconer"), "{said}");
}

/// Documented: no `-c`. A file that cannot be opened is fatal, as in Falco.
#[test]
fn a_file_is_read_only_if_it_is_named() {
    let server = Program::serve(&["grpc.bind_address=unix://@/s"]).serving();
    assert!(server.folder.path().join("s").exists());
    let (code, said) = Program::start(|_| (), &["-c", "no-such.yaml"], &[]).ended();
    assert_eq!(code, 78);
    assert!(said.contains("no-such.yaml: the file cannot be read: No such file"), "{said}");
}

/// Documented: an included directory without read permission. The tests may run as root, who can
/// read everything, so a stub returns the system's error.
#[test]
fn an_unreadable_directory_is_an_error() {
    let open = |_: &Path| Err(std::io::ErrorKind::PermissionDenied.into());
    let errors = config::read(Some("config_files: d"), &Options::default(), &|_| None, &open);
    let errors = errors.unwrap_err().to_string();
    assert!(errors.starts_with("d: cannot be read: permission denied"), "{errors}");
}

/// Documented: includes without limit. A pipe, which Falco skipped, does not block the start.
#[test]
fn includes_are_bounded() {
    let many = |folder: &Path| {
        fs::create_dir(folder.join("d")).unwrap();
        (0..=256).for_each(|nth| fs::write(folder.join(format!("d/{nth}")), "").unwrap());
    };
    let (code, said) = Program::start(many, &[], &["config_files=@/d"]).ended();
    assert_eq!(code, 78);
    assert!(said.contains("config_files includes more than 256 files"), "{said}");
    let large = |folder: &Path| fs::write(folder.join("f"), "#".repeat((1 << 20) + 1)).unwrap();
    let (code, said) = Program::start(large, &[], &["config_files=@/f"]).ended();
    assert_eq!(code, 78);
    assert!(said.contains("/f: the file is larger than 1048576 bytes"), "{said}");
    let pipe = |folder: &Path| {
        nix::unistd::mkfifo(&folder.join("p"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    };
    let options = ["config_files=@/p", "grpc.bind_address=unix://@/s"];
    let server = Program::start(pipe, &[], &options).serving();
    server.log.wait_for("is neither a file nor a directory and is skipped");
}
