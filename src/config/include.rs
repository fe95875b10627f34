//! `config_files`: merges the top-level keys of further files into the main file, as Falco 0.41 to
//! 0.43 did. Pure: the file system is a parameter ([`Open`]).
//!
//! 1. The key is a path, or a list of paths and of maps with `path` and `strategy`. A relative path
//!    starts at the working directory.
//! 2. A directory stands for all regular files in it, whatever their extension, in the order of
//!    their paths. Its subdirectories are ignored. A missing path is skipped with a note.
//! 3. A strategy applies to top-level keys only. `append` appends a list to a list and replaces any
//!    other value; an unknown strategy means `append`. `override` always replaces. `add-only` adds
//!    missing keys. So an include with `grpc: {enabled: true}` replaces the whole `grpc` map of
//!    earlier files.
//! 4. Replaced settings are checked too. Otherwise a mistake in them would show only on the day the
//!    include is removed.
//!
//! Errors, as in Falco: the main file as an include, an include with `config_files` of its own, a
//! list to append to a value that is no list. Unlike in Falco: a directory that cannot be read, and
//! more than [`MAX_FILES`] files, [`MAX_BYTES`] bytes or [`MAX_NODES`] values in all.

use std::io;
use std::path::{Path, PathBuf};

use super::{
    Env, Found, Open,
    finding::Report,
    keys::{CONFIG_FILES, TOP},
    own,
    place::{At, Spot, quoted},
    prepare,
    source::{Parsed, Sources, decode},
    tree::{Entry, Node, Value},
};

/// The most included files.
pub const MAX_FILES: usize = 256;

/// The most bytes of all included files together.
pub const MAX_BYTES: usize = 16 << 20;

/// The most values in all included files together, aliases followed.
const MAX_NODES: usize = 1_000_000;

/// Merges the files that `config_files` of the main file names. Returns every file and directory on
/// the way.
pub(super) fn follow(
    root: &mut Node,
    main: Option<&Path>,
    (env, open): (Env<'_>, Open<'_>),
    sources: &mut Sources,
    report: &mut Report,
) -> Vec<PathBuf> {
    let wanted = wanted(root, report);
    let mut includes = Includes {
        root,
        main,
        env,
        open,
        sources,
        report,
        visited: Vec::new(),
        files: 0,
        bytes: 0,
        nodes: 0,
    };
    for want in &wanted {
        if let Err(TooMuch(what)) = includes.include(want) {
            let text =
                format!("config_files includes more than {what}; name fewer or smaller files");
            includes.report.error(want.at, text);
            break;
        }
    }
    includes.visited
}

/// One element of `config_files`.
#[derive(Debug)]
struct Wanted {
    path: PathBuf,
    strategy: Strategy,
    at: At,
}

/// How the keys of an include are merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strategy {
    Append,
    Override,
    AddOnly,
}

fn wanted(root: &Node, report: &mut Report) -> Vec<Wanted> {
    let Some(Entry { at, value, .. }) = root.get(CONFIG_FILES) else { return Vec::new() };
    match &value.value {
        Value::Null => Vec::new(),
        Value::Text(path) => {
            vec![Wanted { path: path.into(), strategy: Strategy::Append, at: value.at }]
        }
        Value::List(nodes) => {
            let element = |(nth, node)| element(nth, node, report);
            nodes.iter().enumerate().filter_map(element).collect()
        }
        Value::Map(_) => {
            report.warn(
                *at,
                "config_files is a map; expected a list of paths, or of maps with the keys path \
                 and strategy; it is ignored, as in Falco",
            );
            Vec::new()
        }
    }
}

fn element(nth: usize, node: &Node, report: &mut Report) -> Option<Wanted> {
    let name = format!("config_files[{nth}]");
    let (path, strategy) = match &node.value {
        Value::Text(_) => (node, Strategy::Append),
        Value::Map(entries) => {
            for Entry { key, at, .. } in entries {
                match key.as_deref() {
                    Some("path" | "strategy") => {}
                    key => {
                        let key = quoted(key.unwrap_or_default());
                        let expected = "expected path, strategy; it is ignored";
                        report.warn(*at, format!("unknown key {key} in {name}; {expected}"));
                    }
                }
            }
            let strategy = node.get("strategy").map(|entry| strategy(&name, &entry.value, report));
            let Some(path) = node.get("path") else {
                report.error(node.at, format!("there is no {name}.path; expected a path"));
                return None;
            };
            (&path.value, strategy.unwrap_or(Strategy::Append))
        }
        Value::Null | Value::List(_) => (node, Strategy::Append),
    };
    let text = match &path.value {
        Value::Text(text) => text,
        Value::Null => {
            let used = "the text \"null\" is used, as in Falco";
            report.warn(path.at, format!("{name} has no value; expected a path; {used}"));
            "null"
        }
        Value::List(_) | Value::Map(_) => {
            let found = path.found();
            let expected = "expected a path, or a map with the keys path and strategy";
            report.error(path.at, format!("{name} {found}; {expected}"));
            return None;
        }
    };
    Some(Wanted { path: text.into(), strategy, at: path.at })
}

