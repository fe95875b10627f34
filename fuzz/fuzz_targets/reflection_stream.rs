//! Checks that any reflection requests get bounded replies and a status.

#![no_main]

mod paused;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| paused::paused(falconer::fuzzing::reflection_stream(data)));
