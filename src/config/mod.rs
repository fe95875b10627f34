//! Settings: text in Falco's dialect, options and environment -> [`Config`].
//!
//! The only room that reads settings. Everything but [`load`], which opens the file, is pure:
//! [`read`] takes the text and the environment as parameters.
//!
//! 1. `yaml` makes a tree of the text (`tree`), every node with its place.
//! 2. `expand` puts the environment in for `${VAR}`.
//! 3. Without a `grpc` key our own default takes its place; then `overrides` applies `-o`.
//! 4. The three keys that concern us are read as they were written: `falco` reads `grpc` and
//!    `grpc_output` the lenient way Falco 0.43 did, `own` reads `falconer` strictly. All other
//!    keys of Falco's are ignored.
//! 5. `resolve` makes of it what the other rooms need.
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
//!
//! # Not yet
//!
//! `config_files` is not followed; a file that has it gets a warning.

mod address;
mod expand;
mod falco;
mod finding;
mod keys;
mod names;
mod overrides;
mod own;
mod place;
mod resolve;
mod scalar;
mod section;
mod survey;
mod tree;
mod yaml;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_errors;

use std::{
    fs::File,
    io::{self, Read as _},
    net::SocketAddr,
    path::{Path, PathBuf},
};

pub use falco::{
    DEFAULT_BIND_ADDRESS, FALCO_BIND_ADDRESS, FALCO_CERT_CHAIN, FALCO_PRIVATE_KEY, FALCO_ROOT_CERTS,
};
pub use finding::{Errors, Finding, Place};
pub use own::{DEFAULT_SOCKET_MODE, MIN_RETAIN};
pub use place::Position;
pub use resolve::DEFAULT_GATEWAY;

use finding::{Origin, Report};
use place::{At, escaped, quoted};
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
    /// Where the gateway listens, always a loopback address, by default [`DEFAULT_GATEWAY`];
    /// `None` when it is off.
    pub gateway: Option<SocketAddr>,
    /// The name of this host for alerts that have none: `FALCO_HOSTNAME`, else
    /// `FALCO_GRPC_HOSTNAME`, as in Falco 0.33. `None` asks the machine.
    pub hostname: Option<String>,
    /// Where Falco's webserver can be asked for its `/versions` over plain HTTP, as `host:port`
    /// (`falconer.falco.webserver`); `None` does not ask.
    pub falco_webserver: Option<String>,
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

/// A configuration, and what to tell about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What is probably not as it was meant.
    pub warnings: Vec<Finding>,
    /// The files that were read: a change of one is a reason to read everything again.
    pub files: Vec<PathBuf>,
    /// What is worth a line at start-up, such as a default that decides what is served.
    pub notes: Vec<Finding>,
}

/// Reads the file the options name, if any, and makes the configuration.
pub fn load(options: &Options, env: Env<'_>) -> Result<Loaded, Errors> {
    let text = options.file.as_deref().map(read_file).transpose()?;
    read(text.as_deref(), options, env)
}

/// Makes the configuration from the text of the file. Does no IO: `options.file` is only the name
/// in messages.
pub fn read(text: Option<&str>, options: &Options, env: Env<'_>) -> Result<Loaded, Errors> {
    let name = options.file.as_deref().map(file_name).or(text.map(|_| "settings".to_owned()));
    let mut report = Report::default();
    let (document, mut root) = match text.map(|text| yaml::parse(text, At::Node)).transpose() {
        Ok(Some((document, root))) => (Some(document), root),
        Ok(None) => (None, Node::new(Value::Null, At::Whole)),
        Err(yaml::Unreadable { position, reason }) => {
            let name = name.unwrap_or_default();
            return Err(Errors::one(
                Place::File { name, position },
                format!("not readable as YAML: {}", escaped(&reason)),
            ));
        }
    };
    let origin = Origin { file: name, document: document.as_ref(), overrides: &options.overrides };
    if document.as_ref().is_some_and(|document| document.more) {
        report.warn(At::Whole, "there is more than one YAML document; only the first is read");
    }
    prepare(&mut root, env, &mut report);
    if falco::provide_grpc(&mut root) && text.is_some() {
        let text = "there is no key \"grpc\"; the gRPC API is enabled all the same";
        report.note(At::Whole, text);
    }
    overrides::apply(&mut root, &options.overrides, &mut report);
    section::check_duplicates("the file", root.entries(), is_ours, &mut report);

    let grpc = falco::grpc(&root, &mut report);
    let grpc_output = falco::grpc_output(&root, &mut report);
    let own = own::falconer(&root, &mut report);
    let command = &options.falco_command;
    let config = resolve::config(&grpc, &grpc_output, &own, command, env, &mut report);
    let told = report.finish(&origin)?;
    let files = options.file.iter().cloned().collect();
    Ok(Loaded { config, warnings: told.warnings, files, notes: told.notes })
}

/// Checks the top level and expands variables in the keys that concern us.
fn prepare(root: &mut Node, env: Env<'_>, report: &mut Report) {
    match &root.value {
        Value::Map(_) => {}
        Value::Null => root.value = Value::Map(Vec::new()),
        Value::Text(_) | Value::List(_) => {
            let found = root.found();
            report.error(root.at, format!("the file {found}; expected a map of settings"));
            root.value = Value::Map(Vec::new());
        }
    }
    let Value::Map(entries) = &mut root.value else { return };
    for Entry { key, at, value } in entries {
        let Some(key) = key.as_deref() else { continue };
        if is_ours(key) {
            expand::expand(value, env, report);
        } else if key == "config_files" {
            report.warn(
                *at,
                "config_files is not followed yet; put what is meant for falconer into this file",
            );
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

fn is_ours(key: &str) -> bool {
    keys::TOP.contains(&key)
}

fn read_file(path: &Path) -> Result<String, Errors> {
    let fail = |position, text| Errors::one(Place::File { name: file_name(path), position }, text);
    let mut bytes = Vec::new();
    // One byte more than is allowed shows that there is more.
    let limit = u64::try_from(yaml::MAX_TEXT).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(
        |error: io::Error| {
            fail(None, format!("the file cannot be read: {error}; name another with -c"))
        },
    )?;
    if bytes.len() > yaml::MAX_TEXT {
        return Err(fail(None, format!("the file is larger than {} bytes", yaml::MAX_TEXT)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(error.as_bytes().get(..valid).unwrap_or_default());
        fail(Some(yaml::position_after(&before)), "the file is not UTF-8 text".to_owned())
    })
}

/// The name of a file as it may stand in a message.
fn file_name(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}
