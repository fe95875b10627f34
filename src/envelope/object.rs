//! Reads JSON records that have an alert under one of their keys, as a string or as an object.
//!
//! The alert's key is one of [`PLACES`]. Other keys have the time, the host and, if the runtime
//! cuts lines, the mark of a part:
//!
//! | a part is marked by | format |
//! |---|---|
//! | a `log` of 16 KiB or more without a line end, beside `stream` and `time` alone | docker's `json-file` (28.0: `daemon/logger/copier.go`, `jsonfilelog.go`) |
//! | `logtag` or `_p` of `P` | fluent-bit's parser and multiline mode `cri` (3.2) |
//! | `partial_message`, up to `partial_last` | docker's log driver `fluentd` (28.0) |
//! | `CONTAINER_PARTIAL_MESSAGE` | docker's log driver `journald` (28.0) |
//! | `_LINE_BREAK` of `line-max` | journald itself, at `LineMax=` (systemd.journal-fields(7), 235) |

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::header::machine;
use super::join::Share;
use super::{Beside, Kind, Stream, times};
use crate::event::{self, Time, Value};

/// The keys that can have an alert, the likeliest first. If a record has several, the first one
/// with an alert counts.
const PLACES: [&str; 18] = [
    // docker's json-file; fluent-bit and fluentd with their parsers for containers.
    "log",
    // journalctl -o json (systemd 252); syslog-ng's $(format-json) (3.38).
    "MESSAGE",
    // filebeat, vector, logstash, fluentd's syslog input, OpenShift; stern -o json.
    "message",
    // rsyslog's property jsonmesg (8.2302).
    "msg",
    // fluent-bit's filter kubernetes with Merge_Log_Key, as in its manual.
    "log_processed",
    // An alert under the name of its origin, such as of logstash's json filter with a target.
    "falco",
    // CloudEvents 1.0, JSON format, section 3.1; only beside `specversion`.
    "data",
    // falcosidekick's outputs webui and splunk (2.31); Splunk's HEC, from fluent-bit and vector.
    "event",
    // The text of `event` (ECS 8: event.original) and of `log` (ECS 1: log.original).
    "original",
    // filebeat's json.* without keys_under_root (8.17).
    "json",
    // OpenShift's exported fields: a message that was JSON.
    "structured",
    // logcli -o jsonl (Loki 3.4: pkg/logcli/output/jsonl.go).
    "line",
    // promtail's stage pack.
    "_entry",
    // GELF 1.1: docker's log driver gelf, fluent-bit, graylog.
    "short_message",
    "full_message",
    // Google Cloud's LogEntry, as in gcloud logging read --format=json.
    "jsonPayload",
    "textPayload",
    // Amazon SNS' notifications over HTTP; falcosidekick's output aws.sns uses it.
    "Message",
];

/// The alert's key in a CloudEvent only.
const DATA: &str = "data";

/// The keys with a time: microseconds for journald, RFC 3339 or a number for the others.
const TIMES: [&str; 7] = [
    "__REALTIME_TIMESTAMP",
    "time",
    "@timestamp",
    "timestamp",
    "date",
    "timereported",
    "Timestamp",
];

/// The keys with a host name, and the key below it, if any. The node comes before the shipper's own
/// host.
const HOSTS: [(&str, &str); 10] = [
    ("_HOSTNAME", ""),
    // fluent-bit's and fluentd's filter kubernetes.
    ("kubernetes", "host"),
    // filebeat's add_kubernetes_metadata.
    ("kubernetes", "node"),
    // vector's source kubernetes_logs (0.44).
    ("kubernetes", "pod_node_name"),
    ("hostname", ""),
    ("host", ""),
    ("host", "name"),
    ("host", "hostname"),
    ("HOST", ""),
    ("nodeName", ""),
];

/// The keys that name the owner of a part, if several programs write to one stream of records.
const OWNERS: [&str; 5] =
    ["_STREAM_ID", "CONTAINER_ID_FULL", "CONTAINER_ID", "container_id", "partial_id"];

