//! Checks that any text becomes a `grpc-message` of printable ASCII that decodes to it, or its start.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| falconer::fuzzing::grpc_message(data));
