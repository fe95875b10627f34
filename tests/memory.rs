//! The memory that gRPC's framing allocates for the bytes of a call, as counted by the allocator. A
//! claimed length allocates nothing, and decompression never more than the limit.
//!
//! There is only one test, because the allocator counts for the whole process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::io::Write as _;

use falconer::grpc::Encoding;
use falconer::grpc::frame::{Decoder, PREFIX};
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// The bytes that decompression itself needs: its window of 32 KiB and its tables.
const UNPACKING: usize = 64 << 10;

/// The bytes that sharing a buffer needs.
const SHARING: usize = 1 << 10;

/// A gRPC message with this flag and claimed length, then `bytes`.
fn message(flag: u8, claimed: u32, bytes: &[u8]) -> Vec<u8> {
    [&[flag][..], &claimed.to_be_bytes(), bytes].concat()
}

/// The peak of allocated bytes while the decoder gets `body` in chunks of `cut` bytes.
fn peak(body: &[u8], cut: usize, encoding: Encoding, limit: usize) -> usize {
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let mut decoder = Decoder::new(encoding, limit);
    'body: for chunk in body.chunks(cut) {
        decoder.push(chunk);
        loop {
            match decoder.message() {
                Ok(Some(message)) => drop(message),
                Ok(None) => break,
                Err(_) => break 'body,
            }
        }
    }
    drop(decoder);
    ALLOCATED.peak_usage() - before
}

#[test]
fn a_claimed_length_allocates_nothing_and_the_limit_holds() {
    let zeros = vec![0; 16 << 20];
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&zeros).unwrap();
    let gzip = gzip.finish().unwrap();
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(&zeros).unwrap();
    let zlib = zlib.finish().unwrap();
    let packed = |bytes: &[u8]| message(1, u32::try_from(bytes.len()).unwrap(), bytes);
    let bodies = [
        ("a length and nothing", message(0, u32::MAX, b""), Encoding::Identity),
        ("a length and some of it", message(0, 1 << 20, &zeros[..1 << 10]), Encoding::Identity),
        ("all of it", message(0, 1 << 20, &zeros[..1 << 20]), Encoding::Identity),
        ("many small ones", message(0, 0, b"").repeat(1 << 17), Encoding::Identity),
        ("16 MiB in 16 KiB, gzip", packed(&gzip), Encoding::Gzip),
        ("16 MiB in 16 KiB, deflate", packed(&zlib), Encoding::Deflate),
        ("many of those", packed(&gzip).repeat(16), Encoding::Gzip),
    ];
    for (what, body, encoding) in &bodies {
        for limit in [0, 1 << 10, 64 << 10, 1 << 20] {
            for cut in [1 << 10, 16 << 10, 256 << 10] {
                let peak = peak(body, cut, *encoding, limit);
                // The received part of a message, while its buffer is copied to one of twice the
                // size. Then the decompressed message.
                let held = 3 * (PREFIX + limit.min(body.len()) + cut) + SHARING;
                let unpacked =
                    if *encoding == Encoding::Identity { 0 } else { 3 * limit + UNPACKING };
                assert!(
                    peak <= held + unpacked,
                    "{what}, cut at {cut} with limit {limit}: {peak} bytes, not {held} + {unpacked}"
                );
            }
        }
    }
}
