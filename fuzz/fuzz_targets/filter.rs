//! Any text is a filter that prints as itself, or a mistake with its column.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| falconer::fuzzing::filter_text(text));
