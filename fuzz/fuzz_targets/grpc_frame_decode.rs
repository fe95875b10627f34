//! gRPC's framing gives the same messages however a body is cut, and those the specification
//! names.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| falconer::fuzzing::grpc_frame_decode(data));
