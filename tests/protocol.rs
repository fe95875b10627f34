//! gRPC over HTTP/2, rule by rule: request heads, message framing, replies, deadlines, cancellation
//! and shutdown, on a real socket. The tables are a checklist of the specification
//! (grpc/grpc `doc/PROTOCOL-HTTP2.md`, `statuscodes.md`, `compression.md`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

use std::io::Write as _;
use std::time::Duration;

use bytes::Bytes;
use falconer::grpc::method::{bidirectional, client_streaming, server_streaming, unary};
use falconer::grpc::{Code, MAX_REQUEST, Request, Requests, Router, Status, frame};
use falconer::service::mounted;
use prost::Message as _;
use support::PATIENCE;
use support::raw::{Client, Served, framed, head};
use support::wait::eventually_async;
use tokio_util::sync::CancellationToken;

/// Methods of every call shape, on strings: prost's `String` is `google.protobuf.StringValue`.
fn echo() -> Router {
    let frames = |texts: Vec<String>| {
        futures_util::stream::iter(texts.into_iter().map(|text| Ok(frame::encode(&text))))
    };
    Router::default()
        .method(
            "/test.Echo/Unary",
            unary(|request: Request<String>| async move { Ok(request.message) }),
        )
        .method(
            "/test.Echo/Twice",
            server_streaming(move |request: Request<String>| async move {
                Ok(frames(vec![request.message.clone(), request.message]))
            }),
        )
        .method(
            "/test.Echo/Join",
            client_streaming(|mut request: Request<Requests<String>>| async move {
                let mut joined = String::new();
                while let Some(text) = request.message.next().await? {
                    joined.push_str(&text);
                }
                Ok(joined)
            }),
        )
        .method(
            "/test.Echo/Each",
            bidirectional(|request: Request<Requests<String>>| async move {
                Ok(futures_util::stream::unfold(request.message, |mut requests| async move {
                    match requests.next().await {
                        Ok(Some(text)) => Some((Ok(frame::encode(&text)), requests)),
                        Ok(None) => None,
                        Err(status) => Some((Err(status), requests)),
                    }
                }))
            }),
        )
        .method(
            "/test.Echo/Fail",
            unary(|_: Request<String>| async move {
                Err::<String, _>(Status::new(Code::NotFound, "nö %\r\n"))
            }),
        )
        .method(
            "/test.Echo/Panic",
            unary(|request: Request<String>| async move {
                if request.message.is_empty() {
                    panic!("on purpose");
                }
                Ok(request.message)
            }),
        )
        .method(
            "/test.Echo/PanicLater",
            server_streaming(|request: Request<String>| async move {
                let first = frame::encode(&request.message);
                Ok(futures_util::stream::unfold(Some(first), |first| async move {
                    match first {
                        Some(first) => Some((Ok(first), None)),
                        None => panic!("on purpose, later"),
                    }
                }))
            }),
        )
        .method(
            "/test.Echo/Hang",
            server_streaming(|request: Request<String>| async move {
                if request.message.is_empty() {
                    std::future::pending::<()>().await;
                }
                let first = futures_util::stream::iter([Ok(frame::encode(&request.message))]);
                Ok(futures_util::StreamExt::chain(first, futures_util::stream::pending()))
            }),
        )
        .gone("/test.Echo/Old", "call test.Echo/Unary instead")
}

fn text(text: &str) -> Bytes {
    frame::encode(&text.to_owned())
}

fn texts(messages: &[Bytes]) -> Vec<String> {
    messages.iter().map(|message| String::decode(message.clone()).unwrap()).collect()
}

#[tokio::test]
async fn the_four_call_shapes() {
    let served = Served::start(echo());
    let client = Client::connect(&served.path).await;
    for (method, requests, replies) in [
        ("Unary", vec!["a"], vec!["a"]),
        ("Twice", vec!["a"], vec!["a", "a"]),
        ("Join", vec!["a", "b", "c"], vec!["abc"]),
        ("Join", vec![], vec![""]),
        ("Each", vec!["a", "b", "c"], vec!["a", "b", "c"]),
        ("Each", vec![], vec![]),
    ] {
        let outcome = client
            .call(head(&format!("/test.Echo/{method}")), requests.iter().map(|r| text(r)))
            .await;
        assert_eq!(outcome.http, 200);
        assert_eq!(outcome.headers["content-type"], "application/grpc");
        assert!(!outcome.headers.contains_key("content-length"), "{method}");
        assert_eq!(texts(&outcome.messages), replies, "{method}");
        assert_eq!(outcome.code(), Some(0), "{method}");
        assert!(outcome.trailers.is_some(), "{method}");
    }
    served.stopped().await;
}

