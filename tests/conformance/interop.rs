//! `grpc.testing.TestService`, as gRPC's interoperability tests describe it
//! (grpc/grpc `doc/interop-test-descriptions.md`).

use std::time::Duration;

use bytes::Bytes;
use falconer::grpc::{Code, Request, Requests, Router, Status, frame, method};
use futures_util::{Stream, StreamExt as _, stream};
use http::{Extensions, HeaderMap};
use prost::Message;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::metadata::Said;

#[derive(Clone, PartialEq, Message)]
struct Empty {}

#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(bytes = "vec", tag = "2")]
    body: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct EchoStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, Message)]
struct SimpleRequest {
    #[prost(int32, tag = "2")]
    response_size: i32,
    #[prost(message, tag = "7")]
    response_status: Option<EchoStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct SimpleResponse {
    #[prost(message, tag = "1")]
    payload: Option<Payload>,
}

#[derive(Clone, PartialEq, Message)]
struct StreamingInputCallRequest {
    #[prost(message, tag = "1")]
    payload: Option<Payload>,
}

#[derive(Clone, PartialEq, Message)]
struct StreamingInputCallResponse {
    #[prost(int32, tag = "1")]
    aggregated_payload_size: i32,
}

#[derive(Clone, PartialEq, Message)]
struct ResponseParameters {
    #[prost(int32, tag = "1")]
    size: i32,
    #[prost(int32, tag = "2")]
    interval_us: i32,
}

#[derive(Clone, PartialEq, Message)]
struct StreamingOutputCallRequest {
    #[prost(message, repeated, tag = "2")]
    response_parameters: Vec<ResponseParameters>,
    #[prost(message, tag = "7")]
    response_status: Option<EchoStatus>,
}

#[derive(Clone, PartialEq, Message)]
struct StreamingOutputCallResponse {
    #[prost(message, tag = "1")]
    payload: Option<Payload>,
}

pub(crate) fn mount(router: Router) -> Router {
    router
        .method("/grpc.testing.TestService/EmptyCall", method::unary(empty))
        .method("/grpc.testing.TestService/UnaryCall", method::unary(unary))
        .method("/grpc.testing.TestService/StreamingInputCall", method::client_streaming(input))
        .method("/grpc.testing.TestService/StreamingOutputCall", method::server_streaming(output))
        .method("/grpc.testing.TestService/FullDuplexCall", method::bidirectional(full_duplex))
}

async fn empty(request: Request<Empty>) -> Result<Empty, Status> {
    echo(&request.metadata, &request.extensions);
    Ok(Empty {})
}

async fn unary(request: Request<SimpleRequest>) -> Result<SimpleResponse, Status> {
    echo(&request.metadata, &request.extensions);
    asked_for(request.message.response_status)?;
    Ok(SimpleResponse { payload: payload(request.message.response_size) })
}

async fn input(
    mut request: Request<Requests<StreamingInputCallRequest>>,
) -> Result<StreamingInputCallResponse, Status> {
    let mut size = 0;
    while let Some(message) = request.message.next().await? {
        size += message.payload.unwrap_or_default().body.len();
    }
    Ok(StreamingInputCallResponse { aggregated_payload_size: i32::try_from(size).unwrap() })
}

async fn output(
    request: Request<StreamingOutputCallRequest>,
) -> Result<impl Stream<Item = Result<Bytes, Status>>, Status> {
    let StreamingOutputCallRequest { response_parameters, response_status } = request.message;
    let replies = stream::iter(response_parameters).then(async |asked| Ok(reply(asked).await));
    let end = stream::iter(asked_for(response_status).err().map(Err));
    Ok(replies.boxed().chain(end))
}

async fn full_duplex(
    request: Request<Requests<StreamingOutputCallRequest>>,
) -> Result<impl Stream<Item = Result<Bytes, Status>>, Status> {
    echo(&request.metadata, &request.extensions);
    let mut requests = request.message;
    let (replies, received) = mpsc::channel(1);
    tokio::spawn(async move {
        let answering = async {
            while let Some(message) = requests.next().await? {
                asked_for(message.response_status)?;
                for asked in message.response_parameters {
                    let reply = reply(asked).await;
                    // The client has cancelled if this fails.
                    replies.send(Ok(reply)).await.map_err(|_| Status::OK)?;
                }
            }
            Ok(())
        };
        let ended: Result<(), Status> = answering.await;
        if let Err(status) = ended {
            let _ = replies.send(Err(status)).await;
        }
    });
    Ok(ReceiverStream::new(received))
}

async fn reply(asked: ResponseParameters) -> Bytes {
    let interval = u64::try_from(asked.interval_us).unwrap_or_default();
    tokio::time::sleep(Duration::from_micros(interval)).await;
    frame::encode(&StreamingOutputCallResponse { payload: payload(asked.size) })
}

fn payload(size: i32) -> Option<Payload> {
    Some(Payload { body: vec![0; usize::try_from(size).unwrap_or_default()] })
}

fn asked_for(status: Option<EchoStatus>) -> Result<(), Status> {
    match status {
        Some(EchoStatus { code, message }) if code != 0 => {
            Err(Status::new(numbered(code), message))
        }
        _ => Ok(()),
    }
}

/// Echoes the metadata that the test cases define.
fn echo(metadata: &HeaderMap, extensions: &Extensions) {
    let said = extensions.get::<Said>().unwrap();
    let sent = |name: &str| metadata.get(name).and_then(|value| value.to_str().ok());
    if let Some(value) = sent("x-grpc-test-echo-initial") {
        said.header("x-grpc-test-echo-initial", value);
    }
    if let Some(value) = sent("x-grpc-test-echo-trailing-bin") {
        said.trailer("x-grpc-test-echo-trailing-bin", value);
    }
}

/// The code of a number. An unknown number is UNKNOWN, as in clients.
pub(crate) fn numbered(number: i32) -> Code {
    const ALL: [Code; 17] = [
        Code::Ok,
        Code::Cancelled,
        Code::Unknown,
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
        Code::Unauthenticated,
    ];
    usize::try_from(number).ok().and_then(|at| ALL.get(at)).copied().unwrap_or(Code::Unknown)
}
