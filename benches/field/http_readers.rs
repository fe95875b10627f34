//! The load generator's readers over HTTP/1.1: plain sockets that count alerts.
//!
//! In every shape, an alert's JSON ends with `}` before a line break, and nothing else does. So
//! alerts are counted without parsing.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::{Instant, timeout_at};

/// The format of a stream.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// One server-sent event per alert.
    Events,
    /// Server-sent events with several alerts, as for the dashboard.
    Batches,
    /// One line per alert.
    Lines,
}

impl Shape {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Events => "SSE",
            Self::Batches => "SSE in batches",
            Self::Lines => "NDJSON",
        }
    }

    fn request(self) -> String {
        let (query, accept) = match self {
            Self::Events => ("", "text/event-stream"),
            Self::Batches => ("&batch=1", "text/event-stream"),
            Self::Lines => ("", "application/x-ndjson"),
        };
        format!(
            "GET /api/v1/events/stream?last=0{query} HTTP/1.1\r\nHost: localhost\r\n\
             Accept: {accept}\r\n\r\n"
        )
    }
}

/// Connects browsers that request every alert but never read, as long as they are kept.
pub(crate) async fn stalled(address: &str, count: usize) -> Result<Vec<TcpStream>, String> {
    let mut browsers = Vec::new();
    for _ in 0..count {
        let asking = async {
            let mut browser = TcpStream::connect(address).await?;
            browser.write_all(Shape::Batches.request().as_bytes()).await?;
            io::Result::Ok(browser)
        };
        browsers.push(asking.await.map_err(|error| error.to_string())?);
    }
    Ok(browsers)
}

/// Connects browsers with filters that are as slow as allowed, each a different one, as long as
/// they are kept. For every byte of an alert's text the engine goes through the whole pattern. No
/// alert matches.
pub(crate) async fn hostile(address: &str, count: usize) -> Result<Vec<TcpStream>, String> {
    let mut browsers = Vec::new();
    for number in 0..count {
        let filter = format!(
            r"output regex '.*[a-z](?:[a-z /=.0-9:]{{0,12}}.?){{0,12}}[^~]{{0,9}}~{number}'"
        );
        let filter = serde_urlencoded::to_string([("filter", filter)]).unwrap_or_default();
        let request = format!(
            "GET /api/v1/events/stream?last=0&{filter} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        );
        let asking = async {
            let mut browser = TcpStream::connect(address).await?;
            browser.write_all(request.as_bytes()).await?;
            let mut status = [0; 12];
            browser.read_exact(&mut status).await?;
            if !status.ends_with(b"200") {
                return Err(io::Error::other("the server rejected the filter"));
            }
            Ok(browser)
        };
        browsers.push(asking.await.map_err(|error| error.to_string())?);
    }
    Ok(browsers)
}

/// The readers. Dropping it ends them.
pub(crate) struct HttpReaders {
    shared: Rc<Shared>,
    tasks: Vec<AbortHandle>,
}

struct Shared {
    counts: Vec<Cell<u64>>,
    bytes: Cell<u64>,
    moved: Notify,
}

impl Drop for HttpReaders {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl HttpReaders {
    /// Connects `count` readers. Returns when every response has begun.
    pub(crate) async fn subscribe(address: &str, shape: Shape, count: usize) -> io::Result<Self> {
        let counts = vec![Cell::new(0); count];
        let shared = Rc::new(Shared { counts, bytes: Cell::new(0), moved: Notify::new() });
        let mut tasks = Vec::new();
        for number in 0..count {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(shape.request().as_bytes()).await?;
            let mut head = [0; 12];
            stream.read_exact(&mut head).await?;
            if !head.ends_with(b" 200") {
                return Err(io::Error::other("the server refused the request"));
            }
            let shared = shared.clone();
            tasks.push(spawn_local(read(stream, shared, number)).abort_handle());
        }
        Ok(Self { shared, tasks })
    }

    /// Waits until every reader has `count` alerts.
    pub(crate) async fn reach(&self, count: u64, until: Instant) -> Result<(), String> {
        while self.slowest() < count {
            let moved = self.shared.moved.notified();
            timeout_at(until, moved)
                .await
                .map_err(|_| format!("a reader got {} of {count} alerts", self.slowest()))?;
        }
        Ok(())
    }

    fn slowest(&self) -> u64 {
        self.shared.counts.iter().map(Cell::get).min().unwrap_or(0)
    }

    /// Returns the number of alerts and bytes that the readers have got in total.
    pub(crate) fn delivered(&self) -> (u64, u64) {
        (self.shared.counts.iter().map(Cell::get).sum(), self.shared.bytes.get())
    }
}

async fn read(mut stream: TcpStream, shared: Rc<Shared>, number: usize) {
    let mut buffer = vec![0; 256 << 10];
    let mut before = 0;
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let chunk = &buffer[..read];
        let mut alerts = 0;
        for at in memchr::memchr_iter(b'\n', chunk) {
            let last = at.checked_sub(1).map_or(before, |at| chunk[at]);
            alerts += u64::from(last == b'}');
        }
        before = chunk[read - 1];
        shared.counts[number].set(shared.counts[number].get() + alerts);
        shared.bytes.set(shared.bytes.get() + read as u64);
        shared.moved.notify_waiters();
    }
}
