//! A call as its client sees it, and a model that predicts its end from its head and messages.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use prost::Message as _;
use tokio::time::Instant;

use super::frames;
use super::framing::reference;
use super::script::Script;
use crate::grpc::frame::FrameError;
use crate::grpc::{Code, Encoding, MAX_REQUEST};
use crate::proto::falco::outputs::{Request as Empty, Response};

/// The timeout after which the server ends a call that has not sent its one request.
pub(super) const REQUEST_TIME: Duration = Duration::from_secs(10);

/// The maximum error of a wait, caused by steps that are sent together.
pub(super) const UNSURE: Duration = Duration::from_millis(500);

/// The `grpc-timeout` of [`Head::Timeout`].
const TIMEOUT: Duration = Duration::from_secs(1);

/// The called method, by how the model predicts its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// One empty request, one reply.
    Unary(&'static str),
    Get,
    Sub,
    /// A method that does not exist.
    Unknown(&'static str),
    /// A method that is not ours. It ends with any status.
    Other(&'static str),
}

impl Method {
    pub(super) const ALL: [Self; 9] = [
        Self::Unary("/falco.version.service/version"),
        Self::Get,
        Self::Sub,
        Self::Sub,
        Self::Get,
        Self::Unary("/falconer.v1.EventService/Status"),
        Self::Unknown("/falco.outputs.service/Sub"),
        Self::Unknown("/falco.output.service/subscribe"),
        Self::Other("/grpc.health.v1.Health/Check"),
    ];

    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Get => "/falco.outputs.service/get",
            Self::Sub => "/falco.outputs.service/sub",
            Self::Unary(path) | Self::Unknown(path) | Self::Other(path) => path,
        }
    }
}

/// The special feature of a request's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Head {
    Plain,
    Proto,
    NotPost,
    NotGrpc,
    Json,
    Timeout,
    NoTime,
    BadTimeout,
    Gzip,
    Unheard,
    Last(u8),
    Unknown,
}

impl Head {
    pub(super) fn of(script: &mut Script<'_>) -> Self {
        match script.byte() % 16 {
            1 => Self::Proto,
            2 => Self::NotPost,
            3 => Self::NotGrpc,
            4 => Self::Json,
            5 => Self::Timeout,
            6 => Self::NoTime,
            7 => Self::BadTimeout,
            8 => Self::Gzip,
            9 => Self::Unheard,
            10 => Self::Last(script.byte()),
            11 => Self::Unknown,
            _ => Self::Plain,
        }
    }

    pub(super) fn block(self, path: &str) -> Vec<u8> {
        let mut block = Vec::new();
        let mut put = |name, value: &str| frames::field(&mut block, name, value.as_bytes());
        put(":method", if self == Self::NotPost { "GET" } else { "POST" });
        put(":scheme", "http");
        put(":path", path);
        put(":authority", "tmp%2Ffalco.sock");
        put("te", "trailers");
        put(
            "content-type",
            match self {
                Self::Proto => "application/grpc+proto",
                Self::NotGrpc => "text/plain",
                Self::Json => "application/grpc+json",
                _ => "application/grpc",
            },
        );
        match self {
            Self::Timeout => put("grpc-timeout", "1S"),
            Self::NoTime => put("grpc-timeout", "0m"),
            Self::BadTimeout => put("grpc-timeout", "+5S"),
            Self::Gzip => put("grpc-encoding", "gzip"),
            Self::Unheard => put("grpc-encoding", "snappy"),
            Self::Last(count) => put("falconer-last", &count.to_string()),
            Self::Unknown => put("falconer-lsat", "1"),
            _ => {}
        }
        block
    }
}

/// A call as the client sees it.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) head: Head,
    pub(super) begun: Instant,
    /// The sent bytes.
    pub(super) body: Vec<u8>,
    /// The time of the half-close.
    pub(super) finished: Option<Instant>,
    pub(super) reset: bool,
    /// The server must not send anything any more.
    pub(super) silent: bool,
    /// The flow-control windows: the server's bytes, and ours.
    pub(super) inward: i64,
    pub(super) outward: i64,
    pub(super) fields: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(super) replies: Vec<u8>,
    /// The number of alerts when its last byte was sent.
    pub(super) alerts: u64,
    pub(super) over: bool,
}

/// How a call may end.
#[derive(Debug, Default)]
struct Expected {
    codes: Vec<u16>,
    /// Whether it may also stay open.
    open: bool,
}

impl Expected {
    fn one(code: Code) -> Self {
        Self { codes: vec![code as u16], open: false }
    }

    fn or(mut self, code: Code) -> Self {
        self.codes.push(code as u16);
        self
    }
}

