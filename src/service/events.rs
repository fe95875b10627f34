//! `falconer.v1.EventService`: alerts with their cursors, and how the server is.

use bytes::{Bytes, BytesMut};
use prost::decode_length_delimiter;
use prost_types::FieldMask;

use super::position::{invalid, named};
use super::subscribers::Kind;
use super::watch::{Watch, Watching};
use super::{Caller, Context};
use crate::filter::Filter;
use crate::grpc::{Method, Request, Status, method};
use crate::proto::falconer::v1::watch_request::Start;
use crate::proto::falconer::v1::{StatusRequest, StatusResponse, WatchRequest};
use crate::query::{self, Selection};

/// An alert's fields, by name and number.
const FIELDS: [(&str, u32); 9] = [
    ("time", 1),
    ("priority", 2),
    ("source_deprecated", 3),
    ("rule", 4),
    ("output", 5),
    ("output_fields", 6),
    ("hostname", 7),
    ("tags", 8),
    ("source", 9),
];

/// Alerts that are kept, and those to come.
pub(super) fn watch(context: Context) -> Method {
    method::server_streaming(move |request: Request<WatchRequest>| {
        let context = context.clone();
        async move {
            let caller = request.extensions.get::<Caller>().cloned();
            let watching = read(&context, request.message)?;
            Ok(Watch::new(context, watching, caller).into_frames())
        }
    })
}

/// How the server is.
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
        };
        async move { Ok(status) }
    })
}

fn read(context: &Context, request: WatchRequest) -> Result<Watching, Status> {
    let WatchRequest { filter, start, until, follow, limit, fields } = request;
    let (hub, now) = (&context.hub, (context.now)());
    let filter = match filter.trim() {
        "" => None,
        text => Some(Filter::parse(text).map_err(|error| invalid(format!("filter: {error}")))?),
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
        fields: mask(fields)?,
    })
}

/// Some of an alert's fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields(u16);

impl Fields {
    fn of(numbers: impl IntoIterator<Item = u32>) -> Self {
        Self(numbers.into_iter().fold(0, |fields, number| fields | Self::bit(number)))
    }

    fn has(self, number: u32) -> bool {
        self.0 & Self::bit(number) != 0
    }

    fn bit(number: u32) -> u16 {
        1_u16.checked_shl(number).unwrap_or(0)
    }
}

/// The fields that are wanted; `None` is all.
fn mask(mask: Option<FieldMask>) -> Result<Option<Fields>, Status> {
    let Some(FieldMask { paths }) = mask.filter(|mask| !mask.paths.is_empty()) else {
        return Ok(None);
    };
    let number = |path: String| {
        let known = FIELDS.iter().find(|(name, _)| *name == path);
        known.map(|(_, number)| *number).ok_or_else(|| {
            let known = FIELDS.map(|(name, _)| name).join(", ");
            let path: String = path.chars().take(40).collect();
            invalid(format!("fields: {path:?} is none of {known}"))
        })
    };
    let numbers: Vec<u32> = paths.into_iter().map(number).collect::<Result<_, _>>()?;
    Ok(Some(Fields::of(numbers)))
}

/// An alert with only the fields that are wanted, as they are on the wire.
pub(super) fn masked(message: Bytes, fields: Option<Fields>) -> Bytes {
    let Some(fields) = fields else { return message };
    let mut kept = BytesMut::new();
    let mut rest = message;
    // What we encoded ourselves is whole; anything else ends it.
    while let Some((number, field)) = first_field(&mut rest) {
        if fields.has(number) {
            kept.extend_from_slice(&field);
        }
    }
    kept.freeze()
}

/// Takes the first field off `message`: a varint, or bytes behind their length, which is all that an
/// alert has.
fn first_field(message: &mut Bytes) -> Option<(u32, Bytes)> {
    let mut rest = message.clone();
    // prost's name for reading any varint.
    let key = decode_length_delimiter(&mut rest).ok()?;
    let value = decode_length_delimiter(&mut rest).ok()?;
    let skipped = if key & 7 == 2 { value } else { 0 };
    let length = message.len() - rest.len().checked_sub(skipped)?;
    Some((u32::try_from(key >> 3).ok()?, message.split_to(length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event;
    use crate::proto::{self, falco::outputs::Response};
    use prost::Message as _;

    #[test]
    fn what_is_kept_is_what_was_asked_for() {
        let line = r#"{"rule":"r","priority":"Debug","time":"1960-01-30T10:00:00.5Z","source":"k8s_audit","hostname":"h","output":"o","tags":["a","b"],"output_fields":{"x":1,"y":"z"}}"#;
        let mut frame = Vec::new();
        let read = event::read(
            line.as_bytes(),
            || unreachable!(),
            |record| {
                event::encode(&record.event, "", &mut frame);
            },
        );
        read.unwrap();
        let whole = Bytes::from(frame).split_off(5);
        let all = Fields::of(FIELDS.map(|(_, number)| number));
        assert_eq!(masked(whole.clone(), Some(all)), whole);
        let whole = Response::decode(whole).unwrap();
        let fields = |wanted: &[u32]| {
            let wanted = Fields::of(wanted.iter().copied());
            Response::decode(masked(whole.encode_to_vec().into(), Some(wanted))).unwrap()
        };
        let (time, rest) = (fields(&[1]), fields(&[2, 3, 4, 5, 6, 7, 8, 9]));
        assert_eq!(time, Response { time: whole.time, ..Response::default() });
        assert_eq!(rest, Response { time: None, ..whole.clone() });
        let some = fields(&[6, 8]);
        let (output_fields, tags) = (whole.output_fields.clone(), whole.tags.clone());
        assert_eq!(some, Response { output_fields, tags, ..Response::default() });
    }

    #[test]
    fn they_have_the_numbers_that_the_protocol_gives_them() {
        let set = prost_types::FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
        let mut messages = set.file.iter().filter(|file| file.package() == "falco.outputs");
        let response = messages
            .find_map(|file| file.message_type.iter().find(|message| message.name() == "response"))
            .unwrap();
        let declared = response.field.iter().map(|field| (field.name(), field.number() as u32));
        assert!(declared.eq(FIELDS));
    }

    #[test]
    fn what_is_no_message_ends_it() {
        for bytes in [&b"\xff"[..], b"\x22\xff\xff\xff\xff\x7f", b"\x22"] {
            assert_eq!(masked(Bytes::from_static(bytes), Some(Fields::of([4]))), "");
        }
    }
}
