//! `falco.outputs.service`: alerts once (`get`) or as they come (`sub`).

use tokio_util::task::AbortOnDropHandle;

use super::position::Position;
use super::reader::Reader;
use super::{Caller, Context};
use crate::grpc::{Method, Request, Requests, Status, method};
use crate::proto::falco::outputs::Request as Empty;

/// What the group has not read up to now, then OK.
pub(super) fn get(context: Context) -> Method {
    method::server_streaming(move |request: Request<Empty>| {
        let context = context.clone();
        async move {
            let (position, peer) = start(&context, &request)?;
            Ok(Reader::get(context, position, peer)?.into_frames())
        }
    })
}

/// What the group has not read, then every alert as it comes.
pub(super) fn sub(context: Context) -> Method {
    method::bidirectional(move |request: Request<Requests<Empty>>| {
        let context = context.clone();
        async move {
            let (position, peer) = start(&context, &request)?;
            // Beside the reply, not within it: clients that poll send requests for as long as the
            // call lasts, also while they are too slow to take what we send, and HTTP/2 gives up
            // a connection whose small frames nobody reads.
            let requests = AbortOnDropHandle::new(tokio::spawn(request.message.drain()));
            Ok(Reader::sub(context, position, requests, peer)?.into_frames())
        }
    })
}

fn start<T>(context: &Context, request: &Request<T>) -> Result<(Position, Option<Caller>), Status> {
    let position = Position::of(&request.metadata, &context.hub, (context.now)())?;
    let peer = request.extensions.get::<Caller>().cloned();
    tracing::debug!(peer = peer.as_ref().map(|caller| &*caller.name), ?position, "call begins");
    Ok((position, peer))
}
