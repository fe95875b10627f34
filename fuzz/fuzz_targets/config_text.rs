//! Checks that any text is a configuration or gives a list of errors, without a panic.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // The YAML library takes seconds for deep nesting in long texts.
    if text.len() < 4096 {
        falconer::fuzzing::config_text(text);
    }
});