/// Other keys that are read.
const SIGNS: [&str; 9] = [
    "specversion",
    "stream",
    "source",
    "logtag",
    "_p",
    "partial_message",
    "partial_last",
    "CONTAINER_PARTIAL_MESSAGE",
    "_LINE_BREAK",
];

/// The size of docker's line buffer, in bytes. It cuts longer lines.
const DOCKER_PART: usize = 16 << 10;

/// A record that may have an alert.
#[derive(Debug)]
pub(super) struct Object<'a> {
    kind: Kind,
    time: Option<Time>,
    hostname: Option<String>,
    pub(super) share: Option<Share>,
    stream: Option<Stream>,
    places: Vec<Value<'a>>,
    /// Whether `journalctl -o json` left out a `MESSAGE` of more than 4,096 bytes.
    left_out: bool,
}

/// The members with known keys, and the number of all members. Of a repeated key the last counts.
#[derive(Default)]
struct Members<'a>(Vec<(Cow<'a, str>, Value<'a>)>, usize);

impl<'a> Members<'a> {
    fn get(&self, name: &str) -> Option<&Value<'a>> {
        self.0.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'a> Object<'a> {
    /// Reads a record. `None` if it is no JSON object, or has none of [`PLACES`].
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let members = Members::of(text)?;
        let kind = members.kind();
        let at = |name: &&str| *name != DATA || kind == Kind::CloudEvent;
        let places: Vec<_> =
            PLACES.iter().filter(|name| at(name)).filter_map(|name| members.get(name)).collect();
        let left_out = kind == Kind::Journal && places.first() == Some(&&Value::Null);
        if places.is_empty() {
            return None;
        }
        let (stream, share) = (members.stream(), members.share(kind));
        let places = places.into_iter().cloned().collect();
        let (time, hostname) = (members.time(), members.hostname());
        Some(Self { kind, time, hostname, share, stream, places, left_out })
    }

    /// Returns the record's values, with those of the outer layers where it has none.
    pub(super) fn beside(&self, outer: &Beside) -> Beside {
        Beside {
            kind: outer.kind.or(Some(self.kind)),
            time: self.time.or(outer.time),
            hostname: self.hostname.clone().or_else(|| outer.hostname.clone()),
            stream: self.stream.or(outer.stream),
        }
    }

    /// Returns the values of [`PLACES`], unescaped. A part is one text.
    pub(super) fn insides(&self) -> impl Iterator<Item = Cow<'_, [u8]>> {
        let part = self.share.is_some_and(|share| share.more);
        let most = if part { 1 } else { usize::MAX };
        let octets = |value: &Value<'_>| match value {
            Value::Nested(array) if array.starts_with('[') => event::octets(array),
            _ => None,
        };
        self.places
            .iter()
            .filter_map(move |value| match value {
                Value::Text(text) => Some(Cow::Borrowed(text.as_bytes())),
                Value::Nested(object) if object.starts_with('{') && !part => {
                    Some(Cow::Borrowed(object.as_bytes()))
                }
                other => octets(other).map(Cow::Owned),
            })
            .take(most)
    }

    /// Returns a hint for a record that has no alert.
    pub(super) fn hint(&self) -> Option<&'static str> {
        if self.left_out {
            return Some("journalctl leaves out a MESSAGE over 4,096 bytes; run it with --all");
        }
        // Many programs log JSON with a `message`. Only a record with time and host is a shipper's.
        let sure = self.kind != Kind::Shipper || self.time.is_some() && self.hostname.is_some();
        sure.then(|| self.kind.hint())
    }
}

