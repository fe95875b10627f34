//! What is there to read: page, status, probes, and the errors of everything else.

mod support;

use falconer_gateway::Config;
use support::Server;

const PATHS: [&str; 4] = ["/", "/api/v1/status", "/livez", "/readyz"];

/// The page's own files: those of the dashboard where it was built, else of what stands in for it.
async fn files(server: &Server) -> Vec<String> {
    let page = server.get("GET /").await.body;
    let named = |key: &str| -> Vec<String> {
        let rest = page.split(key).skip(1).filter_map(|rest| rest.split('"').next());
        rest.map(str::to_owned).collect()
    };
    // Of the links those to files: the others are answers of the API, and pages.
    let is_file = |name: &String| name.rsplit('/').next().is_some_and(|last| last.contains('.'));
    let files = named("src=\"").into_iter().chain(named("href=\"")).filter(is_file);
    // Relative, so that a proxy may put a prefix in front.
    let files: Vec<String> =
        files.filter_map(|name| name.strip_prefix('.').map(str::to_owned)).collect();
    assert!(files.iter().any(|name| name.ends_with(".js")), "{page}");
    files
}

#[tokio::test]
async fn every_answer_with_a_body_is_safe_to_show() {
    let server = Server::start(Config::default()).await;
    let files = files(&server).await;
    for path in PATHS.into_iter().chain(["/none"]).chain(files.iter().map(String::as_str)) {
        let answer = server.get(&format!("GET {path}")).await;
        let policy = answer.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none';",
            "script-src 'self';",
            "style-src 'self';",
            "img-src 'self' data:;",
            "connect-src 'self';",
            "frame-ancestors 'none';",
            "base-uri 'none';",
            "form-action 'none';",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.contains(part), "{path}: {part}");
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cross-origin-opener-policy"), Some("same-origin"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        let cached = match path {
            path if path.starts_with("/assets/") => "max-age=31536000, immutable",
            path if path == "/" || files.iter().any(|file| file == path) => "no-cache",
            _ => "no-store",
        };
        assert_eq!(answer.header("cache-control"), Some(cached), "{path}");
        assert!(answer.header("content-type").is_some(), "{path}");
    }
}

#[tokio::test]
async fn the_page_keeps_to_its_own_policy() {
    let server = Server::start(Config::default()).await;
    let page = server.get("GET /").await;
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    for forbidden in
        ["<style", " style=", " onclick", " onload", "javascript:", "https://", "src=\"//"]
    {
        assert!(!page.body.contains(forbidden), "{forbidden}");
    }
    // A script only ever by reference.
    let scripts = page.body.matches("<script").count();
    assert_eq!(scripts, page.body.matches(" src=\"./").count());
    for absolute in ["src=\"/", "href=\"/"] {
        assert!(!page.body.contains(absolute), "a proxy may put a prefix in front: {absolute}");
    }
    for file in files(&server).await {
        let answer = server.get(&format!("GET {file}")).await;
        assert_eq!(answer.status, 200, "{file}");
        let content_type = answer.header("content-type").unwrap();
        match file.rsplit('.').next() {
            Some("js") => assert!(content_type.starts_with("text/javascript"), "{content_type}"),
            Some("css") => assert!(content_type.starts_with("text/css"), "{content_type}"),
            _ => {}
        }
        for forbidden in ["insertAdjacentHTML", "document.write", "@import"] {
            assert!(!answer.body.contains(forbidden), "{file}: {forbidden}");
        }
    }
}

#[tokio::test]
async fn the_pages_own_paths_show_it() {
    let server = Server::start(Config::default()).await;
    let page = server.get("GET /").await.body;
    for path in ["/rules", "/nodes", "/status", "/event?event=64a5f0c2b1e80.7"] {
        let answer = server.get(&format!("GET {path}")).await;
        assert_eq!((answer.status, &answer.body), (200, &page), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
    }
}

#[tokio::test]
async fn an_alerts_old_address_leads_to_the_new_one() {
    let server = Server::start(Config::default()).await;
    for (path, location) in [
        ("/event/64a5f0c2b1e80.7", "../event?event=64a5f0c2b1e80.7"),
        (
            "/event/a.1?filter=rule%20%3D%20x&since=1h",
            "../event?event=a.1&filter=rule%20%3D%20x&since=1h",
        ),
        ("/event/a%26b%0d", "../event?event=a%26b%0D"),
    ] {
        let answer = server.get(&format!("GET {path}")).await;
        assert_eq!((answer.status, answer.header("location")), (308, Some(location)), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
    }
}

#[test]
fn what_stands_in_for_the_page_is_whole() {
    let page = include_str!("../../web/placeholder/index.html");
    let script = include_str!("../../web/placeholder/placeholder.js");
    assert!(page.contains("make web"), "it says how to get the dashboard");
    for id in [
        "version",
        "state",
        "alerts_received",
        "alerts_retained",
        "subscribers",
        "read",
        "send",
        "sub",
        "falco-version",
        "wire",
    ] {
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}");
    }
    for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("] {
        assert!(!script.contains(forbidden), "{forbidden}");
    }
    // A proxy may put a prefix in front.
    for absolute in ["=\"/", "(\"/", "location.origin"] {
        assert!(!page.contains(absolute) && !script.contains(absolute), "{absolute}");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let server = Server::start(Config::default()).await;
    for path in PATHS {
        let get = server.get(&format!("GET {path}")).await;
        let closing = format!("Host: {}\r\nConnection: close\r\n\r\n", server.address);
        let mut client = server.connect().await;
        client.send(format!("HEAD {path} HTTP/1.1\r\n{closing}").as_bytes()).await;
        let head = client.answer(true).await;
        assert_eq!(head.status, 200);
        for name in ["content-type", "content-length", "content-security-policy", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{path} {name}");
        }
        assert_eq!(client.rest().await, b"", "{path}");
    }
}

#[tokio::test]
async fn status_is_the_hosts_numbers() {
    let server = Server::start(Config::default()).await;
    let answer = server.get("GET /api/v1/status").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let status: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(status["version"], "1.2.3");
    assert_eq!(status["alerts_received"], 12);
    assert_eq!(status["grpc"], "unix:///run/falco/falco.sock");
    assert_eq!(status["ingest"], true, "whether alerts may be posted, the gateway knows");
}

#[tokio::test]
async fn probes_say_alive_and_ready_or_why_not() {
    let server = Server::start(Config::default()).await;
    for path in ["GET /livez", "GET /readyz"] {
        let answer = server.get(path).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
    }
    *server.port.unready.lock().unwrap() = Some("shutting down".into());
    let answer = server.get("GET /readyz").await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "shutting down"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(server.get("GET /livez").await.status, 200);
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let server = Server::start(Config::default()).await;
    for request in ["GET /none", "POST /none", "GET /api", "GET //", "GET /../etc/passwd"] {
        let detail = server.get(request).await.problem(404, "Not Found");
        assert!(!detail.contains("none"), "{detail}");
    }
    assert_eq!(server.port.refused(), [404]);
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let server = Server::start(Config::default()).await;
    for (request, allowed) in [
        ("DELETE /", "GET,HEAD,POST"),
        ("PUT /livez", "GET,HEAD"),
        ("POST /api/v1/status", "GET,HEAD"),
        ("DELETE /api/v1/events", "GET,HEAD,POST"),
    ] {
        let answer = server.get(request).await;
        answer.problem(405, "Method Not Allowed");
        assert_eq!(answer.header("allow"), Some(allowed), "{request}");
    }
}
