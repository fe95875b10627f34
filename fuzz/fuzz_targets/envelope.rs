//! Alerts in what wraps their lines come out as they were, and nothing else does.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| falconer::fuzzing::envelope(bytes));
