//! Rows about the keys `grpc` and `grpc_output`, the types of their values, and the forms of an
//! address.

use super::row::Expected::{Alerts, Clean, Error, Files, Note, Off, Served, Threads, Warning};
use super::row::*;

pub(crate) const FALCOS_FILES: Expected = Files([
    "/etc/falco/certs/server.key",
    "/etc/falco/certs/server.crt",
    "/etc/falco/certs/ca.crt",
]);

pub(crate) const KEYS: &[Row] = &[
    same("grpc.enabled is false when absent", "grpc: {threadiness: 0}", &[], &[Off]),
    same(
        "grpc.bind_address is 0.0.0.0:5060 when absent, not the sample's socket",
        "grpc: {enabled: true}",
        &[],
        &[Served("0.0.0.0:5060"), Clean],
    ),
    same("grpc.threadiness is 0 when absent", "grpc: {enabled: true}", &[], &[Threads(0)]),
    same(
        "the TLS files are those below /etc/falco/certs when absent",
        "grpc: {enabled: true}",
        &[],
        &[FALCOS_FILES],
    ),
    same("grpc_output.enabled is true when absent", "grpc: {enabled: true}", &[], &[Alerts(true)]),
    same("the same for a map without it", "grpc_output: {}", &[], &[Alerts(true)]),
    differs(
        NO_GRPC,
        "without grpc there is no API",
        "json_output: true",
        &[],
        &[Served("unix:///run/falco/falco.sock"), Note("there is no key \"grpc\"")],
    ),
    same(
        "with grpc_output off the server still answers, without alerts",
        "grpc: {enabled: true}\ngrpc_output: {enabled: false}",
        &[],
        &[Served("0.0.0.0:5060"), Alerts(false)],
    ),
    same(
        "grpc_output does nothing if grpc is off",
        "grpc: {enabled: false}\ngrpc_output: {enabled: true}",
        &[],
        &[Off],
    ),
    same(
        "Falconer does not start without any output",
        "grpc: {enabled: false}\nfalconer: {gateway: {enabled: false}}",
        &[],
        &[Error("nothing would be served")],
    ),
    same(
        "the TLS files are ignored for unix://",
        "grpc: {enabled: true, bind_address: 'unix:///s', private_key: ''}",
        &[],
        &[Served("unix:///s"), Clean],
    ),
    same(
        "unix:// must be in lower case",
        "grpc: {enabled: true, bind_address: 'UNIX:///s'}",
        &[],
        &[Error("write \"unix:///s\"")],
    ),
    differs(
        THREADS,
        "threadiness may be any 32-bit number",
        "grpc: {threadiness: 4294967295}",
        &[],
        &[Threads(1024), Warning("expected at most 1024")],
    ),
    differs(
        WRONG_TYPE,
        "a number below zero takes the default",
        "grpc: {threadiness: -1}",
        &[],
        &[Threads(0), Warning("grpc.threadiness is \"-1\"; expected a whole number")],
    ),
    same("08 takes the default", "grpc: {threadiness: 08}", &[], &[Threads(0)]),
    same("1.5 takes the default", "grpc: {threadiness: 1.5}", &[], &[Threads(0)]),
    same("a word takes the default", "grpc: {threadiness: abc}", &[], &[Threads(0)]),
    same("2^32 takes the default", "grpc: {threadiness: 4294967296}", &[], &[Threads(0)]),
    same("a leading space takes the default", "grpc: {threadiness: ' 3'}", &[], &[Threads(0)]),
    same("0x10 is 16", "grpc: {threadiness: 0x10}", &[], &[Threads(16), Clean]),
    same("true in every spelling", "grpc: {enabled: yes}", &[], &[Served("0.0.0.0:5060")]),
    same("true in every spelling", "grpc: {enabled: On}", &[], &[Served("0.0.0.0:5060")]),
    same("true in every spelling", "grpc: {enabled: TRUE}", &[], &[Served("0.0.0.0:5060")]),
    same("true in every spelling", "grpc: {enabled: y}", &[], &[Served("0.0.0.0:5060")]),
    same("1 is no boolean", "grpc: {enabled: 1}", &[], &[Off]),
    same("tRUE is no boolean", "grpc: {enabled: tRUE}", &[], &[Off]),
    same("nothing is no boolean", "grpc: {enabled: }", &[], &[Off]),
    same("empty is no boolean", "grpc: {enabled: ''}", &[], &[Off]),
    same(
        "null is the text null",
        "grpc: {enabled: true, private_key: ~}",
        &[],
        &[Files(["null", "/etc/falco/certs/server.crt", "/etc/falco/certs/ca.crt"])],
    ),
    same(
        "a scalar for the map is fatal",
        "grpc: true",
        &[],
        &[Error("f.yaml:1:7: grpc is \"true\"")],
    ),
    same("a list for the map is all defaults", "grpc: [1, 2]", &[], &[Off]),
    same("nothing for the map is all defaults", "grpc:", &[], &[Off]),
    differs(
        TWICE,
        "the first value of a duplicate key counts",
        "grpc: {enabled: true, enabled: false}",
        &[],
        &[Error("f.yaml:1:23: the key \"enabled\" appears twice in grpc")],
    ),
    same(
        "only the first document is read",
        "grpc: {enabled: true}\n---\ngrpc: {enabled: false}",
        &[],
        &[Served("0.0.0.0:5060")],
    ),
    differs(
        SCHEMA,
        "schema validation rejects the TLS keys with a warning",
        "grpc: {enabled: true, private_key: k, cert_chain: c, root_certs: r}",
        &[],
        &[Files(["k", "c", "r"]), Clean],
    ),
    same(
        "schema validation warns of unknown keys and accepts them",
        "grpc: {enabled: true, bind_adress: x}",
        &[],
        &[Served("0.0.0.0:5060"), Warning("unknown key \"bind_adress\" in grpc")],
    ),
    same(
        "quoted booleans and numbers are valid",
        "grpc: {enabled: \"true\", threadiness: '2'}",
        &[],
        &[Served("0.0.0.0:5060"), Threads(2), Clean],
    ),
    differs(
        DEPRECATED,
        "0.43 warns of the server and of the output",
        "grpc: {enabled: true}\ngrpc_output: {enabled: true}",
        &[],
        &[Clean],
    ),
];

