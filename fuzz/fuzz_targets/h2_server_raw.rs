//! Checks that a connection ends whatever bytes follow HTTP/2's preface, and that no call is left.

#![no_main]

mod paused;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| paused::paused(falconer::fuzzing::h2_server_raw(data)));
