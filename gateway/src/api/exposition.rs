//! Selects one of Prometheus' two text formats by `Accept`.
//!
//! 1. The ranges are sorted by quality. A missing or invalid quality is 1. A range with quality 0
//!    is ignored. Of equal qualities the first counts.
//! 2. The first range with a supported format is used: `application/openmetrics-text` in version
//!    1.0.0 or 0.0.1, `text/plain` in version 0.0.4, both also without a version, or a range with
//!    `*`, which selects the text format.
//! 3. Other formats, such as protobuf, are ignored. Without a supported range the answer has the
//!    text format, which every scraper reads.
//! 4. `escaping` is ignored. It concerns names with characters that old scrapers reject, and these
//!    metrics have none.

use http::{HeaderMap, header::ACCEPT};
use mime::Mime;

use crate::port::Exposition;

/// A format and its content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) exposition: Exposition,
    pub(crate) content_type: &'static str,
}

const TEXT: Answered = Answered {
    exposition: Exposition::Text,
    content_type: "text/plain; version=0.0.4; charset=utf-8",
};
const OPEN_METRICS: Answered = Answered {
    exposition: Exposition::OpenMetrics,
    content_type: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};
const OPEN_METRICS_0: Answered = Answered {
    exposition: Exposition::OpenMetrics,
    content_type: "application/openmetrics-text; version=0.0.1; charset=utf-8",
};

/// Returns the format that a request asks for.
pub(crate) fn asked(headers: &HeaderMap) -> Answered {
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut best = (0.0, TEXT);
    for range in values.flat_map(|value| value.split(',')) {
        let Ok(range) = range.trim().parse::<Mime>() else { continue };
        let quality = range.get_param("q").map_or(Ok(1.0), |q| q.as_str().parse()).unwrap_or(1.0);
        if let Some(answered) = named(&range)
            && quality > best.0
        {
            best = (quality, answered);
        }
    }
    best.1
}

/// Returns the format of a range, if it is supported.
fn named(range: &Mime) -> Option<Answered> {
    let version = range.get_param("version").map(|version| version.as_str());
    match (range.type_().as_str(), range.subtype().as_str(), version) {
        ("application", "openmetrics-text", Some("1.0.0") | None) => Some(OPEN_METRICS),
        ("application", "openmetrics-text", Some("0.0.1")) => Some(OPEN_METRICS_0),
        ("text", "plain", Some("0.0.4") | None) | ("*" | "text", "*", _) => Some(TEXT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrapers_get_what_they_ask_for() {
        // As each version of Prometheus sends it.
        let prometheus_2_42 = "application/openmetrics-text;version=1.0.0,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let with_histograms = "application/vnd.google.protobuf;\
            proto=io.prometheus.client.MetricFamily;encoding=delimited,\
            application/openmetrics-text;version=1.0.0;q=0.8,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let prometheus_3 = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        let text_first = "text/plain;version=1.0.0;escaping=underscores;q=0.6,\
            text/plain;version=0.0.4;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4,*/*;q=0.2";
        for (accept, expected) in [
            ("", TEXT),
            (prometheus_2_42, OPEN_METRICS),
            (with_histograms, OPEN_METRICS),
            (prometheus_3, OPEN_METRICS),
            (text_first, TEXT),
            (
                "application/openmetrics-text; version=0.0.1,text/plain;version=0.0.4;q=0.5",
                OPEN_METRICS_0,
            ),
            ("application/openmetrics-text", OPEN_METRICS),
            ("Application/OpenMetrics-Text; Version=1.0.0", OPEN_METRICS),
            ("application/openmetrics-text;version=\"1.0.0\"", OPEN_METRICS),
            ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", TEXT),
            ("application/openmetrics-text;q=0,text/plain;q=0.1", TEXT),
            ("application/openmetrics-text;q=0", TEXT),
            ("text/plain;q=0.5,application/openmetrics-text;q=0.5", TEXT),
            ("text/plain;q=0.5;version=0.0.4,application/openmetrics-text;q=0.51", OPEN_METRICS),
            ("application/json", TEXT),
            ("text/html,application/xhtml+xml,*/*;q=0.8", TEXT),
            ("*/*", TEXT),
            (",;q=,application/openmetrics-text;q=x", OPEN_METRICS),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]);
            assert_eq!(asked(&headers), expected, "{accept}");
        }
        assert_eq!(asked(&HeaderMap::new()), TEXT);
        // Two lines are one list.
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT, "text/plain;q=0.5".parse().unwrap());
        headers.append(ACCEPT, "application/openmetrics-text".parse().unwrap());
        assert_eq!(asked(&headers), OPEN_METRICS);
    }
}
