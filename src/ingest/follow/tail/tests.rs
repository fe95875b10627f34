//! Tests of the follower on real files. Most have a clock of their own and no threads.

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tokio::time::timeout;

use super::super::*;
use super::*;

/// The timeout of a test.
const DEADLINE: Duration = Duration::from_secs(20);

/// A tail with a clock of its own, and what it returned. A `|` is a restart.
struct Scene {
    dir: TempDir,
    tail: Tail,
    now: Instant,
    got: String,
}

impl Scene {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts");
        let tail = Tail::new(path.clone(), Claims::default().enter(&path));
        Self { dir, tail, now: Instant::now(), got: String::new() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.at(from), self.at(to)).unwrap();
    }

    /// Takes one look after all pauses are over.
    fn look(&mut self) -> Sight {
        self.now += 2 * ERROR_PAUSE;
        let sight = self.tail.look(self.now);
        match sight {
            Sight::Data { .. } => {
                self.got.push_str(std::str::from_utf8(self.tail.fresh()).unwrap());
            }
            Sight::Restart => self.got.push('|'),
            Sight::Nothing | Sight::Failing | Sight::Refused(_) => {}
        }
        sight
    }

    /// Looks until nothing has come for 10 looks, and returns what came before.
    fn settle(&mut self) -> String {
        let mut quiet = 0;
        for _ in 0..1000 {
            quiet = if self.look() == Sight::Nothing { quiet + 1 } else { 0 };
            if quiet == 10 {
                return mem::take(&mut self.got);
            }
        }
        panic!("still not quiet after 1000 looks: {:?}", self.look());
    }
}

fn append(path: impl AsRef<Path>, text: &str) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn truncate(path: impl AsRef<Path>) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
}

#[test]
fn reads_existing_and_appended_bytes() {
    let mut s = Scene::new();
    append(s.at("alerts"), "one\ntwo\n");
    assert_eq!(s.settle(), "one\ntwo\n");
    append(s.at("alerts"), "thr");
    assert_eq!(s.settle(), "thr");
    append(s.at("alerts"), "ee\n");
    assert_eq!(s.settle(), "ee\n");
    assert_eq!(s.settle(), "");
}

#[test]
fn waits_for_a_missing_file() {
    let mut s = Scene::new();
    assert_eq!(s.settle(), "");
    append(s.at("alerts"), "");
    assert_eq!(s.settle(), "");
    append(s.at("alerts"), "one\n");
    assert_eq!(s.settle(), "one\n");
}

#[test]
fn renamed_file_is_read_to_its_end_before_the_new_one() {
    let mut s = Scene::new();
    append(s.at("alerts"), "one\n");
    assert_eq!(s.settle(), "one\n");
    s.rename("alerts", "alerts.1");
    append(s.at("alerts.1"), "two\n");
    assert_eq!(s.settle(), "two\n");
    append(s.at("alerts.1"), "three\n");
    append(s.at("alerts"), "four\n");
    assert_eq!(s.settle(), "three\n|four\n");
    append(s.at("alerts"), "five\n");
    assert_eq!(s.settle(), "five\n");
}

#[test]
fn new_file_made_long_before_the_old_one_is_left() {
    let mut s = Scene::new();
    append(s.at("alerts"), "one\n");
    assert_eq!(s.settle(), "one\n");
    s.rename("alerts", "alerts.1");
    append(s.at("alerts"), "");
    assert_eq!(s.settle(), "");
    append(s.at("alerts.1"), "two\n");
    assert_eq!(s.settle(), "two\n");
    append(s.at("alerts.1"), "three\n");
    append(s.at("alerts"), "four\n");
    assert_eq!(s.settle(), "three\n|four\n");
}

/// If a look saw the new file still empty, it does not leave the old one, even if bytes come before
/// its read.
#[test]
fn the_old_file_stays_open_if_the_new_one_was_seen_empty() {
    let mut s = Scene::new();
    append(s.at("alerts"), "one\n");
    assert_eq!(s.settle(), "one\n");
    s.rename("alerts", "alerts.1");
    append(s.at("alerts"), "");
    s.look();
    s.now += ERROR_PAUSE;
    let ahead = s.tail.look_ahead(s.now);
    append(s.at("alerts"), "two\n");
    assert_eq!(s.tail.read_on(&ahead), Sight::Nothing);
    assert_eq!(s.settle(), "|two\n");
}

#[test]
fn a_file_that_is_removed_and_created_again_is_read() {
    let mut s = Scene::new();
    append(s.at("alerts"), "one\n");
    assert_eq!(s.settle(), "one\n");
    fs::remove_file(s.at("alerts")).unwrap();
    assert_eq!(s.settle(), "");
    append(s.at("alerts"), "two\n");
    assert_eq!(s.settle(), "|two\n");
    append(s.at("alerts"), "thr");
    fs::remove_file(s.at("alerts")).unwrap();
    append(s.at("alerts"), "four\n");
    assert_eq!(s.settle(), "thr|four\n");
}

