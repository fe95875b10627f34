//! Lines of a file, taken out of what wraps them ([`crate::envelope`]), as the server takes them.

use std::borrow::Cow;

use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};

use crate::envelope::{Beside, Envelopes};
use crate::event::Record;

/// Opens the lines of one file, in their order.
#[derive(Debug, Default)]
pub(super) struct Opener(Envelopes);

impl Opener {
    /// The alert's own line; the line itself where it is no alert and has none in it. `None` where it
    /// is a part of one that is not whole yet.
    pub(super) fn line<'a>(&mut self, line: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        let now = || -> ZonedDateTime { Timestamp::now().to_zoned_datetime(TimeZone::UTC) };
        let inside = |Record { event, line }: Record<'_>, beside: &Beside| {
            beside.kind?;
            let host = beside.hostname.as_deref().filter(|_| event.hostname.is_none());
            Some(with_hostname(&line, host).into_bytes())
        };
        match self.0.read(line, &now, inside) {
            Ok(None) => None,
            Ok(Some(Some(alert))) => Some(alert.into()),
            Ok(Some(None)) | Err(_) => Some(line.into()),
        }
    }
}

/// An alert's JSON with the name of the machine that it does not have.
fn with_hostname(line: &str, host: Option<&str>) -> String {
    match (host, line.trim_start().strip_prefix('{')) {
        (Some(host), Some(rest)) => {
            // A string: there is nothing that serialising could refuse.
            let host = serde_json::to_string(host).unwrap_or_else(|_| "null".to_owned());
            format!("{{\"hostname\":{host},{rest}")
        }
        _ => line.to_owned(),
    }
}
