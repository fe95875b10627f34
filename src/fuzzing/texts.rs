//! Checks text that people and Falco write: alerts, filters, configuration.

use prost::Message as _;

use crate::config;
use crate::event;
use crate::filter::Filter;
use crate::grpc::frame::PREFIX;
use crate::proto::falco::outputs::Response;

/// Decodes `record` as an alert.
///
/// # Panics
/// If the encoded alert does not decode to the same alert, if its line is not one line of JSON, or
/// if a record is rejected as invalid JSON that is valid for `serde_json`.
pub fn falco_line(record: &[u8]) {
    let now = || jiff::Timestamp::UNIX_EPOCH.to_zoned_datetime(jiff::tz::TimeZone::UTC);
    let longest = 4 * record.len() + 1024;
    let read = event::read(record, now, |record| {
        let event = &record.event;
        let mut frame = Vec::new();
        event::encode(event, &event::Origin::utc("host"), &mut frame);
        let (prefix, message) = frame.split_first_chunk::<PREFIX>().expect("a prefix");
        let [flag, length @ ..] = *prefix;
        assert_eq!((flag, u32::from_be_bytes(length) as usize), (0, message.len()));
        assert!(message.len() <= longest, "a message is a small multiple of its record");
        let response = Response::decode(message).expect("valid protobuf");
        let time = response.time.expect("a time");
        assert_eq!(
            (time.seconds, time.nanos.cast_unsigned()),
            (event.time.seconds(), event.time.nanos())
        );
        assert_eq!(response.priority, event.priority as i32);
        assert_eq!(response.rule, event.rule);
        assert_eq!(response.source, event.source);
        assert_eq!(response.output, event.output);
        assert_eq!(response.hostname, event.hostname.as_deref().unwrap_or("host"));
        assert!(response.tags.is_sorted() && response.tags.iter().eq(&event.tags));
        assert!(response.output_fields.len() <= event.fields.len());
        assert!(!record.line.contains(['\n', '\r']));
        assert!(is_json(&record.line));
    });
    if let Err(event::Reject::Malformed { .. }) = read {
        assert!(!is_json(&String::from_utf8_lossy(record.trim_ascii())));
    }
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

/// Parses `text` as a filter.
///
/// # Panics
/// If the printed filter does not parse to the same filter, if its double negation does not match
/// the same alerts, or if one of its parts is not a filter. If the error for an invalid text is not
/// one line, or has a column outside of the text.
pub fn filter_text(text: &str) {
    let filter = match Filter::parse(text) {
        Ok(filter) => filter,
        Err(error) => {
            assert!((1..=text.chars().count() + 1).contains(&error.column), "{error}");
            assert!(!error.to_string().contains(char::is_control), "{error}");
            return;
        }
    };
    let printed = filter.to_string();
    assert!(!printed.contains(char::is_control), "{printed:?}");
    let again = Filter::parse(&printed).expect("a filter");
    assert_eq!(again, filter, "{printed}");
    assert_eq!(again.to_string(), printed);
    for part in filter.parts() {
        Filter::parse(text.get(part).expect("a part of the text")).expect("a filter");
    }
    let Ok(negated) = Filter::parse(&format!("not not ({printed})")) else { return };
    for line in FILTERED {
        let read = event::read(
            line.as_bytes(),
            || unreachable!(),
            |record| {
                let matches = filter.matches(&record.event);
                assert_eq!(matches, again.matches(&record.event), "{printed}");
                assert_eq!(matches, negated.matches(&record.event), "not not ({printed})");
            },
        );
        read.expect("an alert");
    }
}

/// An alert with values of every kind, and an alert with the required keys only.
pub(crate) const FILTERED: [&str; 2] = [
    r#"{"hostname":"a","output":"a b","priority":"Error","rule":"a.b","source":"syscall","tags":["a","b"],"time":"2026-01-30T10:00:00.5Z","output_fields":{"a":"/a/b","a.b":1,"a.c":-1.5,"b.a":null,"b.b":["a",1,null,["b"]],"c.a":true,"c.b":{"a":1}}}"#,
    r#"{"priority":"Debug","rule":"","time":"2026-01-30T10:00:00Z"}"#,
];

/// Reads `text` as a configuration file, and as every file that it includes.
pub fn config_text(text: &str) {
    let open = |_: &std::path::Path| Ok(config::Found::File(text.into()));
    let _ = config::read(Some(text), &config::Options::default(), &|_| None, &open);
}
