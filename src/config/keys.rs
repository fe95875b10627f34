//! The known keys of each section, as data, and the keys reserved for later versions.
//!
//! A reserved key is an error of its own. If it were ignored, the operator would rely on a token or
//! a certificate that is never checked.

use super::{names::nearest, place::quoted};

/// The keys of one map.
#[derive(Debug)]
pub(super) struct Keys {
    /// The path of the map, as in messages.
    pub(super) path: &'static str,
    pub(super) known: &'static [&'static str],
    /// The keys reserved for a later version.
    pub(super) later: &'static [&'static str],
    /// Whether an unknown key is an error. In Falco's own maps it is a warning, as in Falco since
    /// 0.39.
    pub(super) strict: bool,
}

const fn falco(path: &'static str, known: &'static [&'static str]) -> Keys {
    Keys { path, known, later: &[], strict: false }
}

const fn ours(
    path: &'static str,
    known: &'static [&'static str],
    later: &'static [&'static str],
) -> Keys {
    Keys { path, known, later, strict: true }
}

/// The top-level keys that are read. Falco's other keys are ignored.
pub(super) const TOP: [&str; 3] = ["grpc", "grpc_output", "falconer"];

/// The key that names further files. It is allowed in the main file and in options only.
pub(super) const CONFIG_FILES: &str = "config_files";

pub(super) const GRPC: Keys = falco(
    "grpc",
    &["enabled", "bind_address", "threadiness", "private_key", "cert_chain", "root_certs"],
);
pub(super) const GRPC_OUTPUT: Keys = falco("grpc_output", &["enabled"]);

pub(super) const FALCONER: Keys =
    ours("falconer", &["inputs", "outputs", "socket", "gateway", "falco", "tls"], &["admin"]);
pub(super) const INPUTS: Keys =
    ours("falconer.inputs", &["stdin", "http", "files", "command"], &[]);
pub(super) const OUTPUTS: Keys =
    ours("falconer.outputs", &["retain", "delivery", "lost_events"], &[]);
pub(super) const SOCKET: Keys = ours("falconer.socket", &["mode", "group", "links"], &[]);
pub(super) const GATEWAY: Keys = ours("falconer.gateway", GATEWAY_KEYS, &[]);
const GATEWAY_KEYS: &[&str] = &[
    "enabled",
    "listen",
    "allowed_hosts",
    "allowed_origins",
    "posts_per_second",
    "token_file",
    "tls",
];
pub(super) const GATEWAY_TLS: Keys =
    ours("falconer.gateway.tls", &["private_key", "cert_chain", "root_certs"], &[]);
pub(super) const FALCO: Keys = ours("falconer.falco", &["version", "webserver", "time_zone"], &[]);
pub(super) const TLS: Keys = ours("falconer.tls", &["legacy_v1_certs", "crls"], &[]);

/// The sections to search for a key that is unknown where it was written.
const ALL: [&Keys; 10] = [
    &GRPC,
    &GRPC_OUTPUT,
    &FALCONER,
    &INPUTS,
    &OUTPUTS,
    &SOCKET,
    &GATEWAY,
    &GATEWAY_TLS,
    &FALCO,
    &TLS,
];

impl Keys {
    /// Returns the message for an unknown key.
    pub(super) fn unknown(&self, key: Option<&str>) -> String {
        let Self { path, known, .. } = self;
        let expected = known.join(", ");
        let Some(key) = key else {
            return format!("a key of {path} is not a name; expected {expected}");
        };
        let unknown = format!("unknown key {} in {path}; expected {expected}", quoted(key));
        if let Some(meant) = nearest(key, known.iter().copied()) {
            return format!("{unknown}; did you mean \"{meant}\"");
        }
        match ALL.iter().find(|keys| keys.known.contains(&key)) {
            Some(keys) => format!("{unknown}; did you mean \"{}.{key}\"", keys.path),
            None => unknown,
        }
    }
}

/// Returns the known key that an unknown top-level key was probably meant to be. A misspelt
/// `falconer` would silently disable all its settings, so it must not pass for one of Falco's keys.
pub(super) fn misspelt(key: &str) -> Option<String> {
    if FALCONER.known.contains(&key) {
        return Some(format!("{}.{key}", FALCONER.path));
    }
    nearest(key, TOP.into_iter().chain([CONFIG_FILES]))
        .filter(|meant| *meant != key)
        .map(ToOwned::to_owned)
}
