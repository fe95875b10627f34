//! Checks the imports between rooms against the maps in `src/lib.rs` and `gateway/src/lib.rs`, and
//! that files have no import cycles.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room and the rooms that it may import. `proto` is generated from `proto/` and is no room.
const ROOMS: [(&str, &[&str]); 15] = [
    ("certs", &[]),
    ("client", &["envelope", "event", "filter", "ingest", "query"]),
    ("envelope", &["event"]),
    ("event", &[]),
    ("filter", &["event"]),
    ("grpc", &[]),
    ("net", &["seldom"]),
    ("seldom", &[]),
    ("hub", &["event"]),
    ("ingest", &["envelope", "event", "hub"]),
    ("query", &["event", "filter", "hub"]),
    ("service", &["event", "filter", "grpc", "hub", "proto", "query", "seldom"]),
    ("check", &["config", "grpc", "ingest", "net", "proto"]),
    ("config", &["hub", "ingest", "net", "service"]),
    (
        "server",
        &["config", "event", "filter", "grpc", "hub", "ingest", "net", "proto", "query", "service"],
    ),
];

/// The rooms of the gateway's crate. A request passes `listen`, `guard`, `router` and `api` on its
/// way to `port`.
const GATEWAY: [(&str, &[&str]); 11] = [
    ("port", &[]),
    ("headers", &[]),
    ("problem", &["headers", "port"]),
    ("guard", &["port", "problem"]),
    ("limits", &["port", "problem"]),
    ("config", &["guard"]),
    ("state", &["config", "guard", "limits", "port"]),
    ("page", &["problem", "state"]),
    ("api", &["guard", "limits", "port", "problem", "state"]),
    ("router", &["api", "config", "guard", "headers", "page", "port", "problem", "state"]),
    ("listen", &["config", "guard", "limits", "port", "router", "state"]),
];

/// Top-level modules that are not rooms: the map, the program, and the interface for fuzzing.
const NO_ROOMS: [&str; 5] = ["lib", "main", "arguments", "manual", "fuzzing"];

#[test]
fn rooms_import_only_what_the_map_allows() {
    let files = hold("src", &ROOMS) + hold("gateway/src", &GATEWAY);
    assert!(files > 150, "only {files} source files found");
}

/// Checks the imports of all rooms in `source`. Returns the number of their files.
fn hold(source: &str, rooms: &[(&str, &[&str])]) -> usize {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let found: BTreeSet<_> = fs::read_dir(&source)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !NO_ROOMS.contains(&name.as_str()))
        .collect();
    let known: BTreeSet<_> = rooms.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(found, known, "the table must have exactly the rooms of the source");

    let map = fs::read_to_string(source.join("lib.rs")).unwrap();
    let map: String = map.lines().filter(|line| line.starts_with("//!")).collect();
    let mut files = 0;
    for (room, allowed) in rooms {
        assert!(map.contains(room), "the map in {} does not name {room}", source.display());
        let file = source.join(format!("{room}.rs"));
        let sources = if file.is_file() { vec![file] } else { rust_files(&source.join(room)) };
        for path in sources {
            files += 1;
            let text = fs::read_to_string(&path).unwrap();
            for import in imports(production(&text)) {
                assert!(
                    import == *room || allowed.contains(&import.as_str()),
                    "{}: {room} may not import {import}",
                    path.display()
                );
            }
        }
    }
    files
}

#[test]
fn files_have_no_import_cycles() {
    for source in ["src", "gateway/src"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        let modules: BTreeMap<_, _> = rust_files(&root)
            .into_iter()
            .map(|path| (module(path.strip_prefix(&root).unwrap()), path))
            .collect();
        let arrows: BTreeMap<_, _> = modules
            .iter()
            .map(|(module, path)| {
                let text = fs::read_to_string(path).unwrap();
                (module, named(module, production(&text), &modules))
            })
            .collect();
        assert!(arrows.values().map(BTreeSet::len).sum::<usize>() > 50, "too few imports found");
        for module in modules.keys() {
            assert_eq!(around(module, &arrows), None, "{source}: files that import each other");
        }
    }
}

