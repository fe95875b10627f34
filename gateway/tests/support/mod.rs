//! A gateway on a real socket, a host process that remembers what it was given, and a client that
//! sees every byte.

#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(unreachable_pub, missing_debug_implementations, reason = "part of tests, not a library")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failure here fails the test")]
#![allow(clippy::indexing_slicing, reason = "a failure here fails the test")]

pub mod slow;
pub mod wire;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use falconer_gateway::{
    Config, Exposition, Port, Status,
    port::{
        Ask, Hints, History, Progress, Pulse, ReaderKind, Row, Sender, Soon, Tail, Taken,
        Unanswerable,
    },
    serve,
};
use http::StatusCode;
use jiff::Timestamp;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};

/// Longer than anything takes that works, on a machine whose other work goes first.
pub const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Debug, Default)]
pub struct Recorder {
    pub bodies: Mutex<Vec<Bytes>>,
    pub refused: Mutex<Vec<StatusCode>>,
    pub unready: Mutex<Option<String>>,
    /// What it keeps; nothing without.
    pub kept: Mutex<Option<slow::Slow>>,
    /// How long it takes to take a body in.
    pub takes: Mutex<Duration>,
    /// How many alerts were looked at on a stream. None passes.
    pub looked_at: Arc<AtomicU64>,
}

impl Recorder {
    pub fn bodies(&self) -> Vec<Bytes> {
        self.bodies.lock().unwrap().clone()
    }

    pub fn refused(&self) -> Vec<u16> {
        self.refused.lock().unwrap().iter().map(|status| status.as_u16()).collect()
    }
}

impl Port for Recorder {
    fn ingest(&self, body: Bytes, _: Sender) -> Taken {
        std::thread::sleep(*self.takes.lock().unwrap());
        self.bodies.lock().unwrap().push(body);
        Taken { accepted: 1, ..Taken::default() }
    }

    fn refused(&self, status: StatusCode) {
        self.refused.lock().unwrap().push(status);
    }

    fn ready(&self) -> Result<(), String> {
        self.unready.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    fn status(&self) -> Status {
        Status {
            version: "1.2.3".into(),
            build: "1.2.3-abc".into(),
            epoch: "64a5f0c2b1e80".into(),
            started: Timestamp::UNIX_EPOCH,
            now: Timestamp::UNIX_EPOCH,
            grpc: "unix:///run/falco/falco.sock".into(),
            ingest: false,
            alerts_received: 12,
            alerts_retained: 7,
            bytes_retained: 7_000,
            retain: 64 << 20,
            alerts_lost: 0,
            oldest: None,
            subscribers: 2,
            inputs: Vec::new(),
            readers: Vec::new(),
            slowest: Vec::new(),
            certificates: Vec::new(),
        }
    }

    fn pulse(&self) -> Pulse {
        Pulse::default()
    }

    /// It only takes alerts in; what it hands out is tested with a whole server.
    fn history(&self, _: Ask) -> Soon<'_, Result<Box<dyn History>, Unanswerable>> {
        let kept = self.kept.lock().unwrap().clone();
        let kept = kept.map(|kept| Box::new(kept) as Box<dyn History>);
        Box::pin(async { kept.ok_or(Unanswerable::NotFound) })
    }

    fn tail(&self, _: Ask, _: ReaderKind) -> Soon<'_, Result<Box<dyn Tail>, Unanswerable>> {
        let silence = Silence(self.looked_at.clone());
        Box::pin(async { Ok(Box::new(silence) as Box<dyn Tail>) })
    }

    fn alert(&self, _: &str) -> Result<Box<dyn History>, Unanswerable> {
        Err(Unanswerable::NotFound)
    }

    fn hints(&self, _: String) -> Soon<'_, Result<Box<dyn Hints>, Unanswerable>> {
        Box::pin(async { Err(Unanswerable::NotFound) })
    }

    fn metrics(&self, _: Exposition) -> String {
        "# EOF\n".into()
    }
}

/// A stream on which nothing ever comes.
struct Silence(Arc<AtomicU64>);

