//! Who gets in: DNS rebinding and cross-site requests end at the door.

mod support;

use falconer_gateway::Config;
use support::{Server, curl};

async fn named(server: &Server, request: &str, host: &str) -> support::Answer {
    server.ask(&format!("{request} HTTP/1.1\r\n{host}Content-Length: 2\r\n\r\n{{}}")).await
}

#[tokio::test]
async fn localhost_and_addresses_are_answered_to() {
    let server = Server::start(Config::default()).await;
    for host in ["localhost", "localhost:2804", "127.0.0.1:2804", "10.244.0.7", "[::1]:2804"] {
        let host = format!("Host: {host}\r\n");
        assert_eq!(named(&server, "POST /", &host).await.status, 200, "{host}");
        assert_eq!(named(&server, "GET /livez", &host).await.status, 200, "{host}");
    }
}

#[tokio::test]
async fn a_foreign_name_is_refused_on_every_path() {
    let server = Server::start(Config::default()).await;
    for host in ["evil.example", "127.0.0.1.evil.example:2804", "0.0.0.0", "localhost@evil"] {
        let host = format!("Host: {host}\r\n");
        for request in ["POST /", "GET /", "GET /api/v1/status", "GET /livez", "GET /none"] {
            let detail = named(&server, request, &host).await.problem(403, "Forbidden");
            assert!(detail.contains("allowed_hosts"), "{detail}");
        }
    }
    assert!(server.port.bodies().is_empty());
    assert_eq!(server.port.refused(), [403; 4]);
}

#[tokio::test]
async fn a_configured_name_is_answered_to() {
    let allowed_hosts = vec!["falco.example.com".parse().unwrap(), "10.0.0.5".parse().unwrap()];
    let server = Server::start(Config { allowed_hosts, ..Config::default() }).await;
    for host in ["FALCO.example.com:2804", "10.0.0.5"] {
        assert_eq!(named(&server, "GET /livez", &format!("Host: {host}\r\n")).await.status, 200);
    }
    named(&server, "GET /livez", "Host: example.com\r\n").await.problem(403, "Forbidden");
}

#[tokio::test]
async fn no_name_and_two_names_are_malformed() {
    let server = Server::start(Config::default()).await;
    named(&server, "GET /livez", "").await.problem(400, "Bad Request");
    let twice = "Host: localhost\r\nHost: localhost\r\n";
    named(&server, "GET /livez", twice).await.problem(400, "Bad Request");
    named(&server, "GET http://localhost/livez", twice).await.problem(400, "Bad Request");
    named(&server, "GET /livez", "Host: \u{e9}\r\n").await.problem(400, "Bad Request");
}

#[tokio::test]
async fn a_good_host_header_does_not_excuse_a_foreign_target() {
    let server = Server::start(Config::default()).await;
    let target = "GET http://evil.example/livez";
    named(&server, target, "Host: localhost\r\n").await.problem(403, "Forbidden");
    let target = "GET http://localhost/livez";
    named(&server, target, "Host: evil.example\r\n").await.problem(403, "Forbidden");
}

#[tokio::test]
async fn the_http2_authority_is_checked_too() {
    let server = Server::start(Config::default()).await;
    let port = server.address.port();
    let resolve = format!("evil.example:{port}:127.0.0.1");
    let url = format!("http://evil.example:{port}/livez");
    let arguments = ["--http2-prior-knowledge", "-w", " %{http_code}", "--resolve", &resolve, &url];
    let seen = support::curl(&arguments).await;
    assert!(seen.ends_with(" 403"), "{seen}");
}

