//! Checks that each alert of a live stream is one event, with its cursor and its JSON as it
//! arrived.

#![no_main]

mod known_leak;
mod paused;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| paused::paused(falconer::fuzzing::sse_encode(data)));
