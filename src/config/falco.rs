//! Reads Falco's own maps, `grpc` and `grpc_output`, as Falco 0.24 to 0.43 did.
//!
//! 1. A map that is present follows Falco exactly: `enabled` is false by default, and
//!    `bind_address` is `0.0.0.0:5060` with mutual TLS, not the socket of Falco's sample file.
//! 2. A scalar of the wrong type has its default, as in Falco. Unlike Falco, that is a warning.
//! 3. A scalar in place of the map is an error. A list or no value means all defaults.
//! 4. Without a `grpc` key Falconer's own default applies ([`provide_grpc`]). Falco 0.44 and later
//!    ship a file without it, and a server that then serves nothing would be of no use.

use crate::net::TlsFiles;

use super::{
    finding::Report,
    keys::{self, Keys},
    place::{At, quoted},
    scalar,
    section::{Placed, Section},
    tree::{Entry, Node, Value},
};

/// The address if there is no `grpc` key: the socket of Falco's sample file since 0.33, which the
/// examples of its clients use.
pub const DEFAULT_BIND_ADDRESS: &str = "unix:///run/falco/falco.sock";

/// Falco's default of `grpc.bind_address` in a `grpc` map: TCP, with mutual TLS.
pub const FALCO_BIND_ADDRESS: &str = "0.0.0.0:5060";

/// Falco's default of `grpc.private_key`.
pub const FALCO_PRIVATE_KEY: &str = "/etc/falco/certs/server.key";

/// Falco's default of `grpc.cert_chain`.
pub const FALCO_CERT_CHAIN: &str = "/etc/falco/certs/server.crt";

/// Falco's default of `grpc.root_certs`.
pub const FALCO_ROOT_CERTS: &str = "/etc/falco/certs/ca.crt";

/// Falco's default of `grpc.threadiness` since 0.24: one per core.
const FALCO_THREADINESS: u32 = 0;

/// Falco's default of `grpc.enabled`.
const FALCO_GRPC_ENABLED: bool = false;

/// Falco's default of `grpc_output.enabled`: true, also if the whole map is absent.
const FALCO_GRPC_OUTPUT_ENABLED: bool = true;

/// The `grpc` map as written.
#[derive(Debug)]
pub(super) struct Grpc {
    pub(super) enabled: Placed<bool>,
    pub(super) bind_address: Placed<String>,
    pub(super) threadiness: Placed<u32>,
    /// The files of TLS. Not used if the address is a unix socket.
    pub(super) private_key: Placed<String>,
    pub(super) cert_chain: Placed<String>,
    pub(super) root_certs: Placed<String>,
}

impl Grpc {
    pub(super) fn tls(&self) -> TlsFiles {
        TlsFiles::new(&self.private_key.value, &self.cert_chain.value, &self.root_certs.value)
    }
}

/// Inserts Falconer's own default if there is no `grpc` key, so that `-o grpc.bind_address=…`
/// changes only the address. Returns whether it did.
pub(super) fn provide_grpc(root: &mut Node) -> bool {
    let key = |name: &str, value| {
        let value = Node::new(value, At::Whole);
        Entry { key: Some(name.to_owned()), at: At::Whole, value }
    };
    let missing = root.get("grpc").is_none();
    if missing && let Value::Map(entries) = &mut root.value {
        let enabled = key("enabled", Value::Text("true".to_owned()));
        let address = key("bind_address", Value::Text(DEFAULT_BIND_ADDRESS.to_owned()));
        entries.push(key("grpc", Value::Map(vec![enabled, address])));
    }
    missing
}

/// Notes that a newer Falco warns about keys it no longer knows, if Falco reads this file too.
pub(super) fn note_leftovers(root: &Node, report: &mut Report) {
    /// Keys that show that Falco reads the file.
    const FALCOS_OWN: [&str; 4] = ["rules_files", "rules_file", "engine", "load_plugins"];
    if FALCOS_OWN.iter().any(|key| root.get(key).is_some())
        && let Some(entry) = root.get("grpc").or_else(|| root.get("grpc_output"))
    {
        report.note(
            entry.at,
            "Falco 0.44 and later warn at each start about the keys grpc and grpc_output; with \
             such a Falco, move them to a separate file and pass that with -c",
        );
    }
}

