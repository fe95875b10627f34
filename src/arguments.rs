//! The command line, as clap parses it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use falconer::certs::Host;
use falconer::client::{self, Target};
use falconer::config::Options;

/// The end of every `--help`.
const AFTER: &str = "\
Data goes to standard output, the log to standard error. Exit codes: 0 success, 1 failure, 2 wrong \
usage, 78 wrong configuration. FALCONER_LOG sets the log level or filter, such as debug; NO_COLOR \
turns off colours.";

/// Serves Falco's gRPC API (outputs and version) beside any Falco.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_long_help = AFTER)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Receives Falco's alerts and serves them; with `-- falco …` it also runs Falco.
    Serve(Serve),
    /// Reports what `serve` would find wrong and how to fix it; starts nothing.
    Check(Serve),
    /// Makes certificates for mutual TLS.
    #[command(subcommand)]
    Certs(Certs),
    /// Prints the retained alerts of a running server or the alerts of a file; -f follows new ones.
    Events {
        /// Print new alerts as they arrive; for a file, as they are written.
        #[arg(short, long, conflicts_with = "until")]
        follow: bool,
        /// Only the newest N alerts; with -f, consider the newest N before following.
        #[arg(long, value_name = "N")]
        last: Option<usize>,
        /// Only alerts from this time (RFC 3339) on, or younger than this age (90s, 10m, 24h, 7d).
        #[arg(long, value_name = "TIME|AGE")]
        since: Option<String>,
        /// Only alerts before this time, or older than this age.
        #[arg(long, value_name = "TIME|AGE")]
        until: Option<String>,
        /// Only alerts that match this filter: 'priority >= warning and proc.name = bash'.
        #[arg(long, value_name = "EXPR")]
        filter: Option<String>,
        /// The output format.
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
        /// Read this file of Falco's JSON lines instead of a server; - is standard input.
        #[arg(
            value_name = "FILE",
            conflicts_with_all = ["url", "token_file", "ca", "cert", "key"]
        )]
        file: Option<PathBuf>,
        #[command(flatten)]
        server: Server,
    },
    /// Waits for alerts, for scripts and CI: exit code 0 if they arrive in time, 1 if not.
    Wait {
        /// The filter: "rule = 'Terminal shell in container'".
        #[arg(long, value_name = "EXPR")]
        filter: String,
        /// The number of alerts to wait for.
        #[arg(
            long,
            default_value_t = 1,
            value_name = "N",
            value_parser = clap::value_parser!(u64).range(1..)
        )]
        count: u64,
        /// The timeout: 60s, 5m.
        #[arg(long, default_value = "60s", value_name = "TIME", value_parser = positive)]
        timeout: Duration,
        /// Also count retained alerts from this time on, or younger than this age.
        #[arg(long, value_name = "TIME|AGE")]
        since: Option<String>,
        #[command(flatten)]
        server: Server,
    },
    /// Posts alerts from standard input to a running server, for Falco's program_output.
    Ingest {
        #[command(flatten)]
        server: Server,
    },
    /// Prints a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Prints the manual page.
    Man,
    /// Serves invented alerts, for a first look: no root, no Falco, no file.
    Demo {
        /// The number of alerts per second.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        rate: u32,
        #[command(flatten)]
        settings: Settings,
    },
}

/// Parses a duration longer than zero.
fn positive(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<jiff::SignedDuration>().map_err(|error| error.to_string())?;
    match Duration::try_from(duration) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("expected a duration longer than zero, such as 60s or 5m".to_owned()),
    }
}

/// The gateway of a running server.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// The gateway's URL.
    #[arg(long = "server", value_name = "URL", default_value = "http://127.0.0.1:2804")]
    url: String,
    /// The file with the gateway's token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The trusted roots to verify the server's certificate, for https.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The client certificate.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// The key of the client certificate.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl From<Server> for Target {
    fn from(Server { url, token_file, ca, cert, key }: Server) -> Self {
        Self { url, token_file, ca, identity: cert.zip(key) }
    }
}

/// The output format of alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Time, priority, host, rule and output.
    Text,
    /// Falco's JSON, one alert per line.
    Json,
    /// The same as text, in columns.
    Table,
}

impl From<Output> for client::Output {
    fn from(output: Output) -> Self {
        match output {
            Output::Text => Self::Text,
            Output::Json => Self::Json,
            Output::Table => Self::Table,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Certs {
    /// Makes an authority, a server and a client certificate, and prints how to use them.
    Init {
        /// The directory for the files; created if it is missing. No file is overwritten.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// A DNS name or IP address of the server, besides those of this machine; repeatable.
        #[arg(long = "host", value_name = "NAME")]
        hosts: Vec<Host>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration file: Falco's own falco.yaml, or one with a `falconer:` key.
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
    /// A Falco to run: Falconer reads its alerts, restarts it if it ends, and stops it at shutdown.
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
