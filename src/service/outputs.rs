//! `falco.outputs.service`: alerts up to now (`get`) or continuously (`sub`).

use http::{Extensions, HeaderMap};
use tokio_util::task::AbortOnDropHandle;

use super::position::{self, Position};
use super::reader::{Reader, Wanted};
use super::{Caller, Context};
use crate::grpc::{Method, Request, Requests, Status, method};
use crate::proto::falco::outputs::Request as Empty;
use crate::query::Selection;

/// The method `get`: the alerts that the group has not read up to now, then OK.
pub(super) fn get(context: Context) -> Method {
    method::server_streaming(move |request: Request<Empty>| {
        let context = context.clone();
        async move {
            let Request { metadata, extensions, .. } = &request;
            let (wanted, caller) = start(&context, metadata, extensions).await?;
            Ok(Reader::get(context, wanted, caller)?.into_frames())
        }
    })
}

/// The method `sub`: the alerts that the group has not read, then new alerts.
pub(super) fn sub(context: Context) -> Method {
    method::bidirectional(move |request: Request<Requests<Empty>>| {
        let context = context.clone();
        async move {
            let Request { metadata, extensions, .. } = &request;
            let (wanted, caller) = start(&context, metadata, extensions).await?;
            // A task drains the requests beside the reply. Clients of the old API send requests as
            // long as the call lasts, even while they are too slow to read the reply. h2 ends a
            // connection with too many unread small frames.
            let requests = AbortOnDropHandle::new(tokio::spawn(request.message.drain()));
            Ok(Reader::sub(context, wanted, requests, caller)?.into_frames())
        }
    })
}

async fn start(
    context: &Context,
    metadata: &HeaderMap,
    extensions: &Extensions,
) -> Result<(Wanted, Option<Caller>), Status> {
    let filter = match position::filter(metadata)? {
        Some(text) => Some(position::prepared(position::FILTER, &context.filters, text).await?),
        None => None,
    };
    let position = Position::of(metadata, &context.hub, (context.now)())?;
    let selection = Selection { filter, ..Selection::default() };
    let caller = extensions.get::<Caller>().cloned();
    tracing::debug!(
        peer = caller.as_ref().map(|caller| &*caller.name),
        ?position,
        filter = selection.filter.as_ref().map(|filter| filter.to_string()),
        "call begins"
    );
    Ok((Wanted { position, selection }, caller))
}
