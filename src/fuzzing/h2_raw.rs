//! Any bytes behind HTTP/2's preface leave a connection that ends, and nothing behind it.
//!
//! The script says first how bytes are read and written, then where they are cut and what happens
//! there, then the bytes. What must hold:
//! 1. Nothing panics, and the connection does not wake itself for ever.
//! 2. After the last byte the connection ends within [`END`]: at once where the peer leaves, and at
//!    the limit of a silent or unreading one where it does not.
//! 3. Then no `sub` is open any more.
//! 4. What was written are frames: SETTINGS first, none too long, none on a stream that is over or was
//!    never begun.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::frames::{
    self, CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, RST_STREAM, SETTINGS,
    SETTINGS_MAX_FRAME_SIZE,
};
use super::pipe::pipe;
use super::script::Script;
use super::served::Falco;
use crate::net::preface::PREFACE;

/// The longest a connection may last after its peer's last byte: the limits of silent and unreading
/// peers (50 s and 60 s), one after the other, and some more.
const END: Duration = Duration::from_secs(200);

/// How often a connection may be woken, beyond what its bytes are a reason for.
const POLLS: usize = 20_000;

/// Feeds a connection with what `data` says; needs a clock that is paused.
pub async fn h2_server_raw(data: &[u8]) {
    let mut script = Script(data);
    let how = script.byte();
    let read_size = match script.byte() {
        0 => usize::MAX,
        size => usize::from(size),
    };
    let (pipe, end) = pipe(read_size, how & 0x01 != 0);
    if how & 0x02 != 0 {
        pipe.allow(usize::from(script.pair()));
    }
    let falco = Falco::new();
    falco.alert(3, 100);
    let router = falco.router(how & 0x04 != 0).await;
    let cuts: Vec<_> = (0..script.byte() % 16).map(|_| (script.byte(), script.byte())).collect();
    let sent = script.0;

    let serving = tokio::spawn(falco.serve(router, end, POLLS + 10 * data.len()));
    pipe.feed(PREFACE);
    if how & 0x08 != 0 {
        pipe.feed(&[0, 0, 0, SETTINGS, 0, 0, 0, 0, 0]);
    }
    for (length, pause) in cuts {
        pipe.feed(script.take(usize::from(length)));
        match (pause & 3, pause >> 2) {
            (0, _) => tokio::task::yield_now().await,
            (1, _) => sleep(Duration::from_millis(1)).await,
            (2, seconds) => sleep(Duration::from_secs(seconds.into())).await,
            (_, more) => falco.alert(more.into(), 10),
        }
    }
    pipe.feed(script.0);
    sleep(Duration::from_millis(1)).await;
    if how & 0x10 == 0 {
        pipe.end();
    }
    let ended = timeout(END, serving).await;
    ended.expect("the connection ends in time").expect("the connection does not panic");
    // Its calls are tasks of their own, which learn of its end.
    sleep(Duration::from_millis(1)).await;
    assert_eq!(falco.subscribers(), 0, "a subscriber is left behind");
    check(&pipe.take(), sent);
}

/// What is known of a stream that the server has answered on.
#[derive(Debug, Default)]
struct Answered {
    begun: bool,
    over: bool,
}

fn check(written: &[u8], sent: &[u8]) {
    let begun: Vec<_> = frames::all(sent).filter(|f| f.kind == HEADERS).map(|f| f.stream).collect();
    let settings = frames::all(sent).filter(|frame| frame.kind == SETTINGS);
    let sizes = settings.flat_map(|frame| frame.settings().collect::<Vec<_>>());
    let longest = sizes
        .filter(|(setting, _)| *setting == SETTINGS_MAX_FRAME_SIZE)
        .fold(1 << 14, |longest, (_, size)| longest.max(size as usize));
    let mut answered = BTreeMap::<u32, Answered>::new();
    let mut open_block = None;
    for (place, frame) in frames::all(written).enumerate() {
        assert!(place > 0 || frame.kind == SETTINGS, "{frame:?} comes first");
        assert!(frame.payload.len() <= longest, "a frame of {} bytes", frame.payload.len());
        match open_block {
            Some(stream) => assert_eq!((frame.kind, frame.stream), (CONTINUATION, stream)),
            None => assert_ne!(frame.kind, CONTINUATION),
        }
        // What was skipped is over and may be reset (RFC 9113, section 5.1.1); nothing answers on it.
        if matches!(frame.kind, DATA | HEADERS) {
            assert!(begun.contains(&frame.stream), "{frame:?} on a stream nobody began");
        }
        let stream = answered.entry(frame.stream).or_default();
        match frame.kind {
            DATA | HEADERS => {
                assert!(!stream.over, "{frame:?} after the end");
                assert!(stream.begun || frame.kind == HEADERS, "{frame:?} before a head");
                stream.begun = true;
                stream.over |= frame.has(END_STREAM);
            }
            RST_STREAM => stream.over = true,
            _ => {}
        }
        if matches!(frame.kind, HEADERS | CONTINUATION) {
            open_block = (!frame.has(END_HEADERS)).then_some(frame.stream);
        }
    }
}
