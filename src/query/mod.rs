//! Queries of the log, with the same words in gRPC metadata and HTTP parameters.
//!
//! | word | means | file |
//! |---|---|---|
//! | `after`, `before` | a cursor | [`position`] |
//! | `since`, `until` | a time (RFC 3339) or an age (`90s`, `10m`, `24h`, `7d`) | [`position`] |
//! | `last` | a number of alerts | [`position`] |
//! | `filter` | a condition ([`crate::filter`]) | [`selection`] |
//!
//! A [`Selection`] is evaluated on one alert after the other. It uses the alert's labels if they
//! decide, and decodes the alert's line only if they do not.
//!
//! A filter is compiled once for all readers with the same text ([`prepared`]). Readers take turns
//! to evaluate it ([`sift`]). An idle reader is woken only for an alert that may match
//! ([`lookout`]). [`hints`] finds likely typos in a filter from the retained alerts.

mod expected;
mod hints;
mod lookout;
mod position;
mod prepared;
mod selection;
mod sift;

pub use hints::{Hint, Hints};
pub use lookout::{Arrivals, watch};
pub use position::{PositionError, after, before, last, time};
pub use prepared::{Filters, MAX_IN_USE, Prepared, Unprepared};
pub use selection::{Selection, read};
pub use sift::Sifted;
