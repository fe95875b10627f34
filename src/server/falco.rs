//! Asks Falco for its version: the program to start, or its webserver.
//!
//! 1. The program is asked at the start, and again when Falconer has restarted it.
//! 2. The webserver is asked every [`PAUSE`] until it answers, then every [`REFRESH`].
//! 3. A metrics snapshot has the version too ([`crate::ingest::Intake::falco_version`]). Of two
//!    different versions the later one counts, because Falco can be updated: the time of the
//!    snapshot is compared with that of the answer.
//! 4. A configured version comes before all of these.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::event::Time;
use crate::ingest::presence::{Presence, States};
use crate::ingest::{Input, now};
use crate::service::FalcoVersion;

/// The timeout of one request.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pause before the next request to a webserver that did not answer. Falco may be starting.
const PAUSE: Duration = Duration::from_secs(15);

/// The pause before the next request to a webserver that has answered.
const REFRESH: Duration = Duration::from_secs(60);

/// The longest answer to read, in bytes. Falco's has a few hundred.
const MAX_ANSWER: usize = 64 << 10;

/// The answer of Falco, and when it came.
#[derive(Debug, Default)]
pub(super) struct Answer(Mutex<Option<(FalcoVersion, Time)>>);

impl Answer {
    /// Returns the version that is known: the answer or the one of a metrics snapshot.
    pub(super) fn version(&self, snapshot: Option<(String, Time)>) -> FalcoVersion {
        let answer = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (answer, snapshot) {
            (Some((known, _)), Some((same, _))) if known.falco.as_ref() == Some(&same) => known,
            (Some((known, at)), snapshot)
                if snapshot.as_ref().is_none_or(|(_, then)| at > *then) =>
            {
                known
            }
            (_, snapshot) => {
                FalcoVersion { falco: snapshot.map(|(version, _)| version), engine: None }
            }
        }
    }

    fn set(&self, known: FalcoVersion) {
        let mut answer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if answer.as_ref().is_none_or(|(before, _)| *before != known) {
            let version = known.falco.as_deref().unwrap_or_default();
            tracing::info!(version, "Falco reported its version");
        }
        *answer = Some((known, now()));
    }
}

/// Asks the program each time it is started, and the webserver now and then. Returns if neither is
/// configured.
pub(super) async fn keep_asking(
    command: &[String],
    webserver: Option<&str>,
    presence: &Presence,
    answer: &Answer,
) {
    let program = command.first().filter(|program| is_falco(program));
    let ask_program = async {
        let Some(program) = program else { return };
        let is_up = |states: &States| states.get(&Input::Command.into()) == Some(&None);
        let mut states = presence.watch();
        loop {
            if let Some(known) = patiently(program_version(program)).await {
                answer.set(known);
            }
            let down = states.wait_for(|states| !is_up(states)).await.is_ok();
            if !down || states.wait_for(is_up).await.is_err() {
                return;
            }
        }
    };
    let ask_webserver = async {
        let Some(webserver) = webserver else { return };
        loop {
            let pause = match patiently(webserver_version(webserver)).await {
                Some(known) => {
                    answer.set(known);
                    REFRESH
                }
                None => {
                    tracing::debug!(webserver, "Falco's webserver did not report a version");
                    PAUSE
                }
            };
            tokio::time::sleep(pause).await;
        }
    };
    tokio::join!(ask_program, ask_webserver);
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
        let (answer, presence) = (Answer::default(), Presence::default());
        // Only Falco is asked for its version.
        let command = ["cat".to_owned()];
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).await.unwrap();
            assert!(request[..length].starts_with(b"GET /versions HTTP/1.1\r\n"));
            let body = r#"{"falco_version":"0.36.2"}"#;
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all((head + body).as_bytes()).await.unwrap();
            while answer.version(None).falco.is_none() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = keep_asking(&command, Some(&address), &presence, &answer) => {}
            () = serve => {}
        }
        assert_eq!(Some(answer.version(None)), known("0.36.2", None));
    }

    #[test]
    fn the_version_that_was_learnt_last_counts() {
        let answer = Answer::default();
        let (before, version) = (now(), |version: &str| Some(version.to_owned()));
        assert_eq!(answer.version(None), FalcoVersion::default());
        assert_eq!(answer.version(Some(("0.43.0".into(), before))).falco, version("0.43.0"));
        answer.set(known("0.43.1", Some("0.58.0")).unwrap());
        let of = |snapshot: &str, at| answer.version(Some((snapshot.into(), at)));
        assert_eq!(of("0.43.0", before).falco, version("0.43.1"));
        assert_eq!(Some(of("0.43.1", now())), known("0.43.1", Some("0.58.0")));
        assert_eq!(of("0.44.0", now()).falco, version("0.44.0"));
    }
}