/// Returns a cycle of imports through a module, if there is one.
fn around(
    from: &Vec<String>,
    arrows: &BTreeMap<&Vec<String>, BTreeSet<Vec<String>>>,
) -> Option<String> {
    let mut ways = vec![vec![from]];
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop() {
        for next in &arrows[way[way.len() - 1]] {
            if next == from {
                let way = way.iter().map(|module| module.join("::"));
                return Some(way.collect::<Vec<_>>().join(" -> "));
            }
            if seen.insert(next) {
                ways.push([&way[..], &[next]].concat());
            }
        }
    }
    None
}

/// `filter/tree.rs` as `[filter, tree]`. `mod.rs` and `lib.rs` stand for their folder.
fn module(path: &Path) -> Vec<String> {
    let mut module: Vec<_> =
        path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if ["mod", "lib"].contains(&module[module.len() - 1].as_str()) {
        module.pop();
    }
    module
}

/// The modules that a file names, except the modules that contain it and those that it contains.
fn named(
    own: &[String],
    text: &str,
    modules: &BTreeMap<Vec<String>, PathBuf>,
) -> BTreeSet<Vec<String>> {
    let words = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
    paths(text)
        .iter()
        .filter_map(|path| {
            let mut full = match path.split_once("::")? {
                ("crate", rest) => words(rest),
                ("self", rest) => [own.to_vec(), words(rest)].concat(),
                (_, rest) => [own[..own.len() - 1].to_vec(), words(rest)].concat(),
            };
            while !modules.contains_key(&full) {
                full.pop()?;
            }
            Some(full)
        })
        .filter(|module| !module.starts_with(own) && !own.starts_with(module))
        .collect()
}

/// Every path within the crate in a text. A list in braces yields one path for each item.
fn paths(text: &str) -> Vec<String> {
    let code = code(text);
    let mut paths = Vec::new();
    for begin in ["crate::", "super::", "self::"] {
        for (at, _) in code.match_indices(begin) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if !before.is_alphanumeric() && before != '_' && before != ':' {
                spread(begin, &code[at + begin.len()..], &mut paths);
            }
        }
    }
    paths
}

fn spread(before: &str, rest: &str, paths: &mut Vec<String>) {
    let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
    let (word, rest) = rest.split_at(end.unwrap_or(rest.len()));
    match rest.strip_prefix('{') {
        Some(list) if word.is_empty() || word.ends_with("::") => {
            items(list).for_each(|item| spread(&format!("{before}{word}"), item, paths));
        }
        _ => paths.push(format!("{before}{word}")),
    }
}

#[test]
fn the_gateway_does_not_depend_on_falconer() {
    let manifest = include_str!("../gateway/Cargo.toml");
    let dependencies = manifest.split("[dependencies]").nth(1).unwrap();
    assert!(!dependencies.contains("falconer"), "{dependencies}");
}

#[test]
fn imports_are_found_in_every_form() {
    for (line, expected) in [
        ("use crate::event::Event;", vec!["event"]),
        ("use crate::{hub, net::Listen};", vec!["hub", "net"]),
        ("    let x = crate::grpc::Status::OK;", vec!["grpc"]),
        ("use super::Event;", vec![]),
        ("//! see [`crate::hub`]", vec![]),
        (
            "use crate::{\n    hub,\n    net::{Listen, Peer},\n    service,\n};",
            vec!["hub", "net", "net", "service"],
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

/// A file without its tests, which come last.
fn production(text: &str) -> &str {
    text.split("#[cfg(test)]\nmod tests {").next().unwrap()
}

/// A text without its comments.
fn code(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// The rooms that `text` names.
fn imports(text: &str) -> Vec<String> {
    let rooms = paths(text).into_iter().filter_map(|path| {
        let room = path.strip_prefix("crate::")?.split("::").next()?.to_owned();
        Some(room).filter(|room| !room.is_empty())
    });
    rooms.collect()
}

/// The items of a list in braces, up to its closing brace. Commas in inner braces do not split.
fn items(list: &str) -> impl Iterator<Item = &str> {
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
