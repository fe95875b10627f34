//! Tests of the room's interface: text, options and variables in, configurations and warnings out.

use std::path::{Path, PathBuf};

use jiff::tz::TimeZone;

use crate::{
    ingest,
    net::{Listen, Serves, TlsFiles, UnixSocket},
    service::{Delivery, LostEvents},
};

use super::{Config, Env, Errors, Finding, Found, Loaded, MIN_RETAIN, Options, Place};

/// [`super::read`] without further files.
pub(super) fn read(text: Option<&str>, options: &Options, env: Env<'_>) -> Result<Loaded, Errors> {
    super::read(text, options, env, &|_| Ok(Found::Nothing))
}

pub(super) fn options(overrides: &[&str]) -> Options {
    let overrides = overrides.iter().map(ToString::to_string).collect();
    Options { file: Some(PathBuf::from("f.yaml")), overrides, falco_command: Vec::new() }
}

pub(super) fn try_read(text: &str, overrides: &[&str]) -> Result<Loaded, Errors> {
    read(Some(text), &options(overrides), &|name| (name == "X").then(|| "on".to_owned()))
}

pub(super) fn config(text: &str, overrides: &[&str]) -> Config {
    try_read(text, overrides).unwrap_or_else(|error| panic!("{text}: {error}")).config
}

/// The one warning of a text.
pub(super) fn warning(text: &str, overrides: &[&str]) -> String {
    let loaded = try_read(text, overrides).unwrap_or_else(|error| panic!("{text}: {error}"));
    let warnings: Vec<_> = loaded.warnings.iter().map(Finding::to_string).collect();
    warnings.join("\n")
}

fn unix(path: &str) -> Option<Listen> {
    Some(Listen::Unix(UnixSocket { path: path.into(), mode: 0o660, group: None, links: vec![] }))
}

pub(super) fn tcp(address: &str) -> Option<Listen> {
    let tls = TlsFiles::new(
        "/etc/falco/certs/server.key",
        "/etc/falco/certs/server.crt",
        "/etc/falco/certs/ca.crt",
    );
    Some(Listen::Tcp { address: address.to_owned(), tls })
}

#[test]
fn outputs_that_leave_something_out_are_warned_of() {
    let warnings = |text: &str, command: &[&str]| {
        let falco_command = command.iter().map(|&word| word.to_owned()).collect();
        let options = Options { falco_command, ..Options::default() };
        let loaded = read(Some(text), &options, &|_| None).unwrap();
        loaded.warnings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    for (text, expected) in [
        ("json_output: false", "settings:1:1: json_output is false: Falco writes text"),
        ("json_include_tags_property: no", "without tags"),
        ("json_include_output_property: false", "without their text"),
        ("json_output: true\njson_include_output_fields_property: false", "without output fields"),
    ] {
        let warned = warnings(text, &[]);
        assert!(warned.contains(expected) && warned.lines().count() == 1, "{text}: {warned}");
    }
    let both = "json_output: false\njson_include_tags_property: false";
    assert_eq!(warnings(both, &[]).lines().count(), 1);
    assert_eq!(warnings("json_output: true\njson_include_message_property: false", &[]), "");
    // A Falco that we start is told otherwise.
    let falco = ["falco", "-o", "json_output=true"];
    assert_eq!(warnings("json_output: false", &falco), "");
    assert!(warnings(both, &falco).contains("without tags"));
}

#[test]
fn the_default_is_the_socket_of_falcos_sample() {
    let loaded = read(None, &Options::default(), &|_| None).expect("defaults");
    let expected = Config {
        grpc: unix("/run/falco/falco.sock"),
        threads: 0,
        inputs: ingest::Config { stdin: false, http: true, files: vec![], command: vec![] },
        hub: crate::hub::Config { retain: 64 << 20 },
        outputs: crate::service::Config::default(),
        gateway: Some(gateway_at(2804)),
        hostname: None,
        falco_webserver: None,
        falco_time_zone: None,
    };
    assert_eq!(loaded.config, expected);
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.notes, []);
    let options = Options { file: Some("f.yaml".into()), ..Options::default() };
    let loaded = read(Some("json_output: true"), &options, &|_| None).expect("defaults");
    assert_eq!(
        loaded.notes.iter().map(Finding::to_string).collect::<Vec<_>>(),
        ["f.yaml: there is no key \"grpc\"; the gRPC API is enabled by default"]
    );
}

