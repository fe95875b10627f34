//! Checks that the gateway refuses requests under a foreign name or from a foreign page.

#![no_main]

mod known_leak;
mod paused;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| paused::paused(falconer::fuzzing::gateway_request(data)));
