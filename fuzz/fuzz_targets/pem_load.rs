//! Any files are TLS files, or a mistake that names one and repeats nothing of it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| falconer::fuzzing::pem_load(data));
