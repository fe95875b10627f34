//! Answers from a scan of the alerts. Their memory is reserved first ([`Answers`]).
//!
//! [`Answers`]: crate::limits::answers::Answers

use std::{io, sync::Arc};

use axum::{
    body::Body,
    extract::State,
    response::{IntoResponse, Response},
};
use http::header::CONTENT_TYPE;
use http_body::Body as _;
use serde::Serialize;

use crate::{
    limits::{answers::held, room::Place, scans::Scan},
    port::History,
    problem::{Problem, Refusal},
    state::Gateway,
};

/// The maximum size of an answer of numbers, in bytes. It is enough for several thousand of the
/// longest values.
const MOST: usize = 8 << 20;

/// Shorter documents reserve no memory.
const SHORT: u64 = 16 << 10;

/// Runs `work` on the history and returns its result. Reserves `bytes` for the answer first.
pub(crate) async fn scan<T: Send + 'static>(
    gateway: &Gateway,
    history: Box<dyn History>,
    bytes: usize,
    work: impl FnOnce(&mut Scan<'_>) -> T + Send + 'static,
) -> Result<(T, Arc<Place>), Problem> {
    let turn = gateway.scans.turn().await?;
    let place = gateway.answers.enter(bytes).await?;
    Ok((turn.look(history, work).await?, place))
}

/// Answers with the JSON `json`, for which `place` reserves `claimed` bytes.
pub(crate) fn answer(
    mut json: Vec<u8>,
    place: Arc<Place>,
    claimed: usize,
) -> Result<Response, Problem> {
    json.shrink_to_fit();
    // Escapes can make it longer than estimated.
    if json.len() > claimed && !place.try_claim(json.len() - claimed) {
        return Err(Problem::NO_ROOM);
    }
    place.keep(json.len());
    let body = Body::from(held(json, place.clone()));
    let mut response = ([(CONTENT_TYPE, "application/json")], body).into_response();
    response.extensions_mut().insert(place);
    Ok(response)
}

/// Reserves memory for a long document that another handler wrote.
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

/// Answers with the numbers that `work` finds in the history, of about `about` bytes.
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
            tracing::error!(%error, "cannot serialize an answer");
            Err(Problem::INTERNAL)
        }
    }
}

/// A writer with the limit [`MOST`].
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
