//! Where the log goes, and how much of it.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Logs to standard error from here on. `filter` (`FALCONER_LOG`) is a level for our own rooms, or a
/// filter in tracing's language; without it the level is `info`. Colours are for terminals whose
/// user has not set `NO_COLOR` (no-color.org).
pub fn log_to_stderr(filter: Option<String>, no_color: Option<String>) {
    let filter = filter.unwrap_or_else(|| "info".into());
    let filter = match filter.parse::<LevelFilter>() {
        Ok(level) => format!("warn,falconer={level},falconer_gateway={level}"),
        Err(_) => filter,
    };
    let filter = EnvFilter::builder().parse_lossy(filter);
    let color = no_color.is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(color)
        .init();
}
