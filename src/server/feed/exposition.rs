//! The two text formats of metrics: what prometheus-client writes is OpenMetrics; Prometheus' own is
//! made from that, line by line.
//!
//! 1. A family's name in OpenMetrics is without the suffix of its samples; in the text format `HELP`
//!    and `TYPE` have the samples' own name: `_total` of a counter, `_info` of an info.
//! 2. The text format knows no `info`: it is a gauge there. It has no `UNIT` and no `EOF`.
//! 3. `HELP` comes before `TYPE`, which says what it is: it waits for that.
//! 4. Samples are the same in both. What is in a label is escaped as both want it ([`Escaped`]); the
//!    library writes labels and help as they are.
//!
//! Refuses nothing: it reads only what was just written, of counters, gauges and infos.

use std::fmt::{self, Write as _};

use prometheus_client::encoding::{EncodeLabelValue, LabelValueEncoder};

/// A label's value, whatever is in it.
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

/// Prometheus' own text format of what is written in OpenMetrics.
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
    fn what_is_in_a_label_stays_in_it() {
        assert_eq!(Escaped::from("\"} 1\n\\n").0, "\\\"} 1\\n\\\\n");
    }
}
