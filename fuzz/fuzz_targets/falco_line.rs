//! Checks that any record is rejected, or becomes a frame that protobuf decodes to the same alert.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|record: &[u8]| falconer::fuzzing::falco_line(record));
