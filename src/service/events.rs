//! `falconer.v1.EventService`: alerts with their cursors, and the state of the server.

use super::fields::Fields;
use super::position::{self, named, prepared};
use super::subscribers::Kind;
use super::watch::{Watch, Watching};
use super::{Caller, Context};
use crate::grpc::{Method, Request, Status, method};
use crate::proto::falconer::v1::watch_request::Start;
use crate::proto::falconer::v1::{StatusRequest, StatusResponse, WatchRequest};
use crate::query::{self, Selection};

/// The method `Watch`: the retained alerts and, with `follow`, new ones.
pub(super) fn watch(context: Context) -> Method {
    method::server_streaming(move |request: Request<WatchRequest>| {
        let context = context.clone();
        async move {
            let caller = request.extensions.get::<Caller>().cloned();
            position::none(&request.metadata)?;
            let watching = read(&context, request.message).await?;
            Ok(Watch::new(context, watching, caller).into_frames())
        }
    })
}

/// The method `Status`: the state of the server.
pub(super) fn status(context: Context) -> Method {
    method::unary(move |_: Request<StatusRequest>| {
        let stats = context.hub.stats();
        let newest = (stats.received > 0).then(|| context.hub.cursor(stats.received).to_string());
        let subscribers = Kind::ALL.map(|kind| context.subscribers.of(kind) as u64);
        let status = StatusResponse {
            version: env!("CARGO_PKG_VERSION").into(),
            epoch: context.hub.epoch().to_string(),
            received: stats.received,
            retained: stats.retained,
            retained_bytes: stats.retained_bytes as u64,
            lost: stats.lost,
            oldest: stats.oldest.map(|time| prost_types::Timestamp {
                seconds: time.seconds(),
                nanos: i32::try_from(time.nanos()).unwrap_or_default(),
            }),
            newest: newest.unwrap_or_default(),
            subscribers: subscribers.iter().sum(),
            down: (context.down)(),
        };
        async move { Ok(status) }
    })
}

async fn read(context: &Context, request: WatchRequest) -> Result<Watching, Status> {
    let WatchRequest { filter, start, until, follow, limit, fields } = request;
    let (hub, now) = (&context.hub, (context.now)());
    let filter = match filter.trim() {
        "" => None,
        text => Some(prepared("filter", &context.filters, text).await?),
    };
    let until = match until.as_str() {
        "" => None,
        text => Some(named("until", query::time(text, now))?),
    };
    let mut since = None;
    let next = match start {
        None => hub.oldest(),
        Some(Start::After(cursor)) => named("after", query::after(&cursor, hub))?,
        Some(Start::Since(text)) => {
            let time = named("since", query::time(&text, now))?;
            since = Some(time);
            hub.since(time)
        }
        Some(Start::Last(count)) => hub.head().saturating_sub(count).max(hub.oldest()),
    };
    Ok(Watching {
        next,
        selection: Selection { filter, since, until },
        follow,
        limit: (limit > 0).then_some(limit),
        fields: Fields::wanted(fields)?,
    })
}
