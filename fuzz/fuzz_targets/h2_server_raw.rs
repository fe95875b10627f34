//! Any bytes behind HTTP/2's preface leave a connection that ends, and nothing behind it.

#![no_main]

mod paused;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| paused::paused(falconer::fuzzing::h2_server_raw(data)));
