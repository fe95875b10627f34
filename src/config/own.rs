//! Reads Falconer's own map, `falconer`, strictly: everything unknown is an error.

use std::{net::SocketAddr, path::PathBuf};

use jiff::tz::TimeZone;

use crate::{
    hub,
    service::{Delivery, LostEvents},
};

use super::{
    address,
    finding::Report,
    keys, scalar,
    section::{Placed, Section},
    tree::Node,
};

/// The minimum of `falconer.outputs.retain`, in bytes. The largest alert must fit, with some
/// others.
pub const MIN_RETAIN: u64 = 1 << 20;

/// The default of `falconer.socket.mode`: the owner and the group of the socket can connect.
/// Falco's socket followed its umask: 0755, with which only root can connect, or 0700.
pub const DEFAULT_SOCKET_MODE: u32 = 0o660;

/// The `falconer` map as written; `None` where a key is absent.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) stdin: Option<Placed<bool>>,
    pub(super) http: Option<Placed<bool>>,
    pub(super) files: Option<Placed<Vec<String>>>,
    pub(super) command: Option<Placed<Vec<String>>>,
    pub(super) retain: Option<Placed<u64>>,
    pub(super) delivery: Option<Placed<Delivery>>,
    pub(super) lost_events: Option<Placed<LostEvents>>,
    pub(super) socket_mode: Option<Placed<u32>>,
    pub(super) socket_group: Option<Placed<Option<String>>>,
    pub(super) socket_links: Option<Placed<Vec<String>>>,
    pub(super) gateway_enabled: Option<Placed<bool>>,
    pub(super) gateway_listen: Option<Placed<SocketAddr>>,
    pub(super) gateway_allowed_hosts: Option<Placed<Vec<String>>>,
    pub(super) gateway_allowed_origins: Option<Placed<Vec<String>>>,
    pub(super) gateway_posts_per_second: Option<Placed<u32>>,
    pub(super) gateway_token_file: Option<Placed<Option<String>>>,
    /// `private_key`, `cert_chain` and `root_certs`; `None` where absent or empty.
    pub(super) gateway_tls: [Option<Placed<String>>; 3],
    pub(super) version: Option<Placed<Option<String>>>,
    pub(super) webserver: Option<Placed<Option<String>>>,
    pub(super) time_zone: Option<Placed<Option<TimeZone>>>,
    pub(super) legacy_v1_certs: Option<Placed<bool>>,
    pub(super) tls_crls: Option<Placed<Vec<String>>>,
}

/// Reads the `falconer` map.
pub(super) fn falconer(root: &Node, report: &mut Report) -> Own {
    let falconer = Section::open(&keys::FALCONER, root.get("falconer"), report);
    let inputs = Section::open(&keys::INPUTS, falconer.entry("inputs"), report);
    let outputs = Section::open(&keys::OUTPUTS, falconer.entry("outputs"), report);
    let socket = Section::open(&keys::SOCKET, falconer.entry("socket"), report);
    let gateway = Section::open(&keys::GATEWAY, falconer.entry("gateway"), report);
    let gateway_tls = Section::open(&keys::GATEWAY_TLS, gateway.entry("tls"), report);
    let falco = Section::open(&keys::FALCO, falconer.entry("falco"), report);
    let tls = Section::open(&keys::TLS, falconer.entry("tls"), report);
    Own {
        stdin: inputs.scalar("stdin", boolean, report),
        http: inputs.scalar("http", boolean, report),
        files: inputs.list("files", report),
        command: inputs.list("command", report),
        retain: outputs.scalar("retain", retain, report),
        delivery: outputs.scalar("delivery", delivery, report),
        lost_events: outputs.scalar("lost_events", lost_events, report),
        socket_mode: socket.scalar("mode", mode, report),
        socket_group: socket.scalar("group", |text| optional(text, group), report),
        socket_links: socket.list("links", report),
        gateway_enabled: gateway.scalar("enabled", boolean, report),
        gateway_listen: gateway.scalar("listen", address::gateway, report),
        gateway_allowed_hosts: gateway.list("allowed_hosts", report),
        gateway_allowed_origins: gateway.list("allowed_origins", report),
        gateway_posts_per_second: gateway.scalar("posts_per_second", rate, report),
        gateway_token_file: gateway.scalar("token_file", path, report),
        gateway_tls: ["private_key", "cert_chain", "root_certs"].map(|key| {
            let Placed { value, at } = gateway_tls.scalar(key, path, report)?;
            Some(Placed { value: value?, at })
        }),
        version: falco.scalar("version", |text| optional(text, version), report),
        webserver: falco.scalar("webserver", |text| optional(text, address::webserver), report),
        time_zone: falco.scalar("time_zone", |text| optional(text, time_zone), report),
        legacy_v1_certs: tls.scalar("legacy_v1_certs", boolean, report),
        tls_crls: tls.list("crls", report),
    }
}

/// Returns the paths in a list.
pub(super) fn paths(texts: &Placed<Vec<String>>) -> Vec<PathBuf> {
    texts.value.iter().map(PathBuf::from).collect()
}

/// Parses a value that can be empty. Empty means "not set", as in the sample file.
fn optional<T>(
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    if text.is_empty() { Ok(None) } else { parse(text).map(Some) }
}

fn path(text: &str) -> Result<Option<String>, String> {
    optional(text, |path| Ok(path.to_owned()))
}

fn boolean(text: &str) -> Result<bool, String> {
    scalar::boolean(text).ok_or_else(|| "expected true or false".to_owned())
}

fn lost_events(text: &str) -> Result<LostEvents, String> {
    boolean(text).map(|tell| if tell { LostEvents::Announce } else { LostEvents::Count })
}

fn delivery(text: &str) -> Result<Delivery, String> {
    match text {
        "fan_out" => Ok(Delivery::FanOut),
        "shared" => Ok(Delivery::Shared),
        _ => Err("expected fan_out or shared".to_owned()),
    }
}

fn retain(text: &str) -> Result<u64, String> {
    let default = hub::Config::default().retain >> 20;
    match scalar::size(text) {
        Some(bytes) if bytes >= MIN_RETAIN => Ok(bytes),
        Some(_) => Err(format!("expected at least 1MiB; the default is {default}MiB")),
        None => Err(format!(
            "expected a whole number of bytes, or one with KiB, MiB, GiB, KB, MB or GB; \
             write {default}MiB"
        )),
    }
}

fn time_zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_| {
        "expected a name of the time zone database, such as Europe/Vienna or UTC".to_owned()
    })
}

fn rate(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a whole number, 0 for no limit".to_owned())
}

fn mode(text: &str) -> Result<u32, String> {
    scalar::mode(text).ok_or_else(|| {
        format!("expected octal permission bits up to 0777; write \"{DEFAULT_SOCKET_MODE:04o}\"")
    })
}

fn group(text: &str) -> Result<String, String> {
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, ':' | '/')) {
        return Err("expected the name of a group, such as falco".to_owned());
    }
    Ok(text.to_owned())
}

fn version(text: &str) -> Result<String, String> {
    scalar::version(text).ok_or_else(|| {
        "expected Falco's full version, such as 0.43.1; leave it empty to ask Falco".to_owned()
    })
}
