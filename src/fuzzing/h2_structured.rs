//! Checks that a client that keeps to HTTP/2's rules gets what a model of the server predicts.
//!
//! The script is a list of steps: begin a call, send messages or parts of broken ones, half-close,
//! reset, open windows, change settings, ping, wait, and append alerts. What must hold:
//! 1. The server never ends the connection, resets no call that has not been answered, and answers
//!    every PING and SETTINGS.
//! 2. It never sends more than flow control allows, and nothing on a stream that was reset or has
//!    ended.
//! 3. A call ends with the status that the model predicts from its head and messages. A `sub`
//!    without an error does not end.
//! 4. The alerts of a stream are consecutive alerts of the log. A `get` ends with the newest one.
//!    With `falconer-last` it begins with the right one.
//! 5. When the client leaves, the connection ends and no `sub` is open.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::call::{Call, Head, Method, REQUEST_TIME, UNSURE};
use super::frames::{
    self, ACK, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
    SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_UPDATE,
};
use super::pipe::{Pipe, pipe};
use super::script::Script;
use super::served::Falco;
use crate::net::preface::PREFACE;

/// Decodes a field block, like a client. The decoder has a table.
pub type Hpack<'h> = &'h mut (dyn FnMut(&[u8]) -> Vec<(Vec<u8>, Vec<u8>)> + 'h);

/// The maximum number of steps, below every limit of the meter.
const STEPS: usize = 80;

/// The maximum number of steps in one write, below the 20 resets of calls that were not served yet.
const TOGETHER: usize = 12;

const WINDOW: i64 = 65_535;

struct Client<'h> {
    pipe: Pipe,
    hpack: Hpack<'h>,
    inbox: Vec<u8>,
    batch: Vec<u8>,
    calls: BTreeMap<u32, Call>,
    inward: i64,
    outward: i64,
    /// The initial window of streams: as acknowledged, and as sent since.
    initial: i64,
    asked: VecDeque<i64>,
    their_initial: i64,
    pings: VecDeque<[u8; 8]>,
    block: Option<(u32, u8, Vec<u8>)>,
}

/// Runs the steps in `data`. Needs a paused clock.
pub async fn h2_structured(data: &[u8], hpack: Hpack<'_>) {
    let mut script = Script(data);
    let (pipe, end) = pipe(usize::MAX, false);
    let falco = Falco::new();
    falco.alert(u64::from(script.byte() % 32), 100);
    let router = falco.router(false).await;
    let serving = tokio::spawn(falco.serve(router, end, 100_000));
    let mut client = Client::new(pipe, hpack);
    client.flush().await;
    let mut together = 0;
    for _ in 0..STEPS {
        if script.0.is_empty() {
            break;
        }
        let what = script.byte();
        together += 1;
        if client.step(what % 12, &mut script, &falco).await || what >= 0x80 || together >= TOGETHER
        {
            client.flush().await;
            together = 0;
        }
    }
    client.flush().await;
    client.open_up();
    // Calls without a half-close have ended by then.
    client.wait(REQUEST_TIME + 2 * UNSURE).await;
    client.judge(&falco);
    client.pipe.end();
    let ended = timeout(Duration::from_secs(20), serving).await;
    ended.expect("the connection ends in time").expect("the connection does not panic");
    sleep(Duration::from_millis(1)).await;
    assert_eq!(falco.subscribers(), 0, "a subscriber is still open");
}

impl<'h> Client<'h> {
    fn new(pipe: Pipe, hpack: Hpack<'h>) -> Self {
        let mut batch = PREFACE.to_vec();
        frames::put(&mut batch, SETTINGS, 0, 0, &[]);
        Self {
            pipe,
            hpack,
            inbox: Vec::new(),
            batch,
            calls: BTreeMap::new(),
            inward: WINDOW,
            outward: WINDOW,
            initial: WINDOW,
            asked: VecDeque::from([WINDOW]),
            their_initial: WINDOW,
            pings: VecDeque::new(),
            block: None,
        }
    }

