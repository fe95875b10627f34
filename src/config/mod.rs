//! Reads all settings: configuration files, options and environment become a [`Config`].
//!
//! No other room reads settings. Everything but [`load`] is pure: [`read`] takes the text, the
//! environment and the file system as parameters. Only `files` reads files, and only `memory` asks
//! the system for its memory limits.
//!
//! 1. `yaml` parses the text into a tree (`tree`) whose nodes know their position. `source` keeps
//!    the file names and texts.
//! 2. `expand` replaces `${VAR}` by environment variables.
//! 3. `overrides` applies `-o config_files…`, then `include` merges the files it names.
//! 4. If there is no `grpc` key, Falconer's default is inserted. Then `overrides` applies the other
//!    options, which win over every file.
//! 5. Three keys are read: `falco` reads `grpc` and `grpc_output` as leniently as Falco 0.43 did,
//!    and `own` reads `falconer` strictly. All other keys of Falco are ignored.
//! 6. `resolve` turns the values into what the other rooms need.
//!
//! Reading goes on after a mistake: [`Errors`] lists all of them, each with file, line, column and
//! what to do. A setting that is odd but usable is a warning.
//!
//! # Where the gRPC API is served
//!
//! - No file: at `unix:///run/falco/falco.sock`.
//! - A file without a `grpc` key, such as that of Falco 0.44: the same, with a note.
//! - A file with a `grpc` map: exactly as in Falco 0.43. It is served only if `enabled` is true.
//!   The default of `bind_address` is `0.0.0.0:5060`, with mutual TLS.
//!
//! The default address of the gateway is `127.0.0.1:2804` ([`DEFAULT_GATEWAY`]).

mod address;
mod expand;
mod falco;
mod files;
mod finding;
mod include;
mod keys;
mod memory;
mod names;
mod overrides;
mod own;
mod place;
mod resolve;
mod scalar;
mod section;
mod source;
mod survey;
mod token;
mod tree;
mod unused;
mod yaml;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_errors;
#[cfg(test)]
mod tests_include;

use std::{
    io,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
};

use falconer_gateway::{HostName, Origin};
use jiff::tz::TimeZone;

pub use falco::{
    DEFAULT_BIND_ADDRESS, FALCO_BIND_ADDRESS, FALCO_CERT_CHAIN, FALCO_PRIVATE_KEY, FALCO_ROOT_CERTS,
};
pub use files::Found;
pub use finding::{Errors, Finding, Place};
pub use include::{MAX_BYTES, MAX_FILES};
pub use own::{DEFAULT_SOCKET_MODE, MIN_RETAIN};
pub use place::Position;
pub use resolve::DEFAULT_GATEWAY;
pub use token::{TokenError, token};

use finding::Report;
use overrides::Pass;
use place::{At, Spot, quoted};
use source::{Sources, decode, file_name};
use tree::{Entry, Node, Value};

use crate::{hub, ingest, net, service};

/// The settings of the program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the gRPC API is served; `None` when `grpc.enabled` is false.
    pub grpc: Option<net::Listen>,
    /// Threads of the event loop (`grpc.threadiness`), at most 1024; 0, the default, is one per
    /// core.
    pub threads: usize,
    /// The inputs that alerts come from.
    pub inputs: ingest::Config,
    /// How much the log retains.
    pub hub: hub::Config,
    /// How alerts are delivered to readers.
    pub outputs: service::Config,
    /// The settings of the gateway; `None` when it is disabled.
    pub gateway: Option<Gateway>,
    /// The host name for alerts that have none: `FALCO_HOSTNAME`, else `FALCO_GRPC_HOSTNAME`, as in
    /// Falco 0.33. `None` takes the machine's name.
    pub hostname: Option<String>,
    /// The address of Falco's webserver, as `host:port` (`falconer.falco.webserver`). Its
    /// `/versions` is requested over plain HTTP. `None` requests nothing.
    pub falco_webserver: Option<String>,
    /// The time zone in which Falco formats times (`falconer.falco.time_zone`); `None` is this
    /// machine's.
    pub falco_time_zone: Option<TimeZone>,
}

/// The settings of the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The listening address, by default [`DEFAULT_GATEWAY`]. An address other than loopback needs
    /// a token, or TLS with client certificates.
    pub listen: SocketAddr,
    /// Host names it answers to, besides the loopback ones.
    pub allowed_hosts: Vec<HostName>,
    /// Origins of other pages that may read the answers (CORS).
    pub allowed_origins: Vec<Origin>,
    /// The rate limit of posts per client address; `None` is no limit.
    pub posts_per_second: Option<NonZeroU32>,
    /// The file with the token that clients must send; `None` requires no token.
    pub token_file: Option<PathBuf>,
    /// The files of TLS; `None` serves plain HTTP.
    pub tls: Option<net::TlsFiles>,
}

/// The options of the command line that concern settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `-c FILE`. Without it no file is read, and the defaults apply.
    pub file: Option<PathBuf>,
    /// Every `-o KEY=VALUE`, in order; they win over the file.
    pub overrides: Vec<String>,
    /// The command after `--`: a Falco to start, program first. It wins over
    /// `falconer.inputs.command`.
    pub falco_command: Vec<String>,
}

/// The environment: returns the value of a variable.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// The file system: returns what is at a path that `config_files` names.
pub type Open<'a> = &'a dyn Fn(&Path) -> io::Result<Found>;

