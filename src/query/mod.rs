//! What may be asked of the log, in the same words everywhere: gRPC metadata, HTTP parameters.
//!
//! | word | means | file |
//! |---|---|---|
//! | `after`, `before` | a cursor | [`position`] |
//! | `since`, `until` | a time (RFC 3339) or an age (`90s`, `10m`, `24h`, `7d`) | [`position`] |
//! | `last` | a number of alerts | [`position`] |
//! | `filter` | a condition ([`crate::filter`]) | [`selection`] |
//!
//! What of a filter may be a slip, by the alerts there are, is told by [`hints`].
//!
//! A [`Selection`] is asked about one alert after the other. It decides by the index where that is
//! enough, and reads the alert's line again only where it is not.
//!
//! A reader's filter is [`prepared`] once for all who ask for the same; what comes is looked through
//! in turns ([`sift`]); and a reader that has read everything is woken only for what may pass its
//! filter ([`lookout`]).

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
