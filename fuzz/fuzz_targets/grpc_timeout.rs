//! `grpc-timeout` is one to eight digits and a unit, and nothing else is.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| falconer::fuzzing::grpc_timeout(data));
