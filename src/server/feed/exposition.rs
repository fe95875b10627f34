//! The two text formats of metrics. prometheus-client writes OpenMetrics, and this file converts
//! that into Prometheus' text format, line by line.
//!
//! 1. In OpenMetrics a family's name has no suffix. In the text format `HELP` and `TYPE` have the
//!    name of the samples: with `_total` for a counter, with `_info` for an info.
//! 2. The text format has no `info`, which becomes a gauge, no `UNIT` and no `EOF`.
//! 3. `HELP` comes before `TYPE`, which decides the suffix, so it is held back until then.
//! 4. Samples are the same in both. The values of labels are escaped as both formats require
//!    ([`Escaped`]), because the library writes labels and help verbatim.
//!
//! Has no errors: it converts only counters, gauges and infos that were just written.

use std::fmt::{self, Write as _};

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

/// The escaped value of a label.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Escaped(String);

impl From<&str> for Escaped {
    fn from(value: &str) -> Self {
        Self(value.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n"))
    }
}

impl From<String> for Escaped {
    fn from(value: String) -> Self {
        Self::from(value.as_str())
    }
}

impl EncodeLabelValue for Escaped {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(&self.0)
    }
}

/// Converts OpenMetrics into Prometheus' text format.
pub(super) fn text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.split_inclusive('\n') {
        if let Some(said) = line.strip_prefix("# HELP ") {
            help = said.split_once(' ').map(|(_, said)| said);
        } else if let Some((family, kind)) =
            line.strip_prefix("# TYPE ").and_then(|said| said.trim_end().split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                other => ("", other),
            };
            // Writing into a string does not fail.
            if let Some(help) = help.take() {
                let _ = write!(text, "# HELP {family}{suffix} {help}");
            }
            let _ = writeln!(text, "# TYPE {family}{suffix} {kind}");
        } else if !line.starts_with('#') {
            text.push_str(line);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_types_are_those_of_the_text_format() {
        let open_metrics = "\
            # HELP a_lost What was lost.\n# TYPE a_lost counter\n\
            a_lost_total{cause=\"# EOF\\n# TYPE x info\"} 1\na_lost_total{cause=\"\r\"} 2\n\
            # HELP a_bytes How many.\n# TYPE a_bytes gauge\n# UNIT a_bytes bytes\na_bytes 3\n\
            # HELP a_build Which.\n# TYPE a_build info\na_build_info{version=\"1\"} 1\n# EOF\n";
        let expected = "\
            # HELP a_lost_total What was lost.\n# TYPE a_lost_total counter\n\
            a_lost_total{cause=\"# EOF\\n# TYPE x info\"} 1\na_lost_total{cause=\"\r\"} 2\n\
            # HELP a_bytes How many.\n# TYPE a_bytes gauge\na_bytes 3\n\
            # HELP a_build_info Which.\n# TYPE a_build_info gauge\na_build_info{version=\"1\"} 1\n";
        assert_eq!(text(open_metrics), expected);
    }

    #[test]
    fn a_label_cannot_break_out_of_its_quotes() {
        assert_eq!(Escaped::from("\"} 1\n\\n").0, "\\\"} 1\\n\\\\n");
    }
}
