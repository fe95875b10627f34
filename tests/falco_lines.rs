//! Falco's example lines and the exact protobuf message of each.
//!
//! `tests/data/falco-example-lines.jsonl` has a line of every layout that Falco ever wrote.
//! `falco-example-alerts.jsonl` has, line for line, the fields of the `falco.outputs.response` that
//! a client must see. A `null` hostname there stands for the machine's, here `this-host`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, HashMap};

use falconer::event::{self, Origin, Reject};
use falconer::proto::falco::outputs::Response;
use jiff::ZonedDateTime;
use prost::Message;
use serde::Deserialize;

const LINES: &str = include_str!("data/falco-example-lines.jsonl");
const EXPECTED: &str = include_str!("data/falco-example-alerts.jsonl");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// `seconds.nanoseconds`
    time: String,
    priority: i32,
    source_deprecated: i32,
    rule: String,
    output: String,
    output_fields: BTreeMap<String, String>,
    hostname: Option<String>,
    tags: Vec<String>,
    source: String,
}

impl From<Expected> for Response {
    #[allow(deprecated, reason = "old clients read source_deprecated")]
    fn from(expected: Expected) -> Self {
        let (seconds, nanos) = expected.time.split_once('.').unwrap();
        Self {
            time: Some(prost_types::Timestamp {
                seconds: seconds.parse().unwrap(),
                nanos: nanos.parse().unwrap(),
            }),
            priority: expected.priority,
            source_deprecated: expected.source_deprecated,
            rule: expected.rule,
            output: expected.output,
            output_fields: expected.output_fields.into_iter().collect(),
            hostname: expected.hostname.unwrap_or_else(|| "this-host".into()),
            tags: expected.tags,
            source: expected.source,
        }
    }
}

fn now() -> ZonedDateTime {
    "2026-01-30T15:00:00[UTC]".parse().unwrap()
}

fn response(record: &[u8]) -> Result<Response, Reject> {
    event::read(record, now, |record| {
        let mut frame = Vec::new();
        event::encode(&record.event, &Origin::utc("this-host"), &mut frame);
        let length = u32::from_be_bytes(frame[1..5].try_into().unwrap());
        assert_eq!((frame[0], length as usize), (0, frame.len() - 5), "gRPC prefix");
        Response::decode(&frame[5..]).unwrap()
    })
}

#[test]
fn every_example_line_becomes_exactly_the_stated_protobuf() {
    assert_eq!(LINES.lines().count(), 22);
    assert_eq!(EXPECTED.lines().count(), 22);
    for (number, (line, expected)) in LINES.lines().zip(EXPECTED.lines()).enumerate() {
        let expected: Expected = serde_json::from_str(expected).unwrap();
        assert_eq!(response(line.as_bytes()).unwrap(), expected.into(), "E{:02}", number + 1);
    }
}

#[test]
fn the_native_line_is_kept_byte_for_byte() {
    for line in LINES.lines() {
        event::read(line.as_bytes(), now, |record| assert_eq!(record.line, line)).unwrap();
    }
}

/// A JSON alert with this source and these output fields.
fn with_fields(source: &str, fields: &str) -> String {
    format!(
        r#"{{"rule":"r","priority":"info","source":"{source}","time":"2026-01-30T10:00:00Z","output_fields":{fields}}}"#
    )
}