#[test]
fn a_file_that_is_renamed_back_is_continued() {
    let mut s = Scene::new();
    append(s.at("alerts"), "one\n");
    assert_eq!(s.settle(), "one\n");
    s.rename("alerts", "alerts.1");
    append(s.at("alerts"), "");
    assert_eq!(s.settle(), "");
    s.rename("alerts.1", "alerts");
    append(s.at("alerts"), "two\n");
    assert_eq!(s.settle(), "two\n");
}

#[test]
fn rotations_during_a_long_read_are_followed_in_order() {
    let mut s = Scene::new();
    let long = "x".repeat(3 * READ_BYTES);
    append(s.at("alerts"), &long);
    assert_eq!(s.look(), Sight::Data { more: true });
    s.rename("alerts", "alerts.3");
    append(s.at("alerts"), "two\n");
    assert_eq!(s.look(), Sight::Data { more: true });
    s.rename("alerts", "alerts.2");
    append(s.at("alerts"), "");
    assert_eq!(s.look(), Sight::Data { more: true });
    // A file that was rotated while empty and then removed must not hold up the ones after it.
    fs::remove_file(s.at("alerts")).unwrap();
    fs::remove_file(s.at("alerts.2")).unwrap();
    append(s.at("alerts"), "three\n");
    assert_eq!(s.settle(), format!("{long}|two\n||three\n"));
    assert_eq!(s.tail.files.len(), 1);
}

#[test]
fn the_number_of_open_files_is_limited() {
    let mut s = Scene::new();
    append(s.at("alerts"), "start\n");
    assert_eq!(s.settle(), "start\n");
    for n in 0..2 * MAX_FILES {
        s.rename("alerts", &format!("alerts.{n}"));
        append(s.at("alerts"), "");
        s.look();
        assert!(s.tail.files.len() <= MAX_FILES);
    }
    append(s.at("alerts.2"), "middle\n");
    append(s.at("alerts"), "end\n");
    let got = s.settle();
    assert_eq!(got.replace('|', ""), "middle\nend\n");
    assert!(got.starts_with('|'));
}

#[test]
fn a_truncated_file_is_read_again() {
    let mut s = Scene::new();
    append(s.at("alerts"), "one\ntw");
    assert_eq!(s.settle(), "one\ntw");
    truncate(s.at("alerts"));
    assert_eq!(s.settle(), "|");
    append(s.at("alerts"), "three\n");
    assert_eq!(s.settle(), "three\n");
    truncate(s.at("alerts"));
    append(s.at("alerts"), "4\n");
    assert_eq!(s.settle(), "|4\n");
}

#[test]
fn a_truncation_is_seen_when_the_file_has_grown_to_our_position_or_past_it() {
    for again in ["two\n", "two\nand more\n"] {
        let mut s = Scene::new();
        append(s.at("alerts"), "one\n");
        assert_eq!(s.settle(), "one\n");
        truncate(s.at("alerts"));
        append(s.at("alerts"), again);
        assert_eq!(s.settle(), format!("|{again}"));
    }
}

#[test]
fn a_truncation_of_a_long_file_is_seen() {
    let mut s = Scene::new();
    let long = "line\n".repeat(READ_BYTES / 3);
    append(s.at("alerts"), &long);
    assert_eq!(s.settle(), long);
    truncate(s.at("alerts"));
    append(s.at("alerts"), "short\n");
    assert_eq!(s.settle(), "|short\n");
}

#[test]
fn follows_a_link_that_is_swapped() {
    let mut s = Scene::new();
    for day in ["a", "b"] {
        fs::create_dir(s.at(day)).unwrap();
        append(s.at(day).join("alerts"), &format!("{day}1\n"));
    }
    symlink("a", s.at("..data")).unwrap();
    symlink("..data/alerts", s.at("alerts")).unwrap();
    assert_eq!(s.settle(), "a1\n");
    symlink("b", s.at("..new")).unwrap();
    s.rename("..new", "..data");
    append(s.at("a").join("alerts"), "a2\n");
    assert_eq!(s.settle(), "a2\n|b1\n");
}