#[test]
fn the_grpc_map_is_read_exactly_as_falco_did() {
    for (text, overrides, expected) in [
        ("", &[] as &[&str], unix("/run/falco/falco.sock")),
        ("json_output: true", &[], unix("/run/falco/falco.sock")),
        ("falconer: {}", &[], unix("/run/falco/falco.sock")),
        ("grpc_output: {enabled: true}", &[], unix("/run/falco/falco.sock")),
        ("grpc: {enabled: true}", &[], tcp("0.0.0.0:5060")),
        ("grpc: {threadiness: 0}", &[], None),
        ("grpc: {bind_address: 'unix:///x'}", &[], None),
        ("grpc: {}", &[], None),
        ("grpc:", &[], None),
        ("grpc: [enabled, true]", &[], None),
        ("grpc: {enabled: false, bind_address: nonsense}", &[], None),
        ("grpc: {enabled: yes, bind_address: 'unix:///x'}", &[], unix("/x")),
        ("grpc: {enabled: '${X}', bind_address: 'unix:///${X}'}", &[], unix("/on")),
        (
            "grpc: {enabled: true, bind_address: 'unix:///${Y}'}",
            &["grpc.bind_address=unix:///z"],
            unix("/z"),
        ),
        ("a: &a {enabled: on}\ngrpc: {<<: *a}", &[], tcp("0.0.0.0:5060")),
        ("grpc: {enabled: true}\n---\ngrpc: {enabled: false}", &[], tcp("0.0.0.0:5060")),
        // An option changes only that part of the default.
        ("", &["grpc.bind_address=localhost:1"], tcp("localhost:1")),
        ("", &["grpc.threadiness=2"], unix("/run/falco/falco.sock")),
        ("", &["grpc={enabled: true}"], tcp("0.0.0.0:5060")),
        ("grpc:", &["grpc.enabled=true"], tcp("0.0.0.0:5060")),
        ("grpc: {enabled: true}", &["grpc.enabled=false"], None),
        // Options are neither trimmed nor expanded.
        ("grpc: {enabled: true}", &["grpc.enabled= true"], None),
        ("grpc: {enabled: true}", &["grpc.enabled=${X}"], None),
    ] {
        assert_eq!(config(text, overrides).grpc, expected, "{text} {overrides:?}");
    }
}

#[test]
fn the_default_tls_files_are_those_of_falco() {
    let text = "grpc: {enabled: true, bind_address: 'h:1', private_key: k, root_certs: ~}";
    let tls = TlsFiles::new("k", "/etc/falco/certs/server.crt", "null");
    assert_eq!(config(text, &[]).grpc, Some(Listen::Tcp { address: "h:1".to_owned(), tls }));
    assert_eq!(
        warning(text, &[]),
        "f.yaml:1:72: grpc.root_certs has no value; expected text; the text \"null\" is used, as \
         in Falco"
    );
}

#[test]
fn falconer_tls_applies_to_grpc() {
    let text = "grpc: {enabled: true, bind_address: 'h:1'}\n\
                falconer: {tls: {legacy_v1_certs: false, crls: [a, /b]}}";
    let Some(Listen::Tcp { tls, .. }) = config(text, &[]).grpc else { panic!("a port") };
    assert!(!tls.legacy_v1_certs);
    assert_eq!(tls.crls, ["a", "/b"].map(std::path::PathBuf::from));
}

