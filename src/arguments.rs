//! The command line, as clap reads it.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use falconer::certs::Host;
use falconer::config::Options;

/// Serves Falco's gRPC API (outputs and version) beside any Falco.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Takes Falco's alerts in and serves them; with `-- falco …` it also runs Falco.
    Serve(Serve),
    /// Says what `serve` would find wrong, and how to mend it; starts nothing.
    Check(Serve),
    /// Certificates for mutual TLS.
    #[command(subcommand)]
    Certs(Certs),
    /// Serves invented alerts, for a first look: no root, no Falco, no file.
    Demo {
        /// Alerts a second.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        rate: u32,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Certs {
    /// Makes an authority, a server's and a client's certificate, and says what to do with them.
    Init {
        /// Where to put them; created if it is missing. Nothing in it is overwritten.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// A name or address the server is reached by, besides those of this machine; repeatable.
        #[arg(long = "host", value_name = "NAME")]
        hosts: Vec<Host>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Falco's own falco.yaml, or one with a `falconer:` key.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// A Falco to start, read, restart, and end with this process.
    #[arg(last = true, value_name = "FALCO")]
    falco: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// A setting, as in Falco: `-o grpc.bind_address=unix:///run/falco/falco.sock`.
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE")]
    pub(crate) overrides: Vec<String>,
}

impl From<Serve> for Options {
    fn from(Serve { config, settings, falco }: Serve) -> Self {
        Self { file: config, overrides: settings.overrides, falco_command: falco }
    }
}