#[test]
fn field_values_are_display_text_for_rules_and_json_text_for_internal_alerts() {
    for (json, display, internal) in [
        ("18446744073709551615", "18446744073709551615", "18446744073709551615"),
        ("-9223372036854775808", "-9223372036854775808", "-9223372036854775808"),
        (
            "123456789012345678901234567890",
            "123456789012345678901234567890",
            "123456789012345678901234567890",
        ),
        ("0.0", "0.0", "0.0"),
        ("12.345", "12.3", "12.345"),
        ("0.25", "0.2", "0.25"),
        ("1e3", "1000.0", "1e3"),
        ("1e20", "100000000000000000000.0", "1e20"),
        ("1e308", "1e308", "1e308"),
        ("1e999", "1e999", "1e999"),
        ("true", "true", "true"),
        ("null", "<NA>", "null"),
        (r#""""#, "", ""),
        (r#""a\nb""#, "a\nb", "a\nb"),
        ("[]", "()", "[]"),
        (r#"["a",null,1,true,2.55]"#, "(a,<NA>,1,true,2.5)", r#"["a",null,1,true,2.55]"#),
        (r#"[["a"],{"b":1}]"#, r#"(["a"],{"b":1})"#, r#"[["a"],{"b":1}]"#),
        (r#"{"a":1}"#, r#"{"a":1}"#, r#"{"a":1}"#),
    ] {
        for (source, expected) in [("syscall", display), ("internal", internal)] {
            let line = with_fields(source, &format!(r#"{{"x":{json}}}"#));
            let fields = response(line.as_bytes()).unwrap().output_fields;
            assert_eq!(fields, HashMap::from([("x".into(), expected.into())]), "{source} {json}");
        }
    }
}

#[test]
fn long_lists_are_cut_at_a_character_as_falco_cut_them() {
    let line = with_fields("syscall", &format!(r#"{{"x":["{}"]}}"#, "é".repeat(2000)));
    let text = &response(line.as_bytes()).unwrap().output_fields["x"];
    assert_eq!(text.len(), 1023);
    assert!(text.ends_with('é'));
}

#[test]
fn no_message_exceeds_the_limit_of_clients() {
    const CLIENTS_TAKE: usize = 4 << 20;
    let widest = |unit: &str, count: usize| vec![unit; count].join(",");
    for fields in [
        format!("{{{}}}", widest("\"\":1e20", 100_000)),
        format!("{{{}}}", widest("\"\":1e308", 95_000)),
        format!("{{{}}}", widest("\"\":null", 120_000)),
        format!("{{{}}}", widest("\"\":[]", 150_000)),
        format!("{{\"a\":[{}]}}", widest("1e20", 190_000)),
    ] {
        let line = with_fields("syscall", &fields);
        assert!(line.len() <= event::MAX_RECORD, "{}", line.len());
        event::read(line.as_bytes(), now, |record| {
            let mut frame = Vec::new();
            event::encode(&record.event, &Origin::utc("this-host"), &mut frame);
            assert!(frame.len() < CLIENTS_TAKE, "{} bytes of {:.40}", frame.len(), fields);
        })
        .unwrap();
    }
    let bytes = [
        b"{\"rule\":\"".to_vec(),
        vec![0xff; 1_000_000],
        b"\",\"priority\":\"Error\",\"time\":\"2026-01-30T10:00:00Z\"}".to_vec(),
    ]
    .concat();
    event::read(&bytes, now, |record| {
        let mut frame = Vec::new();
        event::encode(&record.event, &Origin::utc("this-host"), &mut frame);
        assert!(frame.len() < CLIENTS_TAKE, "{}", frame.len());
    })
    .unwrap();
}

#[test]
fn sources_and_their_old_numbers() {
    for (source, number) in [
        ("syscall", 0),
        ("k8s_audit", 1),
        ("internal", 2),
        ("k8saudit", 3),
        ("aws_cloudtrail", 3),
        ("plugin", 3),
    ] {
        let response = response(with_fields(source, "{}").as_bytes()).unwrap();
        #[allow(deprecated, reason = "old clients read it")]
        let old = response.source_deprecated;
        assert_eq!((old, response.source.as_str()), (number, source));
    }
}

#[test]
fn invalid_bytes_are_repaired_and_line_breaks_between_tokens_removed() {
    let mut line = with_fields("syscall", "{}").into_bytes();
    line.splice(9..10, *b"\xff\xc3\x28");
    let repaired = response(&line).unwrap();
    assert_eq!(repaired.rule, "\u{fffd}\u{fffd}(");

    let pretty = "\r\n{\n  \"rule\": \"r\",\r\n  \"priority\": \"Error\",\n  \"time\": \"2026-01-30T10:00:00Z\"\n}\n";
    event::read(pretty.as_bytes(), now, |record| {
        assert!(!record.line.contains(['\n', '\r']));
        assert_eq!(record.event.rule, "r");
    })
    .unwrap();
}

#[test]
fn rejected_records_say_why() {
    let oversized = format!("{{\"rule\":\"{}\"}}", "x".repeat(event::MAX_RECORD));
    for (record, kind) in [
        ("", "empty"),
        (" \t\r\n", "empty"),
        ("Events detected: 8", "not_an_alert"),
        (r#"[{"rule":"r"}]"#, "not_an_object"),
        ("[\n{\"rule\":\"r\"}\n]", "not_an_object"),
        (r#""{\"rule\":\"r\"}""#, "not_an_object"),
        ("[2026-01-30] [info] loading", "not_an_alert"),
        ("\"half of it", "not_an_alert"),
        (r#"{"rule":"r""#, "malformed"),
        (r#"{"rule":"r"} trailing"#, "malformed"),
        ("{\"rule\":\"a\nb\"}", "malformed"),
        ("{}", "incomplete"),
        (r#"{"output_fields":{"falco.num_evts":1},"sample":1}"#, "incomplete"),
        (r#"{"rule":"r","priority":"x","time":"2026-01-30T10:00:00Z"}"#, "incomplete"),
        (r#"{"rule":7,"priority":"Error","time":"2026-01-30T10:00:00Z"}"#, "incomplete"),
        (
            r#"{"rule":"r","priority":"Error","time":"2026-01-30T10:00:00Z","output_fields":[]}"#,
            "incomplete",
        ),
        (&oversized, "too_large"),
    ] {
        let reject = response(record.as_bytes()).unwrap_err();
        assert_eq!(reject.kind(), kind, "{:.80}: {reject}", record);
    }
}

/// The line that Falco 0.43.1 wrote, and the message of its gRPC server for the same alert.
const PAIRS: &str = include_str!("data/falco-0.43.1-pairs.jsonl");

/// The facts that are not in the JSON: the name of the case, and the field or key.
const UNKNOWN: [(&str, &str); 2] = [
    // A single `evt.time` belongs to the prefix, unless the text has it twice.
    ("append_output: extra text, raw and formatted extra fields, extra field evt.time", "evt.time"),
    // Switched off in the JSON only.
    ("no tags in JSON, tags over gRPC (cannot be known from JSON)", "tags"),
];

#[derive(Deserialize)]
struct Pair {
    case: String,
    json: String,
    grpc: Given,
}

#[derive(Deserialize)]
struct Given {
    fields: HashMap<String, String>,
    tags: Vec<String>,
    source: String,
    src: i32,
    prio: i32,
    rule: String,
    host: String,
    t: (i64, i32),
}

#[test]
#[allow(deprecated, reason = "old clients read source_deprecated")]
fn alerts_of_a_real_falco_equal_those_of_its_own_server() {
    let mut unknown = Vec::new();
    for line in PAIRS.lines() {
        let Pair { case, json, grpc: mut given } = serde_json::from_str(line).unwrap();
        let got = response(json.as_bytes()).unwrap();
        for (_, key) in UNKNOWN.iter().filter(|(of, _)| *of == case) {
            unknown.push(case.clone());
            if *key == "tags" {
                assert_eq!(got.tags, [""; 0], "{case}");
                given.tags.clear();
            } else {
                assert!(given.fields.remove(*key).is_some(), "{case}");
            }
        }
        let expected = Response {
            time: Some(prost_types::Timestamp { seconds: given.t.0, nanos: given.t.1 }),
            priority: given.prio,
            source_deprecated: given.src,
            rule: given.rule,
            // Falco sent the whole JSON line here, Falconer the text.
            output: got.output.clone(),
            output_fields: given.fields.into_iter().collect(),
            hostname: given.host,
            tags: given.tags,
            source: given.source,
        };
        assert_eq!(got, expected, "{case}");
    }
    assert_eq!(unknown.len(), UNKNOWN.len());
    assert_eq!(PAIRS.lines().count(), 23);
}

#[test]
fn times_are_shown_in_the_zone_of_falco() {
    let line = |output: &str, fields: &str| {
        format!(
            r#"{{"rule":"r","priority":"Error","time":"2026-07-30T10:00:00.000000007Z","output":"{output}","output_fields":{{{fields}}}}}"#
        )
    };
    let shown = |output: &str, fields: &str, zone: &str| {
        event::read(line(output, fields).as_bytes(), now, |record| {
            let mut frame = Vec::new();
            let zone = jiff::tz::TimeZone::get(zone).unwrap();
            event::encode(&record.event, &Origin { hostname: String::new(), zone }, &mut frame);
            Response::decode(&frame[5..]).unwrap().output_fields.into_iter().collect()
        })
        .unwrap()
    };
    let fields = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let nanos = "1785405600000000007";
    let (clock, iso) = (format!("\"evt.time\":{nanos}"), format!("\"evt.time.iso8601\":{nanos}"));
    let date = format!("\"evt.datetime\":{nanos}");
    // The zone of the prefix takes precedence over the configured one.
    for (prefix, expected) in [
        ("12:00:00.000000007: Error x", "2026-07-30 12:00:00.000000007"),
        ("05:30:00.000000007: Error x", "2026-07-30 05:30:00.000000007"),
        ("23:45:00.000000007: Error x", "2026-07-30 23:45:00.000000007"),
        ("2026-07-30T03:00:00.000000007-0700: Error x", "2026-07-30 03:00:00.000000007"),
        // A time of another clock does not determine the zone.
        ("12:00:00.000000008: Error x", "2026-07-30 06:00:00.000000007"),
        ("no time", "2026-07-30 06:00:00.000000007"),
    ] {
        let got: BTreeMap<String, String> = shown(prefix, &date, "America/New_York");
        assert_eq!(got, fields(&[("evt.datetime", expected)]), "{prefix}");
    }
    // The prefix's own field is omitted, unless the text has it once more.
    let both = format!("{clock},{iso}");
    let at = "12:00:00.000000007";
    for (output, given, expected) in [
        (format!("{at}: Error x"), &clock, fields(&[])),
        (format!("{at}: Error x at {at}"), &clock, fields(&[("evt.time", at)])),
        (
            format!("{at}: Error x"),
            &both,
            fields(&[("evt.time.iso8601", "2026-07-30T12:00:00.000000007+0200")]),
        ),
        (String::new(), &clock, fields(&[])),
        (String::new(), &iso, fields(&[])),
        (
            String::new(),
            &both,
            fields(&[("evt.time.iso8601", "2026-07-30T12:00:00.000000007+0200")]),
        ),
    ] {
        let got: BTreeMap<String, String> = shown(&output, given, "Europe/Vienna");
        assert_eq!(got, expected, "{output:?} {given}");
    }
    let padded = r#""evt.latency.ns":3,"evt.reltime":1500000000000,"evt.rawtime":7"#;
    let got: BTreeMap<String, String> = shown("", padded, "UTC");
    let expected =
        [("evt.latency.ns", "000000003"), ("evt.reltime", "1500000000000"), ("evt.rawtime", "7")];
    assert_eq!(got, fields(&expected));
}

#[test]
fn fields_that_a_producer_omitted_or_renamed_are_repaired_in_the_line() {
    let read = |record: &str| {
        event::read(record.as_bytes(), now, |record| {
            let fields: Vec<_> = record.event.fields.iter().map(|(name, _)| name.clone()).collect();
            (record.event.time.to_string(), fields.join(" "), record.line.into_owned())
        })
        .unwrap()
    };
    let (arrival, event) = ("2026-01-30T15:00:00.000000000Z", "2026-01-30T10:00:00.000000007Z");
    let nanos = 1_769_767_200_000_000_007_u64;
    for (rest, time, fields, mark) in [
        (r#""output":"x""#.to_owned(), arrival, "", true),
        (r#""time":"yesterday""#.to_owned(), arrival, "", true),
        (r#""time":null,"output_fields":null"#.to_owned(), arrival, "", true),
        (format!(r#""output_fields":{{"evt.time":{nanos}}}"#), event, "evt.time", false),
        (
            format!(r#""time":7,"outputFields":{{"evt.time.iso8601":{nanos},"a":"outputFields"}}"#),
            event,
            "evt.time.iso8601 a",
            false,
        ),
        (format!(r#""output_fields":{{"evt.time":"{nanos}"}}"#), arrival, "evt.time", true),
        (
            format!(r#""x":{{"outputFields":1}}, "outputFields" : {{"a":"b"}},"time":"{event}""#),
            event,
            "a",
            false,
        ),
        // A time without an offset is UTC.
        (r#""time":"2026-01-30T10:00:00.00000000712""#.to_owned(), event, "", false),
    ] {
        let record = format!(r#"{{"rule":"r","priority":"Error",{rest}}}"#);
        let (got, names, line) = read(&record);
        assert_eq!((got.as_str(), names.as_str()), (time, fields), "{record}");
        let json: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(json.get("time_source").is_some(), mark, "{line}");
        assert_eq!(json.get("outputFields"), None, "{line}");
        assert_eq!(
            json.get("output_fields").is_some(),
            rest.contains("put_fields") || rest.contains("putFields"),
            "{line}"
        );
        // Decoding the repaired line yields the same alert without a repair.
        assert_eq!(read(&line), (got, names, line));
    }
}

#[test]
fn protojson_can_be_posted_back() {
    let record = r#"{"time":"2026-01-30T10:00:00.000000007Z","priority":"WARNING","source_deprecated":"SYSCALL","rule":"r","output":"o","outputFields":{"a":"1"},"hostname":"h","tags":["t"],"source":"syscall"}"#;
    let got = response(record.as_bytes()).unwrap();
    let fields = HashMap::from([("a".to_owned(), "1".to_owned())]);
    assert_eq!((got.priority, got.output_fields), (4, fields));
    assert_eq!((got.hostname.as_str(), got.tags), ("h", vec!["t".to_owned()]));
}
