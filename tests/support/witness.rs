//! A subscriber that does nothing wrong, beside whatever else happens to a server.
//!
//! It posts an alert every few milliseconds, over a connection that it keeps, and reads everything
//! there is from the server's socket. In the end it must have had as many alerts as the server took, its
//! own in order and each once, and 99 of 100 of those within [`LATE`], or what that is on a machine as
//! busy as this one ([`Busy`]).

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

/// How long an alert may take.
const LATE: Duration = Duration::from_millis(250);

/// An alert is handed from thread to thread about this often on its way.
const HANDED_ON: u32 = 10;

/// What the names of its own alerts begin with.
const OWN: &str = "witness ";

/// From one alert to the next.
const PAUSE: Duration = Duration::from_millis(5);

/// How many alerts make a judgement.
const AT_LEAST: usize = 200;

pub(crate) struct Witness {
    watching: JoinHandle<()>,
    enough: CancellationToken,
}

impl Witness {
    /// Begins to watch; nothing else may be on its way into the server yet.
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

    /// Ends it; nothing else may be on its way into the server any more.
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
    /// How many alerts there were before.
    first: u64,
    seen: u64,
}

impl Watch {
    async fn run(mut self, enough: CancellationToken) {
        let mut times = Vec::new();
        let busy = Busy::measured();
        while times.len() < AT_LEAST || !enough.is_cancelled() {
            // All of a length: none is the beginning of another.
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
                check(&self.replies.next().await.expect("the subscription goes on"), None);
                self.seen += 1;
            }
        }
        assert!(self.replies.quiet_for(Duration::from_millis(100)).await, "an alert came twice");
        let (p99, (late, slow)) = (p99(&mut times), busy.ends());
        let may = LATE.mul_f64(slow) + HANDED_ON * late;
        println!("{} alerts seen, p99 of {} {p99:?} of {may:?}", self.seen, times.len());
        assert!(p99 < may, "p99 of {} alerts is {p99:?}, more than {may:?}", times.len());
    }

    /// Posts one alert, reads until it is there, and a moment longer; how long it took.
    async fn turn(&mut self, name: &str) -> Duration {
        let Self { poster, replies, seen, .. } = self;
        let mut next = async |expected| {
            let alert = replies.next().await.expect("the subscription goes on");
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

/// What other work on the machine does to everybody: how late a thread is woken up, and how much longer
/// it takes to get something done.
struct Busy {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<(Duration, f64)>,
}

impl Busy {
    /// Every so often something is computed, for so long.
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

    /// How long it takes to compute for [`Self::COMPUTE`].
    fn compute() -> Duration {
        let spent = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
        let (begun, until) = (Instant::now(), spent() + Self::COMPUTE);
        while spent() < until {}
        begun.elapsed()
    }

    /// The 99th percentile of how late it was, and how many times as long it took.
    fn ends(self) -> (Duration, f64) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Whether this is the alert of our own that is expected. Another one of ours is not to come, nor one
/// that tells of losses.
fn check(alert: &[u8], expected: Option<&str>) -> bool {
    let text = String::from_utf8_lossy(alert);
    assert!(!text.contains("Falconer internal"), "it missed some: {text}");
    let is_expected = expected.is_some_and(|name| text.contains(name));
    assert!(is_expected || !text.contains(OWN), "out of order, or twice: {text}");
    is_expected
}

/// How many alerts the server has taken.
async fn taken(connection: &mut Kept) -> u64 {
    let status = connection.json(Request::get("/api/v1/status")).await;
    status.get("alerts_received").unwrap().as_u64().unwrap()
}