    /// Runs one step. Returns whether it must be sent before the next one.
    async fn step(&mut self, what: u8, script: &mut Script<'_>, falco: &Falco) -> bool {
        match what {
            0 | 1 => self.begin(script),
            2 => {
                // Whole messages: five bytes each.
                let (id, count) = (script.byte(), script.byte() % 8);
                self.send(id, &[0; 5].repeat(count.into()), falco);
            }
            3 => {
                let id = script.byte();
                let bytes = script.short();
                self.send(id, &bytes[..bytes.len().min(40)], falco);
            }
            4 => {
                // A message that may be shorter than its prefix says.
                let (id, flag) = (script.byte(), script.byte());
                let length = usize::from(script.pair());
                let mut message = vec![if flag < 0x80 { 0 } else { flag & 3 }];
                message.extend_from_slice(&(length as u32).to_be_bytes());
                // Field 1 again and again, which no request knows and every decoder skips.
                message.extend(std::iter::repeat_n(if flag & 4 == 0 { 0x08 } else { 0 }, length));
                message.truncate(5 + length.min(usize::from(script.byte()) * 256));
                self.send(id, &message, falco);
            }
            5 => self.finish(script.byte(), falco),
            6 => self.reset(script.byte()),
            7 => {
                let id = script.byte();
                let more = u32::from(script.pair()) + 1;
                self.give(id, more);
            }
            8 => {
                let window = u32::from(script.pair());
                let mut payload = SETTINGS_INITIAL_WINDOW_SIZE.to_be_bytes().to_vec();
                payload.extend(window.to_be_bytes());
                frames::put(&mut self.batch, SETTINGS, 0, 0, &payload);
                self.asked.push_back(window.into());
                // Another SETTINGS before the acknowledgement of this one would hide an error.
                return true;
            }
            9 => {
                let payload = [script.byte(); 8];
                frames::put(&mut self.batch, PING, 0, 0, &payload);
                self.pings.push_back(payload);
            }
            10 => {
                let millis = u64::from(script.pair()) % 15_000;
                self.flush().await;
                self.wait(Duration::from_millis(millis)).await;
            }
            _ => {
                // The model must know the number of alerts when a call is served.
                self.flush().await;
                let (count, text) = (script.byte() % 64, script.byte());
                falco.alert(count.into(), usize::from(text) * 16);
                return true;
            }
        }
        false
    }

    fn begin(&mut self, script: &mut Script<'_>) {
        let method = script.one_of(&Method::ALL);
        let head = Head::of(script);
        let id = 2 * u32::try_from(self.calls.len()).expect("few calls") + 1;
        let block = head.block(method.path());
        frames::put(&mut self.batch, HEADERS, END_HEADERS, id, &block);
        let call = Call {
            method,
            head,
            begun: Instant::now(),
            body: Vec::new(),
            finished: None,
            reset: false,
            silent: false,
            inward: self.initial,
            outward: self.their_initial,
            fields: BTreeMap::new(),
            replies: Vec::new(),
            alerts: 0,
            over: false,
        };
        self.calls.insert(id, call);
    }

    /// Returns a call on which data can still be sent.
    fn open(&mut self, id: u8) -> Option<(u32, &mut Call)> {
        let count = self.calls.len().max(1);
        let (id, call) = self.calls.iter_mut().nth(usize::from(id) % count)?;
        (!call.over && !call.reset && call.finished.is_none()).then_some((*id, call))
    }

    /// Sends as much of `bytes` as flow control allows.
    fn send(&mut self, id: u8, bytes: &[u8], falco: &Falco) {
        let most = self.outward;
        let Some((id, call)) = self.open(id) else { return };
        let most = usize::try_from(most.min(call.outward)).unwrap_or_default();
        let bytes = &bytes[..bytes.len().min(most).min(1 << 14)];
        // An empty frame would only count toward the meter's limit.
        if bytes.is_empty() {
            return;
        }
        call.outward -= bytes.len() as i64;
        call.body.extend_from_slice(bytes);
        call.alerts = falco.alerts();
        self.outward -= bytes.len() as i64;
        frames::put(&mut self.batch, DATA, 0, id, bytes);
    }

    fn finish(&mut self, id: u8, falco: &Falco) {
        let Some((id, call)) = self.open(id) else { return };
        call.finished = Some(Instant::now());
        call.alerts = falco.alerts();
        frames::put(&mut self.batch, DATA, END_STREAM, id, &[]);
    }

    fn reset(&mut self, id: u8) {
        let count = self.calls.len().max(1);
        let Some((id, call)) = self.calls.iter_mut().nth(usize::from(id) % count) else { return };
        if !call.over && !call.reset {
            call.reset = true;
            frames::put(&mut self.batch, RST_STREAM, 0, *id, &8_u32.to_be_bytes());
        }
    }

    /// Opens the window of the connection or of one call by `more` bytes.
    fn give(&mut self, id: u8, more: u32) {
        let id = match id {
            0..0x40 => {
                self.inward += i64::from(more);
                0
            }
            _ => {
                let count = self.calls.len().max(1);
                let place = usize::from(id) % count;
                let Some((id, call)) = self.calls.iter_mut().nth(place) else { return };
                if call.over || call.reset {
                    return;
                }
                call.inward += i64::from(more);
                *id
            }
        };
        frames::put(&mut self.batch, WINDOW_UPDATE, 0, id, &more.to_be_bytes());
    }

    /// Opens all windows for everything that is left.
    fn open_up(&mut self) {
        const ALL: u32 = 1 << 24;
        let ids: Vec<_> = self.calls.keys().copied().collect();
        for place in 0..ids.len() {
            self.give(place_of(place, ids.len()), ALL);
        }
        self.give(0, ALL);
    }