impl Tail for Silence {
    fn look(&mut self, _: usize) -> Soon<'_, Progress> {
        Box::pin(async { Progress::CaughtUp })
    }

    fn rows(&self, _: &mut dyn FnMut(&dyn Row)) {}

    fn more(&mut self) -> Soon<'_, ()> {
        Box::pin(std::future::pending())
    }

    fn position(&self) -> String {
        format!("64a5f0c2b1e80.{}", self.0.load(Ordering::Relaxed))
    }
}

pub struct Server {
    pub address: SocketAddr,
    pub port: Arc<Recorder>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    pub async fn start(config: Config) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let port = Arc::new(Recorder::default());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, port.clone(), config, async move {
            let _ = stopped.await;
        }));
        Self { address, port, stop: Some(stop), task }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn connect(&self) -> Client {
        Client { stream: TcpStream::connect(self.address).await.unwrap(), read: Vec::new() }
    }

    /// One request on a connection of its own.
    pub async fn ask(&self, request: &str) -> Answer {
        let mut client = self.connect().await;
        client.send(request.as_bytes()).await;
        client.answer(request.starts_with("HEAD")).await
    }

    /// A request without a body, with the right host.
    pub async fn get(&self, method_and_path: &str) -> Answer {
        self.ask(&format!("{method_and_path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address)).await
    }

    pub async fn post(&self, path: &str, headers: &str, body: &str) -> Answer {
        let (host, length) = (self.address, body.len());
        self.ask(&format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\n\
             Content-Length: {length}\r\n{headers}\r\n{body}"
        ))
        .await
    }

    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// Waits until the server has returned.
    pub async fn ended(self) {
        timeout(PATIENCE, self.task).await.expect("serve did not return").unwrap().unwrap();
    }
}

pub struct Client {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Client {
    pub async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// For what the server need not read to its end.
    pub async fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Reads one whole answer; what came after it stays for the next.
    pub async fn answer(&mut self, head_only: bool) -> Answer {
        let end = self.read_until(|read| find(read, b"\r\n\r\n").map(|at| at + 4)).await;
        let head = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let mut answer = Answer::parse(head);
        let length = answer.header("content-length").map_or(0, |value| value.parse().unwrap());
        if !head_only {
            self.read_until(|read| (read.len() >= length).then_some(length)).await;
            answer.body = String::from_utf8(self.read.drain(..length).collect()).unwrap();
        }
        answer
    }

    /// What comes until `enough` is satisfied with it.
    pub async fn until(&mut self, enough: impl Fn(&[u8]) -> bool) -> &[u8] {
        self.read_until(|read| enough(read).then_some(0)).await;
        &self.read
    }

    /// Everything until the server closes.
    pub async fn rest(&mut self) -> Vec<u8> {
        let mut read = std::mem::take(&mut self.read);
        let done = timeout(PATIENCE, self.stream.read_to_end(&mut read)).await;
        // A reset is an end, too.
        let _ = done.expect("the server did not close");
        read
    }

    async fn read_until(&mut self, end: impl Fn(&[u8]) -> Option<usize>) -> usize {
        loop {
            if let Some(at) = end(&self.read) {
                return at;
            }
            let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
            assert_ne!(read.expect("no answer").unwrap(), 0, "closed early: {:?}", self.read);
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    fn parse(head: String) -> Self {
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head, body: String::new() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    /// Checks that this is a whole problem document and safe to show; gives its detail.
    #[track_caller]
    pub fn problem(&self, status: u16, title: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"));
        assert!(self.header("content-security-policy").is_some());
        let document: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(document["type"], "about:blank");
        assert_eq!(document["title"], title);
        assert_eq!(document["status"], status);
        document["detail"].as_str().unwrap().to_owned()
    }
}

/// Runs curl as Falco's libcurl would go about it and gives what it printed.
pub async fn curl(arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|&text| text.to_owned()).collect();
    let output = tokio::process::Command::new("curl")
        .args(["-sS", "--noproxy", "*", "--max-time", "120"])
        .args(arguments)
        .output()
        .await
        .expect("curl is needed for this test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