impl Call {
    pub(super) fn judge(&self, alerts: u64) {
        let field = |name: &str| {
            let value = self.fields.get(name.as_bytes())?;
            std::str::from_utf8(value).expect("text").parse::<u16>().ok()
        };
        let (http, code) = (field(":status"), field("grpc-status"));
        match self.head {
            Head::NotPost => return assert_eq!((http, code), (Some(405), Some(13))),
            Head::NotGrpc => return assert_eq!((http, code), (Some(415), None)),
            _ => {}
        }
        let expected = self.expected();
        if !self.over {
            assert!(expected.open, "{expected:?}, but it stays open: {self:?}");
            assert_eq!(code, None, "a status before the end");
        } else {
            assert_eq!(http, Some(200));
            let code = code.expect("a status");
            assert!(expected.codes.contains(&code), "{expected:?} but {code}: {self:?}");
            if code == 0
                && let Method::Unary(_) = self.method
            {
                let (replies, end) = reference(&self.replies, Encoding::Identity, usize::MAX);
                assert_eq!((replies.len(), end), (1, Ok(())), "one reply");
            }
        }
        if matches!(self.method, Method::Get | Method::Sub) {
            self.judge_alerts(code, alerts);
        }
    }

    fn judge_alerts(&self, code: Option<u16>, newest: u64) {
        let (replies, end) = reference(&self.replies, Encoding::Identity, usize::MAX);
        assert_eq!(end, Ok(()), "alerts are whole");
        let numbers: Vec<u64> = replies
            .into_iter()
            .map(|reply| Response::decode(reply).expect("an alert").rule.parse().expect("a number"))
            .collect();
        assert!(numbers.is_sorted_by(|a, b| a + 1 == *b), "alerts in their order: {numbers:?}");
        assert!(numbers.iter().all(|number| *number < newest));
        let at_end = match (self.method, code) {
            // The alerts that existed when its request arrived.
            (Method::Get, Some(0)) => self.alerts,
            (Method::Sub, None) => newest,
            _ => return,
        };
        let last = numbers.last().map(|last| last + 1);
        assert!(last.is_none_or(|last| last == at_end), "{numbers:?} of {at_end}: {self:?}");
        if let (Head::Last(count), Method::Get) = (self.head, self.method) {
            let first = at_end.saturating_sub(count.into());
            let expected: Range<u64> = first..at_end;
            assert!(expected.eq(numbers.iter().copied()), "{numbers:?} of the last {count}");
        }
    }

    fn expected(&self) -> Expected {
        let asks_us = matches!(self.method, Method::Unary(_) | Method::Get | Method::Sub);
        match (self.head, self.method) {
            (Head::Json, _) => return Expected::one(Code::Unimplemented),
            (Head::BadTimeout, _) => return Expected::one(Code::Internal),
            (Head::NoTime, _) => return Expected::one(Code::DeadlineExceeded),
            (_, Method::Unknown(_)) => return Expected::one(Code::Unimplemented),
            (_, Method::Other(_)) => {
                let unfinished = self.finished.is_none() && self.head != Head::Timeout;
                return Expected { codes: (0..=16).collect(), open: unfinished };
            }
            (Head::Unheard, _) if asks_us => return Expected::one(Code::Unimplemented),
            (Head::Unknown, Method::Sub) => return Expected::one(Code::InvalidArgument),
            _ => {}
        }
        let encoding = if self.head == Head::Gzip { Encoding::Gzip } else { Encoding::Identity };
        let (messages, end) = reference(&self.body, encoding, MAX_REQUEST);
        let mistake = match end {
            Err(FrameError::Truncated) if self.finished.is_none() => None,
            Err(FrameError::TooLarge(_)) => Some(Code::ResourceExhausted),
            Err(_) => Some(Code::Internal),
            Ok(()) => None,
        };
        if self.method == Method::Sub {
            let expected = match mistake {
                Some(code) => Expected::one(code),
                None => Expected { codes: Vec::new(), open: self.head != Head::Timeout },
            };
            return match self.head {
                Head::Timeout => expected.or(Code::DeadlineExceeded),
                _ => expected,
            };
        }
        self.of_one_request(&messages, mistake)
    }

    /// Returns how a call with one request may end.
    fn of_one_request(&self, messages: &[bytes::Bytes], mistake: Option<Code>) -> Expected {
        let decoded: Vec<_> =
            messages.iter().take(2).map(|message| Empty::decode(&message[..]).is_ok()).collect();
        let served = match (self.head, self.method) {
            (Head::Unknown, Method::Get) => Code::InvalidArgument,
            _ => Code::Ok,
        };
        // Errors that end the call before the half-close.
        let early = match (&decoded[..], mistake) {
            ([false, ..] | [true, false], _) => Some(Code::Internal),
            ([true, true], _) => Some(Code::Unimplemented),
            (_, mistake) => mistake,
        };
        let whole = match decoded[..] {
            [true] => served,
            _ => Code::Unimplemented,
        };
        let late = |limit: Duration| match self.finished {
            None => (true, false),
            Some(finished) => {
                let time = finished - self.begun;
                (time + UNSURE > limit, time < limit + UNSURE)
            }
        };
        let limit = if self.head == Head::Timeout { TIMEOUT } else { REQUEST_TIME };
        let (may_be_late, may_be_in_time) = late(limit);
        let mut expected = Expected::default();
        if let Some(early) = early {
            expected = expected.or(early);
        } else if may_be_in_time {
            expected = expected.or(whole);
        }
        // A reply that waits for flow control can exceed the client's deadline.
        if may_be_late || self.head == Head::Timeout {
            expected = expected.or(Code::DeadlineExceeded);
        }
        expected
    }
}
