//! Turns `proto/` into Rust types and the descriptor set that reflection serves, with protox: no
//! protoc on the user's machine.

use std::{env, error::Error, fs, path::PathBuf};

use prost_build::Config;
use protox::prost::Message as _;

/// The files keep the bare names they had in Falco (`outputs.proto`): reflection shows them.
const PROTOS: [&str; 3] = ["schema.proto", "outputs.proto", "version.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let descriptors = protox::Compiler::new(["proto/falco"])?
        .include_source_info(true)
        .include_imports(true)
        .open_files(PROTOS)?
        .file_descriptor_set();
    // prost comes without the comments' code blocks: rustdoc would try to compile them.
    Config::new().disable_comments(["."]).compile_fds(descriptors.clone())?;
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    Ok(())
}