#[tokio::test]
async fn a_bidirectional_call_answers_while_the_client_still_sends() {
    let served = Served::start(echo());
    let client = Client::connect(&served.path).await;
    let mut call = client.begin(head("/test.Echo/Each")).await;
    call.requests.send_data(text("first"), false).unwrap();
    let (mut requests, mut replies) = call.replies().await;
    assert_eq!(texts(&[replies.next().await.unwrap()]), ["first"]);
    requests.send_data(text("second"), true).unwrap();
    assert_eq!(texts(&replies.outcome().await.messages), ["second"]);
}

#[tokio::test]
async fn request_heads() {
    let served = Served::start(echo());
    let client = Client::connect(&served.path).await;
    let unary = || head("/test.Echo/Unary");
    let with_type = |content_type: &str| {
        http::Request::post("http://localhost/test.Echo/Unary").header("content-type", content_type)
    };
    for (case, head, http, code, message) in [
        ("plain", unary(), 200, Some(0), ""),
        ("+proto", with_type("application/grpc+proto"), 200, Some(0), ""),
        ("parameters", with_type("application/grpc; charset=x"), 200, Some(0), ""),
        ("no te", with_type("application/grpc"), 200, Some(0), ""),
        ("+json", with_type("application/grpc+json"), 200, Some(12), "only application/grpc+proto"),
        ("web", with_type("application/grpc-web"), 415, None, ""),
        ("json", with_type("application/json"), 415, None, ""),
        ("no type", http::Request::post("http://localhost/test.Echo/Unary"), 415, None, ""),
        ("GET", unary().method("GET"), 405, Some(13), "POST"),
        ("OPTIONS", unary().method("OPTIONS"), 405, Some(13), "POST"),
        ("method", head("/test.Echo/Nothing"), 200, Some(12), "unknown method /test.Echo/Nothing"),
        ("service", head("/test.Nothing/Unary"), 200, Some(12), "unknown method"),
        ("case", head("/test.echo/unary"), 200, Some(12), "unknown method"),
        ("slash", head("/test.Echo/Unary/"), 200, Some(12), "unknown method"),
        ("encoded", head("/test.Echo/%55nary"), 200, Some(12), "unknown method"),
        ("root", head("/"), 200, Some(12), "unknown method"),
        ("gone", head("/test.Echo/Old"), 200, Some(12), "call test.Echo/Unary instead"),
        ("timeout", unary().header("grpc-timeout", "10S"), 200, Some(0), ""),
        ("huge timeout", unary().header("grpc-timeout", "99999999H"), 200, Some(0), ""),
        ("no timeout left", unary().header("grpc-timeout", "0n"), 200, Some(4), "grpc-timeout"),
        ("signed timeout", unary().header("grpc-timeout", "+5S"), 200, Some(13), "grpc-timeout"),
        ("long timeout", unary().header("grpc-timeout", "123456789S"), 200, Some(13), ""),
        ("identity", unary().header("grpc-encoding", "identity"), 200, Some(0), ""),
        ("snappy", unary().header("grpc-encoding", "snappy"), 200, Some(12), "grpc-encoding"),
        ("bad -bin", unary().header("x-bin", "!!!"), 200, Some(0), ""),
        ("session", unary().header("session_id", "1").header("request_id", "2"), 200, Some(0), ""),
    ] {
        let outcome = client.call(head, [text("x")]).await;
        assert_eq!(outcome.http, http, "{case}");
        assert_eq!(outcome.code(), code, "{case}: {}", outcome.message());
        assert!(outcome.message().contains(message), "{case}: {}", outcome.message());
        if http == 200 && code != Some(0) {
            assert!(outcome.trailers.is_none() && outcome.messages.is_empty(), "{case}");
        }
        if case == "snappy" {
            assert_eq!(outcome.headers["grpc-accept-encoding"], "identity,deflate,gzip");
        }
        if case == "+proto" {
            assert_eq!(outcome.headers["content-type"], "application/grpc+proto");
        }
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn prefixed(flag: u8, length: usize, payload: &[u8]) -> Bytes {
    let length = u32::try_from(length).unwrap();
    [&[flag][..], &length.to_be_bytes(), payload].concat().into()
}

#[tokio::test]
async fn request_bodies() {
    let served = Served::start(echo());
    let client = Client::connect(&served.path).await;
    let message = "hello".to_owned().encode_to_vec();
    let zipped = gzip(&message);
    let deflated = zlib(&message);
    let bomb = gzip(&vec![0; MAX_REQUEST + 1]);
    let unknown_field = [&message[..], &[0xf8, 0x07, 0x01]].concat();
    let cases = [
        ("one", "", framed(&message), Some(0)),
        ("unknown fields", "", framed(&unknown_field), Some(0)),
        ("gzip", "gzip", prefixed(1, zipped.len(), &zipped), Some(0)),
        ("deflate", "deflate", prefixed(1, deflated.len(), &deflated), Some(0)),
        ("plain although gzip", "gzip", framed(&message), Some(0)),
        ("none", "", Bytes::new(), Some(12)),
        ("two", "", [framed(&message), framed(&message)].concat().into(), Some(12)),
        ("half a prefix", "", Bytes::from_static(&[0, 0, 0]), Some(13)),
        ("only a prefix", "", prefixed(0, 10, b""), Some(13)),
        ("half a message", "", prefixed(0, 10, b"abc"), Some(13)),
        ("reserved flag", "", prefixed(2, 0, b""), Some(13)),
        ("compressed without encoding", "", prefixed(1, zipped.len(), &zipped), Some(13)),
        ("compressed identity", "identity", prefixed(1, zipped.len(), &zipped), Some(13)),
        ("corrupt gzip", "gzip", prefixed(1, 3, b"abc"), Some(13)),
        ("bad protobuf", "", framed(&[0x0a, 0xff]), Some(13)),
        ("bad UTF-8", "", framed(&[0x0a, 0x01, 0xff]), Some(13)),
        ("too long", "", prefixed(0, MAX_REQUEST + 1, b""), Some(8)),
        ("4 GiB", "", prefixed(0, u32::MAX as usize, b""), Some(8)),
        ("inflates too long", "gzip", prefixed(1, bomb.len(), &bomb), Some(8)),
    ];
    for (case, encoding, body, code) in &cases {
        for chunk in [usize::MAX, 1] {
            let mut head = head("/test.Echo/Unary");
            if !encoding.is_empty() {
                head = head.header("grpc-encoding", *encoding);
            }
            let chunks = body.chunks(chunk).map(Bytes::copy_from_slice).collect::<Vec<_>>();
            let outcome = client.call(head, chunks).await;
            assert_eq!(outcome.http, 200, "{case}");
            assert_eq!(outcome.code(), *code, "{case}: {}", outcome.message());
            let expected: &[&str] = if *code == Some(0) { &["hello"] } else { &[] };
            assert_eq!(texts(&outcome.messages), expected, "{case}");
        }
    }
}

#[tokio::test]
async fn an_invalid_prefix_is_rejected_before_the_message() {
    let served = Served::start(echo());
    let client = Client::connect(&served.path).await;
    for (prefix, code) in
        [(prefixed(1, 100, b""), 13), (prefixed(9, 100, b""), 13), (prefixed(0, 1 << 30, b""), 8)]
    {
        let mut call = client.begin(head("/test.Echo/Each")).await;
        call.requests.send_data(prefix, false).unwrap();
        assert_eq!(call.outcome().await.code(), Some(code));
    }
}

#[tokio::test]
async fn messages_of_errors_are_encoded() {
    let served = Served::start(echo());
    let client = Client::connect(&served.path).await;
    let outcome = client.call(head("/test.Echo/Fail"), [text("x")]).await;
    assert_eq!((outcome.code(), outcome.message()), (Some(5), "n%C3%B6 %25%0D%0A"));
    assert!(outcome.trailers.is_none(), "trailers-only");
    let long = format!("/test.Echo/{}", "x".repeat(5_000));
    let outcome = client.call(head(&long), [text("x")]).await;
    assert!(outcome.message().len() < 200, "{}", outcome.message());
}

#[tokio::test]
async fn a_panic_ends_only_its_own_call() {
    let served = Served::start(echo());
    let client = Client::connect(&served.path).await;
    let outcome = client.call(head("/test.Echo/Panic"), [text("")]).await;
    assert_eq!((outcome.code(), outcome.messages.len()), (Some(13), 0));
    assert!(!outcome.message().contains("purpose"), "the message must not have the panic's text");
    let outcome = client.call(head("/test.Echo/PanicLater"), [text("x")]).await;
    assert_eq!((outcome.code(), texts(&outcome.messages)), (Some(13), vec!["x".into()]));
    let outcome = client.call(head("/test.Echo/Panic"), [text("x")]).await;
    assert_eq!(outcome.code(), Some(0), "the connection stays open");
}

#[tokio::test]
async fn a_deadline_ends_the_head_and_the_body() {
    let served = Served::start(echo());
    let client = Client::connect(&served.path).await;
    let hang = || head("/test.Echo/Hang").header("grpc-timeout", "100m");
    let outcome = client.call(hang(), [text("")]).await;
    assert_eq!(outcome.code(), Some(4));
    assert!(outcome.trailers.is_none(), "the reply had not begun");
    let outcome = client.call(hang(), [text("x")]).await;
    assert_eq!((outcome.code(), texts(&outcome.messages)), (Some(4), vec!["x".into()]));
    assert!(outcome.trailers.is_some(), "the reply had begun");
}

#[tokio::test]
async fn an_unfinished_request_times_out() {
    let served = Served::start(echo());
    let client = Client::connect(&served.path).await;
    let mut call = client.begin(head("/test.Echo/Unary")).await;
    call.requests.send_data(Bytes::from_static(&[0, 0]), false).unwrap();
    let outcome = call.outcome().await;
    assert_eq!(outcome.code(), Some(4), "{}", outcome.message());
}

#[tokio::test]
async fn mounted_services_have_the_same_checks() {
    let stop = CancellationToken::new();
    let (router, health) = mounted::health(echo(), &stop).await;
    let served = Served::start_until(mounted::reflection(router, &stop).unwrap(), stop);
    let client = Client::connect(&served.path).await;
    let path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let image =
        http::Request::get(format!("http://localhost{path}")).header("content-type", "image/jpeg");
    assert_eq!(client.call(image, []).await.http, 405);
    let image =
        http::Request::post(format!("http://localhost{path}")).header("content-type", "image/jpeg");
    assert_eq!(client.call(image, []).await.http, 415);
    let unknown = client.call(head("/grpc.health.v1.Health/Nothing"), [framed(b"")]).await;
    assert_eq!(unknown.code(), Some(12));

    // HealthCheckResponse.status: 1 SERVING, 2 NOT_SERVING. An unknown service is NOT_FOUND.
    let check = |service: &str| framed(&service.to_owned().encode_to_vec());
    let health_of = async |service: &str| {
        client.call(head("/grpc.health.v1.Health/Check"), [check(service)]).await
    };
    assert_eq!(health_of("").await.messages, [Bytes::from_static(&[8, 1])]);
    assert_eq!(health_of("falco.outputs.service").await.messages, [Bytes::from_static(&[8, 1])]);
    assert_eq!(health_of("nobody").await.code(), Some(5));
    mounted::stop_serving(&health).await;
    assert_eq!(health_of("").await.messages, [Bytes::from_static(&[8, 2])]);

    // Streams without an end of their own get a status when the server shuts down.
    let mut watch = client.begin(head("/grpc.health.v1.Health/Watch")).await;
    watch.requests.send_data(check(""), true).unwrap();
    let (_requests, mut watched) = watch.replies().await;
    assert_eq!(watched.next().await.unwrap(), Bytes::from_static(&[8, 2]));
    let (_open, reflecting) = client.begin(head(path)).await.replies().await;
    served.stop.cancel();
    assert_eq!(watched.outcome().await.code(), Some(14));
    assert_eq!(reflecting.outcome().await.code(), Some(14));
    let stopping = std::time::Instant::now();
    served.stopped().await;
    assert!(stopping.elapsed() < Duration::from_secs(2), "the shutdown takes too long");
}

#[tokio::test]
async fn a_connection_without_http_2_is_closed() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let served = Served::start(echo());
    let mut stream = tokio::net::UnixStream::connect(&served.path).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    // A unix socket may report a reset if it is closed with unread bytes.
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap();
    assert!(read.is_err() || answer.is_empty());
}

#[tokio::test]
async fn shutdown_sends_goaway_finishes_calls_and_removes_the_socket() {
    let served = Served::start(echo());
    let client = Client::connect(&served.path).await;
    let mut call = client.begin(head("/test.Echo/Join")).await;
    call.requests.send_data(text("a"), false).unwrap();
    // The call has started when a later one has its answer.
    client.call(head("/test.Echo/Unary"), [text("x")]).await;
    served.stop.cancel();
    eventually_async("GOAWAY has arrived", async || {
        client.try_call(head("/test.Echo/Unary"), text("x")).await.err()
    })
    .await;
    call.requests.send_data(text("b"), true).unwrap();
    let outcome = call.outcome().await;
    assert_eq!((outcome.code(), texts(&outcome.messages)), (Some(0), vec!["ab".into()]));
    let path = served.path.clone();
    served.stopped().await;
    assert!(!path.exists());
}
