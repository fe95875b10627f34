//! No request under a foreign name, or of a foreign page, gets in at the gateway.

#![no_main]

mod known_leak;
mod paused;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| paused::paused(falconer::fuzzing::gateway_request(data)));
