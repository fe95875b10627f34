//! `connectrpc.conformance.v1.ConformanceService`: each request defines its reply, and the reply
//! describes the request.
//!
//! 1. The first request defines the headers and trailers.
//! 2. The first reply, or else the error's details, has the request's headers, timeout and
//!    messages.
//! 3. A bidirectional call answers each request at once (full duplex), or all requests at its end.

use std::io::{Read as _, Write as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use falconer::grpc::{Request, Requests, Router, Status, frame, method};
use falconer::net::{Serves, TlsFiles};
use futures_util::Stream;
use http::{Extensions, HeaderMap};
use prost::{Message, Name, Oneof};
use prost_types::Any;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::interop::numbered;
use super::metadata::Said;
use super::{MAX_REQUEST, handler, listen};

#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, repeated, tag = "2")]
    value: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
struct Error {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, optional, tag = "2")]
    message: Option<String>,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct UnaryResponseDefinition {
    #[prost(message, repeated, tag = "1")]
    response_headers: Vec<Header>,
    #[prost(oneof = "UnaryOutcome", tags = "2, 3")]
    response: Option<UnaryOutcome>,
    #[prost(message, repeated, tag = "4")]
    response_trailers: Vec<Header>,
    #[prost(uint32, tag = "6")]
    response_delay_ms: u32,
}

#[derive(Clone, PartialEq, Oneof)]
enum UnaryOutcome {
    #[prost(bytes, tag = "2")]
    ResponseData(Vec<u8>),
    #[prost(message, tag = "3")]
    Error(Error),
}

#[derive(Clone, PartialEq, Message)]
struct StreamResponseDefinition {
    #[prost(message, repeated, tag = "1")]
    response_headers: Vec<Header>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    response_data: Vec<Vec<u8>>,
    #[prost(uint32, tag = "3")]
    response_delay_ms: u32,
    #[prost(message, optional, tag = "4")]
    error: Option<Error>,
    #[prost(message, repeated, tag = "5")]
    response_trailers: Vec<Header>,
}

/// The request types of the call shapes. They differ only in their names, which replies contain.
macro_rules! requests {
    ($($name:ident $definition:ty),*) => {$(
        #[derive(Clone, PartialEq, Message)]
        struct $name {
            #[prost(message, optional, tag = "1")]
            response_definition: Option<$definition>,
            #[prost(bytes = "vec", tag = "2")]
            request_data: Vec<u8>,
        }

        impl Name for $name {
            const NAME: &'static str = stringify!($name);
            const PACKAGE: &'static str = PACKAGE;
        }
    )*};
}

const PACKAGE: &str = "connectrpc.conformance.v1";

requests!(
    UnaryRequest UnaryResponseDefinition,
    ClientStreamRequest UnaryResponseDefinition,
    ServerStreamRequest StreamResponseDefinition
);

#[derive(Clone, PartialEq, Message)]
struct BidiStreamRequest {
    #[prost(message, optional, tag = "1")]
    response_definition: Option<StreamResponseDefinition>,
    #[prost(bool, tag = "2")]
    full_duplex: bool,
    #[prost(bytes = "vec", tag = "3")]
    request_data: Vec<u8>,
}

impl Name for BidiStreamRequest {
    const NAME: &'static str = "BidiStreamRequest";
    const PACKAGE: &'static str = PACKAGE;
}

#[derive(Clone, PartialEq, Message)]
struct RequestInfo {
    #[prost(message, repeated, tag = "1")]
    request_headers: Vec<Header>,
    #[prost(int64, optional, tag = "2")]
    timeout_ms: Option<i64>,
    #[prost(message, repeated, tag = "3")]
    requests: Vec<Any>,
}

impl Name for RequestInfo {
    const NAME: &'static str = "ConformancePayload.RequestInfo";
    const PACKAGE: &'static str = PACKAGE;
}

#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(bytes = "vec", tag = "1")]
    data: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    request_info: Option<RequestInfo>,
}

/// The response of every call shape.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    payload: Option<Payload>,
}

