//! Reads a posted body within its limits.
//!
//! 1. A body with too large a Content-Length is rejected before any of it is read.
//! 2. A body in one piece is not copied and reserves no memory, because it is in the connection's
//!    buffer.
//! 3. Otherwise each piece is copied into reserved memory ([`Budget`]), so that a short piece does
//!    not keep a long buffer.
//!
//! [`Budget`]: crate::limits::budget::Budget

use axum::body::Body;
use bytes::Bytes;
use http_body::Body as _;
use http_body_util::BodyExt;

use crate::{
    limits::{
        budget::MAX_BODY,
        room::{Lost, Place},
    },
    problem::Problem,
    state::Gateway,
};

/// The unit in which memory is reserved, in bytes.
const UNIT: usize = 4 << 10;

/// A whole body, and its reserved memory.
pub(crate) struct Read {
    pub(crate) bytes: Bytes,
    pub(crate) place: Option<Place>,
}

pub(crate) async fn read(gateway: &Gateway, mut body: Body) -> Result<Read, Problem> {
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(Problem::BODY_TOO_LARGE);
    }
    let Some(first) = next(&mut body).await? else {
        return Ok(Read { bytes: Bytes::new(), place: None });
    };
    if body.is_end_stream() {
        return match first.len() {
            ..=MAX_BODY => Ok(Read { bytes: first, place: None }),
            _ => Err(Problem::BODY_TOO_LARGE),
        };
    }
    let place = gateway.budget.enter(gateway.loopback);
    let mut lost = std::pin::pin!(place.lost());
    let mut bytes = Vec::new();
    let mut piece = Some(first);
    while let Some(more) = piece {
        append(&mut bytes, more, &place).await?;
        piece = tokio::select! {
            biased;
            piece = next(&mut body) => piece?,
            () = &mut lost => return Err(Problem::BODY_LOST_PLACE),
        };
    }
    place.settled();
    Ok(Read { bytes: bytes.into(), place: Some(place) })
}

/// Returns the next piece that is not empty.
async fn next(body: &mut Body) -> Result<Option<Bytes>, Problem> {
    while let Some(frame) = body.frame().await {
        match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) if !data.is_empty() => return Ok(Some(data)),
            // Trailers are ignored.
            Ok(_) => {}
            Err(_) => return Err(Problem::BODY_BROKEN),
        }
    }
    Ok(None)
}

async fn append(bytes: &mut Vec<u8>, piece: Bytes, place: &Place) -> Result<(), Problem> {
    let length = bytes.len() + piece.len();
    if length > MAX_BODY {
        return Err(Problem::BODY_TOO_LARGE);
    }
    if length > bytes.capacity() {
        let wanted = length.max(2 * bytes.capacity()).min(MAX_BODY).next_multiple_of(UNIT);
        let claimed = place.claim(wanted - bytes.capacity()).await;
        claimed.map_err(|Lost| Problem::BODY_LOST_PLACE)?;
        bytes.reserve_exact(wanted - bytes.len());
    }
    bytes.extend_from_slice(&piece);
    Ok(())
}
