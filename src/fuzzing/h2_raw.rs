//! Checks that a connection ends whatever bytes follow HTTP/2's preface, and that no call is left.
//!
//! The script first says how bytes are read and written, then where they are cut and what happens
//! at the cuts. The rest are the bytes. What must hold:
//! 1. Nothing panics, and the connection does not wake itself without end.
//! 2. The connection ends within [`END`] after the last byte: at once if the peer closes it,
//!    otherwise at the timeout of a peer that is silent or does not read.
//! 3. No `sub` is open afterwards.
//! 4. The server has written frames: SETTINGS first, none too long, none on a stream that has ended
//!    or was never opened.

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

/// The maximum time for the end of a connection after its peer's last byte: the timeouts of peers
/// that are silent or do not read (50 s and 60 s), one after the other, and some more.
const END: Duration = Duration::from_secs(200);

/// The limit of polls of a connection, besides those for its bytes.
const POLLS: usize = 20_000;

/// Feeds a connection from the script `data`. Needs a paused clock.
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
    // Its calls are tasks of their own. Let them see its end.
    sleep(Duration::from_millis(1)).await;
    assert_eq!(falco.subscribers(), 0, "a subscriber is still open");
    check(&pipe.take(), sent);
}

/// The state of a stream on which the server has answered.
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
        // A skipped stream is closed and may be reset (RFC 9113, section 5.1.1), but not answered.
        if matches!(frame.kind, DATA | HEADERS) {
            assert!(begun.contains(&frame.stream), "{frame:?} on a stream that was never opened");
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
