//! Alerts in what wraps their lines.

use jiff::{Timestamp, ZonedDateTime, tz::TimeZone};

use super::script::Script;
use crate::envelope::{DEEPEST, Envelopes};
use crate::event::{self, MAX_RECORD, Record, Reject};

/// Opens `bytes` as lines, and as a script: layers, where lines are cut, and an alert.
///
/// # Panics
/// When what comes out is no alert by itself, when more is held than may be, or when an alert that
/// was wrapped does not come out as it was.
pub fn envelope(bytes: &[u8]) {
    lines(bytes);
    wrapped(bytes);
}

fn now() -> ZonedDateTime {
    Timestamp::UNIX_EPOCH.to_zoned_datetime(TimeZone::UTC)
}

/// What readers are sent of an alert.
fn frame(record: &Record<'_>) -> Vec<u8> {
    let mut frame = Vec::new();
    event::encode(&record.event, &event::Origin::utc("host"), &mut frame);
    frame
}

fn lines(bytes: &[u8]) {
    let mut envelopes = Envelopes::default();
    for line in bytes.split(|byte| *byte == b'\n') {
        let mut seen = 0;
        let read = envelopes.read(line, &now, |record, _| {
            seen += 1;
            assert!(!record.line.contains(['\n', '\r']));
            let again = event::read(record.line.as_bytes(), now, |again| frame(&again));
            assert_eq!(again.as_ref(), Ok(&frame(&record)), "its line is the alert");
        });
        match read {
            Ok(Some(())) => assert_eq!(seen, 1),
            Ok(None) | Err(_) => assert_eq!(seen, 0),
        }
        assert!(envelopes.held() <= 4 * MAX_RECORD, "two lines, and what their growth takes");
    }
    envelopes.end();
    assert_eq!(envelopes.held(), 0);
}

fn wrapped(bytes: &[u8]) {
    let mut script = Script(bytes);
    let layers: Vec<_> = (0..DEEPEST).map(|_| script.byte()).collect();
    let cuts = [script.byte(), script.byte()].map(usize::from);
    let record = script.0;
    let Ok((line, frame)) = event::read(record, now, |record| {
        let frame = frame(&record);
        (record.line.into_owned(), frame)
    }) else {
        return;
    };
    let mut lines = vec![line.into_bytes()];
    for layer in layers.into_iter().take(1 + cuts[0] % DEEPEST) {
        // Only what holds one line can be wrapped once more.
        let Some([line]) = lines.first_chunk().filter(|_| lines.len() == 1) else { break };
        lines = wrap(layer, line, cuts);
    }
    let mut envelopes = Envelopes::default();
    let mut found = Vec::new();
    for line in &lines {
        if line.len() > MAX_RECORD {
            return;
        }
        match envelopes.read(line, &now, |record, _| found.push(self::frame(&record))) {
            Ok(_) => {}
            Err(Reject::TooLarge) => return,
            Err(reject) => panic!("{reject}: {}", String::from_utf8_lossy(line)),
        }
    }
    assert_eq!(found, [frame], "{}", String::from_utf8_lossy(&lines.concat()));
    assert_eq!((envelopes.held(), envelopes.given_up()), (0, 0));
}

/// A line in one more layer; in several lines where the layer is one that cuts.
fn wrap(layer: u8, line: &[u8], cuts: [usize; 2]) -> Vec<Vec<u8>> {
    const TIME: &str = "1970-01-01T00:00:00Z";
    let before = |header: &str| vec![[header.as_bytes(), line].concat()];
    let text = String::from_utf8_lossy(line);
    let quoted = serde_json::to_string(&text).expect("a text");
    let object = |object: String| vec![object.into_bytes()];
    match layer % 13 {
        0 => before(&format!("{TIME} stdout F ")),
        1 => {
            let [first, second] = cuts.map(|cut| cut * 7 % (line.len() + 1));
            let (first, second) = (first.min(second), first.max(second));
            let parts = [&line[..first], &line[first..second], &line[second..]];
            let more = ["P", "P", "F"];
            let headed = |(part, more): (&[u8], &str)| {
                [format!("{TIME} stderr {more} ").as_bytes(), part].concat()
            };
            parts.into_iter().zip(more).map(headed).collect()
        }
        2 => object(format!(r#"{{"log":{quoted},"stream":"stdout","time":"{TIME}"}}"#)),
        3 => before("[pod/a/b] "),
        4 => before("<14>Jan  1 00:00:00 host falco[1]: "),
        5 => before("<14>1 - host falco - - [a b=\"]\"] "),
        6 => object(format!(r#"{{"_HOSTNAME":"host","MESSAGE":{quoted}}}"#)),
        7 => object(format!(r#"{{"_HOSTNAME":"host","MESSAGE":{line:?}}}"#)),
        8 => object(format!(r#"{{"log":{{"offset":1}},"message":{quoted}}}"#)),
        9 if line.first() == Some(&b'{') => {
            object(format!(r#"{{"specversion":"1.0","data":{text}}}"#))
        }
        10 => before("falco-1  | "),
        11 => before(&format!("{TIME} ")),
        _ => before(&format!("{TIME} host falco: ")),
    }
}
