//! Tests of the room's interface: what `config_files` adds, what it replaces, and which file and
//! line an error names.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use crate::net::{Listen, UnixSocket};

use super::{
    Errors, Finding, Found, Loaded, MAX_BYTES, MAX_FILES, read,
    tests::{options, tcp},
};

/// A small file system: the content of each path.
type Tree<'t> = &'t [(&'t str, &'t str)];

/// Reads `main` with these files. A path that ends in `/` is a directory of the files below it,
/// listed in the wrong order.
fn try_read(main: &str, tree: Tree<'_>, overrides: &[&str]) -> Result<Loaded, Errors> {
    let tree: BTreeMap<_, _> = tree.iter().copied().collect();
    let open = |path: &Path| {
        let path = path.to_str().expect("a path of the test");
        let folder = format!("{}/", path.trim_end_matches('/'));
        Ok(if tree.contains_key(folder.as_str()) {
            let files = tree.keys().rev().filter(|file| file.len() > folder.len());
            let files = files.filter(|file| file.starts_with(&folder));
            Found::Directory(files.map(PathBuf::from).collect())
        } else {
            match tree.get(path) {
                None => Found::Nothing,
                Some(&"a pipe") => Found::Other,
                Some(&"a secret") => return Err(io::ErrorKind::PermissionDenied.into()),
                Some(text) => Found::File((*text).into()),
            }
        })
    };
    let env = |name: &str| (name == "D").then(|| "d".to_owned());
    read(Some(main), &options(overrides), &env, &open)
}

fn loaded(main: &str, tree: Tree<'_>, overrides: &[&str]) -> Loaded {
    try_read(main, tree, overrides).unwrap_or_else(|error| panic!("{main}: {error}"))
}

fn errors(main: &str, tree: Tree<'_>, overrides: &[&str]) -> String {
    try_read(main, tree, overrides).expect_err(main).to_string()
}

fn unix(path: &str) -> Option<Listen> {
    Some(Listen::Unix(UnixSocket { path: path.into(), mode: 0o660, group: None, links: vec![] }))
}

fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(Finding::to_string).collect()
}

const A: &str = "grpc: {enabled: true, bind_address: 'unix:///a'}";
const B: &str = "grpc: {enabled: true, bind_address: 'unix:///b'}";

#[test]
fn includes_are_merged_by_their_strategy() {
    let tree: Tree<'_> = &[
        ("a", A),
        ("b", B),
        ("c", "grpc: {enabled: true}"),
        ("d/", ""),
        ("d/1.conf", B),
        ("d/2", A),
        ("empty", "# nothing\n"),
        ("e/", ""),
        ("items", "grpc: [1]"),
        ("other", "json_output: true"),
        ("output", "grpc_output: {enabled: false}"),
    ];
    let none = unix("/run/falco/falco.sock");
    for (main, overrides, expected) in [
        ("config_files: [a]", &[] as &[&str], unix("/a")),
        // One path needs no list; no value is no file.
        ("config_files: a", &[], unix("/a")),
        ("config_files:", &[], none.clone()),
        ("config_files: []", &[], none.clone()),
        // The later wins and replaces the whole map: bind_address is Falco's default.
        ("config_files: [a, b]", &[], unix("/b")),
        ("config_files: [b, a]", &[], unix("/a")),
        ("config_files: [a, c]", &[], tcp("0.0.0.0:5060")),
        (
            "grpc: {enabled: true, bind_address: 'unix:///m'}\nconfig_files: [c]",
            &[],
            tcp("0.0.0.0:5060"),
        ),
        (
            "grpc: {enabled: true, bind_address: 'unix:///m'}\nconfig_files: [empty, other]",
            &[],
            unix("/m"),
        ),
        // Strategies, known and unknown.
        ("config_files: [a, {path: b, strategy: append}]", &[], unix("/b")),
        ("config_files: [a, {path: b, strategy: override}]", &[], unix("/b")),
        ("config_files: [a, {path: b, strategy: add-only}]", &[], unix("/a")),
        ("config_files: [{path: b, strategy: add-only}]", &[], unix("/b")),
        ("config_files: [a, {path: b, strategy: addonly}]", &[], unix("/b")),
        ("config_files: [a, {path: b}]", &[], unix("/b")),
        // A list is appended to a list, and replaces an empty value. Then `grpc` is a list.
        ("grpc: [2]\nconfig_files: [items, {path: a, strategy: add-only}]", &[], None),
        ("grpc:\nconfig_files: [items]", &[], None),
        // A directory stands for its files in the order of their paths.
        ("config_files: [d]", &[], unix("/a")),
        ("config_files: [d, a, {path: e}]", &[], unix("/a")),
        ("config_files: ['${D}/1.conf']", &[], unix("/b")),
        ("config_files: [{path: d/, strategy: add-only}]", &[], unix("/b")),
        // A missing file is skipped.
        ("config_files: [nowhere, a, '${NOTHING}']", &[], unix("/a")),
        // Options for config_files change the list; all others win over every file.
        ("", &["config_files=a"], unix("/a")),
        ("config_files: [a]", &["config_files=b"], unix("/b")),
        ("config_files: [a]", &["config_files[]=b"], unix("/b")),
        ("config_files: [a]", &["config_files[0]=b"], unix("/b")),
        // Options are not expanded, so there is no such file.
        ("config_files: [a]", &["config_files[0]=${D}/1.conf"], none.clone()),
        (
            "config_files: [a]",
            &["config_files[1].path=b", "config_files[1].strategy=add-only"],
            unix("/a"),
        ),
        ("config_files: [a]", &["grpc.bind_address=unix:///o"], unix("/o")),
        ("config_files: [c]", &["grpc.bind_address=unix:///o"], unix("/o")),
        ("config_files: [a]", &["grpc.bind_address=unix:///o", "config_files=b"], unix("/o")),
    ] {
        assert_eq!(loaded(main, tree, overrides).config.grpc, expected, "{main} {overrides:?}");
    }
    assert!(!loaded("config_files: [a, output]", tree, &[]).config.outputs.grpc_output);
}

