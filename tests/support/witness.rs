//! A correct subscriber beside everything else that happens to a server.
//!
//! It posts an alert every few milliseconds over one connection, and reads all alerts from the
//! server's socket. In the end it must have received as many alerts as the server, its own in order
//! and each once. 99 of 100 of its own must arrive within [`LATE`], which is longer on a busy
//! machine ([`Busy`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::SendStream;
use http::Request;
use nix::time::{ClockId, clock_gettime};
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::PATIENCE;
use super::examples;
use super::http::{Gateway, Kept};
use super::raw::{Client, Replies, head};

/// The longest time that an alert may take on an idle machine.
const LATE: Duration = Duration::from_millis(250);

/// About how often an alert passes from one thread to another on its way.
const HANDED_ON: u32 = 10;

/// The prefix of its own alerts' rules.
const OWN: &str = "witness ";

/// The time between two alerts.
const PAUSE: Duration = Duration::from_millis(5);

/// The least number of alerts for a result.
const AT_LEAST: usize = 200;

pub(crate) struct Witness {
    watching: JoinHandle<()>,
    enough: CancellationToken,
}

impl Witness {
    /// Starts to watch. No other alert may be on its way into the server yet.
    pub(crate) async fn beside(gateway: &Gateway) -> Self {
        let mut poster = Kept::open(gateway.address).await;
        let first = taken(&mut poster).await;
        let client = Client::connect(&gateway.server.socket().unwrap()).await;
        let call = client.begin(head("/falco.outputs.service/sub").header("falconer-last", "0"));
        let (requests, replies) = call.await.replies().await;
        let watch = Watch { poster, replies, _client: client, _requests: requests, first, seen: 0 };
        let enough = CancellationToken::new();
        Self { watching: tokio::spawn(watch.run(enough.clone())), enough }
    }

    /// Stops and checks the result. No other alert may be on its way into the server any more.
    pub(crate) async fn satisfied(&mut self) {
        self.enough.cancel();
        (&mut self.watching).await.unwrap();
    }
}

struct Watch {
    poster: Kept,
    replies: Replies,
    _client: Client,
    _requests: SendStream<Bytes>,
    /// The number of alerts in the server before.
    first: u64,
    seen: u64,
}

impl Watch {
    async fn run(mut self, enough: CancellationToken) {
        let mut times = Vec::new();
        let busy = Busy::measured();
        while times.len() < AT_LEAST || !enough.is_cancelled() {
            // All names have the same length, so that none is a prefix of another.
            times.push(self.turn(&format!("{OWN}{:06}", times.len())).await);
        }
        let begun = Instant::now();
        loop {
            let missing = taken(&mut self.poster).await - self.first - self.seen;
            if missing == 0 {
                break;
            }
            assert!(begun.elapsed() < PATIENCE, "{missing} alerts are missing");
            for _ in 0..missing {
                check(&self.replies.next().await.expect("another alert"), None);
                self.seen += 1;
            }
        }
        assert!(self.replies.quiet_for(Duration::from_millis(100)).await, "an alert came twice");
        let (p99, (late, slow)) = (p99(&mut times), busy.ends());
        let may = LATE.mul_f64(slow) + HANDED_ON * late;
        println!("{} alerts seen, p99 of {} {p99:?} of {may:?}", self.seen, times.len());
        assert!(p99 < may, "p99 of {} alerts is {p99:?}, more than {may:?}", times.len());
    }

    /// Posts one alert and reads until it arrives, then for [`PAUSE`]. Returns the time until it
    /// arrived.
    async fn turn(&mut self, name: &str) -> Duration {
        let Self { poster, replies, seen, .. } = self;
        let mut next = async |expected| {
            let alert = replies.next().await.expect("another alert");
            *seen += 1;
            check(&alert, expected)
        };
        let line = examples::line(name);
        let begun = Instant::now();
        let reading = async {
            while !next(Some(name)).await {}
            begun.elapsed()
        };
        let (took, ()) = tokio::join!(reading, poster.post(&line));
        let pause = sleep(PAUSE);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => return took,
                _ = next(None) => {}
            }
        }
    }
}

fn p99(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times.get(times.len() * 99 / 100).copied().unwrap()
}

/// Measures the load of the machine: how late a thread wakes up, and how much longer it computes.
struct Busy {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<(Duration, f64)>,
}

impl Busy {
    /// After this many sleeps the thread computes for [`Self::COMPUTE`].
    const COMPUTE_EVERY: usize = 40;
    const COMPUTE: Duration = Duration::from_millis(10);

    fn measured() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::spawn(move || {
            let (mut late, mut slow) = (Vec::new(), Vec::new());
            while late.is_empty() || !stopped.load(Ordering::Relaxed) {
                if late.len() % Self::COMPUTE_EVERY == 0 {
                    slow.push(Self::compute());
                }
                let begun = Instant::now();
                thread::sleep(PAUSE);
                late.push(begun.elapsed().saturating_sub(PAUSE));
            }
            let took = slow.iter().sum::<Duration>() / u32::try_from(slow.len()).unwrap();
            (p99(&mut late), took.as_secs_f64() / Self::COMPUTE.as_secs_f64())
        });
        Self { stop, thread }
    }

    /// The wall-clock time of a computation that takes [`Self::COMPUTE`] of CPU.
    fn compute() -> Duration {
        let spent = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
        let (begun, until) = (Instant::now(), spent() + Self::COMPUTE);
        while spent() < until {}
        begun.elapsed()
    }

    /// Stops. Returns the 99th percentile of the delay, and the factor by which computing took
    /// longer.
    fn ends(self) -> (Duration, f64) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Returns whether this is the expected alert of the witness. Panics on another alert of the
/// witness and on one that announces a loss.
fn check(alert: &[u8], expected: Option<&str>) -> bool {
    let text = String::from_utf8_lossy(alert);
    assert!(!text.contains("Falconer internal"), "the witness lost alerts: {text}");
    let is_expected = expected.is_some_and(|name| text.contains(name));
    assert!(is_expected || !text.contains(OWN), "an alert out of order, or twice: {text}");
    is_expected
}

/// The number of alerts that the server has received.
async fn taken(connection: &mut Kept) -> u64 {
    let status = connection.json(Request::get("/api/v1/status")).await;
    status.get("alerts_received").unwrap().as_u64().unwrap()
}
