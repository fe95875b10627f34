//! The `falconer` program: parses the command line, runs one command, returns its exit code.

mod arguments;
mod manual;

use std::error::Error;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use arguments::{Certs, Cli, Command};
use clap::{CommandFactory as _, Parser};
use falconer::certs::{self, Host};
use falconer::check::Level;
use falconer::client::{self, ClientError, Events, Target, Wait};
use falconer::config::{self, Options};
use falconer::net::Inherited;
use falconer::server::{self, Start};

/// The command line is wrong. The same code as clap's.
const EX_USAGE: u8 = 2;

/// `sysexits.h`: the configuration is wrong.
const EX_CONFIG: u8 = 78;

type Done = Result<ExitCode, Box<dyn Error>>;

fn main() -> ExitCode {
    if let Some(code) = falconer::ingest::child::become_program() {
        return code;
    }
    server::log_to_stderr(env("FALCONER_LOG"), env("NO_COLOR"));
    let done = match Cli::parse().command {
        Command::Serve(options) => serve(options.into(), None),
        Command::Check(options) => check(&options.into()),
        Command::Certs(Certs::Init { directory, hosts }) => certs_init(&directory, &hosts),
        Command::Events { follow, last, since, until, filter, output, file, server } => {
            let output = output.into();
            let wanted = Events { follow, last, since, until, filter, output, file };
            ask(server, async |server| Box::pin(client::events(&wanted, &server)).await)
        }
        Command::Wait { filter, count, timeout, since, server } => {
            let wanted = Wait { filter, count, timeout, since };
            ask(server, async |server| client::wait(&wanted, &server).await)
        }
        Command::Ingest { server } => ask(server, async |server| client::ingest(&server).await),
        Command::Completions { shell } => {
            // `generate` panics on a write error, so it writes to memory first.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "falconer", &mut script);
            io::stdout().write_all(&script).map_err(Into::into).map(|()| ExitCode::SUCCESS)
        }
        Command::Man => manual::write(Cli::command(), &mut io::stdout())
            .map(|()| ExitCode::SUCCESS)
            .map_err(Into::into),
        Command::Demo { rate, settings } => {
            let socket = server::demo_socket(env("XDG_RUNTIME_DIR"));
            let mut overrides = vec![format!("grpc.bind_address=unix://{}", socket.display())];
            overrides.extend(settings.overrides);
            serve(Options { overrides, ..Options::default() }, Some(rate))
        }
    };
    let code = done.unwrap_or_else(|error| {
        server::tell(&format!("falconer: {error}"));
        ExitCode::FAILURE
    });
    server::flush_log();
    code
}

fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn serve(options: Options, demo: Option<u32>) -> Done {
    // Must run before the runtime starts other threads.
    let inherited = Inherited::from_environment();
    let loaded = match config::load(&options, &env) {
        Ok(loaded) => loaded,
        Err(errors) => {
            server::tell(&errors.to_string());
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

/// Runs a client command against a running server. Wrong options exit with [`EX_USAGE`]. A broken
/// pipe on standard output is not a failure.
fn ask(
    server: arguments::Server,
    question: impl AsyncFnOnce(client::Server) -> Result<(), ClientError>,
) -> Done {
    let server = match client::Server::new(&Target::from(server)) {
        Ok(server) => server,
        Err(error) => {
            server::tell(&format!("falconer: {error}"));
            return Ok(ExitCode::from(EX_USAGE));
        }
    };
    match run(1, question(server))? {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(ClientError::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        Err(error @ (ClientError::Filter(_) | ClientError::Time(_) | ClientError::Options(_))) => {
            server::tell(&format!("falconer: {error}"));
            Ok(ExitCode::from(EX_USAGE))
        }
        Err(error) => Err(error.into()),
    }
}

fn certs_init(directory: &Path, hosts: &[Host]) -> Done {
    let text = certs::init(directory, hosts, jiff::Timestamp::now())?;
    io::stdout().write_all(text.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `work` on a runtime with this number of threads; 0 is one per core.
fn run<T>(threads: usize, work: impl Future<Output = T>) -> io::Result<T> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if threads > 0 {
        runtime.worker_threads(threads);
    }
    let runtime = runtime.enable_all().build()?;
    let outcome = runtime.block_on(work);
    // A blocking read of standard input cannot be interrupted, so this does not wait for it.
    runtime.shutdown_background();
    Ok(outcome)
}
