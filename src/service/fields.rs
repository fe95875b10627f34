//! `WatchRequest.fields`: parses the field mask, and reduces an alert to these fields.

use bytes::{Bytes, BytesMut};
use prost::decode_length_delimiter;
use prost_types::FieldMask;

use super::position::invalid;
use crate::grpc::Status;

/// The names and numbers of an alert's fields.
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

/// A set of fields: one bit for each number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fields(u16);

impl Fields {
    /// Parses a field mask. `None` is all fields.
    ///
    /// # Errors
    /// INVALID_ARGUMENT if a field does not exist.
    pub(super) fn wanted(mask: Option<FieldMask>) -> Result<Option<Self>, Status> {
        let Some(FieldMask { paths }) = mask.filter(|mask| !mask.paths.is_empty()) else {
            return Ok(None);
        };
        let number = |path: String| {
            let known = FIELDS.iter().find(|(name, _)| *name == path);
            known.map(|(_, number)| *number).ok_or_else(|| {
                let known = FIELDS.map(|(name, _)| name).join(", ");
                let path: String = path.chars().take(40).collect();
                invalid(format!("fields: unknown field {path:?}; the fields are {known}"))
            })
        };
        let numbers: Vec<u32> = paths.into_iter().map(number).collect::<Result<_, _>>()?;
        Ok(Some(Self::of(numbers)))
    }

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

/// Returns an encoded alert with only these fields. Their bytes stay the same.
pub(super) fn masked(message: Bytes, fields: Option<Fields>) -> Bytes {
    let Some(fields) = fields else { return message };
    let mut kept = BytesMut::new();
    let mut rest = message;
    // Alerts that Falconer encoded are complete. Anything else ends at the first invalid field.
    while let Some((number, field)) = first_field(&mut rest) {
        if fields.has(number) {
            kept.extend_from_slice(&field);
        }
    }
    kept.freeze()
}

/// Splits the first field off `message`. An alert has only varints and length-delimited fields.
fn first_field(message: &mut Bytes) -> Option<(u32, Bytes)> {
    let mut rest = message.clone();
    // This function of prost decodes any varint.
    let key = decode_length_delimiter(&mut rest).ok()?;
    let value = decode_length_delimiter(&mut rest).ok()?;
    let skipped = if key & 7 == 2 { value } else { 0 };
    let length = message.len() - rest.len().checked_sub(skipped)?;
    Some((u32::try_from(key >> 3).ok()?, message.split_to(length)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{self, Origin};
    use crate::proto::{self, falco::outputs::Response};
    use prost::Message as _;

    #[test]
    fn a_mask_returns_exactly_its_fields() {
        let line = r#"{"rule":"r","priority":"Debug","time":"1960-01-30T10:00:00.5Z","source":"k8s_audit","hostname":"h","output":"o","tags":["a","b"],"output_fields":{"x":1,"y":"z"}}"#;
        let mut frame = Vec::new();
        let read = event::read(
            line.as_bytes(),
            || unreachable!(),
            |record| {
                event::encode(&record.event, &Origin::utc(""), &mut frame);
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
    fn names_and_numbers_match_the_proto() {
        let set = prost_types::FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
        let mut messages = set.file.iter().filter(|file| file.package() == "falco.outputs");
        let response = messages
            .find_map(|file| file.message_type.iter().find(|message| message.name() == "response"))
            .unwrap();
        let declared = response.field.iter().map(|field| (field.name(), field.number() as u32));
        assert!(declared.eq(FIELDS));
    }

    #[test]
    fn an_invalid_field_ends_the_alert() {
        for bytes in [&b"\xff"[..], b"\x22\xff\xff\xff\xff\x7f", b"\x22"] {
            assert_eq!(masked(Bytes::from_static(bytes), Some(Fields::of([4]))), "");
        }
    }
}
