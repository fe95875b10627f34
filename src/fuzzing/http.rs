//! Checks the gateway as a service without a socket: access, and how alerts are written.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use falconer_gateway::Port as _;
use falconer_gateway::port::Sender;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use jiff::Timestamp;
use serde_json::value::RawValue;
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt as _;

use super::script::Script;
use super::served::Falco;
use crate::hub::Next;
use crate::server::feed::Feed;

const HOST: &str = "falco.example";
const ORIGIN: &str = "https://soc.example";

fn feed(falco: &Falco) -> Feed {
    Feed {
        hub: falco.context.hub.clone(),
        filters: falco.context.filters.clone(),
        intake: falco.intake.clone(),
        subscribers: falco.context.subscribers.clone(),
        calls: Arc::default(),
        grpc: "unix:///run/falco/falco.sock".into(),
        tls: None,
        cuts: Arc::default(),
        gateway_tls: std::sync::Mutex::default(),
        started: Timestamp::UNIX_EPOCH,
        stop: falco.context.stop.clone(),
    }
}

/// Returns a port for the gateway with an empty log.
#[cfg(test)]
pub(crate) fn quiet_feed() -> Arc<Feed> {
    Arc::new(feed(&Falco::new()))
}

/// A response, as far as it came within a second.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

async fn ask(feed: Arc<Feed>, token: bool, request: Request<Full<Bytes>>) -> Answer {
    let config = falconer_gateway::Config {
        allowed_hosts: vec![HOST.parse().expect("a host")],
        allowed_origins: vec![ORIGIN.parse().expect("an origin")],
        token: token.then(|| "0123456789abcdef".parse().expect("a token")),
        ..falconer_gateway::Config::default()
    };
    let Ok(response) = falconer_gateway::router(feed, config).oneshot(request).await;
    let (head, mut body) = response.into_parts();
    let until = Instant::now() + Duration::from_secs(1);
    let mut bytes = Vec::new();
    while let Ok(Some(frame)) = timeout_at(until, body.frame()).await {
        let frame = frame.expect("a body does not break off");
        bytes.extend_from_slice(&frame.into_data().unwrap_or_default());
    }
    Answer { status: head.status, headers: head.headers, body: bytes }
}

/// Checks any request: one with a foreign name, or a post of a foreign page, is refused and leaves
/// no alert. Only a page of an allowed origin may read. No request causes a server error. Needs a
/// paused clock.
pub async fn gateway_request(data: &[u8]) {
    let mut script = Script(data);
    let token = script.byte() & 1 != 0;
    let Some(request) = read(&mut script) else { return };
    let falco = Falco::new();
    falco.alert(3, 10);
    let feed = Arc::new(feed(&falco));
    let before = feed.pulse().received;
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let headers = request.headers().clone();
    let described = format!("{request:?}");
    let answer = ask(feed.clone(), token, request).await;
    let status = answer.status;
    let header = |name| headers.get(name).map(HeaderValue::as_bytes);

    assert!(!status.is_server_error(), "{status} for {described}");
    let taken = feed.pulse().received - before;
    let welcome = welcome(&uri, &headers);
    let given = answer.headers.get("access-control-allow-origin");
    if let Err(refused) = welcome {
        assert_eq!(status, refused, "{described}");
        assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")));
    }
    // No browser sends these empty. An empty one counts as missing, as in Go's
    // CrossOriginProtection.
    let told = |name| header(name).filter(|value| !value.is_empty());
    let foreign_page = match (told("sec-fetch-site"), told("origin")) {
        (Some(b"same-origin" | b"none"), _) | (None, None) => false,
        (Some(_), _) => true,
        // Even the allowed origin is foreign here: its scheme, host or port differs from the
        // server's.
        (None, Some(origin)) => {
            [b"null", ORIGIN.as_bytes(), b"https://evil.example"].contains(&origin)
        }
    };
    let safe = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&method);
    if welcome.is_ok() && foreign_page && !safe {
        assert_eq!(status, StatusCode::FORBIDDEN, "{described}");
    }
    let words: [&[u8]; 2] = [b"Bearer 0123456789abcdef", b"Basic ZmFsY286MDEyMzQ1Njc4OWFiY2RlZg=="];
    let authorized = !token || header("authorization").is_some_and(|sent| words.contains(&sent));
    let may_post = welcome.is_ok() && !foreign_page && authorized && method == Method::POST;
    assert!(taken == 0 || may_post, "accepted alerts of {described}");
    match (welcome, header("origin"), given) {
        (_, _, None) => {}
        (Ok(()), Some(origin), Some(given)) => {
            assert_eq!((origin, given.as_bytes()), (ORIGIN.as_bytes(), origin), "{described}");
        }
        _ => panic!("a foreign page may read {described}"),
    }
    assert!(!answer.headers.contains_key("access-control-allow-credentials"));
    if status.is_client_error() {
        let content_type = answer.headers.get("content-type").map(HeaderValue::as_bytes);
        assert_eq!(content_type, Some(&b"application/problem+json"[..]), "{status} {described}");
    }
    if method == Method::GET {
        let sniff = answer.headers.get("x-content-type-options").map(HeaderValue::as_bytes);
        assert_eq!(sniff, Some(&b"nosniff"[..]), "{status} {described}");
    }
    let shown = answer.body.windows(14).any(|part| part == br#""rule":"0","so"#);
    assert!(!shown || (welcome.is_ok() && authorized), "showed alerts to {described}");
}

