//! Builds the dashboard in where it was made (`make web`), else a page that says how to make it: a
//! build never needs Node or a network of its own.

use std::path::Path;

/// Both hold an `index.html`.
const MADE: &str = "../web/dist";
const PLACEHOLDER: &str = "../web/placeholder";

fn main() {
    println!("cargo:rerun-if-changed={MADE}");
    println!("cargo:rerun-if-changed={PLACEHOLDER}");
    let made = Path::new(MADE).join("index.html").exists();
    memory_serve::load_directory(if made { MADE } else { PLACEHOLDER });
}
