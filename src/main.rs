//! `falconer`: argv to command to exit code.

mod arguments;

use std::process::ExitCode;

use arguments::{Cli, Command};
use clap::Parser;
use falconer::check::Level;
use falconer::config::{self, Options};
use falconer::net::Inherited;
use falconer::server::{self, Start};

/// `sysexits.h`: the configuration is wrong.
const EX_CONFIG: u8 = 78;

fn main() -> ExitCode {
    server::log_to_stderr(env("FALCONER_LOG"), env("NO_COLOR"));
    match Cli::parse().command {
        Command::Serve(options) => serve(options.into(), None),
        Command::Check(options) => check(&options.into()),
        Command::Demo { rate, settings } => {
            let socket = server::demo_socket(env("XDG_RUNTIME_DIR"));
            let mut overrides = vec![format!("grpc.bind_address=unix://{}", socket.display())];
            overrides.extend(settings.overrides);
            serve(Options { overrides, ..Options::default() }, Some(rate))
        }
    }
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn serve(options: Options, demo: Option<u32>) -> ExitCode {
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
    let threads = loaded.config.threads;
    let reread = Box::new(move || config::load(&options, &env));
    match run(threads, server::run(Start { loaded, reread, inherited, demo })) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

fn check(options: &Options) -> ExitCode {
    let lines = match run(1, falconer::check::check(options, &env)) {
        Ok(lines) => lines,
        Err(error) => return failed(&error),
    };
    for line in &lines {
        println!("{line}");
    }
    let wrong = lines.iter().any(|line| line.level == Level::Error);
    if wrong { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Runs `work` on so many threads; 0 is one per core.
fn run<T>(threads: usize, work: impl Future<Output = T>) -> std::io::Result<T> {
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

fn failed(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("falconer: {error}");
    ExitCode::FAILURE
}
