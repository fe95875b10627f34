//! Checks that any text becomes a `grpc-message` of printable ASCII that decodes to the text, or to
//! its beginning.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| falconer::fuzzing::grpc_message(data));
