//! The query parameters of a URL.
//!
//! 1. The parameters are parsed as two types: those of the range, and those of the path. The types
//!    also describe them in OpenAPI.
//! 2. An unknown or repeated name is an error, because the answer would not be what the user meant.
//! 3. Names that clients add by themselves are ignored ([`ADDED`]). No user wrote them, and an
//!    `EventSource` does not reconnect after an error.
//! 4. The position at which a live stream resumes ([`LAST_EVENT_ID`]) has the names that libraries
//!    use. They append it to the URL, so the last one counts.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::{port::Ask, problem::Refusal};

/// The names that clients add to any request, to bypass caches: jQuery and libraries on top of it,
/// Ext JS, Dojo.
const ADDED: [&str; 4] = ["_", "_dc", "request.preventCache", "dojo.preventCache"];

/// Further names that they add to a live stream: event-source-polyfill before 1.0, to bypass
/// caches; amvtek's eventsource, for padding; r3labs/sse, to select a stream of its own servers.
const ADDED_TO_STREAMS: [&str; 3] = ["r", "evs_preamble", "stream"];

/// The position at which a live stream resumes. Only the path of the live stream has it.
const LAST_EVENT_ID: &str = "lastEventId";

/// The range of alerts.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Range {
    /// A filter in Falco's condition language: `priority >= warning and proc.name in (bash, sh)`.
    #[param(max_length = 4096)]
    filter: Option<String>,
    /// Only alerts of this time (RFC 3339) or later, or of at most this age (`90s`, `10m`, `24h`,
    /// `7d`).
    since: Option<String>,
    /// Only alerts before this time, or older than this age.
    until: Option<String>,
}

impl From<Range> for Ask {
    fn from(Range { filter, since, until }: Range) -> Self {
        // An empty input field of a page.
        let filter = filter.filter(|text| !text.trim().is_empty());
        Self { filter, since, until, ..Self::default() }
    }
}

/// No parameters.
#[derive(Debug, Default, Deserialize, IntoParams)]
pub(crate) struct Nothing {}

/// The parameters of a request: those shared with other paths, and those of the path.
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

/// Returns the parameters of `query` without those that clients add. `known` has the valid names.
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
    // Parsed text can be written.
    Ok(serde_urlencoded::to_string(pairs).unwrap_or_default())
}

/// `lastEventId`, `lastEventID`, `Last-Event-ID`, `last_event_id`, `evs_last_event_id`.
fn is_last_event_id(name: &str) -> bool {
    let name = name.strip_prefix("evs_").unwrap_or(name);
    let letters = name.chars().filter(|c| !matches!(c, '-' | '_'));
    letters.flat_map(char::to_lowercase).eq(LAST_EVENT_ID.chars().flat_map(char::to_lowercase))
}

/// Checks a number from 1 to `most`.
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
