//! Falconer warns of a `retain` above the process's memory limit before the system kills it: with a
//! `ulimit`, and in a cgroup if the user can create one.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use support::PATIENCE;
use support::server::binary;

const GATEWAY_OFF: &str = "falconer.gateway.enabled=false";

/// The output of `check`, run by the command `starter`.
fn check(starter: &[&str], dir: &Path, settings: &[&str]) -> String {
    let mut command = Command::new(starter[0]);
    command.args(&starter[1..]).arg(binary()).arg("check");
    let socket = format!("grpc.bind_address=unix://{}", dir.join("falco.sock").display());
    for setting in
        [&[socket.as_str(), GATEWAY_OFF, "falconer.inputs.stdin=true"], settings].concat()
    {
        command.args(["-o", setting]);
    }
    let Output { stdout, stderr, .. } = command.output().unwrap();
    let told = String::from_utf8(stdout).unwrap();
    assert!(told.contains("settings: "), "{told}{}", String::from_utf8_lossy(&stderr));
    told
}

#[test]
fn a_limit_of_the_process_is_reported_with_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let two = "falconer.outputs.retain=2GiB";
    for (limit, named) in [("--as=1073741824", "ulimit -v"), ("--data=1073741824", "ulimit -d")] {
        let told = check(&["prlimit", limit], dir.path(), &[two]);
        let line = told.lines().find(|line| line.starts_with("warning ")).unwrap_or_default();
        for part in ["retain is 2GiB", named, "is 1GiB", "write ", " or less"] {
            assert!(line.contains(part), "{part}: {told}");
        }
        let told = check(&["prlimit", limit], dir.path(), &["falconer.outputs.retain=100MiB"]);
        assert!(!told.contains("warning "), "{told}");
    }
}

#[test]
fn the_default_is_a_quarter_of_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let told = check(&["prlimit", "--data=134217728"], dir.path(), &[]);
    let note = "ulimit -d is 128MiB, so falconer.outputs.retain is a quarter of it, 32MiB";
    assert!(told.contains(note) && !told.contains("warning "), "{told}");
    // A start logs the same note, and warns if `retain` exceeds the limit.
    for (settings, expected) in
        [(&[][..], note), (&["falconer.outputs.retain=1GiB"], "falconer.outputs.retain is 1GiB")]
    {
        let stderr = dir.path().join("stderr");
        let mut command = Command::new("prlimit");
        command.arg("--data=134217728").arg(binary()).arg("serve");
        let socket = format!("grpc.bind_address=unix://{}", dir.path().join("s").display());
        for setting in [&[socket.as_str(), GATEWAY_OFF], settings].concat() {
            command.args(["-o", setting]);
        }
        command.stdin(Stdio::null()).stderr(fs::File::create(&stderr).unwrap());
        let mut process = command.spawn().unwrap();
        let deadline = Instant::now() + PATIENCE;
        let said = || fs::read_to_string(&stderr).unwrap();
        while !said().contains(expected) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(said().contains(expected), "{}", said());
    }
}

/// A cgroup below the test's own, and one below that. Dropping it removes both.
struct Group {
    outer: PathBuf,
    inner: PathBuf,
}

impl Group {
    /// Creates the groups: the outer one limited to `bytes`, the inner one to twice as many.
    /// Returns the reason if it cannot.
    fn new(bytes: u64) -> Result<Self, String> {
        let told = |what: &str, error| format!("{what}: {error}");
        let groups = fs::read_to_string("/proc/self/cgroup").map_err(|e| told("cgroup", e))?;
        let of = |name: &str| {
            let line = groups.lines().find(|line| line.split(':').nth(1) == Some(name));
            line.and_then(|line| line.splitn(3, ':').nth(2))
                .map(|path| path.trim_start_matches('/'))
        };
        let (own, file) = match of("memory") {
            Some(path) => (Path::new("/sys/fs/cgroup/memory").join(path), "memory.limit_in_bytes"),
            None => (Path::new("/sys/fs/cgroup").join(of("").unwrap_or_default()), "memory.max"),
        };
        let outer = own.join(format!("falconer-test-{}", std::process::id()));
        let group = Self { inner: outer.join("inner"), outer };
        fs::create_dir(&group.outer).map_err(|e| told("no cgroup can be made", e))?;
        if file == "memory.max" {
            for folder in [&own, &group.outer] {
                fs::write(folder.join("cgroup.subtree_control"), "+memory")
                    .map_err(|e| told("memory cannot be limited below our cgroup", e))?;
            }
        }
        fs::create_dir(&group.inner).map_err(|e| told("no cgroup can be made", e))?;
        for (folder, bytes) in [(&group.outer, bytes), (&group.inner, 2 * bytes)] {
            fs::write(folder.join(file), bytes.to_string()).map_err(|e| told("no limit", e))?;
        }
        Ok(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.inner);
        let _ = fs::remove_dir(&self.outer);
    }
}

#[test]
fn a_limit_of_the_parent_cgroup_is_reported() {
    let group = match Group::new(256 << 20) {
        Ok(group) => group,
        Err(reason) => return eprintln!("skipped: {reason}; the pure tests have made-up groups"),
    };
    let dir = tempfile::tempdir().unwrap();
    let inner = group.inner.display().to_string();
    let enter = ["sh", "-c", "echo $$ > \"$0/cgroup.procs\" && exec \"$@\"", &inner];
    let told = check(&enter, dir.path(), &["falconer.outputs.retain=512MiB"]);
    let outer = group.outer.display().to_string();
    for part in ["warning ", "retain is 512MiB", "the cgroup's memory limit", &outer, "is 256MiB"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let told = check(&enter, dir.path(), &[]);
    assert!(!told.contains("warning ") && !told.contains("a quarter"), "{told}");
}
