//! Encodes one alert as a gRPC frame with a `falco.outputs.response`.
//!
//! The encoder is written by hand. It runs once per alert, whatever the number of readers, and
//! does not build the message in memory first. The bytes equal those of `outputs_grpc.cpp` in
//! Falco 0.39 to 0.43:
//!
//! - Output fields of rules are display text: strings as they are, `<NA>` for null, lists as
//!   `(a,b)` cut at 1,023 bytes, floating-point numbers with one decimal (`%.1lf`), anything else
//!   as decimal text. [`super::clock`] shows the fields with the event's time.
//! - Output fields of internal alerts are strings as they are, and anything else as JSON text.
//! - Default values are omitted, except in map entries, which always have a key and a value.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::clock::{self, Shown};
use super::json::Value;
use super::scan::Scanner;
use super::{Event, Priority};

/// gRPC's message prefix: a compressed flag and the length (gRPC over HTTP/2, "Length-Prefixed-
/// Message").
const PREFIX: usize = 5;

/// The length at which a list is cut, in bytes, as in `sinsp_filter_check`.
const LIST_BYTES: usize = 1023;

/// Falco's text for a missing value.
const NO_VALUE: &str = "<NA>";

/// The defaults for what an alert does not say.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The machine.
    pub hostname: String,
    /// The time zone in which Falco formats times.
    pub zone: TimeZone,
}

impl Origin {
    /// A machine whose clock shows UTC.
    #[must_use]
    pub fn utc(hostname: impl Into<String>) -> Self {
        Self { hostname: hostname.into(), zone: TimeZone::UTC }
    }
}

/// Appends `event` to `out` as one gRPC frame; An event without a hostname gets that of
/// `origin`.
pub fn encode(event: &Event<'_>, origin: &Origin, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX]);
    message(event, origin, out);
    let length = u32::try_from(out.len() - start - PREFIX).unwrap_or(u32::MAX);
    if let Some(prefix) = out.get_mut(start + 1..start + PREFIX) {
        prefix.copy_from_slice(&length.to_be_bytes());
    }
}

/// Field numbers of `falco.outputs.response`.
mod field {
    pub(super) const TIME: u32 = 1;
    pub(super) const PRIORITY: u32 = 2;
    pub(super) const SOURCE_DEPRECATED: u32 = 3;
    pub(super) const RULE: u32 = 4;
    pub(super) const OUTPUT: u32 = 5;
    pub(super) const OUTPUT_FIELDS: u32 = 6;
    pub(super) const HOSTNAME: u32 = 7;
    pub(super) const TAGS: u32 = 8;
    pub(super) const SOURCE: u32 = 9;
}

fn message(event: &Event<'_>, origin: &Origin, out: &mut Vec<u8>) {
    time(event, out);
    if event.priority != Priority::Emergency {
        tag(field::PRIORITY, Wire::Varint, out);
        varint(event.priority as u64, out);
    }
    let source = source_number(&event.source);
    if source != 0 {
        tag(field::SOURCE_DEPRECATED, Wire::Varint, out);
        varint(source, out);
    }
    optional(field::RULE, &event.rule, out);
    optional(field::OUTPUT, &event.output, out);
    for (name, value) in &event.fields {
        if event.is_internal() {
            map_entry(name, internal_text(value), out);
        } else {
            match clock::shown(name, value, event, &origin.zone) {
                Shown::AsUsual => map_entry(name, &display_text(value), out),
                Shown::Text(text) => map_entry(name, &text, out),
                Shown::LeftOut => {}
            }
        }
    }
    optional(field::HOSTNAME, event.hostname.as_deref().unwrap_or(&origin.hostname), out);
    for name in &event.tags {
        bytes(field::TAGS, name, out);
    }
    optional(field::SOURCE, &event.source, out);
}