/// `google.rpc.Status`, for the trailer `grpc-status-details-bin`.
#[derive(Clone, PartialEq, Message)]
struct Detailed {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
struct ServerCompatRequest {
    #[prost(bool, tag = "4")]
    use_tls: bool,
    #[prost(bytes = "vec", tag = "5")]
    client_tls_cert: Vec<u8>,
    #[prost(uint32, tag = "6")]
    message_receive_limit: u32,
    #[prost(message, optional, tag = "7")]
    server_creds: Option<TlsCreds>,
}

#[derive(Clone, PartialEq, Message)]
struct TlsCreds {
    #[prost(bytes = "vec", tag = "1")]
    cert: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    key: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct ServerCompatResponse {
    #[prost(string, tag = "1")]
    host: String,
    #[prost(uint32, tag = "2")]
    port: u32,
    #[prost(bytes = "vec", tag = "3")]
    pem_cert: Vec<u8>,
}

pub(crate) fn mount(router: Router) -> Router {
    router
        .method("/connectrpc.conformance.v1.ConformanceService/Unary", method::unary(unary))
        .method(
            "/connectrpc.conformance.v1.ConformanceService/ClientStream",
            method::client_streaming(client_stream),
        )
        .method(
            "/connectrpc.conformance.v1.ConformanceService/ServerStream",
            method::server_streaming(server_stream),
        )
        .method(
            "/connectrpc.conformance.v1.ConformanceService/BidiStream",
            method::bidirectional(bidi_stream),
        )
}

/// Reads a `ServerCompatRequest` from standard input, writes the address to standard output, and
/// serves until it is killed.
pub(crate) async fn serve_as_asked() {
    let mut length = [0; 4];
    std::io::stdin().read_exact(&mut length).unwrap();
    let mut asked = vec![0; u32::from_be_bytes(length) as usize];
    std::io::stdin().read_exact(&mut asked).unwrap();
    let asked = ServerCompatRequest::decode(&*asked).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let limit = match asked.message_receive_limit {
        0 => MAX_REQUEST,
        limit => limit as usize,
    };
    let pem_cert = asked.server_creds.clone().unwrap_or_default().cert;
    let port = if asked.use_tls {
        let at = |name: &str| folder.path().join(name);
        let creds = asked.server_creds.unwrap();
        std::fs::write(at("server.crt"), creds.cert).unwrap();
        std::fs::write(at("server.key"), creds.key).unwrap();
        std::fs::write(at("clients.crt"), &asked.client_tls_cert).unwrap();
        let mut files = TlsFiles::new(at("server.key"), at("server.crt"), at("clients.crt"));
        if asked.client_tls_cert.is_empty() {
            files =
                TlsFiles { serves: Serves::Gateway { token: false }, root_certs: None, ..files };
        }
        listen::tls(files, handler(limit))
    } else {
        listen::plain(folder.path(), handler(limit)).await
    };

    let host = "127.0.0.1".to_owned();
    let told = ServerCompatResponse { host, port: port.into(), pem_cert }.encode_to_vec();
    let mut stdout = std::io::stdout();
    stdout.write_all(&u32::try_from(told.len()).unwrap().to_be_bytes()).unwrap();
    stdout.write_all(&told).unwrap();
    stdout.flush().unwrap();
    std::future::pending().await
}

async fn unary(request: Request<UnaryRequest>) -> Result<Response, Status> {
    let asked = Any::from_msg(&request.message).unwrap();
    let call = Call::of(request.metadata, &request.extensions);
    answer(&call, request.message.response_definition, vec![asked]).await
}

async fn client_stream(
    mut request: Request<Requests<ClientStreamRequest>>,
) -> Result<Response, Status> {
    let call = Call::of(request.metadata, &request.extensions);
    let (mut asked, mut definition) = (Vec::new(), None);
    while let Some(message) = request.message.next().await? {
        if asked.is_empty() {
            definition.clone_from(&message.response_definition);
        }
        asked.push(Any::from_msg(&message).unwrap());
    }
    answer(&call, definition, asked).await
}

async fn answer(
    call: &Call,
    definition: Option<UnaryResponseDefinition>,
    asked: Vec<Any>,
) -> Result<Response, Status> {
    let info = call.info(asked);
    let definition = definition.unwrap_or_default();
    call.say(&definition.response_headers, &definition.response_trailers);
    tokio::time::sleep(Duration::from_millis(definition.response_delay_ms.into())).await;
    let data = match definition.response {
        Some(UnaryOutcome::Error(error)) => return Err(call.fail(error, Some(info))),
        Some(UnaryOutcome::ResponseData(data)) => data,
        None => Vec::new(),
    };
    Ok(Response { payload: Some(Payload { data, request_info: Some(info) }) })
}

async fn server_stream(
    request: Request<ServerStreamRequest>,
) -> Result<impl Stream<Item = Result<Bytes, Status>>, Status> {
    let asked = Any::from_msg(&request.message).unwrap();
    let call = Call::of(request.metadata, &request.extensions);
    let definition = request.message.response_definition.unwrap_or_default();
    call.say(&definition.response_headers, &definition.response_trailers);
    let (replies, received) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut answers = Answers::new(call, definition, replies);
        answers.asked.push(asked);
        answers.rest().await
    });
    Ok(ReceiverStream::new(received))
}