/// Warns about Falco's outputs that leave something out of an alert, if Falco reads this file too.
/// `command` is the Falco that Falconer starts, whose options override the file.
pub(super) fn warn_outputs(root: &Node, command: &[String], report: &mut Report) {
    const JSON: &str = "json_output";
    const LEFT_OUT: [(&str, &str); 4] = [
        (JSON, "text, so that its alerts have no rule, no output fields and no tags"),
        ("json_include_output_property", "alerts without their text"),
        ("json_include_output_fields_property", "alerts without output fields"),
        ("json_include_tags_property", "alerts without tags"),
    ];
    for (key, what) in LEFT_OUT {
        let entry = root.get(key).filter(|entry| {
            matches!(&entry.value.value, Value::Text(text) if scalar::boolean(text) == Some(false))
        });
        let overridden = command.iter().any(|word| *word == format!("{key}=true"));
        if let Some(entry) = entry.filter(|_| !overridden) {
            report.warn(entry.at, format!("{key} is false: Falco writes {what}; set it to true"));
            if key == JSON {
                // The other keys have no effect on text.
                return;
            }
        }
    }
}

/// Reads the `grpc` map.
pub(super) fn grpc(root: &Node, report: &mut Report) -> Grpc {
    let map = Map::open(&keys::GRPC, root, report);
    Grpc {
        enabled: map.boolean("enabled", FALCO_GRPC_ENABLED, report),
        bind_address: map.text("bind_address", FALCO_BIND_ADDRESS, report),
        threadiness: map.number("threadiness", FALCO_THREADINESS, report),
        private_key: map.text("private_key", FALCO_PRIVATE_KEY, report),
        cert_chain: map.text("cert_chain", FALCO_CERT_CHAIN, report),
        root_certs: map.text("root_certs", FALCO_ROOT_CERTS, report),
    }
}

/// Reads `grpc_output.enabled`.
pub(super) fn grpc_output(root: &Node, report: &mut Report) -> Placed<bool> {
    let map = Map::open(&keys::GRPC_OUTPUT, root, report);
    map.boolean("enabled", FALCO_GRPC_OUTPUT_ENABLED, report)
}

/// One of the two maps.
struct Map<'t> {
    section: Section<'t>,
    /// The place of findings about a default.
    at: At,
}

impl<'t> Map<'t> {
    fn open(keys: &Keys, root: &'t Node, report: &mut Report) -> Self {
        let mut entry = root.get(keys.path);
        let at = entry.map_or(At::Whole, |entry| entry.at);
        if let Some(Entry { value, .. }) = entry
            && matches!(value.value, Value::Null | Value::List(_))
        {
            let path = keys.path;
            let found = value.found();
            report.warn(at, format!("{path} {found}; expected a map; Falco's defaults are used"));
            entry = None;
        }
        Self { section: Section::open(keys, entry, report), at }
    }

    fn boolean(&self, key: &str, default: bool, report: &mut Report) -> Placed<bool> {
        self.typed(key, default, "true or false", scalar::boolean, report)
    }

    fn number(&self, key: &str, default: u32, report: &mut Report) -> Placed<u32> {
        self.typed(key, default, "a whole number from 0 to 4294967295", scalar::uint32, report)
    }

    fn typed<T: ToString>(
        &self,
        key: &str,
        default: T,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
        report: &mut Report,
    ) -> Placed<T> {
        let Some(node) = self.section.node(key) else {
            return Placed { value: default, at: self.at };
        };
        let parsed = match &node.value {
            Value::Text(text) => parse(text),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        };
        let value = parsed.unwrap_or_else(|| {
            self.warn(key, node, expected, &default.to_string(), report);
            default
        });
        Placed { value, at: node.at }
    }

    fn text(&self, key: &str, default: &str, report: &mut Report) -> Placed<String> {
        let Some(node) = self.section.node(key) else {
            return Placed { value: default.to_owned(), at: self.at };
        };
        let value = match &node.value {
            Value::Text(text) => text.clone(),
            Value::Null => {
                let null = "null";
                self.warn(key, node, "text", &format!("the text \"{null}\""), report);
                null.to_owned()
            }
            Value::List(_) | Value::Map(_) => {
                self.warn(key, node, "text", &quoted(default), report);
                default.to_owned()
            }
        };
        Placed { value, at: node.at }
    }

    fn warn(&self, key: &str, node: &Node, expected: &str, used: &str, report: &mut Report) {
        let name = self.section.name(key);
        let found = node.found();
        report.warn(
            node.at,
            format!("{name} {found}; expected {expected}; {used} is used, as in Falco"),
        );
    }
}