fn read(script: &mut Script<'_>) -> Option<Request<Full<Bytes>>> {
    let method = match script.byte() % 8 {
        0..3 => Method::GET,
        3 | 4 => Method::POST,
        5 => Method::OPTIONS,
        6 => script.one_of(&[&Method::HEAD, &Method::PUT, &Method::DELETE, &Method::PATCH]).clone(),
        _ => Method::from_bytes(script.short()).ok()?,
    };
    const PATHS: [&str; 14] = [
        "/",
        "/api/v1/events",
        "/api/v1/events/abc.1",
        "/api/v1/events/stream",
        "/api/v1/histogram",
        "/api/v1/facets",
        "/api/v1/rules",
        "/api/v1/events/export",
        "/api/v1/status",
        "/api/openapi.json",
        "/metrics",
        "/livez",
        "/readyz",
        "",
    ];
    let path = script.one_of(&PATHS);
    let more = script.short();
    let uri = Uri::try_from([path.as_bytes(), more].concat()).ok()?;
    let mut request = Request::new(Full::default());
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    for _ in 0..script.byte() % 8 {
        let name = script.one_of(&[
            "host",
            "host",
            "origin",
            "sec-fetch-site",
            "authorization",
            "accept",
            "last-event-id",
            "access-control-request-method",
            "access-control-request-headers",
            "content-encoding",
            "if-none-match",
            "accept-encoding",
        ]);
        let value = match script.byte() % 24 {
            0..3 => HeaderValue::from_static("localhost:2804"),
            3 => HeaderValue::from_static(HOST),
            4 => HeaderValue::from_static("evil.example"),
            5 => HeaderValue::from_static(ORIGIN),
            6 => HeaderValue::from_static("https://evil.example"),
            7 => HeaderValue::from_static("null"),
            8 => HeaderValue::from_static("cross-site"),
            9 => HeaderValue::from_static("same-site"),
            10 => HeaderValue::from_static("same-origin"),
            11 => HeaderValue::from_static("none"),
            12 => HeaderValue::from_static("Bearer 0123456789abcdef"),
            13 => HeaderValue::from_static("application/x-ndjson"),
            14 => HeaderValue::from_static("gzip"),
            15 => HeaderValue::from_static("GET"),
            16 => HeaderValue::from_static("[::1]:80"),
            17 => HeaderValue::from_static("127.0.0.1"),
            18 => HeaderValue::from_static("abc.2"),
            19 => HeaderValue::from_static("Basic ZmFsY286MDEyMzQ1Njc4OWFiY2RlZg=="),
            _ => HeaderValue::from_bytes(script.short()).ok()?,
        };
        request.headers_mut().append(HeaderName::from_static(name), value);
    }
    *request.body_mut() = match script.byte() % 3 {
        0 => Full::from(&br#"{"rule":"r","priority":"Error","time":"2026-01-30T10:00:00Z"}"#[..]),
        _ => Full::from(script.0.to_vec()),
    };
    Some(request)
}

/// A plain implementation of the rules for host names. Returns the status of a refusal.
fn welcome(target: &Uri, headers: &HeaderMap) -> Result<(), StatusCode> {
    let named: Vec<_> = headers.get_all("host").iter().map(HeaderValue::to_str).collect();
    let authority = target.authority().map(|authority| authority.as_str());
    let names: Vec<&str> = match named[..] {
        [] => authority.into_iter().collect(),
        [Ok(host)] => std::iter::once(host).chain(authority).collect(),
        _ => return Err(StatusCode::BAD_REQUEST),
    };
    if names.is_empty() {
        return Err(StatusCode::BAD_REQUEST);
    }
    let ours = |name: &&str| {
        let port = |text: &str| {
            text.is_empty()
                || text.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()))
        };
        let name = name.to_ascii_lowercase();
        let begins = |host: &str| name.strip_prefix(host).is_some_and(port);
        let loopback = || {
            let rest = name.strip_prefix("127.")?;
            let end = rest.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(rest.len());
            let (numbers, after) = rest.split_at(end);
            let numbers: Vec<_> = numbers.split('.').collect();
            let number = |text: &&str| {
                text.parse::<u8>().is_ok() && (text.len() == 1 || !text.starts_with('0'))
            };
            Some(numbers.len() == 3 && numbers.iter().all(number) && port(after))
        };
        let six = || {
            let (address, after) = name.strip_prefix('[')?.split_once(']')?;
            let address = address.parse::<std::net::Ipv6Addr>().ok()?;
            Some(address.is_loopback() && port(after))
        };
        begins("localhost") || begins(HOST) || loopback() == Some(true) || six() == Some(true)
    };
    if names.iter().all(ours) { Ok(()) } else { Err(StatusCode::FORBIDDEN) }
}

