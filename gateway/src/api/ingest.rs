//! An alert comes in: `POST /` and `POST /api/v1/events`.
//!
//! 1. The content type does not matter: Falco sends JSON as `text/plain` too, and `TE: gzip`,
//!    which says nothing about the body. `Content-Encoding: gzip` does, any other is refused.
//! 2. A client that posts too often, where that is limited, is told so.
//! 3. The body is read, within a time limit, into memory from a fixed budget (`body.rs`): no number
//!    of connections can fill the memory with half-sent bodies.
//! 4. What costs more than an alert of Falco's does is unpacked and taken away from the threads that
//!    serve, and has bounds (`unpack.rs`). A body over one of them is not taken at all.
//! 5. The host process gets it, whatever it is, and the answer is 200 with no body at all: Falco
//!    prints the body of an answer to its own standard output.

use axum::{
    body::Body,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderValue, header::CONTENT_ENCODING};
use tokio::time::timeout;

use super::{alert::Alert, body, unpack};
use crate::{
    guard::client::Client,
    problem::{Document, Problem},
    state::Gateway,
};

/// Takes alerts: one JSON object as Falco writes it, or one a line. The answer is 200 whatever is in
/// it, since Falco does not look; what is no alert is counted in the status.
#[utoipa::path(
    post, path = "/api/v1/events", tag = "alerts",
    request_body(description = "One alert, or several, one a line; perhaps compressed with gzip", content((Alert = "application/json"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "Taken; there is no body"),
        (status = 400, description = "The body ended early, or is not gzip", body = Document, content_type = "application/problem+json"),
        (status = 403, description = "Posting is switched off, or comes from a foreign page", body = Document, content_type = "application/problem+json"),
        (status = 408, description = "The body came too slowly", body = Document, content_type = "application/problem+json"),
        (status = 413, description = "The body is larger than 8 MiB, packed or unpacked, or has more than 65,536 lines or 256 gzip members; nothing of it was taken", body = Document, content_type = "application/problem+json"),
        (status = 415, description = "Another Content-Encoding than gzip", body = Document, content_type = "application/problem+json"),
        (status = 429, description = "This client posts too often", body = Document, content_type = "application/problem+json"),
        (status = 503, description = "The body came slowly, and others needed its memory", body = Document, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn take(State(gateway): State<Gateway>, request: Request) -> Response {
    let client = request.extensions().get::<Client>();
    if let (Some(rate), Some(client)) = (&gateway.guard.rate, client)
        && !rate.allows(client.address.ip())
    {
        return Problem::TOO_OFTEN.into_response();
    }
    let gzip = match request.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => false,
        Some(b"gzip" | b"x-gzip") => true,
        Some(_) => return Problem::BODY_ENCODED.into_response(),
    };
    let body = match timeout(gateway.limits.body, body::read(&gateway, request.into_body())).await {
        Ok(Ok(body)) => body,
        Ok(Err(problem)) => return problem.into_response(),
        Err(_) => return Problem::BODY_TOO_SLOW.into_response(),
    };
    let turn =
        match timeout(gateway.limits.body, unpack::turn(&gateway.unpacking, &body.bytes, gzip))
            .await
        {
            Ok(Ok(turn)) => turn,
            Ok(Err(problem)) => return problem.into_response(),
            Err(_) => return Problem::BODY_NO_TURN.into_response(),
        };
    // From here on its alerts may be taken: it is no longer given up.
    let taken = unpack::take(gateway.port.clone(), body.bytes, gzip, turn, body.place).await;
    match taken {
        Ok(()) => Response::new(Body::empty()),
        Err(refusal) => refusal.into_response(),
    }
}

/// Stands in for [`take`] when posting is switched off: Falco would not notice a 404 or 405, its
/// operator can read this.
pub(crate) async fn off() -> Problem {
    Problem::INGEST_OFF
}
