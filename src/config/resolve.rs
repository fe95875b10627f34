//! Turns settings as written into a [`Config`]. Decides what depends on more than one key, and
//! rejects combinations without meaning.

use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::ingest::pattern;
use crate::{hub, ingest, net, service};

use super::{
    Config, Env, Gateway,
    address::{self, Bind},
    falco::Grpc,
    finding::Report,
    memory::{Limit, Size},
    own::{self, DEFAULT_SOCKET_MODE, Own},
    place::{At, quoted},
    section::Placed,
    unused,
};

/// The default of `falconer.gateway.listen`: loopback only.
pub const DEFAULT_GATEWAY: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 2804);

/// The most threads. Falco had no limit, but a process with more does not start.
const MAX_THREADS: u32 = 1024;

/// The environment variables with the name of this host. The first one that is set counts. Falco
/// has them since 0.33 and 0.19.
const HOSTNAME_VARIABLES: [&str; 2] = ["FALCO_HOSTNAME", "FALCO_GRPC_HOSTNAME"];

/// Makes the configuration. A setting with a reported error is `None` or has its default.
pub(super) fn config(
    grpc: &Grpc,
    grpc_output: &Placed<bool>,
    own: &Own,
    falco_command: &[String],
    env: Env<'_>,
    memory: Option<&Limit>,
    report: &mut Report,
) -> Config {
    let gateway = gateway(own, report);
    if !grpc.enabled.value && gateway.is_none() {
        report.error(
            grpc.enabled.at,
            "grpc.enabled and falconer.gateway.enabled are both false, so nothing would be \
             served; set one to true",
        );
    } else if !grpc.enabled.value {
        report.note(
            grpc.enabled.at,
            "grpc.enabled is false or absent, so only the gateway is served; set it to true to \
             serve the gRPC API",
        );
    } else if !grpc_output.value {
        report.warn(
            grpc_output.at,
            "grpc_output.enabled is false, so get returns nothing and sub sends no alerts; set it \
             to true to serve alerts",
        );
    }
    let config = Config {
        grpc: if grpc.enabled.value { listen(grpc, own, report) } else { None },
        threads: threads(&grpc.threadiness, report),
        inputs: inputs(own, falco_command, gateway.is_some(), report),
        hub: hub::Config { retain: retain(own, memory, report) },
        outputs: service::Config {
            grpc_output: grpc_output.value,
            delivery: value(&own.delivery).unwrap_or_default(),
            lost_events: value(&own.lost_events).unwrap_or_default(),
            falco_version: value(&own.version).flatten(),
        },
        gateway,
        hostname: hostname(env),
        falco_webserver: value(&own.webserver).flatten(),
        falco_time_zone: value(&own.time_zone).flatten(),
    };
    unused::warn(&config, own, report);
    config
}

fn value<T: Clone>(placed: &Option<Placed<T>>) -> Option<T> {
    placed.as_ref().map(|placed| placed.value.clone())
}

fn listen(grpc: &Grpc, own: &Own, report: &mut Report) -> Option<net::Listen> {
    let Placed { value: text, at } = &grpc.bind_address;
    match address::bind(text) {
        Ok(Bind::Unix(path)) => Some(net::Listen::Unix(net::UnixSocket {
            path,
            mode: value(&own.socket_mode).unwrap_or(DEFAULT_SOCKET_MODE),
            group: value(&own.socket_group).flatten(),
            links: links(own, report),
        })),
        Ok(Bind::Tcp(address)) => {
            check_tls(grpc, report);
            Some(net::Listen::Tcp { address, tls: shared_tls(own, grpc.tls()) })
        }
        Err(error) => {
            report.error(*at, format!("grpc.bind_address is {}; {error}", quoted(text)));
            None
        }
    }
}

