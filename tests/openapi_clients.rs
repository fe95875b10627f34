//! Clients that real generators make from the HTTP API's description. Each is generated from the
//! description that a server returns, posts an alert, and reads the alert, a page and facets.
//!
//! The tests check the types, too: the TypeScript is compiled against the generated types, and the
//! Python client decodes every answer into objects.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

use std::path::Path;
use std::process::Command;

use http::Request;
use serde_json::{Value, json};
use support::client::{home, is_installed};
use support::http::Gateway;

/// Runs `command`, which must succeed, and returns its standard output.
fn ran(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}: {}\n{stdout}{stderr}", output.status);
    stdout
}

fn sources() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients"))
}

/// The file with the server's description. Generators read it instead of the server, because they
/// do not wait for a busy one.
const DESCRIPTION: &str = "openapi.json";

async fn describe(gateway: &Gateway, dir: &Path) {
    let description = gateway.get("/api/openapi.json").await.bytes().await;
    std::fs::write(dir.join(DESCRIPTION), description).unwrap();
}

/// Asserts that the client read the alert that it sent, and that the server counted it.
async fn understood(gateway: &Gateway, said: &str) {
    let said: Value = serde_json::from_str(said).unwrap();
    assert_eq!(said["posted"], 200, "{said}");
    assert_eq!(said["event"], said["sent"], "{said}");
    assert_eq!(said["rule"], "Terminal shell in container", "{said}");
    assert_eq!((&said["received"], &said["items"]), (&json!(1), &json!(1)), "{said}");
    let values = json!([[["Terminal shell in container", 1]], [["bash", 1]]]);
    assert_eq!(said["values"], values, "{said}");
    let status = gateway.json("/api/v1/status").await;
    let inputs = status["inputs"].as_array().unwrap();
    let http = inputs.iter().find(|input| input["name"] == "http").unwrap();
    assert_eq!((&http["received"], &http["refused"]), (&json!(1), &json!(0)), "{status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_python_client() {
    if !is_installed("openapi") {
        return;
    }
    let gateway = Gateway::start(&[]);
    let url = format!("http://{}", gateway.address);
    let dir = tempfile::tempdir().unwrap();
    describe(&gateway, dir.path()).await;
    let programs = home().join("venv/openapi/bin");
    // The generator runs its own formatter, which must be in `PATH`.
    let path = std::env::join_paths(
        [programs.clone()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    ran(Command::new(programs.join("python"))
        .args(["-m", "openapi_python_client", "generate", "--meta=none", "--output-path=client"])
        .arg(format!("--path={DESCRIPTION}"))
        .env("PATH", path.unwrap())
        .current_dir(dir.path()));
    let said = ran(Command::new(programs.join("python"))
        .arg(sources().join("python/openapi.py"))
        .arg(&url)
        .env("PYTHONPATH", dir.path())
        .env("PYTHONDONTWRITEBYTECODE", "1"));
    understood(&gateway, &said).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typescript_client() {
    if !is_installed("openapi_fetch") {
        return;
    }
    let gateway = Gateway::start(&[]);
    let url = format!("http://{}", gateway.address);
    let dir = tempfile::tempdir().unwrap();
    let modules = home().join("openapi_fetch/node_modules");
    std::os::unix::fs::symlink(modules.canonicalize().unwrap(), dir.path().join("node_modules"))
        .unwrap();
    std::fs::write(dir.path().join("package.json"), r#"{"type":"module"}"#).unwrap();
    std::fs::copy(sources().join("openapi/use.ts"), dir.path().join("use.ts")).unwrap();
    let node = |program: &str| {
        let mut command = Command::new("node");
        command.arg(program).current_dir(dir.path());
        command
    };
    describe(&gateway, dir.path()).await;
    let generator = "node_modules/openapi-typescript/bin/cli.js";
    ran(node(generator).args([DESCRIPTION, "--output", "api.d.ts"]));
    ran(node("node_modules/typescript/bin/tsc").args([
        "--strict",
        "--target",
        "es2022",
        "--module",
        "nodenext",
        "--skipLibCheck",
        "use.ts",
    ]));
    let said = ran(node("use.js").arg(&url));
    understood(&gateway, &said).await;
}

/// Clients of the earlier description sent the text of an alert as a JSON string.
#[tokio::test]
async fn the_text_of_an_alert_as_a_string_is_rejected() {
    let gateway = Gateway::start(&[]);
    let line = support::examples::line("quoted");
    let quoted = serde_json::to_string(&line).unwrap();
    let answer = gateway.ask(Request::post("/api/v1/events"), quoted.as_bytes()).await;
    assert_eq!(answer.status, 400);
    gateway.post(&format!("[\n{line}]")).await;
    let log = gateway.server.wait_for_log("send the object itself");
    assert!(log.contains("a JSON string"), "{log}");
    let metrics = gateway.get("/metrics").await.text().await;
    for (status, count) in [("not_an_object", 1), ("accepted", 1)] {
        let counted = format!(
            "falconer_alerts_received_total{{input=\"http\",status=\"{status}\"}} {count}\n"
        );
        assert!(metrics.contains(&counted), "{metrics}");
    }
}
