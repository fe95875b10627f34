//! `POST /` and `POST /api/v1/events`: accepts alerts.
//!
//! 1. The content type is ignored, because Falco sends JSON as `text/plain` too. `TE: gzip`, which
//!    Falco sends, says nothing about the body. The only supported Content-Encoding is gzip.
//! 2. A client above the rate limit, if there is one, gets an error.
//! 3. The body is read within a time limit, into memory from a fixed budget (`body.rs`). So
//!    incomplete bodies cannot fill the memory, whatever the number of connections.
//! 4. A body that costs more than a usual alert is decompressed and decoded on a blocking thread,
//!    and has limits (`unpack.rs`). A body over one of them is rejected as a whole.
//! 5. The server takes the alerts in it, and counts the records. A body without an alert is 400.
//!    Falco ignores that, but a log shipper or a script must not take it for success.
//! 6. `POST /` answers 200 without a body, because Falco can print an answer to its standard
//!    output.

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderValue, header::CONTENT_ENCODING};
use tokio::time::timeout;

use super::{alert::Alert, body, json::Json, unpack};
use crate::{
    guard::client::Client,
    port::{Sender, Taken},
    problem::{Document, Problem, Refusal},
    state::Gateway,
};

/// Accepts alerts: Falco's JSON, one a line, several in an array, or as log shippers wrap them. A
/// record that is no alert is refused alone. A body without any alert is an error.
#[utoipa::path(
    post, path = "/api/v1/events", tag = "alerts",
    request_body(description = "One or more alerts, optionally compressed with gzip", content((Alert = "application/json"), (String = "application/x-ndjson"))),
    responses(
        (status = 200, description = "How many records were alerts, and how many were not", body = Taken),
        (status = 400, description = "The body has no alert, ended early, or is not gzip", body = Document, content_type = "application/problem+json"),
        (status = 403, description = "The server does not accept posts, or the post is from a page of another origin", body = Document, content_type = "application/problem+json"),
        (status = 408, description = "The body arrived too slowly", body = Document, content_type = "application/problem+json"),
        (status = 413, description = "The body is larger than 8 MiB, compressed or not, or has more than 65,536 lines or 256 gzip members; nothing of it was taken", body = Document, content_type = "application/problem+json"),
        (status = 415, description = "Another Content-Encoding than gzip", body = Document, content_type = "application/problem+json"),
        (status = 429, description = "The client exceeds the rate limit", body = Document, content_type = "application/problem+json"),
        (status = 503, description = "The body arrived slowly, and other bodies needed its memory", body = Document, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn take(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<Json<Taken>, Refusal> {
    taken(gateway, request).await.map(Json)
}

/// The same for Falco: the answer has no body.
pub(crate) async fn from_falco(
    State(gateway): State<Gateway>,
    request: Request,
) -> Result<Response, Refusal> {
    taken(gateway, request).await.map(|_| Response::new(Body::empty()))
}

async fn taken(gateway: Gateway, request: Request) -> Result<Taken, Refusal> {
    let client = request.extensions().get::<Client>();
    if let (Some(rate), Some(client)) = (&gateway.guard.rate, client)
        && !rate.allows(client.address.ip())
    {
        return Err(Problem::TOO_OFTEN.into());
    }
    let sender = client.map_or(Sender::Remote(None), |client| client.sender(request.headers()));
    let gzip = match request.headers().get(CONTENT_ENCODING).map(HeaderValue::as_bytes) {
        None | Some(b"identity") => false,
        Some(b"gzip" | b"x-gzip") => true,
        Some(_) => return Err(Problem::BODY_ENCODED.into()),
    };
    let body = timeout(gateway.limits.body, body::read(&gateway, request.into_body()))
        .await
        .map_err(|_| Problem::BODY_TOO_SLOW)??;
    let turn = timeout(gateway.limits.body, unpack::turn(&gateway.unpacking, &body.bytes, gzip))
        .await
        .map_err(|_| Problem::BODY_NO_TURN)??;
    // From here on the body is no longer dropped, because its alerts may have been taken.
    let work = unpack::Work { port: gateway.port.clone(), body: body.bytes, gzip, sender };
    let taken = unpack::take(work, turn, body.place).await?;
    if taken.accepted == 0 { Err(Refusal::no_alert(&taken)) } else { Ok(taken) }
}

/// Replaces [`take`] if posts are disabled, so that the operator reads the reason.
pub(crate) async fn off() -> Problem {
    Problem::INGEST_OFF
}
