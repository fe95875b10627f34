//! Which room may import which: the arrows of the map in `src/lib.rs`, held.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A room, and what it may import of ours. `proto` is made from `proto/` and belongs to nobody.
const ROOMS: [(&str, &[&str]); 14] = [
    ("certs", &[]),
    ("client", &["event", "filter", "ingest", "query"]),
    ("event", &[]),
    ("filter", &["event"]),
    ("grpc", &[]),
    ("net", &["seldom"]),
    ("seldom", &[]),
    ("hub", &["event"]),
    ("ingest", &["event", "hub"]),
    ("query", &["event", "filter", "hub"]),
    ("service", &["event", "filter", "grpc", "hub", "proto", "query", "seldom"]),
    ("check", &["config", "grpc", "ingest", "net", "proto"]),
    ("config", &["hub", "ingest", "net", "service"]),
    (
        "server",
        &["config", "event", "filter", "grpc", "hub", "ingest", "net", "proto", "query", "service"],
    ),
];

/// What is at the top and no room: the map, the program, and the door for fuzzing.
const NO_ROOMS: [&str; 5] = ["lib", "main", "arguments", "manual", "fuzzing"];

#[test]
fn rooms_import_only_what_the_map_allows() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let found: BTreeSet<_> = fs::read_dir(&source)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !NO_ROOMS.contains(&name.as_str()))
        .collect();
    let known: BTreeSet<_> = ROOMS.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(found, known, "every room has its arrows here");

    let mut files = 0;
    for (room, allowed) in ROOMS {
        let file = source.join(format!("{room}.rs"));
        let folder = source.join(room);
        let sources = if file.is_file() { vec![file] } else { rust_files(&folder) };
        for path in sources {
            files += 1;
            let text = fs::read_to_string(&path).unwrap();
            for import in imports(production(&text)) {
                assert!(
                    import == room || allowed.contains(&import.as_str()),
                    "{}: {room} may not import {import}",
                    path.display()
                );
            }
        }
    }
    assert!(files > 40, "the sources are read");
}

#[test]
fn the_gateway_depends_on_nothing_of_ours() {
    let manifest = include_str!("../gateway/Cargo.toml");
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
    assert!(!dependencies.contains("falconer"), "{dependencies}");
}

#[test]
fn imports_are_seen_however_they_are_written() {
    for (line, expected) in [
        ("use crate::event::Event;", vec!["event"]),
        ("use crate::{hub, net::Listen};", vec!["hub", "net"]),
        ("    let x = crate::grpc::Status::OK;", vec!["grpc"]),
        ("use super::Event;", vec![]),
        ("//! see [`crate::hub`]", vec![]),
        (
            "use crate::{\n    hub,\n    net::{Listen, Peer},\n    service,\n};",
            vec!["hub", "net", "service"],
        ),
    ] {
        assert_eq!(imports(line), expected, "{line}");
    }
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if name.ends_with(".rs") && !name.starts_with("tests") {
            files.push(path);
        }
    }
    files
}

/// A file without its tests, which stand last.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap()
}

/// The rooms that `text` names, comments left out.
fn imports(text: &str) -> Vec<String> {
    let code: String = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| [line, "\n"])
        .collect();
    let word = |text: &str| -> String {
        text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    code.split("crate::")
        .skip(1)
        .flat_map(|rest| match rest.strip_prefix('{') {
            None => vec![word(rest)],
            Some(list) => first_words(list).map(word).collect(),
        })
        .filter(|name| !name.is_empty())
        .collect()
}

/// The items of a list in braces, up to its end, without what stands in braces within.
fn first_words(list: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let end = list
        .find(|c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            depth < 0
        })
        .unwrap_or(list.len());
    let mut depth = 0;
    list[..end]
        .split(move |c| {
            depth += i32::from(c == '{') - i32::from(c == '}');
            c == ',' && depth == 0
        })
        .map(str::trim)
}
