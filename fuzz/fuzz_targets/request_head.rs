//! Only a gRPC request reaches a service; every other is told so in HTTP's terms.

#![no_main]

mod paused;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| paused::paused(falconer::fuzzing::request_head(data)));
