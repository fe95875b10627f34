//! Checks that the meter below HTTP/2 finds every frame, however reads cut them.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| falconer::fuzzing::metered(data));
