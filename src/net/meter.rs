//! Limits the frames that cost a peer nothing and the server a little, and that neither h2 nor
//! hyper limits (CVE-2019-9512, 9513, 9515, 9518; CVE-2023-44487 if it is paced).
//!
//! 1. [`Meter`] parses the heads of the frames that a peer sends ([`Frames`]).
//! 2. It counts the frames of each [`Limit`] over [`PERIOD`]. Clients send WINDOW_UPDATE, and PING
//!    to measure the bandwidth, in response to data. So these limits grow with the bytes written.
//! 3. A frame above the limit ends the connection: [`Metered`] fails its read, and [`Cut`] has the
//!    limit.
//!
//! Ordinary clients stay far below the limits: grpc-go, C-core and grpc-js read 300,000 alerts as
//! fast as they could, and stayed below a hundredth of each.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::echo::{self, Echo};
use super::frames::Frames;
use super::preface::PREFACE;
use super::sent::Errors;

const PING: u8 = 0x6;
const ACK: u8 = 0x1;

/// The time after which the counts restart at zero.
const PERIOD: Duration = Duration::from_secs(10);

/// A kind of frame that a peer may not send too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Limit {
    /// RST_STREAM, which cancels a call.
    Resets,
    /// PING, and answers to the server's PINGs.
    Pings,
    /// SETTINGS.
    Settings,
    /// PRIORITY, which RFC 9113 deprecates.
    Priorities,
    /// WINDOW_UPDATE.
    WindowUpdates,
    /// DATA, HEADERS or CONTINUATION with an empty payload.
    EmptyFrames,
    /// Frames of unknown types, and of types that only servers send.
    UnknownFrames,
}

impl Limit {
    /// All limits.
    pub const ALL: [Self; 7] = [
        Self::Resets,
        Self::Pings,
        Self::Settings,
        Self::Priorities,
        Self::WindowUpdates,
        Self::EmptyFrames,
        Self::UnknownFrames,
    ];

    /// Returns the name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Resets => "resets",
            Self::Pings => "pings",
            Self::Settings => "settings",
            Self::Priorities => "priorities",
            Self::WindowUpdates => "window_updates",
            Self::EmptyFrames => "empty_frames",
            Self::UnknownFrames => "unknown_frames",
        }
    }

    /// Returns the name of the frames in log lines.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Self::Resets => "RST_STREAM frames",
            Self::Pings => "PING frames",
            Self::Settings => "SETTINGS frames",
            Self::Priorities => "PRIORITY frames",
            Self::WindowUpdates => "WINDOW_UPDATE frames",
            Self::EmptyFrames => "empty frames",
            Self::UnknownFrames => "frames of unknown types",
        }
    }

    /// Returns how many of these frames a peer may send in [`PERIOD`] if `written` bytes were
    /// written to it.
    fn most(self, written: u64) -> u64 {
        match self {
            // Two and a half times the calls that a connection can have open at once.
            Self::Resets => 500,
            // A client may send a PING for each reply. Replies are rarely shorter than 64 bytes.
            Self::Pings => 200 + written / 64,
            Self::Settings => 100,
            // Old browsers and Node begin each stream with them.
            Self::Priorities => 2_000,
            // Two for each DATA frame. The shortest have some tens of bytes.
            Self::WindowUpdates => 2_000 + written / 16,
            Self::EmptyFrames => 200,
            Self::UnknownFrames => 200,
        }
    }

    /// Returns the limit that a frame with this head counts against.
    fn of(kind: u8, flags: u8, length: u32) -> Option<Self> {
        const END_STREAM: u8 = 0x1;
        match kind {
            0x0 if length == 0 && flags & END_STREAM == 0 => Some(Self::EmptyFrames),
            0x1 | 0x9 if length == 0 => Some(Self::EmptyFrames),
            0x0 | 0x1 | 0x7 | 0x9 => None,
            0x2 => Some(Self::Priorities),
            0x3 => Some(Self::Resets),
            0x4 => Some(Self::Settings),
            0x6 => Some(Self::Pings),
            0x8 => Some(Self::WindowUpdates),
            _ => Some(Self::UnknownFrames),
        }
    }
}

/// Counts the frames of one peer. It reads no clock; the time is a parameter.
#[derive(Debug)]
pub struct Meter {
    frames: Frames,
    /// The last answer to a PING of [`Echo`] that has not been passed on yet.
    answer: Option<u32>,
    began: Option<Instant>,
    counts: [u64; Limit::ALL.len()],
    written: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            frames: Frames::behind(PREFACE.len(), |kind| if kind == PING { 8 } else { 0 }),
            answer: None,
            began: None,
            counts: [0; Limit::ALL.len()],
            written: 0,
        }
    }
}

