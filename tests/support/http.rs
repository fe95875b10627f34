//! A simple HTTP client: a request, its answer, and server-sent events one by one.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::PATIENCE;
use super::Transport;
use super::server::{Server, free_port};

/// A server with a gateway, and the gateway's address.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
}

impl Gateway {
    pub(crate) fn start(settings: &[&str]) -> Self {
        Self::start_with(settings, &[])
    }

    /// Like [`Self::start`], with more environment variables.
    pub(crate) fn start_with(settings: &[&str], variables: &[(&str, &Path)]) -> Self {
        let mut address = None;
        // Another process may have bound the port meanwhile.
        let server = Server::start_anew(3, || {
            let free = *address.insert(SocketAddr::from(([127, 0, 0, 1], free_port())));
            Self::spawn(free, settings, variables)
        });
        Self { server, address: address.expect("a server was started") }
    }

    /// Stops the server with SIGTERM and starts another at the same address.
    pub(crate) fn restart(self, settings: &[&str]) -> Self {
        let Self { server, address } = self;
        assert!(server.stop().success());
        // An outgoing connection of another process may use the port for a moment.
        let server = Server::start_anew(10, || Self::spawn(address, settings, &[]));
        Self { server, address }
    }

    fn spawn(address: SocketAddr, settings: &[&str], variables: &[(&str, &Path)]) -> Server {
        let listen = format!("falconer.gateway.listen={address}");
        let mut all = vec!["falconer.gateway.enabled=true", listen.as_str()];
        all.extend_from_slice(settings);
        Server::spawn_reading(Transport::Unix, &all, Stdio::piped(), variables)
    }

    pub(crate) async fn ask(&self, request: http::request::Builder, body: &[u8]) -> Answer {
        ask(self.address, request, body).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path), b"").await
    }

    /// Gets a JSON document, which must exist.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        answer.json().await
    }

    pub(crate) async fn post(&self, body: &str) {
        let answer = self.ask(Request::post("/api/v1/events"), body.as_bytes()).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
}

/// Sends one request on its own connection.
pub(crate) async fn ask(
    address: SocketAddr,
    request: http::request::Builder,
    body: &[u8],
) -> Answer {
    let mut kept = Kept::open(address).await;
    let (head, body) = kept.send(request, body).await.into_parts();
    Answer { status: head.status, headers: head.headers, body, connection: kept.connection }
}

/// A connection that is kept open for several requests, as Falco does.
#[derive(Debug)]
pub(crate) struct Kept {
    address: SocketAddr,
    sender: http1::SendRequest<Full<Bytes>>,
    connection: tokio::task::JoinHandle<()>,
}

impl Kept {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move {
            let _ = connection.await;
        });
        Self { address, sender, connection }
    }

    async fn send(&mut self, request: http::request::Builder, body: &[u8]) -> Response<Incoming> {
        let mut request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
        let host = self.address.to_string().parse().unwrap();
        request.headers_mut().entry("host").or_insert(host);
        self.sender.ready().await.unwrap();
        timeout(PATIENCE, self.sender.send_request(request)).await.unwrap().unwrap()
    }

    /// Posts an alert, which must be accepted.
    pub(crate) async fn post(&mut self, body: &str) {
        let answer = self.send(Request::post("/"), body.as_bytes()).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }

    /// Gets a JSON document, which must exist.
    pub(crate) async fn json(&mut self, request: http::request::Builder) -> Value {
        let answer = self.send(request, b"").await;
        assert_eq!(answer.status(), StatusCode::OK);
        let body = timeout(PATIENCE, answer.into_body().collect()).await.unwrap().unwrap();
        serde_json::from_slice(&body.to_bytes()).unwrap()
    }
}

/// An answer whose body is not read yet.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    body: Incoming,
    connection: tokio::task::JoinHandle<()>,
}

impl Answer {
    pub(crate) async fn bytes(self) -> Bytes {
        timeout(PATIENCE, self.body.collect()).await.unwrap().unwrap().to_bytes()
    }

    pub(crate) async fn text(self) -> String {
        String::from_utf8(self.bytes().await.to_vec()).unwrap()
    }

    pub(crate) async fn json(self) -> Value {
        serde_json::from_slice(&self.bytes().await).unwrap()
    }

    /// Reads the body until it has `text`, and returns what it has read.
    pub(crate) async fn until(mut self, text: &str) -> String {
        let mut come = String::new();
        while !come.contains(text) {
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("more in time");
            let data = frame.expect("more of the body").unwrap().into_data().unwrap();
            come.push_str(std::str::from_utf8(&data).unwrap());
        }
        come
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn events(self) -> Events {
        assert_eq!(self.header("content-type"), Some("text/event-stream"));
        let Self { body, connection, .. } = self;
        Events { body, connection, buffer: BytesMut::new(), ready: VecDeque::new() }
    }
}

/// A stream of server-sent events. Dropping it closes the connection.
#[derive(Debug)]
pub(crate) struct Events {
    body: Incoming,
    connection: tokio::task::JoinHandle<()>,
    buffer: BytesMut,
    ready: VecDeque<Event>,
}

/// One block of the stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) id: Option<String>,
    /// The data lines.
    pub(crate) data: Vec<String>,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl Events {
    /// The next block of any kind; `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("an event in time")?;
            let Ok(frame) = frame else { return None };
            self.buffer.extend_from_slice(&frame.into_data().unwrap());
            while let Some(at) = self.buffer.windows(2).position(|pair| pair == b"\n\n") {
                let block = self.buffer.split_to(at + 2);
                self.ready.push_back(Event::read(std::str::from_utf8(&block).unwrap()));
            }
        }
    }

    /// The next event of this name. The empty name is an alert.
    pub(crate) async fn named(&mut self, name: &str) -> Event {
        loop {
            let event = self.next().await.expect("the stream goes on");
            if event.name == name && !event.data.is_empty() {
                return event;
            }
        }
    }
}

impl Event {
    fn read(block: &str) -> Self {
        let mut event = Self::default();
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("event", name)) => name.clone_into(&mut event.name),
                Some(("data", data)) => event.data.push(data.to_owned()),
                _ => {}
            }
        }
        event
    }
}
