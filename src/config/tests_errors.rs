//! Tests of the room's interface: errors and their positions.

use proptest::prelude::*;

use crate::net::{Listen, UnixSocket};

use super::{
    Found, Options, Place, Position, load,
    tests::{config, options, read, tcp, try_read, warning},
};

/// The errors of a text, one a line.
fn errors(text: &str, overrides: &[&str]) -> String {
    try_read(text, overrides).expect_err(text).to_string()
}

#[test]
fn a_mistake_is_an_error_with_its_position() {
    for (text, expected) in [
        ("grpc: true", "1:7: grpc is \"true\"; expected a map with the keys enabled, "),
        ("grpc_output: on", "1:14: grpc_output is \"on\"; expected a map"),
        ("falconer: []", "1:11: falconer is a list; expected a map with the keys inputs, "),
        ("- grpc", "1:1: the file is a list; expected a map of settings"),
        ("grpc", "1:1: the file is \"grpc\"; expected a map of settings"),
        ("a: {b: 1", "1:9: not readable as YAML: did not find expected ',' or '}', while parsing"),
        ("falconer:\n  inptus: 1", "2:3: unknown key \"inptus\" in falconer; expected inputs, "),
        ("falconer: {retain: 1MiB}", "1:12: unknown key \"retain\" in falconer; expected inputs"),
        ("falconer: {[a]: 1}", "1:12: a key of falconer is not a name"),
        ("falconer: {\"\\x1b[31m\": 1}", "1:12: unknown key \"\\u{1b}[31m\" in falconer"),
        ("falconer: {admin: {}}", "1:12: falconer.admin is not supported by this"),
        ("falconer: {tls: {v1: true}}", "1:18: unknown key \"v1\" in falconer.tls"),
        (
            "falconer: {gateway: {tls: {private_key: /k}}}",
            "1:41: falconer.gateway.tls has private_key and no cert_chain",
        ),
        (
            "falconer: {gateway: {tls: {root_certs: /r}}}",
            "1:40: falconer.gateway.tls has root_certs and no private_key and cert_chain",
        ),
        (
            "falconer: {gateway: {allowed_hosts: ['http://a']}}",
            "1:37: falconer.gateway.allowed_hosts: \"http",
        ),
        ("falconer: {inputs: {stdin: 1}}", "1:28: falconer.inputs.stdin is \"1\"; expected true"),
        ("falconer: {inputs: {stdin: }}", "1:28: falconer.inputs.stdin has no value; expected"),
        ("falconer: {inputs: {stdin: []}}", "1:28: falconer.inputs.stdin is a list; expected one"),
        ("falconer: {inputs: {files: /a}}", "1:28: falconer.inputs.files is \"/a\"; expected a li"),
        ("falconer: {inputs: {files: ['']}}", "1:29: falconer.inputs.files[0] is \"\"; expected t"),
        ("falconer: {inputs: {files: [a, ~]}}", "1:32: falconer.inputs.files[1] has no value"),
        (
            "falconer: {outputs: {retain: 1023KiB}}",
            "1:30: falconer.outputs.retain is \"1023KiB\"; e",
        ),
        ("falconer: {outputs: {retain: lots}}", "1:30: falconer.outputs.retain is \"lots\"; expec"),
        ("falconer: {outputs: {delivery: all}}", "1:32: falconer.outputs.delivery is \"all\"; ex"),
        ("falconer: {outputs: {lost_events: 1}}", "1:35: falconer.outputs.lost_events is \"1\""),
        ("falconer: {socket: {mode: 01777}}", "1:27: falconer.socket.mode is \"01777\"; expected"),
        ("falconer: {socket: {links: [l]}}", "1:28: falconer.socket.links has \"l\"; expected"),
        ("falconer: {socket: {group: 'a b'}}", "1:28: falconer.socket.group is \"a b\"; expected"),
        (
            "falconer: {gateway: {listen: '0.0.0.0:1'}}",
            "1:30: falconer.gateway.listen is 0.0.0.0:1; an address that other machines",
        ),
        ("falconer: {falco: {version: 0.40}}", "1:29: falconer.falco.version is \"0.40\"; expect"),
        (
            "falconer: {falco: {time_zone: Vienna}}",
            "1:31: falconer.falco.time_zone is \"Vienna\"; expected a name of the time zone database, such as Europe/Vienna or UTC",
        ),
        ("falconer: {falco: {webserver: x}}", "1:31: falconer.falco.webserver is \"x\"; there is"),
        ("grpc: {enabled: on, bind_address: x}", "1:35: grpc.bind_address is \"x\"; there is no p"),
        ("grpc: {enabled: on, private_key: ''}", "1:34: grpc.private_key is \"\"; expected the pa"),
        ("falconer: {}\ngrpc: {}\nfalconer: {}", "3:1: the key \"falconer\" appears twice in the"),
        ("grpc: {enabled: on, enabled: off}", "1:21: the key \"enabled\" appears twice in grpc"),
        ("grpc_output: {a: 1, a: 1}", "1:21: the key \"a\" appears twice in grpc_output"),
        ("falconer:\n  falco: {}\n  falco: {}", "3:3: the key \"falco\" appears twice in falcone"),
        ("falconer: {socket: {mode: 0, mode: 0}}", "1:30: the key \"mode\" appears twice in falco"),
        (
            "falconer: {gateway: {enabled: off}, inputs: {http: on}}",
            "1:52: falconer.inputs.http is",
        ),
        (
            "grpc: {enabled: off}\nfalconer: {gateway: {enabled: off}}",
            "1:17: grpc.enabled and falc",
        ),
    ] {
        let errors = errors(text, &[]);
        let expected = format!("f.yaml:{expected}");
        assert!(errors.starts_with(&expected), "{text}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{text}: {errors}");
    }
}