#[test]
fn rejects_anything_but_a_file_until_one_is_followed() {
    let mut s = Scene::new();
    fs::create_dir(s.at("alerts")).unwrap();
    assert!(matches!(s.look(), Sight::Refused(why) if why.contains("directory")));
    fs::remove_dir(s.at("alerts")).unwrap();
    nix::unistd::mkfifo(&s.at("alerts"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(matches!(s.look(), Sight::Refused(why) if why.contains("FIFO")));
    fs::remove_file(s.at("alerts")).unwrap();
    append(s.at("alerts"), "one\n");
    assert_eq!(s.settle(), "one\n");
    s.rename("alerts", "alerts.1");
    fs::create_dir(s.at("alerts")).unwrap();
    append(s.at("alerts.1"), "two\n");
    assert_eq!(s.settle(), "two\n");
}

#[test]
fn a_file_counts_as_gone_after_longer_than_a_rotation_takes() {
    let mut s = Scene::new();
    assert_eq!(s.look(), Sight::Nothing);
    assert!(s.tail.down().unwrap().contains("does not exist yet"));
    append(s.at("alerts"), "one\n");
    assert_eq!(s.settle(), "one\n");
    assert_eq!(s.tail.down(), None);
    s.rename("alerts", "alerts.1");
    assert_eq!(s.settle(), "");
    assert_eq!(s.tail.down(), None, "a rotation may be under way");
    let end = s.now + GONE_PAUSE;
    while s.now < end {
        assert_eq!(s.look(), Sight::Nothing);
    }
    assert!(s.tail.down().unwrap().contains("is gone"));
    // A Falco that does not know of the rotation still writes to the old file.
    append(s.at("alerts.1"), "two\n");
    assert_eq!(s.settle(), "two\n");
    assert_eq!(s.tail.down(), None);
    append(s.at("alerts"), "three\n");
    assert_eq!(s.settle(), "|three\n");
    // A path that names a directory is reported, though the old file is still read.
    s.rename("alerts", "alerts.1");
    fs::create_dir(s.at("alerts")).unwrap();
    s.look();
    assert!(s.tail.down().unwrap().contains("is a directory"));
}

/// A loop of links stands for every error of the path, because permissions do not stop root.
#[test]
fn errors_are_logged_when_they_change_and_retried() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false);
    tracing::subscriber::with_default(subscriber.finish(), || {
        let mut s = Scene::new();
        for _ in 0..10 {
            assert_eq!(s.look(), Sight::Nothing);
        }
        symlink("alerts", s.at("alerts")).unwrap();
        for _ in 0..10 {
            assert_eq!(s.look(), Sight::Failing);
        }
        fs::remove_file(s.at("alerts")).unwrap();
        append(s.at("alerts"), "one\n");
        assert_eq!(s.settle(), "one\n");
    });
    assert_eq!(log.count("waiting for the alert file"), 1);
    assert_eq!(log.count("alert file cannot be opened"), 1);
    assert_eq!(log.count("found the alert file"), 1);
}

/// Every read of a directory fails, so the test puts one into the queue.
#[test]
fn an_unreadable_file_stays_open_until_there_is_another() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false);
    tracing::subscriber::with_default(subscriber.finish(), || {
        let mut s = Scene::new();
        let file = File::open(s.dir.path()).unwrap();
        let metadata = file.metadata().unwrap();
        s.tail.files.push_back(Source::new(file, &metadata));
        for _ in 0..10 {
            assert_eq!(s.look(), Sight::Failing);
        }
        append(s.at("alerts"), "one\n");
        assert_eq!(s.look(), Sight::Restart);
        assert_eq!(s.settle(), "|one\n");
    });
    assert_eq!(log.count("alert file cannot be read"), 1);
    assert_eq!(log.count("alert file can be read again"), 1);
}

#[tokio::test]
async fn an_alert_is_read_within_100_ms() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts");
    append(&path, "");
    let mut follower = Follower::new(path.clone());
    let mut buffer = Vec::new();
    let mut best = DEADLINE;
    for _ in 0..5 {
        // Long enough for the pauses to reach their maximum.
        assert!(timeout(4 * LONG_PAUSE, follower.next(&mut buffer)).await.is_err());
        let wrote = Instant::now();
        append(&path, "line\n");
        let piece = timeout(DEADLINE, follower.next(&mut buffer)).await.unwrap().unwrap();
        assert_eq!(piece, Piece::Data);
        best = best.min(wrote.elapsed());
    }
    assert_eq!(buffer, b"line\n".repeat(5));
    assert!(best < Duration::from_millis(100), "took {best:?}");
}

#[tokio::test]
async fn an_idle_follower_rests() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts");
    append(&path, "");
    let mut follower = Follower::new(path);
    let mut buffer = Vec::new();
    assert!(timeout(10 * LONG_PAUSE, follower.next(&mut buffer)).await.is_err());
    assert_eq!(follower.pause, LONG_PAUSE);
}

