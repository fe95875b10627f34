//! Checks that any text is a filter whose printed text parses to it, or gives an error with a
//! column.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| falconer::fuzzing::filter_text(text));