    async fn wait(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            sleep(Duration::from_secs(1).min(until - Instant::now())).await;
            self.flush().await;
        }
    }

    /// Sends the batch and receives the answers.
    async fn flush(&mut self) {
        loop {
            self.pipe.feed(&std::mem::take(&mut self.batch));
            // The paused clock advances when every task is idle.
            sleep(Duration::from_millis(1)).await;
            self.inbox.extend(self.pipe.take());
            let inbox = std::mem::take(&mut self.inbox);
            let mut rest = &inbox[..];
            while let Some((frame, after)) = Frame::first(rest) {
                self.receive(frame);
                rest = after;
            }
            self.inbox = rest.to_vec();
            if self.batch.is_empty() {
                break;
            }
        }
        assert!(self.inbox.is_empty(), "part of a frame");
        assert!(self.pings.is_empty(), "a PING without an answer");
        assert!(self.asked.is_empty(), "SETTINGS without an answer");
        for call in self.calls.values_mut() {
            call.silent = call.reset || call.over;
        }
    }

    fn receive(&mut self, frame: Frame<'_>) {
        let id = frame.stream;
        if let Some((block, _, fields)) = &mut self.block {
            assert_eq!((frame.kind, frame.stream), (frames::CONTINUATION, *block));
            fields.extend_from_slice(frame.payload);
            if frame.has(END_HEADERS) {
                let (id, flags, block) = self.block.take().expect("a block");
                self.head(id, flags, &block);
            }
            return;
        }
        match frame.kind {
            DATA => self.data(frame),
            HEADERS if frame.has(END_HEADERS) => self.head(id, frame.flags, frame.plain()),
            HEADERS => self.block = Some((id, frame.flags, frame.plain().to_vec())),
            RST_STREAM => {
                let call = self.calls.get_mut(&id).expect("a call");
                // The server may reset a call that it answered before the whole request arrived.
                assert!(call.over || call.reset, "{call:?} is reset: {}", frame.number());
            }
            SETTINGS if frame.has(ACK) => {
                let window = self.asked.pop_front().expect("SETTINGS that were sent");
                let more = window - std::mem::replace(&mut self.initial, window);
                self.calls.values_mut().for_each(|call| call.inward += more);
            }
            SETTINGS => {
                for (_, window) in
                    frame.settings().filter(|(setting, _)| *setting == SETTINGS_INITIAL_WINDOW_SIZE)
                {
                    let window = i64::from(window);
                    let more = window - std::mem::replace(&mut self.their_initial, window);
                    self.calls.values_mut().for_each(|call| call.outward += more);
                }
                frames::put(&mut self.batch, SETTINGS, ACK, 0, &[]);
            }
            PING if frame.has(ACK) => {
                assert_eq!(self.pings.pop_front().as_ref().map(|p| &p[..]), Some(frame.payload));
            }
            PING => frames::put(&mut self.batch, PING, ACK, 0, frame.payload),
            WINDOW_UPDATE if id == 0 => self.outward += i64::from(frame.number()),
            WINDOW_UPDATE => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.outward += i64::from(frame.number());
                }
            }
            GOAWAY => panic!("the server ends the connection: {:?}", frame.payload),
            kind => panic!("an unexpected frame of type {kind}"),
        }
    }

    fn data(&mut self, frame: Frame<'_>) {
        let length = frame.payload.len() as i64;
        // The server may use new windows before it acknowledges them.
        let soon = self.asked.iter().map(|window| window - self.initial).max().unwrap_or(0).max(0);
        let call = self.calls.get_mut(&frame.stream).expect("a call");
        assert!(!call.silent && !call.over, "data after the end of {call:?}");
        assert!(!call.fields.is_empty(), "data before the head");
        call.inward -= length;
        self.inward -= length;
        assert!(length == 0 || call.inward + soon >= 0, "more than the stream's window");
        assert!(length == 0 || self.inward >= 0, "more than the connection's window");
        call.replies.extend_from_slice(frame.plain());
        call.over = frame.has(END_STREAM);
    }

    fn head(&mut self, id: u32, flags: u8, block: &[u8]) {
        let call = self.calls.get_mut(&id).expect("a call");
        let fields = (self.hpack)(block);
        assert!(!call.silent && !call.over, "a head after the end of {call:?}");
        let trailers = !call.fields.is_empty();
        for (name, value) in fields {
            assert!(!trailers || !name.starts_with(b":"), "trailers with a pseudo-header");
            assert!(call.fields.insert(name, value).is_none(), "the same field twice");
        }
        call.over = flags & END_STREAM != 0;
        assert!(!trailers || call.over, "trailers without END_STREAM");
    }

    fn judge(&self, falco: &Falco) {
        for call in self.calls.values().filter(|call| !call.reset) {
            call.judge(falco.alerts());
        }
    }
}

/// Returns a byte for which [`Client::give`] selects the call at this index.
fn place_of(place: usize, count: usize) -> u8 {
    (0x40..=u8::MAX).find(|byte| usize::from(*byte) % count == place).expect("fewer than 192 calls")
}
