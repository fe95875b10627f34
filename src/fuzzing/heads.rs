//! Checks request heads: the timeout, what is a gRPC request, and the text of a status.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use tower::ServiceExt as _;
use tower::util::BoxCloneSyncService;

use super::script::Script;
use crate::grpc::{self, Code, Mounted, RequestBody, Router, Status, method, timeout};

/// Checks that a timeout is accepted exactly if it is `^[0-9]{1,8}[HMSmun]$`, with the right value.
pub fn grpc_timeout(value: &[u8]) {
    const NANOS: [(u8, u128); 6] = [
        (b'H', 3_600_000_000_000),
        (b'M', 60_000_000_000),
        (b'S', 1_000_000_000),
        (b'm', 1_000_000),
        (b'u', 1_000),
        (b'n', 1),
    ];
    let expected = match value {
        [digits @ .., unit] if (1..=8).contains(&digits.len()) => {
            let unit = NANOS.iter().find(|(name, _)| name == unit);
            let number = digits.iter().all(u8::is_ascii_digit).then(|| {
                let digits = std::str::from_utf8(digits).expect("digits");
                digits.parse::<u128>().expect("a number")
            });
            unit.zip(number).map(|((_, nanos), number)| number * nanos)
        }
        _ => None,
    };
    assert_eq!(timeout::parse(value).as_ref().map(Duration::as_nanos), expected);
    let Ok(value) = HeaderValue::from_bytes(value) else { return };
    let headers = HeaderMap::from_iter([(HeaderName::from_static("grpc-timeout"), value)]);
    match timeout::of(&headers) {
        Ok(read) => assert_eq!(read.as_ref().map(Duration::as_nanos), expected),
        Err(status) => assert_eq!((status.code(), expected), (Code::Internal, None)),
    }
}

/// Checks that any text becomes a `grpc-message` of printable ASCII that decodes to the text, or to
/// its beginning.
pub fn grpc_message(text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let encoded = grpc::percent_encode(&text);
    assert!(encoded.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{encoded:?}");
    let mut bytes = Vec::new();
    let mut rest = encoded.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'%' => {
                let (code, after) = rest.split_at(2);
                rest = after;
                let code = std::str::from_utf8(code).expect("two digits");
                assert!(code.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F')));
                u8::from_str_radix(code, 16).expect("hexadecimal")
            }
            byte => *byte,
        });
    }
    let decoded = String::from_utf8(bytes).expect("whole characters");
    assert!(text.starts_with(&decoded));
    // It is cut only where the next character would exceed the limit.
    let next = text[decoded.len()..].chars().next();
    assert!(
        decoded.len() <= 1024 && next.is_none_or(|next| decoded.len() + next.len_utf8() > 1024)
    );
    let status = Status::new(Code::Unknown, text.into_owned());
    let trailers = status.trailers();
    let told = trailers.get("grpc-message").map(HeaderValue::as_bytes);
    assert_eq!(told.unwrap_or_default(), encoded.as_bytes());
}

const METHOD: &str = "/a.B/C";
const MOUNTED: &str = "m.S";

/// The number of calls of each of two services.
#[derive(Debug, Default)]
struct Called {
    ours: AtomicUsize,
    mounted: AtomicUsize,
}

fn router(called: &Arc<Called>) -> Router {
    let (ours, mounted) = (called.clone(), called.clone());
    let mounted: Mounted = BoxCloneSyncService::new(tower::service_fn(move |request| {
        // It checks nothing by itself, like tonic's services.
        let _: Request<RequestBody> = request;
        mounted.mounted.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok::<_, Infallible>(Status::OK.into_response()))
    }));
    Router::default()
        .method(
            METHOD,
            method::unary(move |request: grpc::Request<()>| {
                ours.ours.fetch_add(1, Ordering::Relaxed);
                async move {
                    let () = request.message;
                    Ok(())
                }
            }),
        )
        .mount(MOUNTED, mounted)
}

