//! Checks that any reflection requests get bounded replies and a status.

use std::sync::OnceLock;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request};
use http_body_util::{BodyExt as _, Full};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::framing::reference;
use super::script::Script;
use crate::grpc::{self, Encoding, Router};
use crate::proto;
use crate::service::mounted;

/// Names in requests, besides those of the script.
const NAMES: [&str; 8] = [
    "falco.outputs.service",
    "falco.outputs.service.sub",
    "falco.outputs.response",
    "outputs.proto",
    "google/protobuf/timestamp.proto",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "",
];

/// The overhead of a reply in bytes, besides the descriptors and the request that it repeats.
const ROOM: usize = 4 << 10;

/// Sends the requests in `data`. Needs a paused clock.
pub async fn reflection_stream(data: &[u8]) {
    static ROUTER: OnceLock<Router> = OnceLock::new();
    let router = ROUTER.get_or_init(|| {
        mounted::reflection(Router::default(), &CancellationToken::new()).expect("descriptors")
    });
    let mut script = Script(data);
    let path = match script.byte() % 2 {
        0 => "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        _ => "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    };
    let mut body = Vec::new();
    while !script.0.is_empty() {
        let message = match script.byte() % 8 {
            // Raw bytes without framing.
            0 => {
                body.extend_from_slice(script.short());
                continue;
            }
            1 => script.short().to_vec(),
            what => asked(what, &mut script),
        };
        body.push(0);
        body.extend((message.len() as u32).to_be_bytes());
        body.extend(message);
    }
    let sent = body.len();
    let (requests, _) = reference(&body, Encoding::Identity, usize::MAX);
    let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
    let mut request = Request::post(path).body(body).expect("a request");
    request.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    let answering = async {
        let Ok(response) = grpc::serve(router.clone()).oneshot(request).await;
        let (head, body) = response.into_parts();
        let Ok(body) = body.collect().await;
        (head, body)
    };
    let answered = tokio::time::timeout(Duration::from_secs(60), answering).await;
    let (head, body) = answered.expect("the call ends in time");
    assert_eq!(head.status, 200);
    let trailers = body.trailers().cloned().unwrap_or_default();
    let status = head.headers.get("grpc-status").or(trailers.get("grpc-status"));
    let status = status.expect("a status").to_str().expect("ASCII").parse::<u16>();
    assert!(status.expect("a number") <= 16);
    let body = body.to_bytes();
    let (replies, end) = reference(&body, Encoding::Identity, usize::MAX);
    assert_eq!(end, Ok(()));
    assert!(replies.len() <= requests.len(), "more replies than requests");
    let longest = proto::DESCRIPTORS.len()
        + tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET.len()
        + sent
        + ROOM;
    assert!(replies.iter().all(|reply| reply.len() <= longest), "a reply is too long");
}

/// Returns a request of the protocol, with a known name or the script's.
fn asked(what: u8, script: &mut Script<'_>) -> Vec<u8> {
    let name = match script.byte() {
        0xff => script.short(),
        known => NAMES[usize::from(known) % NAMES.len()].as_bytes(),
    };
    let mut text = Vec::new();
    // Fields 3 to 7 are the requests. Field 1 is the host. Field 5 holds the type and a number.
    let mut put = |field: u8, bytes: &[u8]| {
        text.push(field << 3 | 2);
        text.push(bytes.len().min(127) as u8);
        text.extend_from_slice(&bytes[..bytes.len().min(127)]);
    };
    match what {
        2 => put(1, name),
        5 => put(
            5,
            &[&[10, name.len().min(100) as u8], &name[..name.len().min(100)], &[16, 5]].concat(),
        ),
        what => put(what, name),
    }
    text
}
