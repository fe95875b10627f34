//! How much is logged (`FALCONER_LOG`): a level for our own rooms, or a filter in tracing's language.
//!
//! What is neither is told, and `info` holds. A single word that is no level would be a filter too, of
//! a part of the program with that name: `debgu` would silence everything without a word, so words
//! are taken only where there is such a part.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// What a part's name may begin with: our own, and those below whose log has helped.
const PARTS: [&str; 9] =
    ["falconer", "h2", "hyper", "rustls", "tokio", "tonic", "tower", "axum", "mio"];

/// HTTP/2 warns of each answer to a PING that it did not send itself: ours are such. What comes later
/// in a filter, of the same part, takes its place.
const QUIET: &str = "h2=error";

/// The filter, and what is wrong with the text.
pub(super) fn filter(text: Option<&str>) -> (EnvFilter, Option<String>) {
    let text = text.map(str::trim).filter(|text| !text.is_empty()).unwrap_or("info");
    match read(text) {
        Ok(filter) => (filter, None),
        Err(reason) => {
            let (default, _) = filter(None);
            let expected = "expected error, warn, info, debug, trace, off, or a filter such as \
                            info,falconer::net=debug; it is info now";
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
        return Err(format!("there is no level or part {word:?}"));
    }
    builder.parse(format!("{QUIET},{text}")).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_filter_is_told_and_info_holds() {
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
