//! Checks that `grpc-timeout` accepts one to eight digits and a unit, and nothing else.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| falconer::fuzzing::grpc_timeout(data));
