//! Checks that the repair of `:authority` does not depend on how bytes are cut, and is idempotent.

use crate::net::authority::Repair;
use crate::net::preface::PREFACE;

/// Repairs any bytes, alone and after a connection preface.
///
/// # Panics
/// If the result depends on how they are cut, or if a second repair changes it.
pub fn authority_repair(bytes: &[u8]) {
    check_stream(bytes);
    check_stream(&[PREFACE, bytes].concat());
}

fn check_stream(sent: &[u8]) {
    let repaired = in_chunks(sent, [sent.len()]);
    let chunks = sent.iter().map(|byte| usize::from(byte % 16));
    for (cut, got) in [
        ("octet by octet", in_chunks(sent, [1])),
        ("in uneven chunks", in_chunks(sent, chunks)),
        ("a second time", in_chunks(&repaired, [sent.len()])),
    ] {
        assert_eq!(repaired, got, "repaired {cut} gives other bytes");
    }
}

/// Repairs a new connection's bytes in chunks of these sizes, repeated. 0 counts as 1.
pub(crate) fn in_chunks<I>(sent: &[u8], sizes: I) -> Vec<u8>
where
    I: IntoIterator<Item = usize, IntoIter: Clone>,
{
    let mut bytes = sent.to_vec();
    let mut repair = Repair::default();
    let mut sizes = sizes.into_iter().cycle();
    let mut rest = bytes.as_mut_slice();
    while !rest.is_empty() {
        let size = sizes.next().unwrap_or(1).clamp(1, rest.len());
        let Some((chunk, after)) = rest.split_at_mut_checked(size) else { break };
        repair.feed(chunk);
        rest = after;
    }
    bytes
}