/// Checks the live stream of any posted body: each accepted alert is one event, its data is the
/// JSON as it arrived, and its id is the cursor. There are no other events. Needs a paused clock.
pub async fn sse_encode(data: &[u8]) {
    let mut script = Script(data);
    let how = script.byte();
    let falco = Falco::new();
    let feed = Arc::new(feed(&falco));
    for _ in 0..=script.byte() % 4 {
        feed.ingest(Bytes::copy_from_slice(script.short()), Sender::Remote(None));
    }
    feed.ingest(Bytes::copy_from_slice(script.0), Sender::Local);
    let (hub, mut expected, mut next) = (&falco.context.hub, Vec::new(), 1);
    while let Next::Alerts(slice) = hub.next(next, usize::MAX) {
        for alert in slice.alerts() {
            let json = String::from_utf8(alert.line.to_vec()).expect("text");
            expected.push((hub.cursor(alert.sequence).to_string(), json));
        }
        next = slice.end();
    }
    let (query, ndjson) = match how % 4 {
        0 => ("", false),
        1 => ("&batch=1", false),
        2 => ("", true),
        _ => ("&envelope=1", true),
    };
    let mut request = Request::new(Full::default());
    let uri = format!("/api/v1/events/stream?last=1000{query}");
    *request.uri_mut() = uri.parse().expect("a target");
    request.headers_mut().insert("host", HeaderValue::from_static("localhost"));
    if ndjson {
        request.headers_mut().insert("accept", HeaderValue::from_static("application/x-ndjson"));
    }
    let answer = ask(feed, false, request).await;
    assert_eq!(answer.status, StatusCode::OK);
    let text = std::str::from_utf8(&answer.body).expect("UTF-8");
    let found = match how % 4 {
        0 => {
            let events = events(text);
            let alerts = events.into_iter().filter(|event| event.kind.is_empty());
            alerts.map(|event| (Some(event.id), event.data)).collect::<Vec<_>>()
        }
        1 => {
            let events = events(text);
            let batches = events.into_iter().filter(|event| event.kind == "batch");
            batches.flat_map(|batch| items(&batch.data)).collect()
        }
        2 => lines(text).map(|line| (None, line.to_owned())).collect(),
        _ => items(text),
    };
    assert_eq!(found.len(), expected.len(), "{text}");
    for ((id, json), (cursor, line)) in found.iter().zip(&expected) {
        assert!(id.as_ref().is_none_or(|id| id == cursor), "{id:?} is not {cursor}");
        assert_eq!(json.trim_ascii(), line.replace(['\n', '\r'], " ").trim_ascii());
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
        assert_eq!(value(json), value(line));
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.split('\n').filter(|line| !line.is_empty())
}

/// Reads alerts in envelopes, one per line.
fn items(text: &str) -> Vec<(Option<String>, String)> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Item {
        cursor: String,
        event: Box<RawValue>,
    }
    lines(text)
        .map(|line| serde_json::from_str::<Item>(line).expect("an item"))
        .map(|item| (Some(item.cursor), item.event.get().to_owned()))
        .collect()
}

/// A server-sent event as a browser sees it.
#[derive(Debug, Default)]
struct Sent {
    kind: String,
    id: String,
    data: String,
}

/// Reads the events of a stream by the rules of the HTML standard.
fn events(text: &str) -> Vec<Sent> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut events = Vec::new();
    let (mut kind, mut id, mut data) = (String::new(), String::new(), String::new());
    // A line without an end is not complete.
    let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
    for line in whole.lines() {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match (line, name) {
            ("", _) => {
                let data = std::mem::take(&mut data);
                let kind = std::mem::take(&mut kind);
                if let Some(data) = data.strip_suffix('\n') {
                    events.push(Sent { kind, id: id.clone(), data: data.into() });
                }
            }
            (_, "event") => kind = value.into(),
            (_, "data") => data.extend([value, "\n"]),
            (_, "id") if !value.contains('\0') => id = value.into(),
            _ => {}
        }
    }
    events
}