#[test]
fn a_misspelt_key_is_reported_with_what_was_meant() {
    for (text, expected) in [
        ("falconer: {input: {}}", "; did you mean \"inputs\""),
        ("falconer: {gateway: {listne: ''}}", "; did you mean \"listen\""),
        ("falconer: {retain: 1}", "; did you mean \"falconer.outputs.retain\""),
        ("falconer: {bind_address: 1}", "; did you mean \"grpc.bind_address\""),
    ] {
        let errors = errors(text, &[]);
        assert!(errors.ends_with(expected), "{text}: {errors}");
    }
    for text in
        ["falconr: {}", "Falconer: {}", "grcp_output: {}", "grpcs: {}", "grcp: {}", "outputs: {}"]
    {
        assert!(warning(text, &[]).contains("did you mean"), "{text}");
    }
    for text in ["http_output: {}", "file_output: {}", "rules_files: []", "plugins: []", "1: 2"] {
        assert_eq!(warning(text, &[]), "", "{text}");
    }
}

#[test]
fn options_are_checked_like_the_file() {
    for (option, expected) in [
        ("grpc.enabled", "option -o \"grpc.enabled\": there is no \"=\"; expected KEY=VALUE"),
        ("grpc[x]=1", "option -o \"grpc[x]\": found \"x\" at character 6 of the key; expected a"),
        ("grpc[0]=1", "option -o \"grpc[0]\": the value before the index is a map; expected a l"),
        ("grpc.enabled.x=1", "option -o \"grpc.enabled.x\": the parent of \"x\" is \"true\"; exp"),
        (
            "grpc={a: b: c}",
            "option -o \"grpc\": the value is not readable as YAML: did not find expected",
        ),
        ("falconer.x=1", "option -o \"falconer.x\": unknown key \"x\" in falconer"),
        ("falconer={admin: {}}", "option -o \"falconer\": falconer.admin is not supported by"),
        ("falconer.inputs.files=/a", "option -o \"falconer.inputs.files\": falconer.inputs.files"),
        ("falconer.inputs.files[1]=/a", "option -o \"falconer.inputs.files[1]\": the list has 0 e"),
        ("falconer={inputs: {}, inputs: {}}", "option -o \"falconer\": the key \"inputs\" appears"),
        (
            "grpc.bind_address=\u{202e}",
            "option -o \"grpc.bind_address\": grpc.bind_address is \"\\u",
        ),
    ] {
        let errors = errors("grpc: {enabled: true}", &[option]);
        assert!(errors.starts_with(expected), "{option}: {errors}");
        assert_eq!(errors.lines().count(), 1, "{option}: {errors}");
    }
    let long = format!("{}=1", ["a"; 33].join("."));
    assert!(errors("", &[&long]).contains("the key has 33 parts"));
    assert!(errors("", &["falconer.inputs.files=/a"]).contains("-o falconer.inputs.files[]=…"));
    assert!(warning("", &["grcp.enabled=true"]).contains("did you mean \"grpc\""));
    assert!(warning("", &["json_output=true"]).contains("is not read by falconer"));
    // The last of two options counts, and braces make an object.
    let both = ["falconer.socket.mode=600", "falconer.socket={mode: '0666', group: g}"];
    let socket =
        UnixSocket { path: "/s".into(), mode: 0o666, group: Some("g".to_owned()), links: vec![] };
    let text = "grpc: {enabled: true, bind_address: 'unix:///s'}";
    assert_eq!(config(text, &both).grpc, Some(Listen::Unix(socket)));
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let text = "
grpc: {enabled: true, bind_address: 'unix:/x'}
falconer:
  socket: {mode: 9}
  outputs: {retain: x, delivery: y}
";
    let errors = errors(text, &["nonsense"]);
    let places: Vec<_> = errors.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(
        places,
        ["f.yaml:2:37", "f.yaml:4:18", "f.yaml:5:21", "f.yaml:5:34", "option -o \"nonsense\""]
    );
}

