//! Where the log goes, and how much of it ([`super::level`]).

use std::io::IsTerminal;

/// Logs to standard error from here on; `filter` is `FALCONER_LOG`. Colours are for terminals whose
/// user has not set `NO_COLOR` (no-color.org).
pub fn log_to_stderr(filter: Option<String>, no_color: Option<String>) {
    let (filter, wrong) = super::level::filter(filter.as_deref());
    let color = no_color.is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(color)
        .init();
    if let Some(wrong) = wrong {
        tracing::warn!("{wrong}");
    }
}
