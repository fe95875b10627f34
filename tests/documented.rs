//! Runs the examples of README.md and `docs/`: commands with a shell against a real server,
//! configurations with `falconer check`, proxy settings with the proxies.
//!
//! 1. A block runs as it stands, unless a comment before it says otherwise:
//!    `<!-- not run: REASON -->`, `<!-- config -->` (settings of Falconer), `<!-- output -->`.
//! 2. The test replaces only addresses and folders. It runs the lines of a block one after the
//!    other, in the order of the pages. It ends a command that runs for ever after some seconds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests panic to fail")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use support::client::{home, is_installed};
use support::http::Gateway;
use support::server::{binary, free_port};

/// The longest time that a command may run, in seconds.
const LOOK: &str = "3";

/// The exit code of GNU `timeout` if it ends the command.
const ENDED: i32 = 124;

/// A fenced block.
#[derive(Debug)]
struct Block {
    page: String,
    marker: Option<String>,
    language: String,
    text: String,
}

/// Returns the name and text of README.md, then of the pages by name.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> = fs::read_dir(root.join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    pages.insert(0, root.join("README.md"));
    let name = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    pages.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect()
}

fn blocks() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for (page, text) in pages() {
        let (mut open, mut before) = (None::<Block>, "");
        for line in text.lines() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(language)) => {
                    let marker = before.strip_prefix("<!-- ").and_then(|m| m.strip_suffix(" -->"));
                    let (page, marker) = (page.clone(), marker.map(str::to_owned));
                    let language = language.to_owned();
                    open = Some(Block { page, marker, language, text: String::new() });
                }
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some(block), None) => block.text += &format!("{line}\n"),
                (None, None) => {}
            }
            before = line;
        }
        assert!(open.is_none(), "{page}: a block without its closing fence");
    }
    blocks
}

#[test]
fn every_block_is_run_or_says_why_not() {
    for Block { page, marker, language, text } in blocks() {
        let marker = marker.as_deref();
        let known = match language.as_str() {
            "sh" => marker.is_none_or(|marker| marker.starts_with("not run: ")),
            "yaml" => marker.is_some_and(|m| m == "config" || m.starts_with("not run: ")),
            "text" => marker.is_none_or(|marker| marker == "output"),
            "ini" | "nginx" | "haproxy" => marker.is_none(),
            _ => false,
        };
        assert!(known, "{page}: a block of {language:?} marked {marker:?}:\n{text}");
    }
}

#[test]
fn the_readme_is_short() {
    let readme = include_str!("../README.md");
    assert!(readme.lines().count() < 150);
}

#[test]
fn files_that_pages_name_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut named = 0;
    for (page, text) in pages() {
        for name in text.split('`').skip(1).step_by(2) {
            let begins = ["src/", "gateway/", "tests/", "web/", "benches/", "fuzz/", "docs/"];
            if begins.iter().any(|begin| name.starts_with(begin)) && !name.contains(['…', ' ', '*'])
            {
                named += 1;
                assert!(root.join(name).exists(), "{page} names {name}");
            }
        }
        let folder = root.join(&page).parent().unwrap().to_path_buf();
        for link in text.split("](").skip(1).map(|rest| rest.split(')').next().unwrap()) {
            let path = link.split('#').next().unwrap();
            if !link.contains("://") && !path.is_empty() {
                assert!(folder.join(path).exists(), "{page} links to {link}");
            }
        }
    }
    assert!(named > 30, "pages name only {named} files");
}

/// A server on its own addresses, and the folders that pages name.
struct Place {
    dir: tempfile::TempDir,
    gateway: Gateway,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("falconer-").tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for folder in ["etc/config.d", "log", "bin", "here"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        let gateway = Gateway::start(&[]);
        let programs = [
            // Adds the server's address to client commands.
            (
                "falconer",
                format!(
                    "case \"$*\" in *.json*) ;; events*|ingest*) set -- \"$@\" --server http://{} ;; esac\nexec {} \"$@\"",
                    gateway.address,
                    binary().display(),
                ),
            ),
            ("grpcurl", format!("exec {} \"$@\"", home().join("bin/grpcurl").display())),
        ];
        for (name, script) in programs {
            let path = at("bin").join(name);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let listen = format!("127.0.0.1:{}", free_port());
        let socket = at("other.sock").display().to_string();
        let settings = format!(
            "grpc: {{enabled: true, bind_address: 'unix://{socket}'}}\n\
             falconer: {{gateway: {{listen: '{listen}'}}}}\n"
        );
        fs::write(at("etc/falco.yaml"), settings).unwrap();
        fs::write(at("etc/site.yaml"), "").unwrap();
        fs::write(at("log/events.json"), Self::alert()).unwrap();
        Self { dir, gateway }
    }

    /// An alert that every documented filter matches.
    fn alert() -> String {
        let now = jiff::Timestamp::now();
        let alert = serde_json::json!({
            "hostname": "node-a",
            "output": "10:00:00.000000001: Warning A shell was started",
            "output_fields": { "proc.name": "bash", "k8s.ns.name": "prod" },
            "priority": "Warning",
            "rule": "documented",
            "source": "syscall",
            "tags": ["live"],
            "time": now.to_string(),
        });
        format!("{alert}\n")
    }

    /// Replaces the documented addresses and folders by those of this server.
    fn here(&self, text: &str) -> String {
        let at = |name: &str| self.dir.path().join(name).display().to_string();
        let socket = self.gateway.server.socket().unwrap().display().to_string();
        text.replace("/run/falco/falco.sock", &socket)
            .replace("127.0.0.1:2804", &self.gateway.address.to_string())
            .replace("/etc/falco", &at("etc"))
            .replace("/var/log/falco", &at("log"))
    }

    fn run(&self, line: &str) -> Output {
        let path =
            format!("{}:{}", self.dir.path().join("bin").display(), std::env::var("PATH").unwrap());
        Command::new("timeout")
            .args(["-k", "5", LOOK, "bash", "-c", line])
            .env("PATH", path)
            .current_dir(self.dir.path().join("here"))
            .output()
            .unwrap()
    }
}

/// Posts alerts all the time, for the commands that wait for one.
struct Feed {
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Feed {
    fn of(gateway: &Gateway) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, url) = (stop.clone(), format!("http://{}/", gateway.address));
        let post = move || {
            let alert = Place::alert();
            let curl = ["-sS", "--fail", "--data-binary", alert.trim_end(), &url];
            let posted = Command::new("curl").args(curl).output().unwrap();
            assert!(posted.status.success(), "{posted:?}");
        };
        // The first alert exists before any command runs.
        post();
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                post();
                thread::sleep(Duration::from_millis(200));
            }
        });
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking(), "cannot post alerts");
        }
    }
}

