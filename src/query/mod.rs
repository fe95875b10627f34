//! What may be asked of the log, in the same words everywhere: gRPC metadata, HTTP parameters.
//!
//! | word | means | file |
//! |---|---|---|
//! | `after`, `before` | a cursor | [`position`] |
//! | `since`, `until` | a time (RFC 3339) or an age (`90s`, `10m`, `24h`, `7d`) | [`position`] |
//! | `last` | a number of alerts | [`position`] |
//! | `filter` | a condition ([`crate::filter`]) | [`selection`] |
//!
//! A [`Selection`] is asked about one alert after the other. It decides by the index where that is
//! enough, and reads the alert's line again only where it is not. Nothing here waits or keeps
//! anything.

mod position;
mod selection;

pub use position::{PositionError, after, before, last, time};
pub use selection::{Selection, read};
