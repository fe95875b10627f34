//! Turns `proto/` into Rust types and the descriptor set that reflection serves, with protox: no
//! protoc on the user's machine.

use std::{
    env,
    error::Error,
    fs,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use prost_build::Config;
use protox::prost::Message as _;

/// The files keep the bare names they had in Falco (`outputs.proto`): reflection shows them.
const PROTOS: [&str; 4] =
    ["schema.proto", "outputs.proto", "version.proto", "falconer/v1/events.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = protox::Compiler::new(["proto/falco", "proto"])?
        .include_source_info(true)
        .include_imports(true)
        .open_files(PROTOS)?
        .file_descriptor_set();
    // prost comes without the comments' code blocks: rustdoc would try to compile them.
    Config::new().disable_comments(["."]).compile_fds(descriptors.clone())?;
    println!("cargo:rustc-env=FALCONER_BUILD={}", build());
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    Ok(())
}

/// Changes with every build of what a browser is shown: pages of another one load themselves anew.
fn build() -> String {
    println!("cargo:rerun-if-changed=src");
    println!("cargo:rerun-if-changed=gateway");
    println!("cargo:rerun-if-env-changed=SOURCE_DATE_EPOCH");
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let given = env::var("SOURCE_DATE_EPOCH").ok().and_then(|seconds| seconds.parse().ok());
    format!("{:x}", given.unwrap_or_else(now))
}
