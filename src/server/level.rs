//! The log level (`FALCONER_LOG`): a level for Falconer's own modules, or a filter in tracing's
//! language.
//!
//! Any other text is reported, and `info` applies. To tracing, a single word that is no level is a
//! filter for a module of that name. So `debgu` would silently turn the log off. A word is
//! therefore accepted only if it begins like a known module.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// The beginnings of module names that a filter can have: Falconer's, and libraries whose log
/// helps.
const PARTS: [&str; 9] =
    ["falconer", "h2", "hyper", "rustls", "tokio", "tonic", "tower", "axum", "mio"];

/// Silences a warning of h2 for each answer to a PING that h2 did not send. Falconer sends such
/// PINGs. A later directive in a filter, for the same module, replaces this one.
const QUIET: &str = "h2=error";

/// Returns the filter, and the message if the text is invalid.
pub(super) fn filter(text: Option<&str>) -> (EnvFilter, Option<String>) {
    let text = text.map(str::trim).filter(|text| !text.is_empty()).unwrap_or("info");
    match read(text) {
        Ok(filter) => (filter, None),
        Err(reason) => {
            let (default, _) = filter(None);
            let expected = "expected error, warn, info, debug, trace, off, or a filter such as \
                            info,falconer::net=debug; info is used";
            (default, Some(format!("FALCONER_LOG {text:?}: {reason}; {expected}")))
        }
    }
}

fn read(text: &str) -> Result<EnvFilter, String> {
    let builder = EnvFilter::builder();
    if let Ok(level) = text.parse::<LevelFilter>() {
        let ours = format!("warn,{QUIET},falconer={level},falconer_gateway={level}");
        return builder.parse(ours).map_err(|error| error.to_string());
    }
    let is_known = |word: &str| {
        word.contains(['=', '['])
            || word.parse::<LevelFilter>().is_ok()
            || PARTS.iter().any(|part| word.starts_with(part))
    };
    if let Some(word) = text.split(',').map(str::trim).find(|word| !is_known(word)) {
        return Err(format!("there is no level or module {word:?}"));
    }
    builder.parse(format!("{QUIET},{text}")).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_filter_is_reported_and_info_is_used() {
        for good in ["info", "DEBUG", "off", "2", "", "info,falconer_gateway::access=debug", "h2"] {
            assert_eq!(filter(Some(good)).1, None, "{good}");
        }
        let info = filter(None).0.to_string();
        for wrong in ["nonsense", "debgu", "falconer=debgu", "info,hyprr", "=,=", "1,,2,x"] {
            let (filter, told) = filter(Some(wrong));
            assert_eq!(filter.to_string(), info, "{wrong}");
            assert!(told.unwrap().contains("expected error, warn"), "{wrong}");
        }
    }
}