/// Checks that any request head gets 405, 415 or a gRPC status, and that only a gRPC request
/// reaches a service. Needs a paused clock.
pub async fn request_head(data: &[u8]) {
    let Some(request) = read(&mut Script(data)) else { return };
    let expected = expected(&request);
    let called = Arc::new(Called::default());
    let described = format!("{request:?}");
    let response = grpc::serve(router(&called)).oneshot(request).await;
    let Ok(response) = response;
    let (head, body) = response.into_parts();
    let Ok(body) = body.collect().await;
    let trailers = body.trailers().cloned().unwrap_or_default();
    let in_head = head.headers.get("grpc-status");
    let status = in_head
        .or(trailers.get("grpc-status"))
        .map(|code| code.to_str().expect("ASCII").parse::<u16>().expect("a number"));
    assert!(in_head.is_none() || trailers.get("grpc-status").is_none(), "two statuses");
    let content_type = head.headers.get("content-type").map(HeaderValue::as_bytes);
    let said = (head.status.as_u16(), status);
    assert_eq!(said, (expected.http, expected.code), "{described}");
    if head.status == StatusCode::OK {
        assert_eq!(content_type, Some(expected.content_type), "{described}");
    }
    let reached = (called.ours.load(Ordering::Relaxed), called.mounted.load(Ordering::Relaxed));
    assert_eq!(reached, expected.reached, "{described}");
}

fn read(script: &mut Script<'_>) -> Option<Request<RequestBody>> {
    let body = Full::new(Bytes::from_static(&[0; 5])).map_err(|never| match never {});
    let mut request = Request::new(body.boxed_unsync());
    *request.method_mut() = match script.byte() % 12 {
        0..6 => Method::POST,
        6 => Method::GET,
        7 => Method::OPTIONS,
        8 => Method::CONNECT,
        9 => Method::HEAD,
        _ => Method::from_bytes(script.short()).ok()?,
    };
    *request.uri_mut() = match script.byte() % 12 {
        0..4 => Uri::from_static(METHOD),
        4 => Uri::from_static("/m.S/x"),
        5 => Uri::from_static("/m.S"),
        6 => Uri::from_static("http://localhost/a.B/C?x=/m.S/"),
        7 => Uri::from_static("*"),
        _ => Uri::try_from(script.short()).ok()?,
    };
    for _ in 0..script.byte() % 8 {
        let name = match script.byte() % 8 {
            0..4 => "content-type",
            4 => "grpc-timeout",
            5 => "grpc-encoding",
            6 => "te",
            _ => "x-bin",
        };
        let value = match script.byte() % 8 {
            0..3 => HeaderValue::from_static("application/grpc"),
            3 => HeaderValue::from_static("application/grpc+proto;x"),
            4 => HeaderValue::from_static("gzip"),
            5 => HeaderValue::from_static("00000000n"),
            _ => HeaderValue::from_bytes(script.short()).ok()?,
        };
        request.headers_mut().append(name, value);
    }
    Some(request)
}

struct Expected {
    http: u16,
    code: Option<u16>,
    content_type: &'static [u8],
    /// The number of calls of our method, and of the mounted service.
    reached: (usize, usize),
}

/// A plain implementation of the rules.
fn expected<B>(request: &Request<B>) -> Expected {
    let answer = |http, code: Code, reached| Expected {
        http,
        code: Some(code as u16),
        content_type: b"application/grpc",
        reached,
    };
    let header = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
    if request.method() != Method::POST {
        return answer(405, Code::Internal, (0, 0));
    }
    let content_type = header("content-type").unwrap_or_default();
    let main = content_type.split(|byte| *byte == b';').next().unwrap_or_default();
    let main = main.trim_ascii_end();
    let is_grpc = main.get(..16).is_some_and(|it| it.eq_ignore_ascii_case(b"application/grpc"));
    let subtype = main.get(16..).unwrap_or_default();
    let proto = match subtype {
        b"" | b"+proto" if is_grpc => subtype == b"+proto",
        [b'+', ..] if is_grpc => return answer(200, Code::Unimplemented, (0, 0)),
        _ => return Expected { code: None, ..answer(415, Code::Ok, (0, 0)) },
    };
    let mut expected = match header("grpc-timeout").map(timeout::parse) {
        Some(None) => answer(200, Code::Internal, (0, 0)),
        Some(Some(Duration::ZERO)) => answer(200, Code::DeadlineExceeded, (0, 0)),
        _ => match (request.uri().path(), header("grpc-encoding")) {
            (METHOD, None | Some(b"identity" | b"gzip" | b"deflate")) => {
                answer(200, Code::Ok, (1, 0))
            }
            (path, _) if path.starts_with("/m.S/") => answer(200, Code::Ok, (0, 1)),
            _ => answer(200, Code::Unimplemented, (0, 0)),
        },
    };
    if proto {
        expected.content_type = b"application/grpc+proto";
    }
    expected
}