#[test]
fn commands_and_configurations_work() {
    if !is_installed("curl") || !is_installed("grpcurl") || !is_installed("openssl") {
        return;
    }
    let place = Place::new();
    let feed = Feed::of(&place.gateway);
    let blocks = blocks();
    let mut seen = BTreeSet::new();
    for block in blocks.iter().filter(|block| block.language == "sh" && block.marker.is_none()) {
        for line in block.text.replace("\\\n", " ").lines() {
            let output = place.run(&place.here(line));
            let status = output.status.code();
            assert!(matches!(status, Some(0 | ENDED)), "{}: {line}: {output:?}", block.page);
            // A command that reads alerts, or that runs for ever, must print something.
            let asks = ["grpcurl ", "falconer events", "curl "];
            let asks = asks.iter().any(|program| line.starts_with(program))
                && !line.contains(" -O ")
                && !line.contains(" -d '{\"rule\"");
            if asks || status == Some(ENDED) {
                assert!(!output.stdout.is_empty(), "{}: {line}: {output:?}", block.page);
            }
            seen.insert(line.split(' ').next().unwrap().to_owned());
        }
    }
    drop(feed);
    for program in ["grpcurl", "curl", "falconer", "openssl"] {
        assert!(seen.contains(program), "{seen:?}");
    }
    // The commands have made the files that settings name.
    fs::write(place.dir.path().join("etc/certs/ca.crl"), "").unwrap();
    for block in blocks.iter().filter(|block| block.marker.as_deref() == Some("config")) {
        let file = place.dir.path().join("sample.yaml");
        fs::write(&file, place.here(&block.text)).unwrap();
        let output = Command::new(binary()).arg("check").arg("-c").arg(&file).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        // 78 is an error in the settings, 1 means that a port is in use.
        assert!(matches!(output.status.code(), Some(0 | 1)), "{}: {said}", block.text);
        let mistaken = said.lines().any(|line| {
            line.contains("sample.yaml:")
                && (line.starts_with("error") || line.starts_with("warning"))
        });
        assert!(!mistaken, "{}: {said}\n{}", block.page, block.text);
    }
}

#[test]
fn proxies_accept_their_settings() {
    let place = Place::new();
    let certs = place.dir.path().join("etc/certs");
    fs::create_dir(&certs).unwrap();
    support::certs::write(&certs);
    let pem = ["server.crt", "server.key"].map(|name| fs::read(certs.join(name)).unwrap());
    fs::write(certs.join("proxy.pem"), pem.concat()).unwrap();
    let file = place.dir.path().join("proxy.conf");
    let mut seen = 0;
    for block in blocks() {
        let text = place.here(&block.text);
        let (program, settings) = match block.language.as_str() {
            "nginx" => {
                let text = if text.starts_with("location") {
                    format!("server {{ listen 127.0.0.1:{};\n{text} }}", free_port())
                } else {
                    text.replace("listen 5061", &format!("listen 127.0.0.1:{}", free_port()))
                };
                let dir = place.dir.path().display();
                let paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                    .map(|of| format!("{of}_temp_path {dir}/{of};\n"));
                let main = format!("pid {dir}/pid; error_log {dir}/error.log; events {{ }}\n");
                let paths = paths.concat();
                ("nginx", format!("{main}http {{ access_log off;\n{paths}{text} }}\n"))
            }
            "haproxy" => ("haproxy", text),
            _ => continue,
        };
        seen += 1;
        if !is_installed(program) {
            continue;
        }
        fs::write(&file, settings).unwrap();
        let mut command = Command::new(home().join("bin").join(program));
        match program {
            "nginx" => command.arg("-t").arg("-p").arg(place.dir.path()).arg("-c").arg(&file),
            _ => command.arg("-c").arg("-f").arg(&file),
        };
        let output = command.output().unwrap();
        assert!(output.status.success(), "{program}: {output:?}\n{}", block.text);
    }
    assert!(seen >= 3, "{seen}");
}
