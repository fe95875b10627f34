//! The servers that Falconer is compared with: Falco's outputs service on tonic, written twice.
//!
//! Both read the same JSON lines from standard input, decode them with serde_json into
//! `falco.outputs.response`, and encode each message with prost for each reader. This is how tonic
//! is meant to be used.
//!
//! - [`Broadcast`] is the idiomatic one. It sends one line at a time into a
//!   `tokio::sync::broadcast` channel of messages, with a `BroadcastStream` for each reader. The
//!   channel clones each message for each reader.
//! - [`Batched`] is optimised after a profile. The lines of one read become one shared batch, and
//!   the channel carries batches. A reader wakes once for each batch, and its stream returns the
//!   batch's messages without waiting, so that tonic puts as many as fit into each chunk. Messages
//!   are not cloned: with a small codec, prost encodes them from the batch.
//!
//! Neither has cursors, groups, lost alerts or a read position of `get`. Their `get` returns the
//! first alerts, which are kept as messages.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use falconer::proto::falco::outputs::{Request as Empty, Response as Alert};
use falconer::proto::falco::schema::Priority;
use futures_util::{Stream, StreamExt, stream};
use prost::Message;
use prost_types::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::broadcast;
use tokio_stream::wrappers::{BroadcastStream, TcpListenerStream, UnixListenerStream};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::BoxFuture;
use tonic::server::{Grpc, ServerStreamingService, StreamingService};
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

use super::socket::Address;

/// The capacity of the channel, in alerts. The load generator never has more in flight, so none is
/// lost.
const ALERTS: usize = 16_384;

/// The capacity in batches. A batch can have a single alert.
const BATCHES: usize = ALERTS;

/// Runs the role. The arguments are the address, the number of alerts to keep for `get`, and the
/// directory of the TLS files.
pub(crate) async fn run(batched: bool, arguments: &[String]) {
    let address = Address::parse(&arguments[0]);
    let keep = arguments[1].parse().unwrap();
    let certs = arguments.get(2).map(std::path::Path::new);
    let mut server = Server::builder();
    if let Some(dir) = certs {
        let read = |name: &str| std::fs::read(dir.join(name)).unwrap();
        let tls = ServerTlsConfig::new()
            .identity(Identity::from_pem(read("server.crt"), read("server.key")))
            .client_ca_root(Certificate::from_pem(read("ca.crt")));
        server = server.tls_config(tls).unwrap();
    }
    if batched {
        let outputs = Outputs(Arc::new(Batched::new(keep)));
        tokio::spawn(outputs.0.clone().ingest());
        serve(server, address, outputs).await;
    } else {
        let outputs = Outputs(Arc::new(Broadcast::new(keep)));
        tokio::spawn(outputs.0.clone().ingest());
        serve(server, address, outputs).await;
    }
}

async fn serve<T: Source>(mut server: Server, address: Address, outputs: Outputs<T>) {
    let router = server.add_service(outputs);
    match address {
        Address::Unix(path) => {
            let listener = UnixListener::bind(path).unwrap();
            router.serve_with_incoming(UnixListenerStream::new(listener)).await.unwrap();
        }
        Address::Tcp(port) => {
            let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
            let incoming = TcpListenerStream::new(listener)
                .map(|stream| stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)));
            router.serve_with_incoming(incoming).await.unwrap();
        }
    }
}

/// A stream of a call's messages.
type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// The difference between the two servers.
trait Source: Send + Sync + 'static {
    type Item: Send + 'static;
    type Codec: Codec<Encode = Self::Item, Decode = Empty> + Default + Send + 'static;
    fn get(&self) -> Messages<Self::Item>;
    fn sub(&self) -> Messages<Self::Item>;
}

/// The server that sends one message for each alert.
struct Broadcast {
    channel: broadcast::Sender<Alert>,
    kept: Mutex<Vec<Alert>>,
    keep: usize,
}

impl Broadcast {
    fn new(keep: usize) -> Self {
        Self { channel: broadcast::Sender::new(ALERTS), kept: Mutex::default(), keep }
    }

    async fn ingest(self: Arc<Self>) {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(alert) = parse(line.as_bytes()) {
                let mut kept = self.kept.lock().unwrap();
                if kept.len() < self.keep {
                    kept.push(alert.clone());
                }
                drop(kept);
                // This fails if there are no readers.
                let _ = self.channel.send(alert);
            }
        }
    }
}

impl Source for Broadcast {
    type Item = Alert;
    type Codec = ProstCodec<Alert, Empty>;

    fn get(&self) -> Messages<Alert> {
        let kept = self.kept.lock().unwrap().clone();
        Box::pin(stream::iter(kept).map(Ok))
    }

    fn sub(&self) -> Messages<Alert> {
        let alerts = BroadcastStream::new(self.channel.subscribe());
        Box::pin(alerts.map(|alert| alert.map_err(|lagged| Status::data_loss(lagged.to_string()))))
    }
}

/// The server that sends one message for the alerts of each read.
struct Batched {
    channel: broadcast::Sender<Arc<[Alert]>>,
    kept: Mutex<Vec<Arc<[Alert]>>>,
    keep: usize,
}

