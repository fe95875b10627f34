//! Settings: text in Falco's dialect, options and environment -> [`Config`].
//!
//! The only room that reads settings. Everything but [`load`] is pure: [`read`] takes the text, the
//! environment and what is at a path as parameters; `files` alone asks the file system, and
//! `memory` for the memory we may have.
//!
//! 1. `yaml` makes a tree of the text (`tree`), every node with its place; `source` keeps the names
//!    of files and what was read of them.
//! 2. `expand` puts the environment in for `${VAR}`.
//! 3. `overrides` applies `-o config_files…`, then `include` merges the files it names.
//! 4. Without a `grpc` key our own default takes its place; then `overrides` applies the other
//!    options, which win over every file.
//! 5. The three keys that concern us are read as they were written: `falco` reads `grpc` and
//!    `grpc_output` the lenient way Falco 0.43 did, `own` reads `falconer` strictly. All other
//!    keys of Falco's are ignored.
//! 6. `resolve` makes of it what the other rooms need.
//!
//! Nothing stops at the first mistake: [`Errors`] has all of them, each with file, line, column
//! and what to do. What is odd but usable is a warning.
//!
//! # Where the gRPC API is served
//!
//! - No file: at `unix:///run/falco/falco.sock`.
//! - A file without a `grpc` key, such as that of Falco 0.44: the same, with a note.
//! - A file with a `grpc` map: to the letter of Falco 0.43. Only if `enabled` says so, and at
//!   `0.0.0.0:5060` with mutual TLS unless `bind_address` says otherwise.
//!
//! The gateway is served at `127.0.0.1:2804` unless `falconer.gateway` says otherwise.

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

/// What the program does, as far as it can be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the gRPC API is served; `None` when `grpc.enabled` is false.
    pub grpc: Option<net::Listen>,
    /// Threads of the server (`grpc.threadiness`), at most 1024; 0, the default, is one per core.
    pub threads: usize,
    /// Where alerts come from.
    pub inputs: ingest::Config,
    /// How much is kept.
    pub hub: hub::Config,
    /// How alerts are handed to readers.
    pub outputs: service::Config,
    /// How HTTP is served; `None` when it is off.
    pub gateway: Option<Gateway>,
    /// The name of this host for alerts that have none: `FALCO_HOSTNAME`, else
    /// `FALCO_GRPC_HOSTNAME`, as in Falco 0.33. `None` asks the machine.
    pub hostname: Option<String>,
    /// Where Falco's webserver can be asked for its `/versions` over plain HTTP, as `host:port`
    /// (`falconer.falco.webserver`); `None` does not ask.
    pub falco_webserver: Option<String>,
    /// The time zone in which Falco formats times (`falconer.falco.time_zone`); `None` is this
    /// machine's.
    pub falco_time_zone: Option<TimeZone>,
}

/// How HTTP is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Where it listens, by default [`DEFAULT_GATEWAY`]; elsewhere than on a loopback address only
    /// with a token, or TLS that asks for client certificates.
    pub listen: SocketAddr,
    /// Names it answers to besides the loopback ones.
    pub allowed_hosts: Vec<HostName>,
    /// Foreign pages that may read what it tells.
    pub allowed_origins: Vec<Origin>,
    /// How often one address may post; as often as it likes without.
    pub posts_per_second: Option<NonZeroU32>,
    /// The file with the word that lets clients in; `None` asks for none.
    pub token_file: Option<PathBuf>,
    /// The files TLS is made from; `None` serves without.
    pub tls: Option<net::TlsFiles>,
}

/// What the command line says about settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// `-c FILE`. Without it no file is read, and the defaults hold.
    pub file: Option<PathBuf>,
    /// Every `-o KEY=VALUE`, in order; they win over the file.
    pub overrides: Vec<String>,
    /// The command after `--`: a Falco to start, program first. It wins over
    /// `falconer.inputs.command`.
    pub falco_command: Vec<String>,
}

/// The environment: a variable's value by its name.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What is at a path that `config_files` names.
pub type Open<'a> = &'a dyn Fn(&Path) -> io::Result<Found>;

/// A configuration, and what to tell about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Every file it came from: the main file, each include, there or not, and each directory whose
    /// files were included. What is changed in or among them changes the configuration.
    pub files: Vec<PathBuf>,
    /// What is probably not as it was meant.
    pub warnings: Vec<Finding>,
    /// What is worth a line at start-up, such as a default that decides what is served.
    pub notes: Vec<Finding>,
    /// What is said in so many words, where a default opens what may have been closed.
    pub said: Said,
}

/// Keys that were written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Said {
    /// `falconer.gateway.enabled`.
    pub gateway: bool,
    /// `falconer.inputs.http`.
    pub posts: bool,
}

/// Reads the file the options name, if any, and those it includes, and makes the configuration.
///
/// # Errors
/// When the settings cannot be used: everything that is wrong with them.
pub fn load(options: &Options, env: Env<'_>) -> Result<Loaded, Errors> {
    let text = options.file.as_deref().map(read_main).transpose()?;
    read_within(text.as_deref(), options, env, &files::look, memory::limit().as_ref())
}

/// [`load`] for a server that runs on the same options already.
///
/// # Errors
/// As [`load`]; also when the main file cannot be read a second time, or has nothing in it any
/// more: neither is what somebody wants to be in force.
pub fn reload(options: &Options, env: Env<'_>) -> Result<Loaded, Errors> {
    if let Some(path) = &options.file {
        let refused = |text: &str| {
            let place = Place::File { name: file_name(path), position: None };
            Err(Errors::one(place, text.to_owned()))
        };
        if !files::is_regular(path) {
            return refused("it is no regular file, which is read once; restart for new settings");
        }
        if files::is_empty(path) {
            return refused("there is nothing in it; restart if that is meant");
        }
    }
    load(options, env)
}

/// Makes the configuration from the text of the main file. Does no IO: `options.file` is only the
/// name in messages, and `open` tells what is at other paths.
///
/// # Errors
/// When the settings cannot be used: everything that is wrong with them.
pub fn read(
    text: Option<&str>,
    options: &Options,
    env: Env<'_>,
    open: Open<'_>,
) -> Result<Loaded, Errors> {
    read_within(text, options, env, open, None)
}

/// The same where memory is limited.
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
        let text = "there is no key \"grpc\"; the gRPC API is enabled all the same";
        report.note(At::Whole, text);
    }
    overrides::apply(&mut root, overrides, Pass::Rest, &mut report);

    let grpc = falco::grpc(&root, &mut report);
    let grpc_output = falco::grpc_output(&root, &mut report);
    let own = own::falconer(&root, &mut report);
    let config =
        resolve::config(&grpc, &grpc_output, &own, falco_command, env, memory, &mut report);
    let told = sources.told(report, overrides)?;
    let files = file.iter().cloned().chain(included).collect();
    let said = Said { gateway: own.gateway_enabled.is_some(), posts: own.http.is_some() };
    Ok(Loaded { config, files, warnings: told.warnings, notes: told.notes, said })
}

/// Checks the top level of a file and expands variables in the keys that concern us.
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
