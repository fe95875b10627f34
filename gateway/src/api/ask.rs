//! Questions as they stand in a URL.
//!
//! 1. The parameters are read as two sets, those of the range and those of the path's own; the
//!    types also describe them in the API's description.
//! 2. A name that is in neither, or comes twice, is refused: an answer to another question than
//!    was asked is worse than none, and whoever typed it reads why.
//! 3. Names that clients add by themselves are passed over ([`ADDED`]): nobody typed them, and an
//!    `EventSource` that is refused never comes back.
//! 4. Where a live stream goes on ([`LAST_EVENT_ID`]) may be spelled as the libraries do. They add it
//!    behind one that is there, so the last one counts.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::{port::Ask, problem::Refusal};

/// What clients add to any question, against caches: jQuery and what is built on it; Ext JS; Dojo.
const ADDED: [&str; 4] = ["_", "_dc", "request.preventCache", "dojo.preventCache"];

/// What they add to a live stream besides: event-source-polyfill before 1.0, against caches;
/// amvtek's eventsource, for padding; r3labs/sse, which names a stream on servers of its own.
const ADDED_TO_STREAMS: [&str; 3] = ["r", "evs_preamble", "stream"];

/// Where a live stream goes on. A path that has it is a live stream's.
const LAST_EVENT_ID: &str = "lastEventId";

/// Which alerts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Range {
    /// Falco's condition language: `priority >= warning and proc.name in (bash, sh)`.
    #[param(max_length = 4096)]
    filter: Option<String>,
    /// Alerts of this time (RFC 3339) and later, or younger than this age (`90s`, `10m`, `24h`,
    /// `7d`).
    since: Option<String>,
    /// Alerts of before this time, or older than this age.
    until: Option<String>,
}

impl From<Range> for Ask {
    fn from(Range { filter, since, until }: Range) -> Self {
        // A page's empty input field says nothing.
        let filter = filter.filter(|text| !text.trim().is_empty());
        Self { filter, since, until, ..Self::default() }
    }
}

/// No parameters of its own.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(crate) struct Nothing {}

/// A question's parameters: those shared with other paths, and this one's own.
#[derive(Debug)]
pub(crate) struct Asked<Shared, Own = Nothing>(pub(crate) Shared, pub(crate) Own);

impl<S, Shared, Own> FromRequestParts<S> for Asked<Shared, Own>
where
    S: Send + Sync,
    Shared: DeserializeOwned + IntoParams,
    Own: DeserializeOwned + IntoParams,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let query = parts.uri.query().unwrap_or_default();
        let names = names::<Shared>().chain(names::<Own>()).collect::<Vec<_>>();
        let asked = typed(query, &names)?;
        let read = |error: serde_urlencoded::de::Error| Refusal::unreadable(&error);
        Ok(Self(
            serde_urlencoded::from_str(&asked).map_err(read)?,
            serde_urlencoded::from_str(&asked).map_err(read)?,
        ))
    }
}

/// The parameters of `query` that were meant, by the names that are `known`.
fn typed(query: &str, known: &[String]) -> Result<String, Refusal> {
    let is_live = known.iter().any(|name| name == LAST_EVENT_ID);
    let added = |name: &str| ADDED.contains(&name) || (is_live && ADDED_TO_STREAMS.contains(&name));
    let mut pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(query).map_err(|error| Refusal::unreadable(&error))?;
    let mut last_event_id = None;
    pairs.retain_mut(|(name, value)| {
        let names_it = is_live && is_last_event_id(name);
        if names_it {
            last_event_id = Some(std::mem::take(value));
        }
        !names_it && !added(name)
    });
    if let Some((name, _)) = pairs.iter().find(|(name, _)| !known.contains(name)) {
        return Err(Refusal::unknown_parameter(name, known));
    }
    pairs.extend(last_event_id.map(|id| (LAST_EVENT_ID.to_owned(), id)));
    // What was read can be written.
    Ok(serde_urlencoded::to_string(pairs).unwrap_or_default())
}

/// `lastEventId`, `lastEventID`, `Last-Event-ID`, `last_event_id`, `evs_last_event_id`.
fn is_last_event_id(name: &str) -> bool {
    let name = name.strip_prefix("evs_").unwrap_or(name);
    let letters = name.chars().filter(|c| !matches!(c, '-' | '_'));
    letters.flat_map(char::to_lowercase).eq(LAST_EVENT_ID.chars().flat_map(char::to_lowercase))
}

/// A parameter of one to `most`.
pub(crate) fn number(name: &str, asked: u32, most: u32) -> Result<usize, Refusal> {
    if (1..=most).contains(&asked) {
        return Ok(asked as usize);
    }
    let detail = format!("{name}: {asked} is not between 1 and {most}");
    Err(Refusal::parameter(name, detail))
}

fn names<T: IntoParams>() -> impl Iterator<Item = String> {
    T::into_params(|| None).into_iter().map(|parameter| parameter.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str, known: &[&str]) -> Option<String> {
        let known: Vec<_> = known.iter().map(|&name| name.to_owned()).collect();
        typed(query, &known).ok()
    }

    #[test]
    fn what_nobody_typed_is_passed_over_and_what_somebody_did_is_not() {
        for added in ["_=1764557000", "_dc=1", "request.preventCache=1", "dojo.preventCache=1"] {
            let found = asked(&format!("{added}&filter=a+b"), &["filter"]);
            assert_eq!(found.as_deref(), Some("filter=a+b"), "{added}");
        }
        for live in ["r=0.5", "evs_preamble=2056", "stream=messages"] {
            assert_eq!(asked(live, &["filter", LAST_EVENT_ID]).as_deref(), Some(""), "{live}");
            assert_eq!(asked(live, &["filter"]), None, "{live}");
        }
        for typo in ["filtre=x", "Filter=x", "__=1", "after_=1", "=", "lastEventId=1.1"] {
            assert_eq!(asked(typo, &["filter", "after"]), None, "{typo}");
        }
    }

    #[test]
    fn where_a_stream_goes_on_is_read_as_libraries_write_it() {
        for name in
            ["lastEventId", "lastEventID", "Last-Event-ID", "last_event_id", "evs_last_event_id"]
        {
            let found = asked(&format!("{name}=1.1&last=0&{name}=1.2"), &["last", LAST_EVENT_ID]);
            assert_eq!(found.as_deref(), Some("last=0&lastEventId=1.2"), "{name}");
        }
        assert_eq!(asked("eventId=1.1", &["last", LAST_EVENT_ID]), None);
    }
}