impl Meter {
    /// Counts the frames in the next bytes from the peer, beginning with the preface.
    ///
    /// # Errors
    /// The limit that the peer has exceeded.
    pub fn read(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Limit> {
        while let Some(frame) = self.frames.next(&mut bytes) {
            if frame.kind == PING && frame.flags & ACK != 0 {
                self.answer = echo::number(frame.payload).or(self.answer);
            }
            if let Some(limit) = Limit::of(frame.kind, frame.flags, frame.length) {
                self.count(limit, now)?;
            }
        }
        Ok(())
    }

    /// Records that this number of bytes was written to the peer.
    pub fn wrote(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    fn count(&mut self, limit: Limit, now: Instant) -> Result<(), Limit> {
        if self.began.is_none_or(|began| now - began >= PERIOD) {
            self.began = Some(now);
            self.counts = [0; Limit::ALL.len()];
            self.written = 0;
        }
        let Some(count) = self.counts.get_mut(limit as usize) else { return Ok(()) };
        *count += 1;
        if *count > limit.most(self.written) { Err(limit) } else { Ok(()) }
    }
}

/// A connection whose reads and writes go through a [`Meter`].
#[derive(Debug)]
pub(super) struct Metered<T> {
    io: T,
    meter: Meter,
    cut: Cut,
    echo: Arc<Echo>,
}

/// The limit that ended a connection, if one did.
#[derive(Debug, Clone, Default)]
pub(super) struct Cut(Arc<OnceLock<Limit>>);

impl Cut {
    pub(super) fn limit(&self) -> Option<Limit> {
        self.0.get().copied()
    }
}

/// Counts, for one listener, of the connections that a limit ended, and of the errors that h2 sent
/// by itself.
#[derive(Debug, Default)]
pub struct Cuts {
    counts: [AtomicU64; Limit::ALL.len()],
    pub(super) errors: Arc<Errors>,
}

impl Cuts {
    pub(super) fn count(&self, limit: Limit) {
        if let Some(count) = self.counts.get(limit as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Iterates over the limits and the number of connections that each has ended.
    pub fn counts(&self) -> impl Iterator<Item = (Limit, u64)> {
        Limit::ALL
            .into_iter()
            .zip(&self.counts)
            .map(|(limit, count)| (limit, count.load(Ordering::Relaxed)))
    }

    /// Returns the counts of calls and connections that h2 ended by itself.
    #[must_use]
    pub fn errors(&self) -> &Errors {
        &self.errors
    }
}

/// Wraps `io`, from which nothing has been read yet.
pub(super) fn metered<T>(io: T, echo: Arc<Echo>) -> (Metered<T>, Cut) {
    let cut = Cut::default();
    (Metered { io, meter: Meter::default(), cut: cut.clone(), echo }, cut)
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.io).poll_read(context, buffer);
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        if !fresh.is_empty()
            && let Err(limit) = this.meter.read(fresh, Instant::now())
        {
            // If the cell is set already, the first limit stays.
            let _ = this.cut.0.set(limit);
            return Poll::Ready(Err(io::Error::other("the peer exceeds a limit")));
        }
        if let Some(number) = this.meter.answer.take() {
            this.echo.answered(number);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.io).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = polled {
            this.meter.wrote(written);
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], &vec![0xff; payload]].concat()
    }

    /// Sends `frame` again and again after `written` bytes. Returns the number of the frame that
    /// exceeds a limit, and the limit.
    fn exceeded(frame: &[u8], written: usize) -> Option<(u64, Limit)> {
        let (mut meter, now) = (Meter::default(), Instant::now());
        meter.read(PREFACE, now).unwrap();
        meter.read(&super::tests::frame(4, 0, 6), now).unwrap();
        meter.wrote(written);
        (1..20_000).find_map(|sent| meter.read(frame, now).err().map(|limit| (sent, limit)))
    }

    #[tokio::test]
    async fn each_kind_of_frame_has_its_limit_and_calls_have_none() {
        for (kind, flags, payload, expected) in [
            (0x0, 0, 5, None),
            (0x0, 1, 0, None),
            (0x0, 0, 0, Some((201, Limit::EmptyFrames))),
            (0x1, 4, 30, None),
            (0x1, 4, 0, Some((201, Limit::EmptyFrames))),
            (0x9, 4, 0, Some((201, Limit::EmptyFrames))),
            (0x2, 0, 5, Some((2001, Limit::Priorities))),
            (0x3, 0, 4, Some((501, Limit::Resets))),
            // The SETTINGS that begins every connection counts too.
            (0x4, 0, 6, Some((100, Limit::Settings))),
            (0x6, 0, 8, Some((201, Limit::Pings))),
            (0x8, 0, 4, Some((2001, Limit::WindowUpdates))),
            (0xa, 0, 4, Some((201, Limit::UnknownFrames))),
        ] {
            assert_eq!(exceeded(&frame(kind, flags, payload), 0), expected, "{kind:#x}");
        }
        assert_eq!(exceeded(&frame(0x8, 0, 4), 16_000), Some((3001, Limit::WindowUpdates)));
        assert_eq!(exceeded(&frame(0x6, 0, 8), 64_000), Some((1201, Limit::Pings)));
    }

    #[tokio::test]
    async fn frames_spread_over_time_exceed_no_limit() {
        let (mut meter, mut now) = (Meter::default(), Instant::now());
        meter.read(PREFACE, now).unwrap();
        for _ in 0..100_000 {
            now += PERIOD / 400;
            assert_eq!(meter.read(&frame(0x3, 0, 4), now), Ok(()));
        }
    }

    proptest::proptest! {
        #[test]
        fn frames_are_found_for_any_sizes_of_reads(
            frames in proptest::collection::vec((0_u8..12, 0_u8..2, 0_usize..4), 0..30),
            rest in proptest::collection::vec(proptest::num::u8::ANY, 0..20),
            cuts in proptest::collection::vec(0_u8..20, 0..20),
        ) {
            let frames = frames.into_iter().map(|(kind, flags, payload)| frame(kind, flags, payload));
            let bytes = [frames.collect::<Vec<_>>().concat(), rest].concat();
            crate::fuzzing::frame_meter(&bytes, &cuts);
        }
    }
}
