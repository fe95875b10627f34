//! Writes the log to standard error, which can be a full disk, a closed pipe or one that nobody
//! reads. Logging never waits and never fails.
//!
//! 1. A line goes into a queue of at most [`MOST`] bytes. A line that does not fit is lost and
//!    counted.
//! 2. One thread takes the whole queue and writes it. Only this thread waits.
//! 3. A failed write is repeated as long as the process lives, after a pause that grows to
//!    [`PAUSE_MOST`]. So no line is lost while the queue has room.
//! 4. After lost lines, their number is written behind the lines in the queue.
//! 5. At the end of the process the queue is flushed for a limited time ([`Queue::flush`]).
//!
//! The thread starts with the first line. It uses nothing of the process but the queue.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The size of the queue in bytes. The thread can be writing as many again.
const MOST: usize = 256 << 10;

/// The pause after a failed write. It doubles with each further failure.
const PAUSE_FIRST: Duration = Duration::from_millis(20);
const PAUSE_MOST: Duration = Duration::from_secs(1);

/// A queue of lines. Clones share the same queue.
#[derive(Debug, Clone)]
pub(super) struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// The number of lost lines that is not written yet.
    untold: u64,
    /// The number of lost lines.
    lost: u64,
    /// Whether the thread has started.
    begun: bool,
    /// Whether the thread is writing.
    writing: bool,
    /// Whether its last write failed.
    failing: bool,
    /// Whether the process is about to end.
    ending: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self(Arc::new(Shared { state: Mutex::default(), changed: Condvar::new() }))
    }

    /// Queues a line, or loses it. `open` returns the output. It is called until it has succeeded.
    pub(super) fn push<W>(&self, line: &[u8], open: impl FnOnce() -> io::Result<W>)
    where
        W: Write + Send + 'static,
    {
        let mut state = self.0.lock();
        if !state.begun {
            state.begun = self.begin(open).is_ok();
        }
        if !state.begun || state.bytes.len() + line.len() > MOST {
            state.lost += 1;
            state.untold += 1;
        } else {
            state.bytes.extend_from_slice(line);
        }
        drop(state);
        self.0.changed.notify_all();
    }

    /// Returns the number of lost lines.
    pub(super) fn lost(&self) -> u64 {
        self.0.lock().lost
    }

    /// Waits until everything is written, a write fails, or `limit` has passed.
    pub(super) fn flush(&self, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut state = self.0.lock();
        if !state.begun {
            return;
        }
        (state.ending, state.failing) = (true, false);
        self.0.changed.notify_all();
        while state.has_work() && !state.failing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let woken = self.0.changed.wait_timeout(state, left);
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn begin<W>(&self, open: impl FnOnce() -> io::Result<W>) -> io::Result<()>
    where
        W: Write + Send + 'static,
    {
        let (out, shared) = (open()?, self.0.clone());
        // The thread ends with the process; it has nothing to clean up.
        thread::Builder::new().name("log".into()).spawn(move || shared.write_to(out))?;
        Ok(())
    }
}

impl State {
    fn has_work(&self) -> bool {
        self.writing || self.untold > 0 || !self.bytes.is_empty()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is consistent at any time, so a poisoned lock is no problem.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_to(&self, mut out: impl Write) {
        loop {
            let batch = self.take();
            let mut rest = batch.as_slice();
            let mut pause = PAUSE_FIRST;
            while !rest.is_empty() {
                match out.write(rest) {
                    Ok(written @ 1..) => {
                        rest = rest.get(written..).unwrap_or_default();
                        pause = PAUSE_FIRST;
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Ok(0) | Err(_) => {
                        self.pause(pause);
                        pause = (pause * 2).min(PAUSE_MOST);
                    }
                }
            }
            self.lock().writing = false;
            self.changed.notify_all();
        }
    }

    /// Waits for lines, and takes them all, followed by a line with the number of lost ones.
    fn take(&self) -> Vec<u8> {
        let idle = |state: &mut State| !state.has_work();
        let woken = self.changed.wait_while(self.lock(), idle);
        let mut state = woken.unwrap_or_else(PoisonError::into_inner);
        state.writing = true;
        let mut batch = std::mem::take(&mut state.bytes);
        let lost = std::mem::take(&mut state.untold);
        drop(state);
        if lost > 0 {
            let now = Timestamp::now();
            let told = format!(
                "{now:.6}  WARN falconer: log lines were lost, because standard error did not \
                 accept them in time lost={lost}\n"
            );
            batch.extend_from_slice(told.as_bytes());
        }
        batch
    }

    /// Waits before another attempt. The wait is cut short when the process begins to end.
    fn pause(&self, pause: Duration) {
        let mut state = self.lock();
        state.failing = true;
        self.changed.notify_all();
        if state.ending {
            drop(state);
            thread::sleep(pause);
        } else {
            let _ = self.changed.wait_timeout_while(state, pause, |state| !state.ending);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepts bytes up to its free space, and fails beyond.
    #[derive(Clone, Default)]
    struct Disk(Arc<Mutex<(Vec<u8>, usize)>>);

    impl Disk {
        fn room(&self, room: usize) {
            self.0.lock().unwrap().1 = room;
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().0.clone()).unwrap()
        }

        fn until(&self, wanted: &str) {
            let deadline = Instant::now() + Duration::from_secs(30);
            while !self.text().contains(wanted) {
                assert!(Instant::now() < deadline, "{wanted}: {}", self.text().len());
                thread::sleep(Duration::from_millis(5));
            }
        }
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (text, room) = &mut *self.0.lock().unwrap();
            let taken = bytes.len().min(*room);
            if taken == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            *room -= taken;
            text.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_lost_on_a_full_disk_are_counted_and_reported_later() {
        let (queue, disk) = (Queue::new(), Disk::default());
        let push = |line: &str| queue.push(line.as_bytes(), || Ok(disk.clone()));
        disk.room(7);
        push("the first line\n");
        disk.until("the fir");
        let line = "x".repeat(1023) + "\n";
        let begun = Instant::now();
        let pushed = 2 * MOST / line.len();
        (0..pushed).for_each(|_| push(&line));
        // Nobody waits for the disk, not even at the end.
        queue.flush(Duration::from_secs(60));
        assert!(begun.elapsed() < Duration::from_secs(30));
        let lost = queue.lost();
        assert_eq!(lost as usize, pushed - MOST / line.len());
        disk.room(usize::MAX);
        disk.until(&format!("lost={lost}\n"));
        push("and on\n");
        queue.flush(Duration::from_secs(60));
        let text = disk.text();
        assert!(text.starts_with("the first line\nxxx"), "no line is torn");
        assert!(
            text.ends_with(&format!("lost={lost}\nand on\n")),
            "reported once, after the queued lines"
        );
        assert_eq!(text.matches(&line).count(), pushed - lost as usize);
        assert_eq!(queue.lost(), lost);
    }

    #[test]
    fn the_last_lines_are_written_before_the_end() {
        let (queue, disk) = (Queue::new(), Disk::default());
        queue.flush(Duration::from_secs(60));
        disk.room(usize::MAX);
        for number in 0..100 {
            queue.push(format!("{number}\n").as_bytes(), || Ok(disk.clone()));
        }
        queue.flush(Duration::from_secs(60));
        assert!(disk.text().ends_with("\n99\n"));
    }

    #[test]
    fn lines_without_an_output_are_counted() {
        let queue = Queue::new();
        queue.push(b"line\n", || Err::<Disk, _>(io::ErrorKind::NotFound.into()));
        assert_eq!(queue.lost(), 1);
        queue.flush(Duration::from_secs(60));
    }
}