impl<'a> Members<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let hosts = || HOSTS.iter().map(|(name, _)| *name);
        let all = |key: &str| {
            let mut all = PLACES.into_iter().chain(TIMES).chain(OWNERS).chain(SIGNS).chain(hosts());
            all.any(|name| name == key)
        };
        let mut members = Self::default();
        let counting = std::cell::Cell::new(0);
        let wanted = |key: &str| {
            counting.set(counting.get() + 1);
            all(key)
        };
        event::members(text, wanted, |key, value| {
            // The limit is for hostile records that repeat keys.
            const MOST: usize = 64;
            if members.0.len() < MOST {
                members.0.push((key, value));
            }
        })
        .ok()?;
        members.1 = counting.get();
        Some(members)
    }

    fn kind(&self) -> Kind {
        if self.get("specversion").is_some() && self.get(DATA).is_some() {
            Kind::CloudEvent
        } else if self.get("MESSAGE").is_some()
            && (self.get("__REALTIME_TIMESTAMP").is_some() || self.get("_HOSTNAME").is_some())
        {
            Kind::Journal
        } else if self.is_docker() {
            Kind::Docker
        } else {
            Kind::Shipper
        }
    }

    /// Whether the keys are exactly `log`, `stream`, `time` and, with some options, `attrs`.
    fn is_docker(&self) -> bool {
        let all = ["log", "stream", "time"].iter().all(|name| self.text(name).is_some());
        all && (self.1 == 3 || self.1 == 4 && self.0.len() == 3)
    }

    fn time(&self) -> Option<Time> {
        TIMES.iter().find_map(|name| match self.get(name)? {
            Value::Text(text) => times::rfc3339(text.as_bytes()).or_else(|| times::epoch(text)),
            Value::Plain(number) => times::epoch(number),
            _ => None,
        })
    }

    fn hostname(&self) -> Option<String> {
        let name = |value: &Value<'_>| match value {
            Value::Text(text) => machine(text.as_bytes()).map(str::to_owned),
            _ => None,
        };
        HOSTS.iter().find_map(|(key, below)| match (self.get(key)?, *below) {
            (value, "") => name(value),
            (Value::Nested(object), below) => {
                let inside = inside(object, below)?;
                // filebeat's node is an object with a name.
                if let Value::Nested(object) = inside {
                    return name(&self::inside(object, "name")?);
                }
                name(&inside)
            }
            _ => None,
        })
    }

    fn stream(&self) -> Option<Stream> {
        match self.text("stream").or_else(|| self.text("source"))? {
            "stdout" => Some(Stream::Stdout),
            "stderr" => Some(Stream::Stderr),
            _ => None,
        }
    }

    fn share(&self, kind: Kind) -> Option<Share> {
        let owner = OWNERS.iter().find_map(|name| self.text(name));
        let mut doubtful = false;
        let more = if let Some(tag) = self.text("logtag").or_else(|| self.text("_p")) {
            tag.split(':').next() == Some("P")
        } else if kind == Kind::Docker {
            doubtful = true;
            let log = self.text("log")?;
            log.len() >= DOCKER_PART && !log.ends_with('\n')
        } else if let Some(partial) = self.text("partial_message") {
            partial == "true" && self.text("partial_last") != Some("true")
        } else {
            // The last part has no mark of its own here, so only the owner tells where it belongs.
            owner?;
            self.text("CONTAINER_PARTIAL_MESSAGE") == Some("true")
                || self.text("_LINE_BREAK") == Some("line-max")
        };
        let mut hasher = DefaultHasher::new();
        owner.hash(&mut hasher);
        let stream = self.stream().unwrap_or(Stream::Stdout);
        Some(Share { kind, stream, of: hasher.finish(), more, doubtful })
    }
}

/// Returns the time that a JSON record has under a shipper's key.
pub(super) fn time(record: &[u8]) -> Option<Time> {
    Members::of(&String::from_utf8_lossy(record.trim_ascii()))?.time()
}

/// Returns a member of an object.
fn inside<'a>(object: &'a str, name: &str) -> Option<Value<'a>> {
    let mut found = None;
    event::members(object, |key| key == name, |_, value| found = Some(value)).ok()?;
    found
}
