//! Any record is refused, or becomes a frame that protobuf reads back as the same alert.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|record: &[u8]| falconer::fuzzing::falco_line(record));
