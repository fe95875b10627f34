//! The command line, as clap reads it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use falconer::certs::Host;
use falconer::client::{self, Target};
use falconer::config::Options;

/// What holds for every command.
const AFTER: &str = "\
Standard output is data, standard error is the log. Exit codes: 0 done, 1 failed, 2 wrong usage, 78 \
wrong configuration. FALCONER_LOG=debug, or another level or filter, says how much is logged; with \
NO_COLOR there are no colours.";

/// Serves Falco's gRPC API (outputs and version) beside any Falco.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_long_help = AFTER)]
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
    /// Alerts that are kept, or with -f those that come, of a running server or of a file.
    Events {
        /// Go on with alerts as they come; of a file those that are written from now on.
        #[arg(short, long, conflicts_with = "until")]
        follow: bool,
        /// Only so many of the newest; with -f so many are looked at.
        #[arg(long, value_name = "N")]
        last: Option<usize>,
        /// Only those of this time (RFC 3339) and later, or younger than this age (90s, 10m, 24h, 7d).
        #[arg(long, value_name = "TIME|AGE")]
        since: Option<String>,
        /// Only those of before this time, or older than this age.
        #[arg(long, value_name = "TIME|AGE")]
        until: Option<String>,
        /// Only those for which this condition holds: 'priority >= warning and proc.name = bash'.
        #[arg(long, value_name = "EXPR")]
        filter: Option<String>,
        /// How they are written.
        #[arg(short, long, value_enum, default_value_t = Output::Text)]
        output: Output,
        /// A file of Falco's JSON lines, or - for standard input, instead of a server.
        #[arg(
            value_name = "FILE",
            conflicts_with_all = ["url", "token_file", "ca", "cert", "key"]
        )]
        file: Option<PathBuf>,
        #[command(flatten)]
        server: Server,
    },
    /// Waits for alerts, for scripts and CI: exit code 0 when they came, 1 when not.
    Wait {
        /// The condition: "rule = 'Terminal shell in container'".
        #[arg(long, value_name = "EXPR")]
        filter: String,
        /// How many.
        #[arg(
            long,
            default_value_t = 1,
            value_name = "N",
            value_parser = clap::value_parser!(u64).range(1..)
        )]
        count: u64,
        /// How long at most: 60s, 5m.
        #[arg(long, default_value = "60s", value_name = "TIME", value_parser = positive)]
        timeout: Duration,
        /// Count alerts of this time, or age, and younger too, and not only those to come.
        #[arg(long, value_name = "TIME|AGE")]
        since: Option<String>,
        #[command(flatten)]
        server: Server,
    },
    /// Posts standard input to a running server, for Falco's program_output.
    Ingest {
        #[command(flatten)]
        server: Server,
    },
    /// What a shell needs to complete these commands.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The manual page.
    Man,
    /// Serves invented alerts, for a first look: no root, no Falco, no file.
    Demo {
        /// Alerts a second.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        rate: u32,
        #[command(flatten)]
        settings: Settings,
    },
}

/// A time that is left.
fn positive(text: &str) -> Result<Duration, String> {
    let duration = text.parse::<jiff::SignedDuration>().map_err(|error| error.to_string())?;
    match Duration::try_from(duration) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("expected a time that is left, such as 60s or 5m".to_owned()),
    }
}

/// A running server's gateway.
#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Where it is.
    #[arg(long = "server", value_name = "URL", default_value = "http://127.0.0.1:2804")]
    url: String,
    /// The file with its token.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The certificate of who signed the server's, for https.
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// A certificate to show.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
}

impl From<Server> for Target {
    fn from(Server { url, token_file, ca, cert, key }: Server) -> Self {
        Self { url, token_file, ca, identity: cert.zip(key) }
    }
}

/// How alerts are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Time, priority, machine, rule and text.
    Text,
    /// Falco's JSON, a line each.
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