#[tokio::test]
async fn a_cancelled_call_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts");
    let text: String = (0..200_000).map(|n| format!("{n}\n")).collect();
    let mut follower = Follower::new(path.clone());
    let mut buffer = Vec::new();
    let mut cancelled = 0;
    let end = Instant::now() + DEADLINE;
    while buffer.len() < text.len() && Instant::now() < end {
        // The call is polled once and then dropped.
        tokio::select! {
            biased;
            piece = follower.next(&mut buffer) => assert_eq!(piece.unwrap(), Piece::Data),
            () = std::future::ready(()) => {
                cancelled += 1;
                if cancelled == 1 {
                    append(&path, &text);
                }
            }
        }
        tokio::task::yield_now().await;
    }
    assert!(buffer == text.as_bytes(), "{} of {} bytes", buffer.len(), text.len());
}

#[tokio::test]
async fn a_directory_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let mut follower = Follower::new(dir.path().to_path_buf());
    let mut buffer = Vec::new();
    let error = timeout(DEADLINE, follower.next(&mut buffer)).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("is a directory"));
}

/// The writer rotates like Falco and logrotate, in every way that they can be configured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_lines_across_twenty_rotations() {
    const LINES: usize = 10_000;
    const ROTATIONS: usize = 20;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("alerts");
    let read = Arc::new(AtomicUsize::new(0));
    let writer = {
        let (path, read) = (path.clone(), Arc::clone(&read));
        std::thread::spawn(move || write_and_rotate(&path, LINES, ROTATIONS, &read))
    };

    let mut follower = Follower::new(path);
    let mut buffer = Vec::new();
    let mut next = 0;
    let mut restarts = 0;
    let all = async {
        while next < LINES {
            if follower.next(&mut buffer).await.unwrap() == Piece::Restart {
                restarts += 1;
                assert!(buffer.is_empty(), "unfinished: {:?}", String::from_utf8_lossy(&buffer));
            }
            while let Some(end) = buffer.iter().position(|&byte| byte == b'\n') {
                let line = String::from_utf8(buffer.drain(..=end).collect()).unwrap();
                assert_eq!(line, line_of(next));
                next += 1;
            }
            read.store(next, Ordering::SeqCst);
        }
    };
    let done = timeout(DEADLINE, all).await;
    assert!(done.is_ok(), "stopped at line {next} after {restarts} restarts");
    writer.join().unwrap();
    assert_eq!(restarts, ROTATIONS);
    assert!(buffer.is_empty());
}

fn line_of(n: usize) -> String {
    format!("{n} {}\n", "x".repeat(n * 7919 % 400))
}

fn write_and_rotate(path: &Path, lines: usize, rotations: usize, read: &AtomicUsize) {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = move |limit: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % limit
    };
    let open = || OpenOptions::new().create(true).append(true).open(path).unwrap();
    let wait_for = |line: usize| {
        let end = Instant::now() + DEADLINE;
        while read.load(Ordering::SeqCst) < line && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    let mut file = open();
    let mut rotated = 0;
    // The first line for a new file, after the old one was renamed or removed.
    let mut reopen_at = usize::MAX;
    let mut first_of_file = 0;
    for n in 0..lines {
        if n == reopen_at {
            file = open();
            reopen_at = usize::MAX;
            first_of_file = n;
        }
        let line = line_of(n);
        let (head, rest) = line.split_at(below(line.len() as u64) as usize);
        file.write_all(head.as_bytes()).unwrap();
        if below(50) == 0 {
            std::thread::sleep(Duration::from_millis(below(4)));
        }
        file.write_all(rest.as_bytes()).unwrap();

        let share = lines / (rotations + 1);
        if rotated == rotations || n < share * (rotated + 1) || reopen_at != usize::MAX {
            continue;
        }
        // The follower misses a file if two rotations happen between two looks.
        wait_for(first_of_file + 1);
        let old = path.with_extension(rotated.to_string());
        match below(4) {
            // `create`, then SIGUSR1 some lines later.
            0 => {
                fs::rename(path, old).unwrap();
                drop(open());
                reopen_at = n + 1 + below(100) as usize;
            }
            // SIGUSR1 makes the new file.
            1 => {
                fs::rename(path, old).unwrap();
                reopen_at = n + 1 + below(100) as usize;
            }
            2 => {
                fs::remove_file(path).unwrap();
                reopen_at = n + 1;
            }
            // A truncation loses unread lines by design, so wait until all are read.
            _ => {
                wait_for(n + 1);
                truncate(path);
                first_of_file = n + 1;
            }
        }
        rotated += 1;
    }
}

/// The log output.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn count(&self, text: &str) -> usize {
        String::from_utf8_lossy(&self.0.lock().unwrap()).matches(text).count()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl tracing_subscriber::fmt::MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
