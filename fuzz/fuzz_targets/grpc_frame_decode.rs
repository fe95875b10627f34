//! Checks that gRPC's framing gives the messages of the specification, however a body is cut.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| falconer::fuzzing::grpc_frame_decode(data));
