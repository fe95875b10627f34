//! Rows about how Falconer combines settings: options, included files, variables.

use super::keys::FALCOS_FILES;
use super::row::Expected::{Clean, Error, Note, Off, Served, Threads, Warning};
use super::row::*;

pub(crate) const OPTIONS: &[Row] = &[
    same(
        "the first = ends the key",
        "",
        &["grpc.bind_address=unix:///a=b"],
        &[Served("unix:///a=b")],
    ),
    same(
        "there must be a =",
        "",
        &["grpc.enabled"],
        &[Error("option -o \"grpc.enabled\": there is")],
    ),
    same(
        "names with dots; missing maps are created",
        "grpc:",
        &["grpc.enabled=true"],
        &[Served("0.0.0.0:5060")],
    ),
    same(
        "[n] is an element, [] a new one",
        "falconer: {inputs: {files: [/a]}}",
        &[
            "falconer.inputs.files[0]=/b",
            "falconer.inputs.files[]=/c",
            "falconer.inputs.files[2]=/d",
        ],
        &[Clean],
    ),
    same(
        "a[0]b lacks a dot",
        "",
        &["grpc[0]b=1"],
        &[Error("at character 8 of the key; expected \".\"")],
    ),
    same("a name must be there", "", &[".grpc=1"], &[Error("at character 1 of the key")]),
    same("a name must be there", "", &["grpc..x=1"], &[Error("at character 6 of the key")]),
    same("an index is a number", "", &["grpc[x]=1"], &[Error("found \"x\" at character 6")]),
    same(
        "a trailing dot is ignored",
        "grpc: {}",
        &["grpc.enabled.=true"],
        &[Served("0.0.0.0:5060")],
    ),
    differs(
        INDEX,
        "out of range",
        "",
        &["falconer.inputs.files[5]=/a"],
        &[Error("the list has 0 elements, so there is no [5] to set")],
    ),
    differs(
        INDEX,
        "negative",
        "",
        &["falconer.inputs.files[-1]=/a"],
        &[Error("found \"-\" at character 23")],
    ),
    differs(
        BACKSLASH,
        "escapes came with 0.44",
        "grpc: {}",
        &[r"grpc\.x=1"],
        &[Warning("\"grpc.x\" is not read by falconer")],
    ),
    same(
        "0.44: the four escapes",
        "",
        &[r"a\.b\[0\]\\=1"],
        &[Warning(r#""a.b[0]\\" is not read"#)],
    ),
    same("0.44: no other escape", "", &[r"grpc\x=1"], &[Error("expected one of")]),
    same("0.44: nothing behind the last", "", &[r"grpc\=1"], &[Error("expected one of")]),
    same(
        "{…} is an object",
        "",
        &["grpc={enabled: true, bind_address: 'unix:///o'}"],
        &[Served("unix:///o")],
    ),
    same(
        "{…} is an object, in JSON too",
        "",
        &[r#"grpc={"enabled":true,"threadiness":3}"#],
        &[Served("0.0.0.0:5060"), Threads(3)],
    ),
    same(
        "every other value is text, a list too",
        "",
        &["falconer.inputs.files=[/a, /b]"],
        &[Error("falconer.inputs.files is \"[/a, /b]\"; expected a list")],
    ),
    same("variables in values stay", "grpc: {}", &["grpc.enabled=${YES}"], &[Off]),
    same("spaces stay in values", "grpc: {}", &["grpc.enabled= true"], &[Off]),
    same(
        "spaces stay in keys",
        "grpc: {}",
        &["grpc.enabled =true"],
        &[Off, Warning("unknown key \"enabled \"")],
    ),
    same("the last wins", "", &["grpc.threadiness=1", "grpc.threadiness=2"], &[Threads(2)]),
    same("options win over files", "config_files: [@/on]", &["grpc.enabled=false"], &[Off]),
    differs(
        FOREIGN,
        "any key may be set",
        "",
        &["json_output=true"],
        &[Warning("\"json_output\" is not read by falconer")],
    ),
];

/// The files in the folder of [`INCLUDES`].
pub(crate) const FILES: &[(&str, &str)] = &[
    ("on", "grpc: {enabled: true}"),
    ("a", "grpc: {enabled: true, bind_address: 'unix:///a'}"),
    ("b", "grpc: {enabled: true, bind_address: 'unix:///b'}"),
    ("variable", "grpc: {enabled: '${YES}', bind_address: 'unix:///${NESTED}'}"),
    ("nested", "config_files: [a]"),
    ("list", "grpc: [1]"),
    ("wrong", "# nothing\nfalconer: {inptus: {}}"),
    ("dir/1.yaml", "grpc: {enabled: true, bind_address: 'unix:///1'}"),
    ("dir/2.disabled", "grpc: {enabled: true, bind_address: 'unix:///2'}"),
    ("dir/sub/3.yaml", "grpc: {enabled: true, bind_address: 'unix:///3'}"),
    ("order/10", "grpc: {enabled: true, bind_address: 'unix:///10'}"),
    ("order/9", "grpc: {enabled: true, bind_address: 'unix:///9'}"),
];

pub(crate) const INCLUDES: &[Row] = &[
    same("a list of paths", "config_files: [@/a]", &[], &[Served("unix:///a")]),
    same("one scalar", "config_files: @/a", &[], &[Served("unix:///a")]),
    same(
        "maps with path and strategy",
        "config_files: [{path: @/a, strategy: append}]",
        &[],
        &[Served("unix:///a")],
    ),
    differs(
        NOT_THERE,
        "a missing file is skipped",
        "config_files: [@/x, @/a]",
        &[],
        &[Served("unix:///a"), Note("/x\" does not exist and is skipped")],
    ),
    same(
        "an element without a value is the text null",
        "config_files: [~, @/a]",
        &[],
        &[
            Served("unix:///a"),
            Warning("config_files[0] has no value"),
            Note("\"null\" does not exist"),
        ],
    ),
    same(
        "a map without path is fatal",
        "config_files: [{strategy: append}]",
        &[],
        &[Error("there is no config_files[0].path")],
    ),
    same(
        "a map in place of the list is ignored",
        "config_files: {path: @/a}",
        &[],
        &[
            Served("unix:///run/falco/falco.sock"),
            Warning("config_files is a map; expected a list"),
        ],
    ),
    same(
        "a list cannot be appended to a map",
        "grpc: {}\nconfig_files: [@/list]",
        &[],
        &[Error("list:1:1: \"grpc\" is a list")],
    ),
    same(
        "the main file as an include is an error",
        "config_files: [@/f.yaml]",
        &[],
        &[Error("the main file itself")],
    ),
    same(
        "an include of an include is an error",
        "config_files: [@/nested]",
        &[],
        &[Error("nested:1:1: config_files is set in an included file")],
    ),
    same(
        "a directory: files of any name, not deeper",
        "config_files: [@/dir]",
        &[],
        &[Served("unix:///2")],
    ),
    same(
        "a directory: in the order of paths as text",
        "config_files: [@/order]",
        &[],
        &[Served("unix:///9")],
    ),
    same("a directory: links are followed", "config_files: [@/links]", &[], &[Served("unix:///b")]),
    same(
        "append replaces values other than lists",
        "config_files: [@/a, @/b]",
        &[],
        &[Served("unix:///b")],
    ),
    same(
        "override replaces",
        "config_files: [@/a, {path: @/b, strategy: override}]",
        &[],
        &[Served("unix:///b")],
    ),
    same(
        "add-only adds missing keys",
        "config_files: [@/a, {path: @/b, strategy: add-only}]",
        &[],
        &[Served("unix:///a")],
    ),
    differs(
        STRATEGY,
        "an unknown strategy is append",
        "config_files: [@/a, {path: @/b, strategy: add_only}]",
        &[],
        &[Served("unix:///b"), Warning("strategy is \"add_only\"; expected append")],
    ),
    same(
        "an include's grpc replaces the whole map",
        "grpc: {enabled: true, bind_address: 'unix:///m', private_key: k}\nconfig_files: [@/on]",
        &[],
        &[Served("0.0.0.0:5060"), FALCOS_FILES, Note("this replaces the whole of \"grpc\"")],
    ),
    same(
        "options about config_files come first",
        "config_files: [@/a]",
        &["config_files[]=@/b"],
        &[Served("unix:///b")],
    ),
    same(
        "options about config_files replace",
        "config_files: [@/a]",
        &["config_files=@/b"],
        &[Served("unix:///b")],
    ),
    same(
        "all other options come last",
        "config_files: [@/a]",
        &["grpc.bind_address=unix:///o", "config_files=@/b"],
        &[Served("unix:///o")],
    ),
    same("variables in its paths", "config_files: ['@/${LETTER}']", &[], &[Served("unix:///a")]),
    same(
        "variables in included files",
        "config_files: [@/variable]",
        &[],
        &[Served("unix:///x-y")],
    ),
    same(
        "each file is checked",
        "config_files: [@/wrong]",
        &[],
        &[Error("wrong:2:12: unknown key \"inptus\" in falconer")],
    ),
];

pub(crate) const VARIABLES: &[Row] = &[
    same(
        "a whole scalar, before its type",
        "grpc: {enabled: '${YES}', threadiness: '${TWO}'}",
        &[],
        &[Served("0.0.0.0:5060"), Threads(2)],
    ),
    same(
        "inside a scalar",
        "grpc: {enabled: true, bind_address: 'unix:///x${LETTER}y'}",
        &[],
        &[Served("unix:///xay")],
    ),
    same(
        "unset is empty",
        "grpc: {enabled: true, bind_address: 'unix:///x${UNSET}y'}",
        &[],
        &[Served("unix:///xy")],
    ),
    same(
        "a value is expanded again",
        "grpc: {enabled: true, bind_address: 'unix:///${NESTED}'}",
        &[],
        &[Served("unix:///x-y")],
    ),
    same(
        "$${X} is ${X}",
        "grpc: {enabled: true, bind_address: 'unix:///$${YES}'}",
        &[],
        &[Served("unix:///${YES}")],
    ),
    same(
        "$${${X}} is ${value}",
        "grpc: {enabled: true, bind_address: 'unix:///$${${YES}}'}",
        &[],
        &[Served("unix:///${true}")],
    ),
    same(
        "$X is $X",
        "grpc: {enabled: true, bind_address: 'unix:///$YES'}",
        &[],
        &[Served("unix:///$YES")],
    ),
    same(
        "a ${ without its end stops the expansion",
        "grpc: {enabled: true, bind_address: 'unix:///${YES'}",
        &[],
        &[Served("unix:///${YES")],
    ),
    same(
        "keys are not expanded",
        "grpc: {'${ENABLED}': true}",
        &[],
        &[Off, Warning("unknown key \"${ENABLED}\"")],
    ),
    differs(
        DOLLAR,
        "a lone $ stops the expansion",
        "grpc: {enabled: true, bind_address: 'unix:///5$-${YES}'}",
        &[],
        &[Served("unix:///5$-true")],
    ),
    differs(
        CIRCLE,
        "a circle never ends",
        "grpc: {enabled: true, root_certs: '${CIRCLE}'}",
        &[],
        &[Error("does not end; expected variables that do not refer to each other")],
    ),
];