#[test]
fn a_scalar_of_the_wrong_type_takes_the_default_with_a_warning() {
    for (text, threads, expected) in [
        ("grpc: {enabled: 1}", 0, "1:17: grpc.enabled is \"1\"; expected true or false; false is"),
        ("grpc: {enabled: }", 0, "1:17: grpc.enabled has no value; expected true or false"),
        ("grpc: {enabled: []}", 0, "1:17: grpc.enabled is a list; expected true or false"),
        ("grpc: {threadiness: 0x10}", 16, ""),
        ("grpc: {threadiness: '3'}", 3, ""),
        ("grpc: {threadiness: 08}", 0, "1:21: grpc.threadiness is \"08\"; expected a whole"),
        ("grpc: {threadiness: ' 3'}", 0, "1:21: grpc.threadiness is \" 3\"; expected a whole"),
        ("grpc: {threadiness: -1}", 0, "1:21: grpc.threadiness is \"-1\"; expected a whole"),
        ("grpc: {threadiness: 5000}", 1024, "1:21: grpc.threadiness is 5000; expected at most"),
        ("grpc: {threadiness: '${U}'}", 0, "1:21: grpc.threadiness is \"\" (from \"${U}\"); "),
        ("grpc: {bind_address: {}}", 0, "1:22: grpc.bind_address is a map; expected text; \"0.0."),
        ("grpc: {enabeld: true}", 0, "1:8: unknown key \"enabeld\" in grpc; expected enabled, "),
        ("grpc: {1: true}", 0, "1:8: unknown key \"1\" in grpc"),
        ("grpc: [1]", 0, "1:1: grpc is a list; expected a map; Falco's defaults are used"),
        ("grpc:", 0, "1:1: grpc has no value; expected a map"),
        ("grpc_output:", 0, "1:1: grpc_output has no value; expected a map"),
    ] {
        assert_eq!(config(text, &[]).threads, threads, "{text}");
        let warning = warning(text, &[]);
        let expected =
            if expected.is_empty() { String::new() } else { format!("f.yaml:{expected}") };
        assert!(warning.starts_with(&expected), "{text}: {warning}");
        assert_eq!(warning.is_empty(), expected.is_empty(), "{text}: {warning}");
    }
}

#[test]
fn grpc_output_is_enabled_by_default() {
    for (text, expected, warns) in [
        ("", true, false),
        ("grpc_output: {}", true, false),
        ("grpc_output: {enabled: off}", false, true),
        ("grpc_output: {enabled: 0}", true, true),
        ("grpc: {enabled: false}\ngrpc_output: {enabled: false}", false, false),
    ] {
        assert_eq!(config(text, &[]).outputs.grpc_output, expected, "{text}");
        assert_eq!(!warning(text, &[]).is_empty(), warns, "{text}");
    }
}

