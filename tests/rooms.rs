//! Which room may import which: the arrows of the maps in `src/lib.rs` and `gateway/src/lib.rs`, held.
//! And no file imports one that imports it, however far around.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A room, and what it may import of ours. `proto` is made from `proto/` and belongs to nobody.
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

/// The same of the gateway's own crate: a request walks from `listen` through `guard`, `router` and
/// `api` to `port`.
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

/// What is at the top and no room: the map, the program, and the door for fuzzing.
const NO_ROOMS: [&str; 5] = ["lib", "main", "arguments", "manual", "fuzzing"];

#[test]
fn rooms_import_only_what_the_map_allows() {
    let files = hold("src", &ROOMS) + hold("gateway/src", &GATEWAY);
    assert!(files > 150, "the sources are read");
}

/// Holds the rooms in `source` to their arrows; how many files they have.
fn hold(source: &str, rooms: &[(&str, &[&str])]) -> usize {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let found: BTreeSet<_> = fs::read_dir(&source)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .filter(|name| !NO_ROOMS.contains(&name.as_str()))
        .collect();
    let known: BTreeSet<_> = rooms.iter().map(|(room, _)| (*room).to_owned()).collect();
    assert_eq!(found, known, "every room has its arrows here");

    let map = fs::read_to_string(source.join("lib.rs")).unwrap();
    let map: String = map.lines().filter(|line| line.starts_with("//!")).collect();
    let mut files = 0;
    for (room, allowed) in rooms {
        assert!(map.contains(room), "the map in {} says nothing of {room}", source.display());
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
fn no_file_imports_one_that_imports_it() {
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
        assert!(arrows.values().map(BTreeSet::len).sum::<usize>() > 50, "imports are seen");
        for module in modules.keys() {
            assert_eq!(around(module, &arrows), None, "{source}: files that import each other");
        }
    }
}

/// A way from a module back to itself, if there is one.
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

/// `filter/tree.rs` as `[filter, tree]`; a folder's door is the folder.
fn module(path: &Path) -> Vec<String> {
    let mut module: Vec<_> =
        path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if ["mod", "lib"].contains(&module[module.len() - 1].as_str()) {
        module.pop();
    }
    module
}

/// The modules that a file names, but for its own folder's door and, of a door, what is behind it.
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

/// Every path of ours in a text, with those of a list in braces one by one.
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

/// A file without its tests, which stand last.
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

/// The items of a list in braces, up to its end, without what stands in braces within.
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