#[test]
fn every_path_is_returned_for_watching() {
    let tree: Tree<'_> =
        &[("a", A), ("d/", ""), ("d/2", "x: 1"), ("d/1", "x: 2"), ("e/", ""), ("p", "a pipe")];
    let files = loaded("config_files: [d, nowhere, a, e/, p]", tree, &[]).files;
    assert_eq!(files, ["f.yaml", "d", "d/1", "d/2", "nowhere", "a", "e/", "p"].map(PathBuf::from));
}

#[test]
fn effects_of_includes_are_reported() {
    let tree: Tree<'_> = &[("a", A), ("b", B), ("p", "a pipe"), ("two", "x: 1\n---\ny: 2")];
    let told = loaded("config_files: [a, b, {path: a, strategy: add-only}, n, p]", tree, &[]);
    assert_eq!(
        lines(&told.notes),
        [
            "f.yaml:1:53: config_files: \"n\" does not exist and is skipped",
            "f.yaml:1:56: config_files: \"p\" is neither a file nor a directory and is skipped",
            "b:1:1: this replaces the whole of \"grpc\", as in Falco; a key not set here has its \
             default",
            "a:1:1: \"grpc\" is already set, so with add-only this value is not used",
        ]
    );
    assert_eq!(told.warnings, []);
    for (main, expected) in [
        ("config_files: {path: a}", "f.yaml:1:1: config_files is a map; expected a list of paths"),
        (
            "config_files: [{path: a, strategy: prepend}]",
            "f.yaml:1:36: config_files[0].strategy is \"prepend\"; expected append, override or add-\
             only; append is used, as in Falco",
        ),
        (
            "config_files: [{path: a, when: b}]",
            "f.yaml:1:26: unknown key \"when\" in config_files[0]",
        ),
        (
            "config_files: [{path: }]",
            "f.yaml:1:23: config_files[0] has no value; expected a path; the text \"null\" is used",
        ),
        ("config_files: [~]", "f.yaml:1:16: config_files[0] has no value; expected a path; the te"),
        ("config_files: two", "two: there is more than one YAML document; only the first is read"),
        (
            "config_file: a",
            "f.yaml:1:1: \"config_file\" is not a known key and is ignored; did you mean",
        ),
    ] {
        let warnings = lines(&loaded(main, tree, &[]).warnings).join("\n");
        assert!(warnings.starts_with(expected), "{main}: {warnings}");
        assert_eq!(warnings.lines().count(), 1, "{main}: {warnings}");
    }
}

