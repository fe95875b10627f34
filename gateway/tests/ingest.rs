//! Alerts come in as Falco sends them, and nothing else does.

mod support;

use std::time::Duration;

use falconer_gateway::{Config, Limits, MAX_BODY};
use support::{Server, curl};

const ALERT: &str = r#"{"priority":"Notice","rule":"A shell","output":"x"}"#;

fn short_body_limit() -> Config {
    let limits = Limits { body: Duration::from_millis(300), ..Limits::default() };
    Config { limits, ..Config::default() }
}

#[tokio::test]
async fn the_answer_to_falcos_post_is_empty_byte_for_byte() {
    let server = Server::start(Config::default()).await;
    let counts = r#"{"accepted":1,"refused":0}"#;
    for (path, expected) in [("/", ""), ("/api/v1/events", counts)] {
        let mut client = server.connect().await;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{ALERT}",
            server.address,
            ALERT.len()
        );
        client.send(request.as_bytes()).await;
        let answer = String::from_utf8(client.rest().await).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(body, expected);
        assert_eq!(head.contains("x-content-type-options: nosniff"), path != "/", "{head}");
        if path == "/" {
            let lines: Vec<_> = head.lines().filter(|line| !line.starts_with("date: ")).collect();
            assert_eq!(lines, ["HTTP/1.1 200 OK", "connection: close", "content-length: 0"]);
        }
    }
    assert_eq!(server.port.bodies(), [ALERT, ALERT]);
}

#[tokio::test]
async fn a_thousand_posts_go_over_one_connection() {
    let server = Server::start(Config::default()).await;
    let mut client = server.connect().await;
    for number in 0..1000 {
        let body = format!("{{\"n\":{number}}}");
        let head = format!("Host: {}\r\nContent-Length: {}", server.address, body.len());
        client.send(format!("POST / HTTP/1.1\r\n{head}\r\n\r\n{body}").as_bytes()).await;
        assert_eq!(client.answer(false).await.status, 200);
    }
    let bodies = server.port.bodies();
    assert_eq!(bodies.len(), 1000);
    assert_eq!(bodies[999], r#"{"n":999}"#);
}

#[tokio::test]
async fn the_content_type_and_falcos_te_header_do_not_matter() {
    let server = Server::start(Config::default()).await;
    for headers in [
        "",
        "Content-Type: application/json\r\n",
        "Content-Type: text/plain\r\n",
        "Content-Type: \r\n",
        "Content-Type: text/plain\r\nTE: gzip\r\nConnection: TE\r\n",
    ] {
        let answer = server.post("/", headers, ALERT).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, ""), "{headers}");
    }
    assert_eq!(server.port.bodies(), [ALERT; 5]);
}

#[tokio::test]
async fn what_is_no_alert_is_taken_all_the_same() {
    let server = Server::start(Config::default()).await;
    for body in ["", "no json", "{}\n{}\n", "\u{1b}[31m"] {
        assert_eq!(server.post("/", "", body).await.status, 200, "{body:?}");
    }
    assert_eq!(server.port.bodies(), ["", "no json", "{}\n{}\n", "\u{1b}[31m"]);
    assert!(server.port.refused().is_empty());
}

#[tokio::test]
async fn chunked_bodies_arrive_whole() {
    let server = Server::start(Config::default()).await;
    let head = format!("Host: {}\r\nTransfer-Encoding: chunked", server.address);
    let request =
        format!("POST / HTTP/1.1\r\n{head}\r\n\r\n3\r\n{{\"a\r\n4\r\n\":1}}\r\n0\r\n\r\n");
    assert_eq!(server.ask(&request).await.status, 200);
    assert_eq!(server.port.bodies(), [r#"{"a":1}"#]);
}

#[tokio::test]
async fn curl_posts_two_mebibytes_after_a_100_continue() {
    let server = Server::start(Config::default()).await;
    let file = std::env::temp_dir().join(format!("falconer-expect-{}", std::process::id()));
    std::fs::write(&file, vec![b'x'; 2 << 20]).unwrap();
    let data = format!("@{}", file.display());
    let url = server.url("/");
    let seen = curl(&["-v", "--stderr", "-", "--data-binary", &data, &url]).await;
    std::fs::remove_file(&file).unwrap();
    assert!(seen.contains("> Expect: 100-continue"), "{seen}");
    assert!(seen.contains("< HTTP/1.1 100 Continue"), "{seen}");
    assert!(seen.contains("< HTTP/1.1 200 OK"), "{seen}");
    assert_eq!(server.port.bodies()[0].len(), 2 << 20);
}

#[tokio::test]
async fn http2_posts_are_taken() {
    let server = Server::start(Config::default()).await;
    let url = server.url("/");
    let written = ["-w", "%{http_version} %{http_code} %{size_download}", "-d", ALERT, &url];
    let seen = curl(&[&["--http2-prior-knowledge"], &written[..]].concat()).await;
    assert_eq!(seen, "2 200 0");
    assert_eq!(server.port.bodies(), [ALERT]);
}

#[tokio::test]
async fn the_largest_body_is_taken_and_one_byte_more_is_not() {
    let server = Server::start(Config::default()).await;
    let most = "x".repeat(MAX_BODY);
    assert_eq!(server.post("/", "", &most).await.status, 200);
    assert_eq!(server.port.bodies()[0].len(), MAX_BODY);

    // Announced: refused unread, and without asking for the body first.
    let head = format!("Host: {}\r\nExpect: 100-continue", server.address);
    let length = MAX_BODY + 1;
    let request = format!("POST / HTTP/1.1\r\n{head}\r\nContent-Length: {length}\r\n\r\n");
    server.ask(&request).await.problem(413, "Payload Too Large");

    // Not announced: refused when the limit is passed.
    let mut client = server.connect().await;
    let head = format!("Host: {}\r\nTransfer-Encoding: chunked", server.address);
    client.send(format!("POST / HTTP/1.1\r\n{head}\r\n\r\n{length:x}\r\n").as_bytes()).await;
    client.try_send(most.as_bytes()).await;
    client.try_send(b"x").await;
    client.answer(false).await.problem(413, "Payload Too Large");
    assert_eq!(server.port.bodies().len(), 1);
    assert_eq!(server.port.refused(), [413, 413]);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let server = Server::start(short_body_limit()).await;
    let head = format!("Host: {}\r\nContent-Length: 10", server.address);
    let answer = server.ask(&format!("POST / HTTP/1.1\r\n{head}\r\n\r\n12345")).await;
    answer.problem(408, "Request Timeout");
    assert!(server.port.bodies().is_empty());
    assert_eq!(server.port.refused(), [408]);
}

#[tokio::test]
async fn a_compressed_body_is_refused_with_the_reason() {
    let server = Server::start(Config::default()).await;
    let answer = server.post("/", "Content-Encoding: br\r\n", "x").await;
    let detail = answer.problem(415, "Unsupported Media Type");
    assert!(detail.contains("Content-Encoding"));
    assert_eq!(server.port.refused(), [415]);
}

#[tokio::test]
async fn posting_can_be_switched_off() {
    let server = Server::start(Config { ingest: false, ..Config::default() }).await;
    for path in ["/", "/api/v1/events"] {
        let detail = server.post(path, "", ALERT).await.problem(403, "Forbidden");
        assert!(detail.contains("falconer.inputs.http"));
    }
    assert_eq!(server.get("GET /").await.status, 200);
    assert!(server.port.bodies().is_empty());
    assert_eq!(server.port.refused(), [403, 403]);
}
