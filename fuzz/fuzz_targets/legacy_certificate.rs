//! Checks that only the bytes that the authority signed are accepted as a version 1 certificate.
//!
//! 1. Any bytes are read as a certificate and as a revocation list.
//! 2. The valid certificate is changed in some bytes, which gets further than bytes that are not
//!    DER.

#![no_main]

use std::sync::LazyLock;

use falconer::fuzzing::Legacy;
use libfuzzer_sys::fuzz_target;

static LEGACY: LazyLock<Legacy> = LazyLock::new(Legacy::default);

fuzz_target!(|data: &[u8]| {
    LEGACY.read(data);
});
