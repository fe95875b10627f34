//! A configured input that cannot deliver is down everywhere: `/readyz`, gRPC health, status and
//! metrics, with since and cause. It is up again without a restart. Each test runs the program as a
//! user starts it, with real files and programs.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;
use falconer::proto::falconer::v1::StatusResponse;
use http::StatusCode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use prost::Message as _;
use serde_json::Value;
use support::http::Gateway;
use support::raw::{Client, framed, head};
use support::server::Server;
use support::{PATIENCE, Transport, examples};
use tempfile::TempDir;

/// Repeats `question` until it returns a value.
async fn until<T>(what: &str, mut question: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = question().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until `/readyz` reports an input as down, with a cause that contains `why`.
async fn down(gateway: &Gateway, why: &str) {
    let mut said = String::new();
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = gateway.get("/readyz").await;
        let status = answer.status;
        said.replace_range(.., &answer.text().await);
        if status == StatusCode::SERVICE_UNAVAILABLE && said.contains(why) {
            assert!(said.contains("(since 20"), "{said}");
            return;
        }
        assert!(Instant::now() < deadline, "{why:?} in {status} {said:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until `/readyz` reports no input as down.
async fn up(gateway: &Gateway) {
    let ready = async || (gateway.get("/readyz").await.status == StatusCode::OK).then_some(());
    until("ready", ready).await;
}

/// The answer of gRPC health about a service: 1 is SERVING, 2 NOT_SERVING.
async fn health(gateway: &Gateway, service: &str) -> Bytes {
    let client = Client::connect(&gateway.server.socket().unwrap()).await;
    let asked = framed(&service.to_owned().encode_to_vec());
    let outcome = client.call(head("/grpc.health.v1.Health/Check"), [asked]).await;
    outcome.messages.into_iter().next().unwrap()
}

async fn input(gateway: &Gateway, name: &str) -> Value {
    let status = gateway.json("/api/v1/status").await;
    let inputs = status["inputs"].as_array().unwrap();
    inputs.iter().find(|input| input["name"] == name).unwrap_or(&Value::Null).clone()
}

/// The value of a file's gauge in the metrics.
async fn gauge(gateway: &Gateway, path: &Path) -> Option<String> {
    let metrics = gateway.get("/metrics").await.text().await;
    let name = format!("falconer_input_up{{input=\"file\",path=\"{}\"}} ", path.display());
    metrics.lines().find_map(|line| line.strip_prefix(&name)).map(str::to_owned)
}

/// Starts a server that follows these files.
fn follow(paths: &[&Path]) -> Gateway {
    let settings: Vec<_> =
        paths.iter().map(|path| format!("falconer.inputs.files[]={}", path.display())).collect();
    Gateway::start(&settings.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Starts a server that runs `script` as its Falco.
fn run(dir: &TempDir, script: &str) -> Gateway {
    let path = dir.path().join("program");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Gateway::start(&[&format!("falconer.inputs.command[]={}", path.display())])
}

/// Waits for the process id that a script wrote to `file`.
async fn process(file: &Path) -> Pid {
    let read = async || fs::read_to_string(file).ok()?.trim().parse().ok();
    Pid::from_raw(until("the program runs", read).await)
}

const SERVING: &[u8] = &[8, 1];
const NOT_SERVING: &[u8] = &[8, 2];

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_down_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let (good, looped) = (dir.path().join("good"), dir.path().join("loop"));
    fs::write(&good, "").unwrap();
    symlink(&looped, &looped).unwrap();
    let gateway = follow(&[&good, &looped]);
    down(&gateway, "input file: cannot be opened").await;
    let said = gateway.get("/readyz").await.text().await;
    assert!(
        !said.contains("loop\""),
        "probes need no token, so that they must not see a path: {said}"
    );
    until("health", async || (health(&gateway, "").await == NOT_SERVING).then_some(())).await;
    assert_eq!(health(&gateway, "falco.outputs.service").await, NOT_SERVING);
    assert_eq!(health(&gateway, "falco.version.service").await, SERVING);
    let told = input(&gateway, "file").await;
    let path = looped.display().to_string();
    assert!(told["error"].as_str().unwrap().starts_with(&path), "{told}");
    assert!(told["since"].is_string(), "{told}");
    let [first, second] = told["files"].as_array().unwrap().as_slice() else { panic!("{told}") };
    assert_eq!((&first["error"], &first["since"]), (&Value::Null, &Value::Null), "{told}");
    assert_eq!(second["path"], path);
    assert!(second["error"].as_str().unwrap().contains("symbolic links"), "{told}");
    assert_eq!(gauge(&gateway, &good).await.as_deref(), Some("1"));
    assert_eq!(gauge(&gateway, &looped).await.as_deref(), Some("0"));
    let client = Client::connect(&gateway.server.socket().unwrap()).await;
    let status = client.call(head("/falconer.v1.EventService/Status"), [framed(b"")]).await;
    let status = StatusResponse::decode(status.messages.into_iter().next().unwrap()).unwrap();
    let [told] = status.down.as_slice() else { panic!("{:?}", status.down) };
    assert_eq!((told.name.as_str(), &told.path), ("file", &path));
    assert!(told.why.contains("symbolic links") && told.since.is_some(), "{told:?}");
    // The status has the other configured inputs, too, although they have received nothing.
    assert_eq!(input(&gateway, "stdin").await["error"], Value::Null);
    assert_eq!(input(&gateway, "http").await["received"], 0);

    fs::remove_file(&looped).unwrap();
    fs::write(&looped, examples::line("at last")).unwrap();
    up(&gateway).await;
    until("health", async || (health(&gateway, "").await == SERVING).then_some(())).await;
    assert_eq!(gauge(&gateway, &looped).await.as_deref(), Some("1"));
    let received = async || (input(&gateway, "file").await["received"] == 1).then_some(());
    until("what it has is read", received).await;
}

#[tokio::test]
async fn each_fault_of_a_file_is_reported_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let path = at("alerts");
    let gateway = follow(&[&path, &at("folder/alerts")]);
    let why = async |path: &Path| {
        let told = input(&gateway, "file").await;
        let path = path.display().to_string();
        let file = told["files"].as_array()?.iter().find(|file| file["path"] == path)?.clone();
        file["error"].as_str().map(str::to_owned)
    };
    let said = async |path: &Path, text: &str| {
        until(text, async || why(path).await.filter(|why| why.contains(text))).await
    };
    // Files that never existed.
    said(&path, "does not exist yet; Falco creates it with its first alert").await;
    said(&at("folder/alerts"), "neither does its directory").await;
    down(&gateway, "does not exist yet").await;
    fs::create_dir(at("folder")).unwrap();
    said(&at("folder/alerts"), "does not exist yet").await;
    fs::write(at("folder/alerts"), "").unwrap();
    symlink(at("nowhere"), &path).unwrap();
    said(&path, "a link to a missing file").await;
    // A running server does not exit because of a directory, even before it has followed a file.
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    said(&path, "is a directory").await;
    fs::remove_dir(&path).unwrap();
    fs::write(&path, "").unwrap();
    up(&gateway).await;
    // Faults of a file that Falconer follows.
    type Wrong = fn(&Path);
    let wrong: [(&str, Wrong); 3] = [
        ("symbolic links", |path| symlink(path, path).unwrap()),
        ("is a directory", |path| fs::create_dir(path).unwrap()),
        ("is a FIFO", |path| nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap()),
    ];
    for (text, wrong) in wrong {
        fs::rename(&path, at("old")).unwrap();
        wrong(&path);
        said(&path, text).await;
        down(&gateway, text).await;
        fs::rename(&path, at("wrong")).unwrap();
        fs::rename(at("old"), &path).unwrap();
        up(&gateway).await;
        let _ = fs::remove_file(at("wrong")).or_else(|_| fs::remove_dir(at("wrong")));
    }
    if nix::unistd::geteuid().is_root() {
        eprintln!("skipped: root may open everything, so that permissions are not tried");
    } else {
        fs::rename(&path, at("old")).unwrap();
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        said(&path, "Permission denied").await;
    }
}

#[tokio::test]
async fn a_pattern_is_down_until_a_file_matches_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let gateway = follow(&[&at("*.log")]);
    down(&gateway, "no file matches the pattern yet").await;
    // As in Kubernetes: a link to a link to the file. Rotation renames the file.
    for folder in ["containers", "pods"] {
        fs::create_dir(at(folder)).unwrap();
    }
    let log = at("containers/0.log");
    fs::write(&log, examples::line("first")).unwrap();
    symlink(&log, at("pods/0.log")).unwrap();
    symlink(at("pods/0.log"), at("falco-1.log")).unwrap();
    up(&gateway).await;
    let rules = async |count: usize| {
        let text = format!("{count} alerts");
        until(&text, async || {
            let lines = gateway.get("/api/v1/export").await.text().await;
            let alerts = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            let rules: Vec<_> =
                alerts.map(|alert| alert["rule"].as_str().unwrap().to_owned()).collect();
            (rules.len() == count).then_some(rules)
        })
        .await
    };
    assert_eq!(rules(1).await, ["first"]);
    fs::rename(&log, at("containers/0.log.20260101-000000")).unwrap();
    fs::write(&log, examples::line("rotated")).unwrap();
    assert_eq!(rules(2).await, ["first", "rotated"]);
    // Another container starts. A directory that matches is skipped.
    fs::create_dir(at("folder.log")).unwrap();
    fs::write(at("falco-2.log"), examples::line("second")).unwrap();
    assert_eq!(rules(3).await, ["first", "rotated", "second"]);
    gateway.server.wait_for_log("a file that a pattern matches cannot be followed");
    let files = input(&gateway, "file").await["files"].as_array().unwrap().clone();
    let paths: Vec<_> = files.iter().map(|file| file["path"].as_str().unwrap()).collect();
    for name in ["*.log", "falco-1.log", "falco-2.log"] {
        assert!(paths.contains(&at(name).to_str().unwrap()), "{paths:?}");
    }
    assert!(!paths.iter().any(|path| path.ends_with("folder.log")), "{paths:?}");
    // Falconer stops following a missing file after a minute. After that, a file of the same name
    // is a new file.
    fs::remove_file(at("falco-2.log")).unwrap();
    gateway.server.wait_for_log("no longer following a file, which is gone");
    fs::write(at("falco-2.log"), examples::line("again")).unwrap();
    assert_eq!(rules(4).await, ["first", "rotated", "second", "again"]);
    up(&gateway).await;
}

#[tokio::test]
async fn two_names_of_one_file_deliver_each_alert_once() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::write(at("alerts"), "").unwrap();
    symlink(at("alerts"), at("link")).unwrap();
    fs::hard_link(at("alerts"), at("hard")).unwrap();
    let gateway = follow(&[&at("alerts"), &at("link"), &at("hard"), &at("alerts")]);
    gateway.server.wait_for_log("twice; it is read once");
    let twice = || gateway.server.stderr().matches("two names of one alert file").count();
    until("both are told", async || (twice() == 2).then_some(())).await;
    up(&gateway).await;
    let append = |path: PathBuf, count: usize| {
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(examples::line("once").repeat(count).as_bytes()).unwrap();
    };
    let received = async || input(&gateway, "file").await["received"].as_u64().unwrap();
    let comes_to = async |count: u64| {
        until("they come", async || (received().await >= count).then_some(())).await;
        // A second reader would have read the file by then: it looks every second.
        let end = Instant::now() + Duration::from_secs(4);
        while Instant::now() < end {
            assert_eq!(received().await, count, "each once");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    append(at("alerts"), 3);
    comes_to(3).await;
    fs::rename(at("alerts"), at("alerts.1")).unwrap();
    append(at("alerts"), 2);
    comes_to(5).await;
}

#[tokio::test]
async fn a_program_that_closed_its_output_is_down() {
    let dir = tempfile::tempdir().unwrap();
    let gateway = run(&dir, "exec >&-\nwhile true; do sleep 0.1; done");
    down(&gateway, "input command: Falco has closed its standard output but still runs").await;
}

#[tokio::test]
async fn a_stopped_program_is_down_until_it_continues() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let gateway =
        run(&dir, &format!("echo $$ > {}\nwhile true; do sleep 0.1; done", file.display()));
    let program = process(&file).await;
    up(&gateway).await;
    kill(program, Signal::SIGSTOP).unwrap();
    down(&gateway, "input command: Falco is stopped").await;
    kill(program, Signal::SIGCONT).unwrap();
    up(&gateway).await;
}

#[tokio::test]
async fn a_program_does_not_outlive_a_server_that_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    // It neither exits by itself nor at a signal.
    let script =
        format!("trap '' TERM HUP\necho $$ > {}\nwhile true; do sleep 0.1; done", file.display());
    let gateway = run(&dir, &script);
    let program = process(&file).await;
    up(&gateway).await;
    kill(Pid::from_raw(i32::try_from(gateway.server.id()).unwrap()), Signal::SIGKILL).unwrap();
    let ended = async || {
        let state = fs::read_to_string(format!("/proc/{program}/stat")).ok();
        // It may stay a zombie, because its parent is gone.
        state.is_none_or(|state| state.contains(") Z ")).then_some(())
    };
    until("Falco ends with the server", ended).await;
}

#[test]
fn a_program_that_cannot_start_names_its_cause() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    fs::write(&script, "#!/nowhere/sh\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    for (program, reason) in
        [(script.as_path(), "No such file"), (Path::new("no-such-falco"), "No such file")]
    {
        let setting = format!("falconer.inputs.command[]={}", program.display());
        let mut server = Server::spawn(Transport::Unix, &[&setting]);
        assert_eq!(server.wait(PATIENCE).unwrap().code(), Some(1), "{}", server.stderr());
        let log = server.stderr();
        assert!(log.contains("cannot start") && log.contains(reason), "{log}");
    }
}