/// A configuration, and the findings about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The paths it depends on: the main file, each include, even if missing, and each included
    /// directory. A change of any of them can change the configuration.
    pub files: Vec<PathBuf>,
    /// Settings that are probably not what was meant.
    pub warnings: Vec<Finding>,
    /// Facts to log at start-up, such as a default that decides what is served.
    pub notes: Vec<Finding>,
    /// Keys set explicitly. A reload needs them where a default would remove a guard.
    pub said: Said,
}

/// Keys that were set explicitly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Said {
    /// `falconer.gateway.enabled`.
    pub gateway: bool,
    /// `falconer.inputs.http`.
    pub posts: bool,
}

/// Reads the file that the options name, if any, and its includes, and makes the configuration.
///
/// # Errors
/// When the settings cannot be used; lists every mistake.
pub fn load(options: &Options, env: Env<'_>) -> Result<Loaded, Errors> {
    let text = options.file.as_deref().map(read_main).transpose()?;
    read_within(text.as_deref(), options, env, &files::look, memory::limit().as_ref())
}

/// Reads the settings of a running server again, as [`load`] does.
///
/// # Errors
/// As [`load`]. Also when the main file is no regular file, which can be read only once, or is
/// empty, which is hardly intended.
pub fn reload(options: &Options, env: Env<'_>) -> Result<Loaded, Errors> {
    if let Some(path) = &options.file {
        let refused = |text: &str| {
            let place = Place::File { name: file_name(path), position: None };
            Err(Errors::one(place, text.to_owned()))
        };
        if !files::is_regular(path) {
            return refused(
                "the file is not a regular file and can be read only once; restart to apply new \
                 settings",
            );
        }
        if files::is_empty(path) {
            return refused("the file is empty; restart if that is intended");
        }
    }
    load(options, env)
}

/// Makes the configuration from the text of the main file. Does no IO: `options.file` is only the
/// name in messages, and `open` stands for the file system.
///
/// # Errors
/// When the settings cannot be used; lists every mistake.
pub fn read(
    text: Option<&str>,
    options: &Options,
    env: Env<'_>,
    open: Open<'_>,
) -> Result<Loaded, Errors> {
    read_within(text, options, env, open, None)
}

/// [`read`] under a memory limit.
fn read_within(
    text: Option<&str>,
    options: &Options,
    env: Env<'_>,
    open: Open<'_>,
    memory: Option<&memory::Limit>,
) -> Result<Loaded, Errors> {
    let Options { file, overrides, falco_command } = options;
    let mut report = Report::default();
    let (mut sources, root) = Sources::main(text, file.as_deref(), &mut report);
    let Some(mut root) = root else {
        return Err(sources.failed(report, overrides));
    };
    prepare(&mut root, env, &mut report);
    overrides::apply(&mut root, overrides, Pass::ConfigFiles, &mut report);
    let main = file.as_deref();
    let included = include::follow(&mut root, main, (env, open), &mut sources, &mut report);
    falco::note_leftovers(&root, &mut report);
    if falco::provide_grpc(&mut root) && text.is_some() {
        let text = "there is no key \"grpc\"; the gRPC API is enabled by default";
        report.note(At::Whole, text);
    }
    overrides::apply(&mut root, overrides, Pass::Rest, &mut report);

    let grpc = falco::grpc(&root, &mut report);
    let grpc_output = falco::grpc_output(&root, &mut report);
    let own = own::falconer(&root, &mut report);
    let config =
        resolve::config(&grpc, &grpc_output, &own, falco_command, env, memory, &mut report);
    falco::warn_outputs(&root, &config.inputs.command, &mut report);
    let told = sources.told(report, overrides)?;
    let files = file.iter().cloned().chain(included).collect();
    let said = Said { gateway: own.gateway_enabled.is_some(), posts: own.http.is_some() };
    Ok(Loaded { config, files, warnings: told.warnings, notes: told.notes, said })
}

/// Checks the top level of a file and expands variables below the keys that are read.
fn prepare(root: &mut Node, env: Env<'_>, report: &mut Report) {
    section::check_duplicates("the file", root.entries(), is_read, report);
    let Value::Map(entries) = &mut root.value else { return };
    for Entry { key, at, value } in entries {
        let Some(key) = key.as_deref() else { continue };
        if is_read(key) {
            expand::expand(value, env, report);
        } else if let Some(meant) = keys::misspelt(key) {
            report.warn(
                *at,
                format!(
                    "{} is not a known key and is ignored; did you mean \"{meant}\"",
                    quoted(key)
                ),
            );
        }
    }
}

fn is_read(key: &str) -> bool {
    key == keys::CONFIG_FILES || keys::TOP.contains(&key)
}

fn read_main(path: &Path) -> Result<String, Errors> {
    let place = |position| Place::File { name: file_name(path), position };
    let fail = |position, text| Errors::one(place(position), text);
    let bytes = files::read(path).map_err(|error| {
        let text = format!("the file cannot be read: {error}; name another with -c");
        Errors::unreadable(place(None), text, &error)
    })?;
    decode(bytes).map_err(|(spot, text)| match spot {
        Spot::Position(position) => fail(Some(position), text),
        Spot::Whole | Spot::Node(_) => fail(None, text),
    })
}