#[tokio::test]
async fn a_foreign_page_cannot_post() {
    let server = Server::start(Config::default()).await;
    for headers in [
        "Origin: http://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://127.0.0.1:1\r\n",
        "Origin: http://localhost\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\nOrigin: http://127.0.0.1:1\r\n",
    ] {
        for path in ["/", "/api/v1/events"] {
            let answer = server.post(path, headers, "{}").await;
            answer.problem(403, "Forbidden");
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    assert!(server.port.bodies().is_empty());
    assert_eq!(server.port.refused(), [403; 12]);
}

#[tokio::test]
async fn our_own_page_can_post() {
    let server = Server::start(Config::default()).await;
    let own = format!("Origin: http://{}\r\n", server.address);
    assert_eq!(server.post("/", &own, "{}").await.status, 200);
    let own = format!("{own}Sec-Fetch-Site: same-origin\r\n");
    assert_eq!(server.post("/", &own, "{}").await.status, 200);
}

#[tokio::test]
async fn there_is_no_cors() {
    let server = Server::start(Config::default()).await;
    let asked = format!(
        "OPTIONS / HTTP/1.1\r\nHost: {}\r\nOrigin: http://evil.example\r\n\
         Access-Control-Request-Method: POST\r\n\r\n",
        server.address
    );
    let answer = server.ask(&asked).await;
    answer.problem(405, "Method Not Allowed");
    assert!(!answer.head.to_lowercase().contains("access-control"), "{answer:?}");
}

#[tokio::test]
async fn a_page_that_is_named_may_read_and_no_more() {
    let origin = "https://soc.example";
    let token: falconer_gateway::Token = "0123456789abcdef0123".parse().unwrap();
    let allowed_origins = vec![origin.parse().unwrap()];
    let server =
        Server::start(Config { allowed_origins, token: Some(token), ..Config::default() }).await;
    let from = |origin: &str| format!("Host: localhost\r\nOrigin: {origin}\r\n");
    let may_read = "access-control-allow-origin";
    // The browser's question, and then the page's.
    let asked = format!(
        "{}Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n",
        from(origin)
    );
    let answer = named(&server, "OPTIONS /api/v1/status", &asked).await;
    assert_eq!((answer.status, answer.header(may_read)), (200, Some(origin)));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET"));
    let bearer = "Authorization: Bearer 0123456789abcdef0123\r\n";
    let answer = named(&server, "GET /api/v1/status", &(from(origin) + bearer)).await;
    assert_eq!((answer.status, answer.header(may_read)), (200, Some(origin)));
    // Without the token it can read why not; another page cannot, and nobody may post.
    let answer = named(&server, "GET /api/v1/status", &from(origin)).await;
    assert_eq!((answer.status, answer.header(may_read)), (401, Some(origin)));
    let answer =
        named(&server, "GET /api/v1/status", &(from("https://evil.example") + bearer)).await;
    assert_eq!(answer.header(may_read), None);
    let answer = named(&server, "POST /", &(from(origin) + bearer)).await;
    answer.problem(403, "Forbidden");
}

#[tokio::test]
async fn a_client_that_posts_too_often_is_told_and_what_it_lost_is_counted() {
    let posts_per_second = std::num::NonZeroU32::new(3);
    let server = Server::start(Config { posts_per_second, ..Config::default() }).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        let answer = server.post("/", "", "{}").await;
        if answer.status != 200 {
            answer.problem(429, "Too Many Requests");
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses, [200, 200, 200, 429, 429]);
    assert_eq!(server.port.refused(), [429, 429]);
    assert_eq!(server.get("GET /livez").await.status, 200, "only posts are counted");
}

#[tokio::test]
async fn where_a_token_is_asked_for_nothing_is_told_without_it() {
    let token: falconer_gateway::Token = "0123456789abcdef0123".parse().unwrap();
    let server = Server::start(Config { token: Some(token), ..Config::default() }).await;
    let paths = [
        "GET /api/v1/status",
        "GET /api/v1/events",
        "GET /api/v1/events/stream",
        "GET /api/v1/export",
        "GET /metrics",
        "GET /api/openapi.json",
        "POST /",
        "POST /api/v1/events",
    ];
    for path in paths {
        for header in ["", "Authorization: Bearer 0123456789abcdef012\r\n", "Authorization: x\r\n"]
        {
            let host = format!("Host: localhost\r\n{header}");
            let answer = named(&server, path, &host).await;
            answer.problem(401, "Unauthorized");
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{path}");
        }
    }
    assert!(server.port.bodies().is_empty());
    let good = "Host: localhost\r\nAuthorization: bearer 0123456789abcdef0123\r\n";
    assert_eq!(named(&server, "GET /api/v1/status", good).await.status, 200);
    assert_eq!(named(&server, "POST /", good).await.status, 200);
    for open in ["GET /", "GET /livez", "GET /readyz"] {
        assert_eq!(named(&server, open, "Host: localhost\r\n").await.status, 200, "{open}");
    }
}

#[test]
fn tokens_are_long_and_not_shown() {
    for text in ["", "short", "0123456789abcde", "0123456789 abcdef", "0123456789\u{e9}abcdef"] {
        assert!(text.parse::<falconer_gateway::Token>().is_err(), "{text}");
    }
    let token: falconer_gateway::Token = " 0123456789abcdef\n".parse().unwrap();
    assert_eq!(format!("{token:?}"), "Token");
}

#[tokio::test]
async fn a_refusal_of_head_has_no_body() {
    let server = Server::start(Config::default()).await;
    let url = server.url("/");
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let refused = curl(&[version, "-I", "-H", "Host: evil.example", &url]).await;
        assert!(refused.contains(" 403"), "{version}: {refused}");
    }
}
