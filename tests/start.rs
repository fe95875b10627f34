//! Starts that succeed and starts that must fail: exit codes, and messages that say what to do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::server::{Server, binary};
use support::wait::eventually;
use support::{PATIENCE, Transport};

/// Runs a start that must fail, and returns its exit code and standard error.
fn fails(arguments: &[&str]) -> (i32, String) {
    let mut child = Command::new(binary())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + PATIENCE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    assert!(stdout.is_empty(), "standard output is for data only");
    let stderr = String::from_utf8(stderr).unwrap();
    (status.code().unwrap_or_else(|| panic!("it did not exit by itself: {stderr}")), stderr)
}

/// Runs `serve` with these settings and without the gateway. It must fail.
fn serve_fails(settings: &[&str]) -> (i32, String) {
    let mut arguments = vec!["serve", "-o", "falconer.gateway.enabled=false"];
    for setting in settings {
        arguments.extend(["-o", setting]);
    }
    fails(&arguments)
}

fn bind_address(path: &Path) -> String {
    format!("grpc.bind_address=unix://{}", path.display())
}

#[test]
fn an_error_in_the_configuration_names_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("falconer.yaml");
    fs::write(&file, "grpc:\n  enabled: true\n  bind_address: unix:///x/f.sock\nfalconer:\n  inptus:\n    stdin: true\n  outputs:\n    retain: lots\n").unwrap();
    let (code, message) = fails(&["serve", "-c", file.to_str().unwrap()]);
    assert_eq!(code, 78);
    assert!(message.contains("falconer.yaml:5:3: unknown key \"inptus\""), "{message}");
    assert!(message.contains("did you mean \"inputs\""), "{message}");
    assert!(
        message.contains("falconer.yaml:8:13: falconer.outputs.retain is \"lots\""),
        "{message}"
    );
    let (code, message) = fails(&["serve", "-c", "/no/such/file.yaml"]);
    assert_eq!(code, 78);
    assert!(message.contains("/no/such/file.yaml"), "{message}");
    assert_eq!(fails(&["serve", "--nonsense"]).0, 2);
}

#[test]
fn a_live_socket_and_a_file_are_not_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("falco.sock");
    let live = UnixListener::bind(&path).unwrap();
    let (code, message) = serve_fails(&[&bind_address(&path)]);
    assert_eq!(code, 1);
    assert!(message.contains("another process is serving there; stop it"), "{message}");
    drop(live);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "precious").unwrap();
    let (code, message) = serve_fails(&[&bind_address(&path)]);
    assert_eq!(code, 1);
    assert!(message.contains("not a socket; move it away"), "{message}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn an_unusable_resource_fails_the_start() {
    let directory = tempfile::tempdir().unwrap();
    let socket = bind_address(&directory.path().join("falco.sock"));
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let missing = directory.path().join("missing.key").display().to_string();
    let folder = directory.path().display().to_string();
    for (settings, expected) in [
        (
            vec![
                socket.clone(),
                "falconer.gateway.enabled=true".into(),
                format!("falconer.gateway.listen={taken}"),
            ],
            format!("falconer.gateway.listen: cannot listen on {taken}: "),
        ),
        (
            vec![
                "grpc.bind_address=127.0.0.1:0".into(),
                format!("grpc.private_key={missing}"),
                format!("grpc.cert_chain={missing}"),
            ],
            format!("grpc.private_key {missing}: cannot be read"),
        ),
        (
            vec![socket.clone(), "falconer.socket.group=no-such-group".into()],
            "there is no group \"no-such-group\"".into(),
        ),
        (
            vec![socket.clone(), "falconer.inputs.command[]=/no/such/falco".into()],
            "cannot start \"/no/such/falco\"".into(),
        ),
        (vec![socket.clone(), format!("falconer.inputs.files[]={folder}")], "cannot follow".into()),
    ] {
        let settings: Vec<_> = settings.iter().map(String::as_str).collect();
        let (code, message) = serve_fails(&settings);
        assert_eq!(code, 1, "{message}");
        assert!(message.contains(&expected), "{message}");
        // Falconer opens the files last, after the greeting. Everything else fails before it.
        let welcomed = message.contains("grpcurl");
        assert_eq!(welcomed, expected == "cannot follow", "{message}");
    }
}

#[test]
fn a_killed_servers_socket_is_replaced_and_a_stopped_server_leaves_none() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a/b/falco.sock");
    let address = bind_address(&path);
    for killed in [true, false] {
        let mut child = Command::new(binary())
            .args(["serve", "-o", &address, "-o", "falconer.gateway.enabled=false"])
            .args(["-o", "falconer.socket.mode=0600"])
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        eventually("it serves", || std::os::unix::net::UnixStream::connect(&path).ok());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
        let signal = if killed { nix::sys::signal::SIGKILL } else { nix::sys::signal::SIGTERM };
        nix::sys::signal::kill(pid, signal).unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.code(), if killed { None } else { Some(0) });
        assert_eq!(path.exists(), killed);
    }
}

#[test]
fn the_start_logs_its_listeners_and_lines_to_paste() {
    let server = Server::start(Transport::Unix);
    let socket = server.socket().unwrap();
    let expected =
        format!("grpcurl -plaintext -unix {} falco.outputs.service/sub", socket.display());
    server.wait_for_log(&expected);
    let started = Instant::now();
    assert!(server.stop().success());
    assert!(started.elapsed() < Duration::from_secs(5), "the shutdown takes too long");
}
