//! No bytes are a client's version 1 certificate but those that the authority signed.
//!
//! 1. Any bytes are read as a certificate and as a revocation list.
//! 2. The one certificate that is right is changed in places, which gets further than bytes that
//!    are no DER.

#![no_main]

use std::sync::LazyLock;

use falconer::fuzzing::Legacy;
use libfuzzer_sys::fuzz_target;

static LEGACY: LazyLock<Legacy> = LazyLock::new(Legacy::default);

fuzz_target!(|data: &[u8]| {
    LEGACY.read(data);
});
