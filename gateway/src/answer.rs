//! Memory for answers that are made of alerts, until their client has taken them.
//!
//! 1. All of them together have a fixed amount, whatever the number of connections and whatever
//!    windows they grant. Each claims what it may become, before it is made, and gives back what it
//!    did not need.
//! 2. Where it is short, the answer loses its place of which nothing was taken for longest
//!    ([`Room`]): its stream is reset, its HTTP/1 connection ends.
//! 3. An answer that finds no memory in time is 503. One that would be larger than any may be is
//!    refused.

use std::{io, sync::Arc, time::Duration};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http_body::Body as _;
use serde::Serialize;
use tokio::time::timeout;

use crate::{
    history::{Scan, scan},
    port::History,
    problem::{Problem, Refusal},
    room::{Place, Room},
    state::Gateway,
};

/// Bytes of all answers: thirty of the largest pages.
const ANSWERS: usize = 64 << 20;

/// Bytes an answer of numbers may have; with the longest of values that is some thousand of them.
const MOST: usize = 8 << 20;

/// Shorter documents are not counted.
const SHORT: u64 = 16 << 10;

/// How long an answer waits for memory: whoever holds it in vain has lost it by then.
const WAIT: Duration = Duration::from_secs(5);

/// What is left of it.
#[derive(Debug)]
pub(crate) struct Answers(Room);

impl Default for Answers {
    fn default() -> Self {
        Self(Room::new(ANSWERS))
    }
}

impl Answers {
    /// Room for an answer of this many bytes.
    pub(crate) async fn enter(&self, bytes: usize) -> Result<Arc<Place>, Problem> {
        let place = self.0.enter();
        match timeout(WAIT, place.claim(bytes)).await {
            Ok(Ok(())) => Ok(Arc::new(place)),
            _ => Err(Problem::NO_ROOM),
        }
    }
}

/// An answer and its memory: bytes that are given back when the last of them has been written.
struct Held {
    bytes: Vec<u8>,
    _place: Arc<Place>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Bytes that hold `place`.
pub(crate) fn held(bytes: Vec<u8>, place: Arc<Place>) -> Bytes {
    Bytes::from_owner(Held { bytes, _place: place })
}

/// Answers with the JSON `json`, which has claimed `claimed` bytes at `place`.
pub(crate) fn answer(
    mut json: Vec<u8>,
    place: Arc<Place>,
    claimed: usize,
) -> Result<Response, Problem> {
    json.shrink_to_fit();
    // Escapes may make it longer than was thought.
    if json.len() > claimed && !place.try_claim(json.len() - claimed) {
        return Err(Problem::NO_ROOM);
    }
    place.keep(json.len());
    let body = Body::from(held(json, place.clone()));
    let mut response = ([(CONTENT_TYPE, "application/json")], body).into_response();
    response.extensions_mut().insert(place);
    Ok(response)
}

/// Claims memory for a document that is not made here, where it is a long one and has none.
pub(crate) async fn counted(State(gateway): State<Gateway>, mut response: Response) -> Response {
    let length = response.body().size_hint().exact().unwrap_or(0);
    if length < SHORT || response.extensions().get::<Arc<Place>>().is_some() {
        return response;
    }
    match gateway.answers.enter(usize::try_from(length).unwrap_or(usize::MAX)).await {
        Ok(place) => {
            response.extensions_mut().insert(place);
            response
        }
        Err(problem) => problem.into_response(),
    }
}

/// Answers with the numbers that `work` finds in the history; they are `about` so many bytes.
pub(crate) async fn numbers<T: Serialize>(
    gateway: &Gateway,
    history: Box<dyn History>,
    about: usize,
    work: impl FnOnce(&mut Scan<'_>) -> Result<T, Problem> + Send + 'static,
) -> Result<Response, Refusal> {
    let about = about.min(MOST);
    let json = scan(gateway, history, about, |scan| document(&work(scan)?)).await?;
    let (json, place) = json;
    Ok(answer(json?, place, about)?)
}

fn document<T: Serialize>(numbers: &T) -> Result<Vec<u8>, Problem> {
    let mut json = Bounded(Vec::new());
    match serde_json::to_writer(&mut json, numbers) {
        Ok(()) => Ok(json.0),
        Err(error) if error.is_io() => Err(Problem::ANSWER_TOO_LARGE),
        Err(error) => {
            tracing::error!(%error, "an answer was not serialized");
            Err(Problem::INTERNAL)
        }
    }
}

/// Takes no more than [`MOST`].
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MOST {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_a_bound() {
        assert_eq!(document(&["x"]).unwrap(), br#"["x"]"#);
        assert!(document(&"x".repeat(MOST - 2)).is_ok());
        let problem = document(&"x".repeat(MOST - 1)).unwrap_err();
        assert_eq!(problem.status, http::StatusCode::UNPROCESSABLE_ENTITY);
    }
}
