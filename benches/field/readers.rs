//! The load generator's reading side: many subscribers in one thread.
//!
//! Each has its own connection and speaks HTTP/2 with the `h2` crate. It counts the messages
//! ([`Walker`]) and releases flow control at once. Its windows ([`STREAM_WINDOW`],
//! [`CONNECTION_WINDOW`]) are large enough that no server waits for them. Frames have at most 16
//! KiB, the default of clients. The contender `canned-h2` measures the maximum of this side.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use hdrhistogram::Histogram;
use http::Request;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, timeout_at};

use super::alerts;
use super::socket::{Connection, Target};
use super::walk::Walker;

/// The flow-control windows of a stream and of a connection, in bytes.
pub(crate) const STREAM_WINDOW: u32 = 1 << 20;
pub(crate) const CONNECTION_WINDOW: u32 = 16 << 20;

/// An empty message with its prefix.
const EMPTY: &[u8] = &[0; 5];

/// A call of Falco's outputs service.
#[derive(Clone, Copy)]
pub(crate) enum Call {
    /// The retained alerts. Falconer returns the newest `last` of them.
    Get { last: u64 },
    /// Like [`Self::Get`], but only the alerts that match a filter.
    Filtered { last: u64, filter: &'static str },
    /// New alerts.
    Sub,
}

/// The response of a call, in progress.
pub(crate) struct Answer {
    pub(crate) body: RecvStream,
    /// Kept, because dropping it would end the request side.
    _requests: Option<SendStream<Bytes>>,
    connection: AbortHandle,
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// Connects and calls. Returns when the response has begun.
pub(crate) async fn call(target: &Target, call: Call, window: u32) -> io::Result<Answer> {
    let (sender, connection) = handshake(target.connect().await?, window).await?;
    ask(sender, connection, call).await.map_err(io::Error::other)
}

async fn handshake(
    connection: Connection,
    window: u32,
) -> io::Result<(SendRequest<Bytes>, AbortHandle)> {
    let (sender, connection) = h2::client::Builder::new()
        .initial_window_size(window)
        .initial_connection_window_size(window.max(CONNECTION_WINDOW))
        .handshake::<_, Bytes>(connection)
        .await
        .map_err(io::Error::other)?;
    let task = spawn_local(async {
        // The reader of the response sees how the connection ends.
        let _ = connection.await;
    });
    Ok((sender, task.abort_handle()))
}

async fn ask(
    sender: SendRequest<Bytes>,
    connection: AbortHandle,
    call: Call,
) -> Result<Answer, h2::Error> {
    let (method, last) = match call {
        Call::Get { last } | Call::Filtered { last, .. } => ("get", last),
        Call::Sub => ("sub", 0),
    };
    let mut request = Request::post(format!("http://localhost/falco.outputs.service/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("falconer-last", last);
    if let Call::Filtered { filter, .. } = call {
        request = request.header("falconer-filter", filter);
    }
    let request = request.body(()).unwrap();
    let (response, mut requests) = sender.ready().await?.send_request(request, false)?;
    requests.send_data(Bytes::from_static(EMPTY), !matches!(call, Call::Sub))?;
    let response = response.await?;
    assert!(!response.headers().contains_key("grpc-status"), "refused: {:?}", response.headers());
    let _requests = matches!(call, Call::Sub).then_some(requests);
    Ok(Answer { body: response.into_body(), _requests, connection })
}

impl Answer {
    /// Reads to the end. Returns the number of messages and of bytes.
    pub(crate) async fn drain(mut self) -> Result<(u64, u64), h2::Error> {
        let (mut walker, mut bytes) = (Walker::default(), 0);
        while let Some(chunk) = self.body.data().await {
            let chunk = chunk?;
            self.body.flow_control().release_capacity(chunk.len())?;
            walker.push(&chunk, |_| {});
            bytes += chunk.len() as u64;
        }
        Ok((walker.messages(), bytes))
    }
}

/// The subscribers. Dropping it ends them.
pub(crate) struct Readers {
    shared: Rc<Shared>,
    tasks: Vec<AbortHandle>,
}

struct Shared {
    /// The number of alerts of each reader.
    counts: Vec<Cell<u64>>,
    bytes: Cell<u64>,
    /// Notified after every [`STEP`] alerts of a reader.
    progress: Notify,
    latency: RefCell<Option<Latency>>,
    failed: RefCell<Option<String>>,
}

struct Latency {
    /// Alerts sent before this time are not measured.
    since: Duration,
    nanoseconds: Histogram<u64>,
}

/// The number of alerts after which a reader reports progress.
const STEP: u64 = 64;

impl Readers {
    /// Subscribes `count` times, each on a connection of its own.
    pub(crate) async fn subscribe(target: &Target, count: usize) -> Result<Self, String> {
        let mut answers = Vec::with_capacity(count);
        for _ in 0..count {
            answers.push(subscribe(target).await?);
        }
        let shared = Rc::new(Shared {
            counts: vec![Cell::new(0); count],
            bytes: Cell::new(0),
            progress: Notify::new(),
            latency: RefCell::default(),
            failed: RefCell::default(),
        });
        let tasks = answers.into_iter().enumerate().map(|(reader, answer)| {
            let shared = shared.clone();
            spawn_local(async move { shared.read(reader, answer).await }).abort_handle()
        });
        Ok(Self { tasks: tasks.collect(), shared })
    }

    pub(crate) fn len(&self) -> usize {
        self.shared.counts.len()
    }

    /// Returns the number of alerts that all readers have got in total.
    pub(crate) fn delivered(&self) -> u64 {
        self.shared.counts.iter().map(Cell::get).sum()
    }

    /// Returns the number of alerts of the slowest reader.
    pub(crate) fn least(&self) -> u64 {
        self.shared.counts.iter().map(Cell::get).min().unwrap_or_default()
    }

    /// Returns the number of readers that have `count` alerts.
    pub(crate) fn with_all(&self, count: u64) -> usize {
        self.shared.counts.iter().filter(|got| got.get() >= count).count()
    }

    /// Returns the number of bytes of frames that all readers have got in total.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.bytes.get()
    }

    /// Waits until every reader has `count` alerts.
    pub(crate) async fn reach(&self, count: u64, deadline: Instant) -> Result<(), String> {
        while self.least() < count {
            if let Some(reason) = self.shared.failed.borrow().clone() {
                return Err(reason);
            }
            // The last few alerts may not fill a step, so also check every millisecond.
            let step = Instant::now() + Duration::from_millis(1);
            if timeout_at(step, self.shared.progress.notified()).await.is_err()
                && Instant::now() > deadline
            {
                return Err(format!("a reader got {} of {count} alerts", self.least()));
            }
        }
        Ok(())
    }

    /// Measures the latency of alerts that are sent from now on.
    pub(crate) fn measure_latency(&self) {
        // From a microsecond to a minute, three digits.
        let nanoseconds = Histogram::new_with_bounds(1_000, 60_000_000_000, 3).unwrap();
        *self.shared.latency.borrow_mut() = Some(Latency { since: alerts::now(), nanoseconds });
    }

    /// Returns the measured latencies.
    pub(crate) fn latency(&self) -> Histogram<u64> {
        self.shared.latency.borrow_mut().take().unwrap().nanoseconds
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Subscribes. If the server refuses, because it lags in accepting, this retries for a while.
async fn subscribe(target: &Target) -> Result<Answer, String> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match timeout_at(deadline, call(target, Call::Sub, STREAM_WINDOW)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if Instant::now() > deadline => return Err(error.to_string()),
            Ok(Err(_)) => tokio::time::sleep(Duration::from_millis(1)).await,
            Err(_) => return Err("no answer to a subscription".into()),
        }
    }
}

impl Shared {
    async fn read(&self, reader: usize, mut answer: Answer) {
        let mut walker = Walker::default();
        let end = loop {
            let chunk = match answer.body.data().await {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => break error.to_string(),
                None => break format!("{:?}", answer.body.trailers().await),
            };
            if let Err(error) = answer.body.flow_control().release_capacity(chunk.len()) {
                break error.to_string();
            }
            self.take(reader, &mut walker, &chunk);
        };
        *self.failed.borrow_mut() = Some(format!("a subscription ended: {end}"));
        self.progress.notify_one();
    }

    fn take(&self, reader: usize, walker: &mut Walker, chunk: &[u8]) {
        match &mut *self.latency.borrow_mut() {
            None => walker.push(chunk, |_| {}),
            Some(latency) => {
                let now = alerts::now();
                walker.push(chunk, |sent| {
                    if let Some(sent) = sent.filter(|sent| *sent >= latency.since) {
                        let took = now.saturating_sub(sent).as_nanos();
                        latency.nanoseconds.saturating_record(u64::try_from(took).unwrap());
                    }
                });
            }
        }
        self.bytes.set(self.bytes.get() + chunk.len() as u64);
        let before = self.counts[reader].replace(walker.messages());
        if before / STEP != walker.messages() / STEP {
            self.progress.notify_one();
        }
    }
}
