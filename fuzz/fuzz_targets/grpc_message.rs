//! Any text leaves as `grpc-message` in printable ASCII and comes back as it was.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| falconer::fuzzing::grpc_message(data));
