//! An alert comes in: `POST /` and `POST /api/v1/events`.
//!
//! 1. The content type does not matter: Falco sends JSON as `text/plain` too, and `TE: gzip`,
//!    which says nothing about the body. `Content-Encoding: gzip` does, any other is refused.
//! 2. A client that posts too often, where that is limited, is told so.
//! 3. A body announced as too large is refused before a byte of it is read.
//! 4. Room for the body is taken from a fixed budget, so that no number of connections can fill
//!    the memory with half-sent bodies.
//! 5. The body is read, within a time limit; one that came in one piece is not copied.
//! 6. A compressed body is unpacked to no more than an uncompressed one may have.
//! 7. The host process gets it, whatever it is, and the answer is 200 with no body at all: Falco
//!    prints the body of an answer to its own standard output.

use std::io::Read;

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{HeaderValue, header::CONTENT_ENCODING};
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout;

use crate::{
    budget::Budget,
    client::Client,
    problem::{Document, Problem},
    state::Gateway,
};

/// Bytes a posted body may have: a record is at most 1 MiB, and several may come at once.
pub const MAX_BODY: usize = 8 << 20;

/// Takes alerts: one JSON object as Falco writes it, or one a line. The answer is 200 whatever is in
/// it, since Falco does not look; what is no alert is counted in the status.
#[utoipa::path(
    post, path = "/api/v1/events", tag = "alerts",
    request_body(content = String, description = "Falco's JSON, perhaps compressed with gzip", content_type = "application/json"),
    responses(
        (status = 200, description = "Taken; there is no body"),
        (status = 400, description = "The body ended early, or is not gzip", body = Document, content_type = "application/problem+json"),
        (status = 403, description = "Posting is switched off, or comes from a foreign page", body = Document, content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly", body = Document, content_type = "application/problem+json"),
        (status = 413, description = "The body is larger than 8 MiB", body = Document, content_type = "application/problem+json"),
        (status = 415, description = "Another Content-Encoding than gzip", body = Document, content_type = "application/problem+json"),
        (status = 429, description = "This client posts too often", body = Document, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn take(State(gateway): State<Gateway>, request: Request) -> Response {
    let client = request.extensions().get::<Client>();
    if let (Some(rate), Some(client)) = (&gateway.rate, client)
        && !rate.allows(client.address.ip())
    {
        return Problem::TOO_OFTEN.into_response();
    }
    let gzip = match request.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => false,
        Some(b"gzip" | b"x-gzip") => true,
        Some(_) => return Problem::BODY_ENCODED.into_response(),
    };
    let reading = read(&gateway.budget, request.into_body());
    match timeout(gateway.limits.body, reading).await {
        Ok(Ok(body)) => match if gzip { unpacked(&body) } else { Ok(body) } {
            Ok(body) => {
                gateway.port.ingest(body);
                Response::new(Body::empty())
            }
            Err(problem) => problem.into_response(),
        },
        Ok(Err(problem)) => problem.into_response(),
        Err(_) => Problem::BODY_TOO_SLOW.into_response(),
    }
}

/// What was compressed. Some milliseconds at most: what is unpacked has the bound of a body.
fn unpacked(body: &[u8]) -> Result<Bytes, Problem> {
    let mut unpacked = Vec::new();
    let reader = MultiGzDecoder::new(body);
    match reader.take(MAX_BODY as u64 + 1).read_to_end(&mut unpacked) {
        Ok(_) if unpacked.len() > MAX_BODY => Err(Problem::BODY_TOO_LARGE),
        Ok(_) => Ok(unpacked.into()),
        Err(_) => Err(Problem::BODY_NOT_GZIP),
    }
}

/// Stands in for [`take`] when posting is switched off: Falco would not notice a 404 or 405, its
/// operator can read this.
pub(crate) async fn off() -> Problem {
    Problem::INGEST_OFF
}

async fn read(budget: &Budget, body: Body) -> Result<Bytes, Problem> {
    let size = body.size_hint();
    if size.lower() > MAX_BODY as u64 {
        return Err(Problem::BODY_TOO_LARGE);
    }
    let most = size.upper().and_then(|upper| usize::try_from(upper).ok()).unwrap_or(MAX_BODY);
    let _room = budget.take(most.min(MAX_BODY)).await;
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::BODY_TOO_LARGE),
        Err(_) => Err(Problem::BODY_BROKEN),
    }
}