/// Returns the size of the log in bytes, under a memory limit.
fn retain(own: &Own, memory: Option<&Limit>, report: &mut Report) -> u64 {
    let default = hub::Config::default().retain;
    match (&own.retain, memory) {
        (Some(Placed { value, at }), memory) => {
            if let Some(warning) = memory.and_then(|limit| limit.warning(*value)) {
                report.warn(*at, warning);
            }
            *value
        }
        (None, None) => default,
        (None, Some(limit)) => {
            let bound = limit.bound(default);
            if bound < default {
                let Limit { kind, bytes } = limit;
                let (bound, bytes) = (Size(bound), Size(*bytes));
                report.note(
                    At::Whole,
                    format!(
                        "{kind} is {bytes}, so falconer.outputs.retain is a quarter of it, \
                         {bound}; set it to use another size"
                    ),
                );
            }
            bound
        }
    }
}

fn links(own: &Own, report: &mut Report) -> Vec<PathBuf> {
    let Some(Placed { value, at }) = &own.socket_links else { return Vec::new() };
    for link in value {
        if !link.starts_with('/') {
            let found = quoted(link);
            let text = format!("falconer.socket.links has {found}; expected an absolute path");
            report.error(*at, text);
        }
    }
    value.iter().map(PathBuf::from).collect()
}

fn check_tls(grpc: &Grpc, report: &mut Report) {
    for (key, file) in [
        ("private_key", &grpc.private_key),
        ("cert_chain", &grpc.cert_chain),
        ("root_certs", &grpc.root_certs),
    ] {
        if file.value.is_empty() || file.value.contains('\0') {
            let found = quoted(&file.value);
            report.error(
                file.at,
                format!(
                    "grpc.{key} is {found}; expected the path of a PEM file, because gRPC over TCP \
                     needs mutual TLS; name one, or use a unix socket"
                ),
            );
        }
    }
}

fn threads(threadiness: &Placed<u32>, report: &mut Report) -> usize {
    let Placed { value, at } = *threadiness;
    if value > MAX_THREADS {
        let expected = format!("expected at most {MAX_THREADS}; {MAX_THREADS} is used");
        report.warn(at, format!("grpc.threadiness is {value}; {expected}"));
    }
    usize::try_from(value.min(MAX_THREADS)).unwrap_or_default()
}

fn gateway(own: &Own, report: &mut Report) -> Option<Gateway> {
    let enabled = value(&own.gateway_enabled).unwrap_or(true);
    let gateway = Gateway {
        listen: value(&own.gateway_listen).unwrap_or(DEFAULT_GATEWAY),
        allowed_hosts: each("allowed_hosts", &own.gateway_allowed_hosts, report),
        allowed_origins: each("allowed_origins", &own.gateway_allowed_origins, report),
        posts_per_second: value(&own.gateway_posts_per_second).and_then(NonZeroU32::new),
        token_file: value(&own.gateway_token_file).flatten().map(PathBuf::from),
        tls: gateway_tls(own, report),
    };
    if let Some(Placed { at, .. }) = &own.gateway_listen
        && !gateway.listen.ip().to_canonical().is_loopback()
    {
        let listen = gateway.listen;
        let certificates = gateway.tls.as_ref().is_some_and(|tls| tls.root_certs.is_some());
        if gateway.token_file.is_none() && !certificates {
            report.error(
                *at,
                format!(
                    "falconer.gateway.listen is {listen}; an address that other machines can reach \
                     needs falconer.gateway.token_file or falconer.gateway.tls.root_certs, \
                     otherwise everybody can read and post alerts; set one of them, or write \
                     {DEFAULT_GATEWAY}"
                ),
            );
        } else if gateway.tls.is_none() {
            report.warn(
                *at,
                format!(
                    "falconer.gateway.listen is {listen}, which is served without TLS: others on \
                     the network can read the alerts and the token; set falconer.gateway.tls, or \
                     put a TLS proxy in front of it"
                ),
            );
        }
    }
    enabled.then_some(gateway)
}