fn strategy(name: &str, node: &Node, report: &mut Report) -> Strategy {
    match &node.value {
        Value::Text(text) if text == "append" => Strategy::Append,
        Value::Text(text) if text == "override" => Strategy::Override,
        Value::Text(text) if text == "add-only" => Strategy::AddOnly,
        _ => {
            let found = node.found();
            let expected = "expected append, override or add-only; append is used, as in Falco";
            report.warn(node.at, format!("{name}.strategy {found}; {expected}"));
            Strategy::Append
        }
    }
}

/// A limit that was exceeded.
#[derive(Debug)]
struct TooMuch(String);

/// The settings so far, and what was read for them.
struct Includes<'i> {
    root: &'i mut Node,
    main: Option<&'i Path>,
    env: Env<'i>,
    open: Open<'i>,
    sources: &'i mut Sources,
    report: &'i mut Report,
    /// Every file and directory on the way.
    visited: Vec<PathBuf>,
    files: usize,
    bytes: usize,
    nodes: usize,
}

impl Includes<'_> {
    fn include(&mut self, want: &Wanted) -> Result<(), TooMuch> {
        let path = &want.path;
        if self.main == Some(path) {
            let found = quoted(&path.to_string_lossy());
            self.report.error(
                want.at,
                format!("config_files names {found}, the main file itself; remove it"),
            );
            return Ok(());
        }
        match (self.open)(path) {
            Ok(Found::File(bytes)) => self.file(path, bytes, want.strategy)?,
            Ok(Found::Directory(mut files)) => {
                self.visited.push(path.clone());
                files.sort_unstable();
                for file in files {
                    match (self.open)(&file) {
                        Ok(Found::File(bytes)) => self.file(&file, bytes, want.strategy)?,
                        // No longer a file.
                        Ok(Found::Nothing | Found::Directory(_) | Found::Other) => {}
                        Err(error) => self.unreadable(&file, &error),
                    }
                }
            }
            Ok(Found::Nothing) => self.skipped(want, "does not exist"),
            Ok(Found::Other) => self.skipped(want, "is neither a file nor a directory"),
            Err(error) => self.unreadable(path, &error),
        }
        Ok(())
    }

    fn skipped(&mut self, want: &Wanted, why: &str) {
        // It may appear later.
        self.visited.push(want.path.clone());
        let path = quoted(&want.path.to_string_lossy());
        self.report.note(want.at, format!("config_files: {path} {why} and is skipped"));
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        let at = At::In(self.sources.add(path), Spot::Whole);
        let text = format!("cannot be read: {error}; fix this, or remove it from config_files");
        self.report.unreadable(at, text, error);
    }

    fn file(&mut self, path: &Path, bytes: Vec<u8>, strategy: Strategy) -> Result<(), TooMuch> {
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes.len());
        if self.files > MAX_FILES {
            return Err(TooMuch(format!("{MAX_FILES} files")));
        }
        if self.bytes > MAX_BYTES {
            return Err(TooMuch(format!("{MAX_BYTES} bytes")));
        }
        self.visited.push(path.to_owned());
        let text = match decode(bytes) {
            Ok(text) => text,
            Err((spot, reason)) => {
                self.report.error(At::In(self.sources.add(path), spot), reason);
                return Ok(());
            }
        };
        let Some(Parsed { mut root, nodes }) = self.sources.parse(path, &text, self.report) else {
            return Ok(());
        };
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(TooMuch(format!("{MAX_NODES} values")));
        }
        prepare(&mut root, self.env, self.report);
        let Value::Map(entries) = root.value else { return Ok(()) };
        for entry in entries {
            match entry.key.as_deref() {
                Some(CONFIG_FILES) => self.report.error(
                    entry.at,
                    "config_files is set in an included file; name the files in the main file",
                ),
                Some(key) if TOP.contains(&key) => self.merge(entry, strategy),
                // Keys that are not read need no merging.
                _ => {}
            }
        }
        Ok(())
    }

    fn merge(&mut self, mut entry: Entry, strategy: Strategy) {
        let Value::Map(entries) = &mut self.root.value else { return };
        let Some(old) = entries.iter_mut().find(|old| old.key == entry.key) else {
            entries.push(entry);
            return;
        };
        let key = quoted(entry.key.as_deref().unwrap_or_default());
        if strategy == Strategy::AddOnly {
            let text = format!("{key} is already set, so with add-only this value is not used");
            self.report.note(entry.at, text);
            check_unused(entry, self.report);
            return;
        }
        if strategy == Strategy::Append
            && let Value::List(more) = &mut entry.value.value
        {
            match &mut old.value.value {
                Value::List(all) => return all.append(more),
                Value::Null => {}
                Value::Text(_) | Value::Map(_) => {
                    let text = format!("{key} is a list, but the value to append it to is not");
                    self.report.error(entry.at, text + "; expected a list in both files");
                    return;
                }
            }
        }
        let text = format!(
            "this replaces the whole of {key}, as in Falco; a key not set here has its default"
        );
        self.report.note(entry.at, text);
        check_unused(std::mem::replace(old, entry), self.report);
    }
}

/// Reads a replaced `falconer` map for its errors. Falco's own maps are read leniently, and
/// warnings about replaced ones would be noise.
fn check_unused(entry: Entry, report: &mut Report) {
    if entry.key.as_deref() == Some("falconer") {
        own::falconer(&Node::new(Value::Map(vec![entry]), At::Whole), report);
    }
}