async fn bidi_stream(
    request: Request<Requests<BidiStreamRequest>>,
) -> Result<impl Stream<Item = Result<Bytes, Status>>, Status> {
    let call = Call::of(request.metadata, &request.extensions);
    let mut requests = request.message;
    let first = requests.next().await?;
    let full_duplex = first.as_ref().is_some_and(|first| first.full_duplex);
    let definition = first.as_ref().and_then(|first| first.response_definition.clone());
    let definition = definition.unwrap_or_default();
    call.say(&definition.response_headers, &definition.response_trailers);
    let (replies, received) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut answers = Answers::new(call, definition, replies);
        let mut next = first;
        while let Some(message) = next {
            answers.asked.push(Any::from_msg(&message).unwrap());
            if full_duplex && !answers.one().await {
                break;
            }
            next = match requests.next().await {
                Ok(next) => next,
                Err(status) => return answers.end(status).await,
            };
        }
        answers.rest().await
    });
    Ok(ReceiverStream::new(received))
}

/// The replies of a stream.
struct Answers {
    call: Call,
    data: std::vec::IntoIter<Vec<u8>>,
    error: Option<Error>,
    delay: Duration,
    /// The requests that no reply contains yet.
    asked: Vec<Any>,
    sent: usize,
    replies: mpsc::Sender<Result<Bytes, Status>>,
}

impl Answers {
    fn new(
        call: Call,
        definition: StreamResponseDefinition,
        replies: mpsc::Sender<Result<Bytes, Status>>,
    ) -> Self {
        Self {
            call,
            data: definition.response_data.into_iter(),
            error: definition.error,
            delay: Duration::from_millis(definition.response_delay_ms.into()),
            asked: Vec::new(),
            sent: 0,
            replies,
        }
    }

    /// Sends the next reply. Returns false if there is none, or the client has cancelled.
    async fn one(&mut self) -> bool {
        let Some(data) = self.data.next() else { return false };
        let asked = std::mem::take(&mut self.asked);
        let request_info = match self.sent {
            0 => Some(self.call.info(asked)),
            _ if asked.is_empty() => None,
            _ => Some(RequestInfo { requests: asked, ..RequestInfo::default() }),
        };
        tokio::time::sleep(self.delay).await;
        self.sent += 1;
        let reply = frame::encode(&Response { payload: Some(Payload { data, request_info }) });
        self.replies.send(Ok(reply)).await.is_ok()
    }

    async fn rest(mut self) {
        while self.one().await {}
        let info = (self.sent == 0).then(|| self.call.info(std::mem::take(&mut self.asked)));
        if let Some(error) = self.error.take() {
            let status = self.call.fail(error, info);
            self.end(status).await;
        }
    }

    async fn end(self, status: Status) {
        let _ = self.replies.send(Err(status)).await;
    }
}

/// The metadata of a call, and the metadata of its reply.
struct Call {
    metadata: HeaderMap,
    said: Said,
}

impl Call {
    fn of(metadata: HeaderMap, extensions: &Extensions) -> Self {
        Self { metadata, said: extensions.get::<Said>().unwrap().clone() }
    }

    fn say(&self, headers: &[Header], trailers: &[Header]) {
        for Header { name, value } in headers {
            value.iter().for_each(|value| self.said.header(name, value));
        }
        for Header { name, value } in trailers {
            value.iter().for_each(|value| self.said.trailer(name, value));
        }
    }

    fn info(&self, requests: Vec<Any>) -> RequestInfo {
        let values = |name| self.metadata.get_all(name).iter();
        let texts = |name| values(name).filter_map(|value| value.to_str().ok());
        let request_headers = self
            .metadata
            .keys()
            .map(|name| Header {
                name: name.to_string(),
                value: texts(name).map(str::to_owned).collect(),
            })
            .collect();
        let timeout = falconer::grpc::timeout::of(&self.metadata).ok().flatten();
        let timeout_ms = timeout.map(|timeout| i64::try_from(timeout.as_millis()).unwrap());
        RequestInfo { request_headers, timeout_ms, requests }
    }

    /// The status of a requested error. Adds its details as a trailer.
    fn fail(&self, error: Error, info: Option<RequestInfo>) -> Status {
        let message = error.message.unwrap_or_default();
        let mut details = error.details;
        details.extend(info.map(|info| Any::from_msg(&info).unwrap()));
        let detailed = Detailed { code: error.code, message: message.clone(), details };
        let encoded = STANDARD_NO_PAD.encode(detailed.encode_to_vec());
        self.said.trailer("grpc-status-details-bin", &encoded);
        Status::new(numbered(error.code), message)
    }
}
