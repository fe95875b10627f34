//! Checks that the meter below HTTP/2 finds every frame, however reads cut them.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::script::Script;
use crate::net::meter::{Limit, Meter};
use crate::net::preface::PREFACE;

/// Calls [`frame_meter`] with `data`, read as cuts and bytes.
pub fn metered(data: &[u8]) {
    let mut script = Script(data);
    let cuts = script.short();
    frame_meter(script.0, cuts);
}

/// Meters `bytes` after the preface, cut at `cuts`.
///
/// # Panics
/// If the result, an exceeded limit or none, differs from that of a plain reading of whole frames.
pub fn frame_meter(bytes: &[u8], cuts: &[u8]) {
    fn metered<'p>(mut pieces: impl Iterator<Item = &'p [u8]>) -> Result<(), Limit> {
        let (mut meter, now) = (Meter::default(), Instant::now());
        pieces.try_for_each(|piece| meter.read(piece, now))
    }
    // Repeated, so that limits are exceeded.
    let stream = [PREFACE, &bytes.repeat(100)].concat();
    let mut rest = &stream[..];
    let pieces = cuts.iter().chain(std::iter::repeat(&u8::MAX)).map_while(|cut| {
        let (piece, after) = rest.split_at_checked(usize::from(*cut)).unwrap_or((rest, &[]));
        let done = rest.is_empty();
        rest = after;
        (!done).then_some(piece)
    });
    let expected = metered_by_frame(&stream[PREFACE.len()..]);
    assert_eq!(metered(pieces), expected, "the result depends on the cuts");
    assert_eq!(metered(stream.chunks(1)), expected, "the result depends on the cuts, byte by byte");
}

/// A plain implementation of the limits in `net::meter`, for a peer to which nothing is written.
fn metered_by_frame(mut bytes: &[u8]) -> Result<(), Limit> {
    let mut counts = BTreeMap::new();
    while let Some((head, after)) = bytes.split_at_checked(9) {
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let (limit, most) = match (head[3], length) {
            (0, 0) if head[4] & 1 == 0 => (Limit::EmptyFrames, 200),
            (1 | 9, 0) => (Limit::EmptyFrames, 200),
            (0 | 1 | 7 | 9, _) => (Limit::Resets, usize::MAX),
            (2, _) => (Limit::Priorities, 2_000),
            (3, _) => (Limit::Resets, 500),
            (4, _) => (Limit::Settings, 100),
            (6, _) => (Limit::Pings, 200),
            (8, _) => (Limit::WindowUpdates, 2_000),
            _ => (Limit::UnknownFrames, 200),
        };
        if most < usize::MAX {
            let count = counts.entry(limit).or_insert(0);
            *count += 1;
            if *count > most {
                return Err(limit);
            }
        }
        bytes = after.get(length..).unwrap_or_default();
    }
    Ok(())
}