#[test]
fn a_mistake_is_reported_with_its_file() {
    let large = format!("#{}", "x".repeat(1 << 20));
    let tree: Tree<'_> = &[
        ("bad", "a: 1\nfalconer: {inptus: 1}"),
        ("good", "falconer: {}"),
        ("twice", "grpc: {}\ngrpc: {}"),
        ("inside", "falconer:\n  socket: {mode: 0, mode: 0}"),
        ("nested", "a: 1\nconfig_files: []"),
        ("list", "- a"),
        ("torn", "a: [1\n"),
        ("secret", "a secret"),
        ("large", &large),
        ("value", "grpc: {enabled: true, bind_address: '${D}'}"),
        ("items", "grpc: [1]"),
        ("d/", ""),
        ("d/f.yaml", "config_files: d"),
    ];
    for (main, expected) in [
        ("config_files: [bad]", "bad:2:12: unknown key \"inptus\" in falconer"),
        // Also if another file replaces it.
        ("config_files: [bad, good]", "bad:2:12: unknown key \"inptus\" in falconer"),
        (
            "config_files: [good, {path: bad, strategy: add-only}]",
            "bad:2:12: unknown key \"inptus\"",
        ),
        ("falconer: {x: 1}\nconfig_files: [good]", "f.yaml:1:12: unknown key \"x\" in falconer"),
        ("config_files: [twice]", "twice:2:1: the key \"grpc\" appears twice in the file"),
        (
            "config_files: [inside]",
            "inside:2:21: the key \"mode\" appears twice in falconer.socket",
        ),
        ("config_files: [nested]", "nested:2:1: config_files is set in an included file"),
        ("config_files: [list]", "list:1:1: the file is a list; expected a map of settings"),
        ("config_files: [torn]", "torn:2:1: not readable as YAML: "),
        (
            "config_files: [secret]",
            "secret: cannot be read: permission denied; fix this, or remove it",
        ),
        ("config_files: [large]", "large: the file is larger than 1048576 bytes"),
        ("config_files: [value]", "value:1:37: grpc.bind_address is \"d\"; there is no port"),
        (
            "grpc: {}\nconfig_files: [items]",
            "items:1:1: \"grpc\" is a list, but the value to append",
        ),
        ("config_files: [f.yaml]", "f.yaml:1:16: config_files names \"f.yaml\", the main file its"),
        ("config_files: [d]", "d/f.yaml:1:1: config_files is set in an included file"),
        ("config_files: [[a]]", "f.yaml:1:16: config_files[0] is a list; expected a path, or a m"),
        ("config_files: [{}]", "f.yaml:1:16: there is no config_files[0].path; expected a path"),
        (
            "config_files: []\nconfig_files: []",
            "f.yaml:2:1: the key \"config_files\" appears twice",
        ),
    ] {
        let errors = errors(main, tree, &[]);
        assert!(errors.starts_with(expected), "{main}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{main}: {errors}");
    }
    let all =
        errors("grpc: true\nconfig_files: [nested, torn]", tree, &["grpc.x", "config_files[]"]);
    let places: Vec<_> = all.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(
        places,
        [
            "f.yaml:1:7",
            "nested:2:1",
            "torn:2:1",
            "option -o \"grpc.x\"",
            "option -o \"config_files[]\""
        ]
    );
}

#[test]
fn text_that_is_not_utf8_is_reported_with_its_position() {
    let open = |_: &Path| Ok(Found::File(b"a: b\nb: \xff".to_vec()));
    let errors = read(Some("config_files: latin"), &options(&[]), &|_| None, &open);
    let errors = errors.expect_err("not UTF-8").to_string();
    assert_eq!(errors, "latin:2:4: the file is not UTF-8 text");
}

#[test]
fn includes_are_bounded() {
    let open_with = |bytes: usize| {
        move |path: &Path| {
            Ok(if path == Path::new("d") {
                Found::Directory((0..=MAX_FILES).map(|n| format!("d/{n}").into()).collect())
            } else {
                Found::File(vec![b'#'; bytes])
            })
        }
    };
    let read = |bytes| {
        read(Some("config_files: d"), &options(&[]), &|_| None, &open_with(bytes))
            .expect_err("too much")
            .to_string()
    };
    let expected = format!("f.yaml:1:15: config_files includes more than {MAX_FILES} files; name");
    assert!(read(1).starts_with(&expected), "{}", read(1));
    let expected = format!("f.yaml:1:15: config_files includes more than {MAX_BYTES} bytes; name");
    assert!(read(1 << 20).starts_with(&expected), "{}", read(1 << 20));
    // With aliases a few bytes make many values.
    let many = format!("x: &x [{}]\ny: [{}]", ["1"; 300].join(","), ["*x"; 300].join(","));
    let open = |path: &Path| {
        Ok(if path == Path::new("d") {
            Found::Directory((0..20).map(|n| format!("d/{n}").into()).collect())
        } else {
            Found::File(many.clone().into())
        })
    };
    let errors = super::read(Some("config_files: d"), &options(&[]), &|_| None, &open);
    assert!(errors.expect_err("too much").to_string().contains("more than 1000000 values"));
}
