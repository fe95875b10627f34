//! `falconer`: argv to command to exit code.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use falconer::config::{self, Options};
use falconer::net::Inherited;
use falconer::server::{self, Start};

/// Serves Falco's gRPC API (outputs and version) beside any Falco.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Takes Falco's alerts in and serves them; with `-- falco …` it also runs Falco.
    Serve {
        /// Falco's own falco.yaml, or one with a `falconer:` key.
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        #[command(flatten)]
        settings: Settings,
        /// A Falco to start, read, restart, and end with this process.
        #[arg(last = true, value_name = "FALCO")]
        falco: Vec<String>,
    },
    /// Serves invented alerts, for a first look: no root, no Falco, no file.
    Demo {
        /// Alerts a second.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        rate: u32,
        #[command(flatten)]
        settings: Settings,
    },
}

#[derive(Debug, Args)]
struct Settings {
    /// A setting, as in Falco: `-o grpc.bind_address=unix:///run/falco/falco.sock`.
    #[arg(short = 'o', long = "option", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

/// `sysexits.h`: the configuration is wrong.
const EX_CONFIG: u8 = 78;

fn main() -> ExitCode {
    let env = |name: &str| std::env::var(name).ok();
    server::log_to_stderr(env("FALCONER_LOG"), env("NO_COLOR"));
    let (options, demo) = match Cli::parse().command {
        Command::Serve { config, settings, falco } => {
            let overrides = settings.overrides;
            (Options { file: config, overrides, falco_command: falco }, None)
        }
        Command::Demo { rate, settings } => {
            let socket = server::demo_socket(env("XDG_RUNTIME_DIR"));
            let mut overrides = vec![format!("grpc.bind_address=unix://{}", socket.display())];
            overrides.extend(settings.overrides);
            (Options { overrides, ..Options::default() }, Some(rate))
        }
    };
    // While there is one thread only.
    let inherited = Inherited::from_environment();
    let loaded = match config::load(&options, &env) {
        Ok(loaded) => loaded,
        Err(errors) => {
            eprintln!("{errors}");
            return ExitCode::from(EX_CONFIG);
        }
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    for note in &loaded.notes {
        tracing::info!("{note}");
    }
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if loaded.config.threads > 0 {
        runtime.worker_threads(loaded.config.threads);
    }
    let reread = Box::new(move || config::load(&options, &env));
    let start = Start { loaded, reread, inherited, demo };
    let outcome = runtime.enable_all().build().map(|runtime| {
        let outcome = runtime.block_on(server::run(start));
        // A read of standard input cannot be interrupted, and is not waited for.
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("falconer: {error}");
    ExitCode::FAILURE
}
