//! Records are the same however their lines are laid out, and however they are cut into chunks.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| falconer::fuzzing::records(bytes));
