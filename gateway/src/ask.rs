//! Questions as they stand in a URL.
//!
//! 1. The parameters are read as two sets, those of the range and those of the path's own; the
//!    types also describe them in the API's description.
//! 2. A name that is in neither, or comes twice, is refused: an answer to another question than
//!    was asked is worse than none.

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::{Deserialize, de::DeserializeOwned};
use utoipa::IntoParams;

use crate::{port::Ask, problem::Refusal};

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
        let asked: Vec<(String, String)> =
            serde_urlencoded::from_str(query).map_err(|error| Refusal::unreadable(&error))?;
        if let Some((name, _)) = asked.iter().find(|(name, _)| !names.contains(name)) {
            return Err(Refusal::unknown_parameter(name, &names));
        }
        let read = |error: serde_urlencoded::de::Error| Refusal::unreadable(&error);
        Ok(Self(
            serde_urlencoded::from_str(query).map_err(read)?,
            serde_urlencoded::from_str(query).map_err(read)?,
        ))
    }
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
