//! Real log shippers between Falco's alerts and a server: files of rsyslog, posts of syslog-ng,
//! journalctl, and the log files of container runtimes with rotation.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::PATIENCE;
use support::client::{home, is_installed};
use support::http::Gateway;
use support::server::binary;

/// The number of alerts that each program forwards.
const COUNT: usize = 40;

/// Alerts as Falco writes them, one of them longer than 4 KiB.
fn alerts() -> Vec<Value> {
    let alert = |number: usize| {
        json!({
            "hostname": "node-1",
            "output": format!("10:00:00.000000001: Notice ü€😀 \\ \"{number}\" %msg% $MESSAGE #012"),
            "output_fields": {
                "number": number,
                "proc.cmdline": format!("sh -c '\t{}'", "x".repeat(if number == 7 { 6_000 } else { 9 })),
            },
            "priority": "Notice",
            "rule": format!("rule {number}"),
            "source": "syscall",
            "tags": ["a"],
            "time": format!("2026-01-30T10:00:{:02}.000000001Z", number % 60),
        })
    };
    (0..COUNT).map(alert).collect()
}

/// A program that is killed when the test ends.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until `done` returns a value.
fn wait<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(done) = done() {
            return done;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Sends alerts as the C library's `syslog` does, which Falco's syslog output calls.
fn syslog(socket: &Path, alerts: &[Value]) {
    wait("the program listens", || socket.exists().then_some(()));
    let sender = UnixDatagram::unbound().unwrap();
    sender.connect(socket).unwrap();
    for alert in alerts {
        sender.send(format!("<13>Jan 30 10:00:01 falco[77]: {alert}").as_bytes()).unwrap();
    }
}

/// Waits until a server has each of these alerts `times` times, and no other.
async fn arrive(gateway: &Gateway, alerts: &[Value], times: usize) {
    let deadline = Instant::now() + PATIENCE;
    let lines = loop {
        let lines = gateway.get("/api/v1/export").await.text().await;
        if lines.lines().count() >= alerts.len() * times {
            break lines;
        }
        let found = lines.lines().count();
        assert!(Instant::now() < deadline, "{found} of {}", alerts.len() * times);
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for line in lines.lines() {
        *seen.entry(serde_json::from_str::<Value>(line).unwrap().to_string()).or_default() += 1;
    }
    for alert in alerts {
        assert_eq!(seen.remove(&alert.to_string()), Some(times), "{alert}");
    }
    assert!(seen.is_empty(), "{seen:?}");
}

fn follow(paths: &[&Path]) -> Gateway {
    let files: Vec<_> =
        paths.iter().map(|path| format!("falconer.inputs.files[]={}", path.display())).collect();
    Gateway::start(&files.iter().map(String::as_str).collect::<Vec<_>>())
}

#[tokio::test]
async fn rsyslog_writes_files() {
    if !is_installed("rsyslogd") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let formats = [
        "RSYSLOG_TraditionalFileFormat",
        "RSYSLOG_FileFormat",
        "RSYSLOG_SyslogProtocol23Format",
        "JsonMesg",
        "Message",
    ];
    let mut settings = format!(
        "global(workDirectory=\"{dir}\" maxMessageSize=\"64k\")\n\
         module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
         input(type=\"imuxsock\" Socket=\"{dir}/log\" CreatePath=\"off\" RateLimit.Interval=\"0\")\n\
         template(name=\"JsonMesg\" type=\"string\" string=\"%jsonmesg%\\n\")\n\
         template(name=\"Message\" type=\"string\" string=\"%msg:2:$%\\n\")\n",
        dir = dir.path().display()
    );
    for format in formats {
        let file = at(format);
        settings +=
            &format!("action(type=\"omfile\" file=\"{}\" template=\"{format}\")\n", file.display());
    }
    fs::write(at("conf"), settings).unwrap();
    let _rsyslog = Running::start(
        Command::new(home().join("bin/rsyslogd"))
            .arg("-n")
            .arg("-f")
            .arg(at("conf"))
            .arg("-i")
            .arg(at("pid"))
            .stderr(File::create(at("stderr")).unwrap()),
    );
    let files: Vec<_> = formats.iter().map(|format| at(format)).collect();
    let gateway = follow(&files.iter().map(AsRef::as_ref).collect::<Vec<_>>());
    let alerts = alerts();
    syslog(&at("log"), &alerts);
    arrive(&gateway, &alerts, formats.len()).await;
}

#[tokio::test]
async fn syslog_ng_posts() {
    if !is_installed("syslog-ng") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let gateway = Gateway::start(&[]);
    let batch = "method(\"POST\") batch-lines(7) batch-timeout(100)";
    let url = format!("http://{}", gateway.address);
    let settings = format!(
        "@version: 3.38\n\
         options {{ log-msg-size(65536); }};\n\
         source s {{ unix-dgram(\"{log}\"); }};\n\
         log {{ source(s); destination {{\n\
           http(url(\"{url}/\") {batch} body(\"${{MESSAGE}}\") delimiter(\"\\n\"));\n\
         }}; }};\n\
         log {{ source(s); destination {{\n\
           http(url(\"{url}/api/v1/events\") {batch} body(\"$(format-json --scope rfc5424)\")\n\
             body-prefix(\"[\") delimiter(\",\") body-suffix(\"]\"));\n\
         }}; }};\n",
        log = at("log").display(),
    );
    fs::write(at("conf"), settings).unwrap();
    let _syslog_ng = Running::start(
        Command::new(home().join("bin/syslog-ng"))
            .args(["-F", "--no-caps", "-f"])
            .arg(at("conf"))
            .arg("-R")
            .arg(at("persist"))
            .arg("-p")
            .arg(at("pid"))
            .arg("-c")
            .arg(at("control"))
            .stderr(File::create(at("stderr")).unwrap()),
    );
    let alerts = alerts();
    syslog(&at("log"), &alerts);
    arrive(&gateway, &alerts, 2).await;
}

#[test]
fn journalctl_prints() {
    if !is_installed("journal") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let journal = dir.path().join("falco.journal");
    let alerts = alerts();
    // The journal's export format, systemd 252: docs/JOURNAL_EXPORT_FORMATS.
    let mut export = String::new();
    for (number, alert) in alerts.iter().enumerate() {
        export += &format!(
            "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n\
             _BOOT_ID=0123456789abcdef0123456789abcdef\n_HOSTNAME=node-1\n\
             SYSLOG_IDENTIFIER=falco\n_PID=77\nMESSAGE={alert}\n\n",
            1_769_767_200_000_000 + number,
            1_000 + number,
        );
    }
    let mut writer = Command::new(home().join("bin/systemd-journal-remote"))
        .arg("-o")
        .arg(&journal)
        .arg("-")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(export.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());

    for words in
        [&["-o", "json", "--all"][..], &["-o", "cat"], &["--all"], &["-o", "short-iso", "--all"]]
    {
        let mut journalctl = Command::new(home().join("bin/journalctl"))
            .arg("--file")
            .arg(&journal)
            .args(["--no-pager", "--quiet"])
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = Command::new(binary())
            .args(["events", "-", "-o", "json"])
            .stdin(journalctl.stdout.take().unwrap())
            .output()
            .unwrap();
        assert!(journalctl.wait().unwrap().success());
        let error = str::from_utf8(&output.stderr).unwrap();
        assert!(output.status.success() && error.is_empty(), "{words:?}: {error}");
        let lines = str::from_utf8(&output.stdout).unwrap();
        let seen: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(seen, alerts, "{words:?}");
    }
}

/// The log file of a runtime: renamed and started anew in the middle of an alert, then compressed.
#[tokio::test]
async fn runtimes_rotate_their_files() {
    /// containerd and docker split lines after this many bytes.
    const PART: usize = 16 << 10;
    let mut alerts = alerts();
    alerts[20]["output_fields"]["proc.cmdline"] = json!("y".repeat(3 * PART));
    // The kubelet's line format: kubernetes/kubernetes pkg/kubelet/kuberuntime/logs.
    let cri = |line: &str| {
        let mut lines = Vec::new();
        let mut rest = line;
        while !rest.is_empty() {
            let (part, after) = rest.split_at(rest.len().min(PART));
            let tag = if after.is_empty() { "F" } else { "P" };
            lines.push(format!("2026-01-30T10:00:01.5Z stdout {tag} {part}\n"));
            rest = after;
        }
        lines
    };
    // docker's daemon/logger/jsonfilelog, 28.0.
    let docker = |line: &str| {
        let line = format!("{line}\n");
        let bytes = line.as_bytes().chunks(PART).map(|part| str::from_utf8(part).unwrap());
        bytes
            .map(|part| {
                let record =
                    json!({"log": part, "stream": "stdout", "time": "2026-01-30T10:00:01.5Z"});
                format!("{record}\n")
            })
            .collect()
    };
    type Lines<'a> = &'a dyn Fn(&str) -> Vec<String>;
    for (name, written) in [("cri", &cri as Lines<'_>), ("docker", &docker)] {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        let ascii = |alert: &Value| alert.to_string().replace(['ü', '€', '😀'], "?");
        let lines: Vec<_> = alerts.iter().flat_map(|alert| written(&ascii(alert))).collect();
        let expected: Vec<Value> =
            alerts.iter().map(|alert| serde_json::from_str(&ascii(alert)).unwrap()).collect();
        // The second part of the long alert is the first line of the new file.
        let (old, new) = lines.split_at(21);
        let file = at("0.log");
        fs::write(&file, "").unwrap();
        let pattern = at("*.log");
        let gateway = follow(&[&pattern]);
        let append = |lines: &[String]| {
            let mut file = OpenOptions::new().append(true).create(true).open(&file).unwrap();
            file.write_all(lines.concat().as_bytes()).unwrap();
        };
        append(old);
        fs::rename(&file, at("0.log.20260130-100001")).unwrap();
        append(new);
        arrive(&gateway, &expected, 1).await;

        // The command line reads the compressed file.
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(old.concat().as_bytes()).unwrap();
        let gzip = at("0.log.20260130-100001.gz");
        fs::write(&gzip, encoder.finish().unwrap()).unwrap();
        let output =
            Command::new(binary()).arg("events").arg(&gzip).args(["-o", "json"]).output().unwrap();
        let lines = str::from_utf8(&output.stdout).unwrap();
        let seen: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(seen, expected[..20], "{name}");
        // The beginning of the long alert is not an alert.
        let error = str::from_utf8(&output.stderr).unwrap();
        assert!(error.contains("1 of 21 records are not alerts"), "{name}: {error}");
    }
}