impl Batched {
    fn new(keep: usize) -> Self {
        Self { channel: broadcast::Sender::new(BATCHES), kept: Mutex::default(), keep }
    }

    async fn ingest(self: Arc<Self>) {
        let mut stdin = tokio::io::stdin();
        let (mut buffer, mut count) = (Vec::with_capacity(256 << 10), 0);
        while stdin.read_buf(&mut buffer).await.is_ok_and(|read| read > 0) {
            let Some(end) = memchr::memrchr(b'\n', &buffer) else { continue };
            let batch: Arc<[_]> = buffer[..end].split(|b| *b == b'\n').filter_map(parse).collect();
            buffer.drain(..=end);
            if count < self.keep {
                count += batch.len();
                self.kept.lock().unwrap().push(batch.clone());
            }
            let _ = self.channel.send(batch);
        }
    }
}

impl Source for Batched {
    type Item = Shared;
    type Codec = SharedCodec;

    fn get(&self) -> Messages<Shared> {
        let kept = self.kept.lock().unwrap().clone();
        Box::pin(stream::iter(kept).flat_map(|batch| stream::iter(each(batch))))
    }

    fn sub(&self) -> Messages<Shared> {
        let batches = BroadcastStream::new(self.channel.subscribe());
        Box::pin(batches.flat_map(|batch| match batch {
            Ok(batch) => stream::iter(each(batch)).left_stream(),
            Err(lagged) => {
                stream::iter([Err(Status::data_loss(lagged.to_string()))]).right_stream()
            }
        }))
    }
}

/// An alert of a batch.
struct Shared {
    batch: Arc<[Alert]>,
    position: usize,
}

fn each(batch: Arc<[Alert]>) -> impl Iterator<Item = Result<Shared, Status>> {
    (0..batch.len()).map(move |position| Ok(Shared { batch: batch.clone(), position }))
}

/// Prost's codec for shared alerts.
#[derive(Default)]
struct SharedCodec;

impl Codec for SharedCodec {
    type Encode = Shared;
    type Decode = Empty;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for SharedCodec {
    type Item = Shared;
    type Error = Status;

    fn encode(&mut self, shared: Shared, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let alert = &shared.batch[shared.position];
        alert.encode(buffer).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for SharedCodec {
    type Item = Empty;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Empty>, Status> {
        Empty::decode(buffer).map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}

/// Falco's service as tonic's code generator writes it.
struct Outputs<T>(Arc<T>);

impl<T> Clone for Outputs<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> tonic::server::NamedService for Outputs<T> {
    const NAME: &'static str = "falco.outputs.service";
}

impl<T: Source> tower::Service<http::Request<tonic::body::Body>> for Outputs<T> {
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let source = self.0.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(T::Codec::default());
            Ok(match request.uri().path() {
                "/falco.outputs.service/get" => grpc.server_streaming(Get(source), request).await,
                "/falco.outputs.service/sub" => grpc.streaming(Sub(source), request).await,
                _ => Status::unimplemented("no such method").into_http(),
            })
        })
    }
}

struct Get<T>(Arc<T>);

impl<T: Source> ServerStreamingService<Empty> for Get<T> {
    type Response = T::Item;
    type ResponseStream = Messages<T::Item>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, _: Request<Empty>) -> Self::Future {
        let messages = self.0.get();
        Box::pin(async { Ok(Response::new(messages)) })
    }
}

struct Sub<T>(Arc<T>);

impl<T: Source> StreamingService<Empty> for Sub<T> {
    type Response = T::Item;
    type ResponseStream = Messages<T::Item>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, mut request: Request<Streaming<Empty>>) -> Self::Future {
        let messages = self.0.sub();
        Box::pin(async move {
            // The requests have no meaning, but must be read.
            tokio::spawn(
                async move { while let Ok(Some(_)) = request.get_mut().message().await {} },
            );
            Ok(Response::new(messages))
        })
    }
}

/// An alert as Falco writes it.
#[derive(Deserialize)]
struct Line {
    hostname: String,
    output: String,
    output_fields: HashMap<String, Value>,
    priority: String,
    rule: String,
    source: String,
    tags: Vec<String>,
    time: String,
}

fn parse(line: &[u8]) -> Option<Alert> {
    let line: Line = serde_json::from_slice(line).ok()?;
    let time: jiff::Timestamp = line.time.parse().ok()?;
    let source = match &*line.source {
        "syscall" => 0,
        "k8s_audit" => 1,
        "internal" => 2,
        _ => 3,
    };
    let fields = line.output_fields.into_iter().filter(|(name, _)| name != "evt.time");
    let text = |value| match value {
        Value::String(text) => text,
        Value::Null => "<NA>".into(),
        other => other.to_string(),
    };
    #[allow(deprecated, reason = "Falco fills it in")]
    Some(Alert {
        time: Some(Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }),
        priority: Priority::from_str_name(&line.priority.to_uppercase())?.into(),
        source_deprecated: source,
        rule: line.rule,
        output: line.output,
        output_fields: fields.map(|(name, value)| (name, text(value))).collect(),
        hostname: line.hostname,
        tags: line.tags,
        source: line.source,
    })
}
