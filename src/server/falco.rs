//! Asks Falco for its version: the program to start, or its webserver.
//!
//! The configured version comes before this answer, and this before the version in a metrics
//! snapshot ([`crate::ingest::Intake::falco_version`]).

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::service::FalcoVersion;

/// The timeout of one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause before the next request to a webserver that did not answer. Falco may be starting.
const PAUSE: Duration = Duration::from_secs(15);

/// The longest answer to read, in bytes. Falco's has a few hundred.
const MAX_ANSWER: usize = 64 << 10;

/// Asks the program, then the webserver until it answers. Returns `None` if neither is configured,
/// or there is no webserver and the program does not answer.
pub(super) async fn ask(command: &[String], webserver: Option<&str>) -> Option<FalcoVersion> {
    if let Some(program) = command.first().filter(|program| is_falco(program))
        && let Some(known) = patiently(program_version(program)).await
    {
        return Some(known);
    }
    let webserver = webserver?;
    loop {
        if let Some(known) = patiently(webserver_version(webserver)).await {
            return Some(known);
        }
        tracing::debug!(webserver, "Falco's webserver did not report a version");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn patiently<T>(question: impl Future<Output = Option<T>>) -> Option<T> {
    tokio::time::timeout(PATIENCE, question).await.ok().flatten()
}

/// Whether the program is Falco. Another program can do anything with `--version`.
fn is_falco(program: &str) -> bool {
    Path::new(program).file_name().is_some_and(|name| name == "falco")
}

async fn program_version(program: &str) -> Option<FalcoVersion> {
    let output = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .ok()?;
    read_version_text(&String::from_utf8_lossy(&output.stdout))
}

/// Parses `Falco version: 0.43.1 (x86_64)` and `Engine: 0.58.0` or, with `json_output`, one JSON
/// line.
fn read_version_text(text: &str) -> Option<FalcoVersion> {
    if text.trim_start().starts_with('{') {
        return read_versions(text.trim().as_bytes());
    }
    let word_after = |label: &str| {
        text.lines().find_map(|line| {
            let value = line.trim().strip_prefix(label)?;
            value.split_whitespace().next().map(str::to_owned)
        })
    };
    let falco = word_after("Falco version:")?;
    Some(FalcoVersion { falco: Some(falco), engine: word_after("Engine:") })
}

/// Requests `/versions`, which Falco 0.34 and later serve.
async fn webserver_version(webserver: &str) -> Option<FalcoVersion> {
    let stream = TcpStream::connect(webserver).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = http::Request::get("/versions")
        .header(http::header::HOST, webserver)
        .body(Empty::<Bytes>::new())
        .ok()?;
    let answer = async {
        let response = sender.send_request(request).await.ok()?;
        Limited::new(response.into_body(), MAX_ANSWER).collect().await.ok()
    };
    tokio::pin!(answer);
    let answer = tokio::select! {
        answer = &mut answer => answer,
        // The connection does the work. If it ends first, the answer is complete or never will be.
        _ = connection => answer.await,
    };
    read_versions(&answer?.to_bytes())
}

fn read_versions(json: &[u8]) -> Option<FalcoVersion> {
    #[derive(Deserialize)]
    struct Versions {
        falco_version: String,
        engine_version_semver: Option<String>,
    }
    let versions: Versions = serde_json::from_slice(json).ok()?;
    Some(FalcoVersion {
        falco: Some(versions.falco_version),
        engine: versions.engine_version_semver,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    fn known(falco: &str, engine: Option<&str>) -> Option<FalcoVersion> {
        Some(FalcoVersion { falco: Some(falco.into()), engine: engine.map(str::to_owned) })
    }

    #[test]
    fn falcos_version_text_is_parsed() {
        let text = "Mon Jan 5 10:00:00 2026: Falco version: 0.43.1 (x86_64)\n\
                    Falco version: 0.43.1 (x86_64)\nLibs version:  0.23.2\nPlugin API:    3.12.0\n\
                    Engine:        0.58.0\nDriver:\n  API version:    8.0.4\n";
        assert_eq!(read_version_text(text), known("0.43.1", Some("0.58.0")));
        let json =
            r#"{"engine_version":"58","engine_version_semver":"0.58.0","falco_version":"0.43.1"}"#;
        assert_eq!(read_version_text(json), known("0.43.1", Some("0.58.0")));
        assert_eq!(read_version_text("cat (GNU coreutils) 9.1"), None);
    }

    #[tokio::test]
    async fn a_webserver_is_asked() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            let body = r#"{"falco_version":"0.36.2"}"#;
            let length_header = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                 content-length: {length_header}\r\n\r\n{body}"
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        assert_eq!(ask(&["cat".into()], Some(&address)).await, known("0.36.2", None));
        assert!(server.await.unwrap().starts_with("GET /versions HTTP/1.1\r\n"));
    }
}