#[test]
fn falconer_keys_are_read() {
    let text = "
falconer:
  inputs: {stdin: yes, http: false, files: [/a, '/${X}'], command: [falco, -U]}
  outputs: {retain: 1MiB, delivery: shared, lost_events: off}
  socket: {mode: 0600, group: falco, links: [/var/run/falco.sock]}
  gateway: {enabled: on, listen: 127.0.0.1:80}
  falco: {version: 0.43.1, webserver: http://localhost:8765, time_zone: Europe/Vienna}
";
    let config = config(text, &["falconer.inputs.files[]=/c", "falconer.inputs.files[0]=/b"]);
    let expected = Config {
        grpc: Some(Listen::Unix(UnixSocket {
            path: "/run/falco/falco.sock".into(),
            mode: 0o600,
            group: Some("falco".to_owned()),
            links: vec!["/var/run/falco.sock".into()],
        })),
        threads: 0,
        inputs: ingest::Config {
            stdin: true,
            http: false,
            files: vec!["/b".into(), "/on".into(), "/c".into()],
            command: vec!["falco".to_owned(), "-U".to_owned()],
        },
        hub: crate::hub::Config { retain: MIN_RETAIN },
        outputs: crate::service::Config {
            grpc_output: true,
            delivery: Delivery::Shared,
            lost_events: LostEvents::Count,
            falco_version: Some("0.43.1".to_owned()),
        },
        gateway: Some(gateway_at(80)),
        hostname: None,
        falco_webserver: Some("localhost:8765".to_owned()),
        falco_time_zone: Some(TimeZone::get("Europe/Vienna").unwrap()),
    };
    assert_eq!(config, expected);
}

#[test]
fn keys_without_values_leave_the_defaults() {
    let text = "
falconer:
  inputs: {files: , command: []}
  outputs:
  socket: {group: ''}
  falco: {version: '', webserver: ''}
";
    assert_eq!(config(text, &[]), config("", &[]));
    assert_eq!(config("falconer:", &[]), config("", &[]));
}

#[test]
fn the_command_after_the_dashes_wins() {
    let text = "falconer: {inputs: {command: [a]}}";
    let options = Options { falco_command: vec!["falco".to_owned()], ..options(&[]) };
    let loaded = read(Some(text), &options, &|_| None).expect(text);
    assert_eq!(loaded.config.inputs.command, ["falco"]);
    assert_eq!(
        loaded.warnings.iter().map(Finding::to_string).collect::<Vec<_>>(),
        ["f.yaml:1:30: falconer.inputs.command is not used; the command after -- replaces it"]
    );
    let options = Options { falco_command: vec![String::new()], ..options };
    let errors = read(None, &options, &|_| None).expect_err("an empty program");
    assert_eq!(errors.findings().first().map(|finding| &finding.place), Some(&Place::Command));
}

#[test]
fn settings_without_effect_are_reported() {
    assert!(warning("falconer: {inputs: {http: false}}", &[]).contains("there is no input"));
    assert!(warning("a: 1\n---\nb: 2", &[]).contains("only the first is read"));
    let notes = try_read("grpc: {enabled: false}", &[]).expect("off").notes;
    assert!(notes.iter().any(|note| note.text.contains("only the gateway is served")));
    // Without the gateway there are no posts. That is reported only if `http` was set.
    let off = config("falconer: {gateway: {enabled: false}, inputs: {stdin: on}}", &[]);
    assert_eq!((off.gateway, off.inputs.http), (None, false));
}

#[test]
fn the_hostname_comes_from_falcos_variables() {
    for (first, second, expected) in [
        (Some("a"), Some("b"), Some("a")),
        (None, Some("b"), Some("b")),
        (Some(""), Some("b"), Some("b")),
        (Some(""), None, None),
    ] {
        let env = |name: &str| match name {
            "FALCO_HOSTNAME" => first.map(ToOwned::to_owned),
            "FALCO_GRPC_HOSTNAME" => second.map(ToOwned::to_owned),
            _ => None,
        };
        let loaded = read(None, &Options::default(), &env).expect("defaults");
        assert_eq!(loaded.config.hostname.as_deref(), expected);
    }
}

#[test]
fn the_warning_of_a_newer_falco_is_noted_if_falco_reads_the_file() {
    for (text, expected) in [
        ("rules_files: [a]\ngrpc: {enabled: true}", Some("f.yaml:2:1: Falco 0.44 and later warn")),
        ("engine: {kind: ebpf}\ngrpc_output: {enabled: true}", Some("f.yaml:2:1: Falco 0.44")),
        ("grpc: {enabled: true}", None),
        ("rules_files: [a]", None),
    ] {
        let loaded = try_read(text, &[]).expect(text);
        let told = loaded.notes.iter().map(ToString::to_string).find(|note| note.contains("0.44"));
        assert_eq!(told.is_some(), expected.is_some(), "{text}: {told:?}");
        assert!(told.unwrap_or_default().starts_with(expected.unwrap_or_default()), "{text}");
    }
}

#[test]
fn a_gateway_beyond_loopback_needs_a_token_or_client_certificates() {
    for listen in ["0.0.0.0:2804", "10.0.0.1:2804", "[::]:2804", "[::ffff:10.0.0.1]:2804"] {
        let text = format!("falconer: {{gateway: {{listen: '{listen}'}}}}");
        let error = try_read(&text, &[]).map(|_| ()).expect_err(listen).to_string();
        assert!(error.contains("token_file"), "{error}");
        let text = format!("falconer: {{gateway: {{listen: '{listen}', token_file: /t}}}}");
        assert_eq!(config(&text, &[]).gateway.unwrap().token_file, Some("/t".into()));
        assert!(warning(&text, &[]).contains("without TLS"));
        let tls = "tls: {private_key: /k, cert_chain: /c}";
        let text = format!("falconer: {{gateway: {{listen: '{listen}', {tls}}}}}");
        assert!(try_read(&text, &[]).is_err(), "{text}");
        let text = text.replace("/c}", "/c, root_certs: /r}");
        assert_eq!(warning(&text, &[]), "");
        let files = config(&text, &[]).gateway.unwrap().tls.unwrap();
        assert_eq!(files.serves, Serves::Gateway { token: false });
        assert_eq!(
            files.paths().collect::<Vec<_>>(),
            [Path::new("/k"), Path::new("/c"), Path::new("/r")]
        );
        let text = text.replace("listen:", "token_file: /t, listen:");
        let files = config(&text, &[]).gateway.unwrap().tls.unwrap();
        assert_eq!(files.serves, Serves::Gateway { token: true });
    }
}

fn gateway_at(port: u16) -> super::Gateway {
    let listen = ([127, 0, 0, 1], port).into();
    super::Gateway {
        listen,
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
        posts_per_second: None,
        token_file: None,
        tls: None,
    }
}