pub(crate) const ADDRESSES: &[Row] = &[
    same(
        "a socket by its absolute path",
        "",
        &["grpc.bind_address=unix:///a/path.sock"],
        &[Served("unix:///a/path.sock")],
    ),
    same(
        "a relative socket is fatal",
        "",
        &["grpc.bind_address=unix://rel.sock"],
        &[Error("expected an absolute path after unix://")],
    ),
    same(
        "no path at all is fatal",
        "",
        &["grpc.bind_address=unix://"],
        &[Error("expected an absolute path after unix://")],
    ),
    differs(
        ONE_SLASH,
        "unix:/path is TLS",
        "",
        &["grpc.bind_address=unix:/a/path"],
        &[Error("write \"unix:///a/path\"")],
    ),
    same("both wildcards", "", &["grpc.bind_address=0.0.0.0:5060"], &[Served("0.0.0.0:5060")]),
    same("both wildcards", "", &["grpc.bind_address=[::]:5060"], &[Served("[::]:5060")]),
    same("an address", "", &["grpc.bind_address=127.0.0.1:5066"], &[Served("127.0.0.1:5066")]),
    same("a name", "", &["grpc.bind_address=localhost:5060"], &[Served("localhost:5060")]),
    differs(
        NO_PORT,
        "0.0.0.0 is port 443",
        "",
        &["grpc.bind_address=0.0.0.0"],
        &[Error("there is no port; write 0.0.0.0:5060")],
    ),
    differs(
        NO_PORT,
        "localhost is port 443",
        "",
        &["grpc.bind_address=localhost"],
        &[Error("there is no port; write localhost:5060")],
    ),
    same(
        "a port alone cannot be parsed",
        "",
        &["grpc.bind_address=:5065"],
        &[Error("there is no host; write 0.0.0.0:5065")],
    ),
    same(
        "a path of more than 107 bytes cannot be bound",
        "",
        &[concat!(
            "grpc.bind_address=unix:///run/a/path/that/is/too/long/by/a/single/byte/",
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
        )],
        &[Error("the path has 108 bytes; expected at most 107")],
    ),
    same("empty cannot be parsed", "", &["grpc.bind_address="], &[Error("expected HOST:PORT")]),
];
