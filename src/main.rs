//! `falconer`: argv to command to exit code.

mod arguments;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use arguments::{Certs, Cli, Command};
use clap::Parser;
use falconer::certs::{self, Host};
use falconer::check::Level;
use falconer::config::{self, Options};
use falconer::net::Inherited;
use falconer::server::{self, Start};

/// `sysexits.h`: the configuration is wrong.
const EX_CONFIG: u8 = 78;

type Done = Result<ExitCode, Box<dyn Error>>;

fn main() -> ExitCode {
    server::log_to_stderr(env("FALCONER_LOG"), env("NO_COLOR"));
    let done = match Cli::parse().command {
        Command::Serve(options) => serve(options.into(), None),
        Command::Check(options) => check(&options.into()),
        Command::Certs(Certs::Init { directory, hosts }) => certs_init(&directory, &hosts),
        Command::Demo { rate, settings } => {
            let socket = server::demo_socket(env("XDG_RUNTIME_DIR"));
            let mut overrides = vec![format!("grpc.bind_address=unix://{}", socket.display())];
            overrides.extend(settings.overrides);
            serve(Options { overrides, ..Options::default() }, Some(rate))
        }
    };
    done.unwrap_or_else(|error| {
        eprintln!("falconer: {error}");
        ExitCode::FAILURE
    })
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn serve(options: Options, demo: Option<u32>) -> Done {
    // While there is one thread only.
    let inherited = Inherited::from_environment();
    let loaded = match config::load(&options, &env) {
        Ok(loaded) => loaded,
        Err(errors) => {
            eprintln!("{errors}");
            return Ok(ExitCode::from(EX_CONFIG));
        }
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    for note in &loaded.notes {
        tracing::info!("{note}");
    }
    let threads = loaded.config.threads;
    let reread = Box::new(move || config::reload(&options, &env));
    run(threads, server::run(Start { loaded, reread, inherited, demo }))??;
    Ok(ExitCode::SUCCESS)
}

fn check(options: &Options) -> Done {
    let lines = run(1, falconer::check::check(options, &env))?;
    for line in &lines {
        writeln!(io::stdout(), "{line}")?;
    }
    let wrong = lines.iter().any(|line| line.level == Level::Error);
    Ok(if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn certs_init(directory: &Path, hosts: &[Host]) -> Done {
    let text = certs::init(directory, hosts, jiff::Timestamp::now())?;
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `work` on so many threads; 0 is one per core.
fn run<T>(threads: usize, work: impl Future<Output = T>) -> io::Result<T> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if threads > 0 {
        runtime.worker_threads(threads);
    }
    let runtime = runtime.enable_all().build()?;
    let outcome = runtime.block_on(work);
    // A read of standard input cannot be interrupted, and is not waited for.
    runtime.shutdown_background();
    Ok(outcome)
}
