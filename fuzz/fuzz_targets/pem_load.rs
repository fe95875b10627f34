//! Checks that any files load as TLS files, or give an error that names a file and does not quote
//! it.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| falconer::fuzzing::pem_load(data));
