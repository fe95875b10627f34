//! gRPC's framing gives the same messages however a body is cut, and those the specification
//! names.

#![no_main]

use arbitrary::Arbitrary;
use falconer::grpc::Encoding;
use libfuzzer_sys::fuzz_target;

#[derive(Debug, Arbitrary)]
struct Input {
    limit: u16,
    encoding: u8,
    cuts: Vec<u8>,
    body: Vec<u8>,
}

fuzz_target!(|input: Input| {
    let encoding = match input.encoding % 3 {
        0 => Encoding::Identity,
        1 => Encoding::Gzip,
        _ => Encoding::Deflate,
    };
    falconer::fuzzing::frame_decode(&input.body, &input.cuts, encoding, usize::from(input.limit));
});