fn time(event: &Event<'_>, out: &mut Vec<u8>) {
    // A negative number takes all ten bytes of a varint (two's complement). Two fields have at
    // most 22 bytes, so the length fits into one byte and can be filled in afterwards.
    tag(field::TIME, Wire::Bytes, out);
    let length_at = out.len();
    out.push(0);
    if event.time.seconds() != 0 {
        tag(1, Wire::Varint, out);
        varint(event.time.seconds().cast_unsigned(), out);
    }
    if event.time.nanos() != 0 {
        tag(2, Wire::Varint, out);
        varint(u64::from(event.time.nanos()), out);
    }
    let length = out.len() - length_at - 1;
    if let Some(byte) = out.get_mut(length_at) {
        *byte = u8::try_from(length).unwrap_or_default();
    }
}

/// Returns the `falco.schema.source` of a source's name. Unknown names are PLUGIN.
fn source_number(name: &str) -> u64 {
    match name {
        "syscall" | "Syscall" | "SYSCALL" => 0,
        "k8s_audit" | "K8s_audit" | "K8S_audit" | "K8S_AUDIT" => 1,
        "internal" | "Internal" | "INTERNAL" => 2,
        _ => 3,
    }
}

fn internal_text<'a>(value: &'a Value<'_>) -> &'a str {
    match value {
        Value::Null => "null",
        Value::Plain(text) | Value::Text(text) => text,
        Value::Nested(json) => json,
    }
}

fn display_text<'a>(value: &'a Value<'_>) -> Cow<'a, str> {
    match value {
        Value::Null => NO_VALUE.into(),
        Value::Plain(text) => plain_text(text),
        Value::Text(text) => (&**text).into(),
        Value::Nested(list) if list.starts_with('[') => list_text(list).into(),
        Value::Nested(object) => (*object).into(),
    }
}

/// Formats a number. Integers keep every digit. A number that is written as a float is rounded,
/// unless it is larger than any real measurement: `1e308` would become 310 digits.
fn plain_text(text: &str) -> Cow<'_, str> {
    const LARGEST: f64 = 1e21;
    if !text.contains(['.', 'e', 'E']) || text.starts_with(['t', 'f']) {
        return text.into();
    }
    match text.parse::<f64>() {
        Ok(number) if number.abs() < LARGEST => format!("{number:.1}").into(),
        _ => text.into(),
    }
}

fn list_text(list: &str) -> String {
    let mut text = String::from("(");
    // The record is known to be valid JSON, so this array cannot fail.
    let _ = Scanner::new(list).elements(|scanner| {
        let element = scanner.value()?;
        if text.len() > LIST_BYTES {
            return Ok(());
        }
        if text.len() > 1 {
            text.push(',');
        }
        // Falco's elements are scalars. A nested element is written as it is, not expanded.
        match element {
            Value::Nested(nested) => text.push_str(nested),
            scalar => text.push_str(&display_text(&scalar)),
        }
        Ok(())
    });
    text.push(')');
    if text.len() > LIST_BYTES {
        text.truncate(text.floor_char_boundary(LIST_BYTES));
    }
    text
}

#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Bytes = 2,
}

fn tag(number: u32, wire: Wire, out: &mut Vec<u8>) {
    varint(u64::from(number << 3 | wire as u32), out);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(low_byte(value) | 0x80);
        value >>= 7;
    }
    out.push(low_byte(value));
}

#[allow(clippy::cast_possible_truncation, reason = "a varint takes the low seven bits")]
fn low_byte(value: u64) -> u8 {
    (value & 0x7f) as u8
}

fn varint_length(value: usize) -> usize {
    let bits = usize::BITS - (value | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

fn optional(number: u32, text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() {
        bytes(number, text, out);
    }
}

fn bytes(number: u32, text: &str, out: &mut Vec<u8>) {
    tag(number, Wire::Bytes, out);
    varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

fn map_entry(key: &str, value: &str, out: &mut Vec<u8>) {
    // The tags of key and value take one byte each.
    let entry = 2 + varint_length(key.len()) + key.len() + varint_length(value.len()) + value.len();
    tag(field::OUTPUT_FIELDS, Wire::Bytes, out);
    varint(entry as u64, out);
    bytes(1, key, out);
    bytes(2, value, out);
}
