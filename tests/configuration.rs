//! Falco's configuration, row by row: each key, form of an address, option, included file and
//! variable must mean the same here as in Falco 0.43.
//!
//! 1. A [`Row`] is one statement about Falco, a configuration and options that show it, and the
//!    expected result. `@` in its text is the folder with the row's files.
//! 2. If Falconer differs, the row names the line of "Differences from Falco's configuration" in
//!    `docs/differences-from-falco.md`. The table there and the rows here must have the same lines.
//! 3. The tests run the program for facts that only a socket shows: which clients reach an address,
//!    and what happens to the socket's file.
//!
//! These tests do not cover reloading.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod support;

#[path = "configuration/keys.rs"]
mod keys;
#[path = "configuration/loading.rs"]
mod loading;
#[path = "configuration/program.rs"]
mod program;
#[path = "configuration/row.rs"]
mod row;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use falconer::config::{self, Finding, Loaded, Options};
use falconer::net::{Listen, TlsFiles};
use keys::{ADDRESSES, KEYS};
use loading::{FILES, INCLUDES, OPTIONS, VARIABLES};
use row::Expected::{Alerts, Clean, Error, Files, Note, Off, Served, Threads, Warning};
use row::{Expected, Row, SHOWN_BY_THE_PROGRAM};

#[test]
fn keys_mean_what_they_meant() {
    check(KEYS);
}

#[test]
fn addresses_mean_what_they_meant() {
    check(ADDRESSES);
}

#[test]
fn options_mean_what_they_meant() {
    check(OPTIONS);
}

#[test]
fn included_files_mean_what_they_meant() {
    check(INCLUDES);
}

#[test]
fn variables_mean_what_they_meant() {
    check(VARIABLES);
}

fn check(rows: &[Row]) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in FILES {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::create_dir(folder.path().join("links")).unwrap();
    symlink("../a", folder.path().join("links/1")).unwrap();
    symlink("../b", folder.path().join("links/2")).unwrap();
    symlink("nowhere", folder.path().join("links/3")).unwrap();
    symlink("../dir", folder.path().join("links/4")).unwrap();
    for row in rows {
        let placed = |text: &str| text.replace('@', folder.path().to_str().unwrap());
        let file = folder.path().join("f.yaml");
        fs::write(&file, placed(row.text)).unwrap();
        let overrides = row.options.iter().map(|option| placed(option)).collect();
        let options = Options { file: Some(file), overrides, ..Options::default() };
        let loaded = config::load(&options, &variable).map_err(|errors| errors.to_string());
        for expected in row.expected {
            assert!(
                holds(expected, &loaded),
                "{}\n{}\n{:?}\nexpected {expected:?}\nfound {loaded:#?}",
                row.falco,
                row.text,
                row.options
            );
        }
        let wrong = row.expected.iter().any(|expected| matches!(expected, Error(_)));
        assert_eq!(loaded.is_err(), wrong, "{}: {loaded:?}", row.falco);
    }
}

/// Returns a variable of the environment that all rows share.
fn variable(name: &str) -> Option<String> {
    let value = match name {
        "YES" => "true",
        "ENABLED" => "enabled",
        "TWO" => "2",
        "LETTER" => "a",
        "NESTED" => "x${HYPHEN}y",
        "HYPHEN" => "-",
        "CIRCLE" => "${CIRCLE}",
        _ => return None,
    };
    Some(value.to_owned())
}

fn holds(expected: &Expected, loaded: &Result<Loaded, String>) -> bool {
    let says = |findings: &[Finding], text: &str| {
        findings.iter().any(|finding| finding.to_string().contains(text))
    };
    let loaded = match (expected, loaded) {
        (Error(text), Err(errors)) => return errors.lines().count() == 1 && errors.contains(text),
        (_, Err(_)) => return false,
        (_, Ok(loaded)) => loaded,
    };
    let config = &loaded.config;
    match (expected, &config.grpc) {
        (Served(address), Some(listen)) => listen.to_string() == *address,
        (Off, grpc) => grpc.is_none(),
        (
            Files(paths),
            Some(Listen::Tcp {
                tls: TlsFiles { private_key, cert_chain, root_certs: Some(root_certs), .. },
                ..
            }),
        ) => [private_key, cert_chain, root_certs].map(PathBuf::as_path) == paths.map(Path::new),
        (Threads(threads), _) => config.threads == *threads,
        (Alerts(served), _) => config.outputs.grpc_output == *served,
        (Clean, _) => loaded.warnings.is_empty(),
        (Warning(text), _) => says(&loaded.warnings, text),
        (Note(text), _) => says(&loaded.notes, text),
        (Served(_) | Files(_) | Error(_), _) => false,
    }
}

#[test]
fn differences_are_documented_and_tested() {
    let page = include_str!("../docs/differences-from-falco.md");
    let section = page.split("## Differences from Falco's configuration\n").nth(1).unwrap();
    let table = section.split("\n#").next().unwrap();
    let told: BTreeSet<_> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .filter(|first| *first != "Falco 0.43")
        .collect();
    let rows = [KEYS, ADDRESSES, OPTIONS, INCLUDES, VARIABLES].into_iter().flatten();
    let shown = rows.filter_map(|row| row.differs).chain(SHOWN_BY_THE_PROGRAM);
    assert_eq!(told, shown.collect());
}