#[test]
fn a_flood_of_errors_is_truncated() {
    let keys: Vec<_> = (0..60).map(|key| format!("{key}: 1")).collect();
    let errors = errors(&format!("falconer: {{{}}}", keys.join(", ")), &[]);
    assert_eq!(errors.lines().count(), 51);
    assert!(errors.ends_with("\nand 10 more"));
    let text = format!("falconer: {{gateway: {{listen: '{}'}}}}", "ö".repeat(500));
    assert!(self::errors(&text, &[]).chars().count() < 250);
}

#[test]
fn a_circle_of_variables_is_an_error() {
    let env = |_: &str| Some("${X}".to_owned());
    let errors = read(Some("falconer: {socket: {group: '${X}'}}"), &options(&[]), &env);
    let errors = errors.expect_err("a circle").to_string();
    assert!(errors.starts_with("f.yaml:1:28: the expansion of \"${X}\" does not end"), "{errors}");
}

#[test]
fn unreadable_files_are_reported_by_name() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("f\n.yaml");
    let options = Options { file: Some(file.clone()), ..Options::default() };
    let load = || load(&options, &|_| None).map_err(|errors| errors.to_string());
    let missing = load().expect_err("no file");
    assert!(missing.contains("f\\n.yaml: the file cannot be read: No such file"), "{missing}");
    std::fs::write(&file, b"a: \xc3\xb6\nb: \xff").expect("a file");
    let not_text = load().expect_err("not UTF-8");
    assert!(not_text.ends_with("f\\n.yaml:2:4: the file is not UTF-8 text"), "{not_text}");
    std::fs::write(&file, vec![b'#'; (1 << 20) + 1]).expect("a file");
    assert!(load().expect_err("too large").ends_with("larger than 1048576 bytes"));
    std::fs::write(&file, "grpc: {enabled: true}").expect("a file");
    assert_eq!(load().expect("a file").config.grpc, tcp("0.0.0.0:5060"));
}

/// Generates YAML of all kinds, valid and invalid, around the known keys.
fn yaml() -> impl Strategy<Value = String> {
    const PIECES: [&str; 40] = [
        "grpc",
        "config_files",
        "falconer",
        "inputs",
        "outputs",
        "gateway",
        "enabled",
        "files",
        "retain",
        "mode",
        ": ",
        ":\n",
        "\n",
        "  ",
        "    ",
        "- ",
        ", ",
        "{",
        "}",
        "[",
        "]",
        "? ",
        "!t ",
        "!!int ",
        "&a ",
        "*a",
        "<<: *a\n",
        "'",
        "\"",
        "|\n",
        ">\n",
        "#",
        "${X}",
        "$${",
        "~",
        "0x1",
        "é",
        "---\n",
        "\t",
        "\u{85}",
    ];
    let piece = prop_oneof![20 => prop::sample::select(&PIECES[..]).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from)];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_text_is_read_or_rejected_with_positions_inside_it(
        main in yaml(), include in yaml(), option in yaml(),
    ) {
        let env = |_: &str| Some("$${X}".to_owned());
        let open = |_: &std::path::Path| Ok(Found::File(include.clone().into()));
        let options = options(&[&option, "config_files[]=include"]);
        let findings = match super::read(Some(&main), &options, &env, &open) {
            Ok(loaded) => [loaded.warnings, loaded.notes].concat(),
            Err(errors) => errors.findings().to_vec(),
        };
        for finding in findings {
            prop_assert!(!finding.to_string().contains(char::is_control), "{finding}");
            let Place::File { position: Some(Position { line, column }), ref name } = finding.place
            else { continue };
            let text = if name == "include" { &include } else { &main };
            let length = text.split('\n').nth(line - 1).map(|line| line.chars().count());
            prop_assert!(length.is_some_and(|length| column <= length + 1), "{finding}");
        }
    }
}
