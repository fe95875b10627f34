//! Checks that only a gRPC request reaches a service, and that any other gets an HTTP status.

#![no_main]

mod paused;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| paused::paused(falconer::fuzzing::request_head(data)));