/// Returns the TLS files. A key and a chain enable TLS. `root_certs`, which verifies client
/// certificates, needs both.
fn gateway_tls(own: &Own, report: &mut Report) -> Option<net::TlsFiles> {
    let path = |placed: &Placed<String>| PathBuf::from(&placed.value);
    let [key, chain, roots] = &own.gateway_tls;
    let (named, missing, at) = match (key, chain, roots) {
        (Some(key), Some(chain), roots) => {
            let token = value(&own.gateway_token_file).flatten().is_some();
            let files = net::TlsFiles {
                serves: net::Serves::Gateway { token },
                root_certs: roots.as_ref().map(path),
                ..net::TlsFiles::new(path(key), path(chain), "")
            };
            return Some(shared_tls(own, files));
        }
        (Some(named), None, _) => ("private_key", "cert_chain", named.at),
        (None, Some(named), _) => ("cert_chain", "private_key", named.at),
        (None, None, Some(named)) => ("root_certs", "private_key and cert_chain", named.at),
        (None, None, None) => return None,
    };
    let text = format!(
        "falconer.gateway.tls has {named} and no {missing}; expected private_key and cert_chain, \
         and root_certs to verify client certificates; set them, or none"
    );
    report.error(at, text);
    None
}

/// Adds the settings of `falconer.tls`, which apply to every listener.
fn shared_tls(own: &Own, files: net::TlsFiles) -> net::TlsFiles {
    net::TlsFiles {
        crls: own.tls_crls.as_ref().map_or(Vec::new(), own::paths),
        legacy_v1_certs: value(&own.legacy_v1_certs).unwrap_or(files.legacy_v1_certs),
        ..files
    }
}

/// Parses every text of a list of the gateway.
fn each<T: FromStr<Err: Display>>(
    key: &str,
    texts: &Option<Placed<Vec<String>>>,
    report: &mut Report,
) -> Vec<T> {
    let Some(Placed { value, at }) = texts else { return Vec::new() };
    let mut read = |text: &String| match text.parse() {
        Ok(read) => Some(read),
        Err(error) => {
            report.error(*at, format!("falconer.gateway.{key}: {error}"));
            None
        }
    };
    value.iter().filter_map(&mut read).collect()
}

fn inputs(
    own: &Own,
    falco_command: &[String],
    has_gateway: bool,
    report: &mut Report,
) -> ingest::Config {
    let default = ingest::Config::default();
    if let (Some(Placed { value: true, at }), false) = (&own.http, has_gateway) {
        report.error(
            *at,
            "falconer.inputs.http is true, but falconer.gateway.enabled is false; only the gateway \
             receives posts; enable the gateway, or set http to false",
        );
    }
    let config = ingest::Config {
        stdin: value(&own.stdin).unwrap_or(default.stdin),
        http: value(&own.http).unwrap_or(default.http) && has_gateway,
        files: files(own, report),
        command: command(own, falco_command, report),
    };
    let ingest::Config { stdin, http, files, command } = &config;
    if !stdin && !http && files.is_empty() && command.is_empty() {
        report.warn(
            At::Whole,
            "there is no input, so no alert will ever arrive; expected one of \
             falconer.inputs.stdin, http, files, command",
        );
    }
    config
}

/// Returns the files to follow, each once.
fn files(own: &Own, report: &mut Report) -> Vec<PathBuf> {
    let Some(Placed { value, at }) = &own.files else { return Vec::new() };
    let mut files: Vec<PathBuf> = Vec::new();
    for text in value {
        let found = quoted(text);
        if files.iter().any(|known| known == Path::new(text)) {
            let text = format!("falconer.inputs.files has {found} twice; it is read once");
            report.warn(*at, text);
            continue;
        }
        if pattern::is_pattern(Path::new(text))
            && let Err(error) = pattern::check(text)
        {
            report.error(*at, format!("falconer.inputs.files has {found}: {error}"));
        }
        files.push(text.into());
    }
    files
}

fn command(own: &Own, falco_command: &[String], report: &mut Report) -> Vec<String> {
    let configured = value(&own.command).unwrap_or_default();
    let Some(program) = falco_command.first() else { return configured };
    if program.is_empty() {
        report.error(At::Command, "the program is empty; expected falco and its arguments");
    }
    if let Some(Placed { value, at }) = &own.command
        && !value.is_empty()
        && value != falco_command
    {
        report.warn(*at, "falconer.inputs.command is not used; the command after -- replaces it");
    }
    falco_command.to_vec()
}

/// Returns the host name from the environment. An empty variable counts as not set.
fn hostname(env: Env<'_>) -> Option<String> {
    HOSTNAME_VARIABLES.iter().filter_map(|name| env(name)).find(|name| !name.is_empty())
}
