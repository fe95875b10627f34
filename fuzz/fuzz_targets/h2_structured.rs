//! Checks that a client that keeps to HTTP/2's rules gets what a model of the server predicts.

#![no_main]

mod paused;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut decoder = fluke_hpack::Decoder::new();
    let mut hpack = |block: &[u8]| decoder.decode(block).expect("a field block");
    paused::paused(falconer::fuzzing::h2_structured(data, &mut hpack));
});
