//! Checks that any files load as TLS files, or give an error that names a file and quotes nothing
//! of its contents.
//!
//! The files are real ones with changes, or the script's bytes. They may contain a unique word. If
//! an error has that word, it quotes a file.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use jiff::Timestamp;

use super::script::Script;
use crate::net::TlsFiles;
use crate::net::tls;

const WORD: &str = "Canary7f3eCanary";

/// Returns a key and its certificate, which are made at the first call.
fn real() -> &'static (String, String) {
    static REAL: OnceLock<(String, String)> = OnceLock::new();
    REAL.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a pair");
        (made.signing_key.serialize_pem(), made.cert.pem())
    })
}

/// Loads the files that `data` describes.
pub fn pem_load(data: &[u8]) {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("falconer-pem-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        folder
    });
    let mut script = Script(data);
    let how = script.byte();
    let write = |name: &str, contents: Vec<u8>| {
        let path = folder.join(name);
        fs::write(&path, contents).expect("a file");
        path
    };
    let (key, chain) = real();
    let mut files = TlsFiles::new(
        write("key", contents(key, &mut script)),
        write("chain", contents(chain, &mut script)),
        write("roots", contents(chain, &mut script)),
    );
    if how & 1 != 0 {
        files.crls.push(write("lists", contents("", &mut script)));
    }
    files.legacy_v1_certs = how & 2 != 0;
    let now = Timestamp::constant(1_893_456_000, 0);
    let said = match tls::load(&files, now) {
        Ok(loaded) => loaded.warnings,
        Err(error) => {
            let said = error.to_string();
            let named = files.paths().any(|path| said.contains(&*path.to_string_lossy()));
            assert!(named, "the error names no file: {said}");
            vec![said]
        }
    };
    for said in said {
        assert!(!said.contains(WORD), "the text quotes a file: {said}");
        assert!(!said.contains(char::is_control), "the text is more than a line: {said:?}");
    }
}

/// Returns the contents of a file: real ones or the script's bytes, perhaps with changes and the
/// word.
fn contents(real: &str, script: &mut Script<'_>) -> Vec<u8> {
    let how = script.byte();
    let mut contents = match how & 3 {
        0 | 1 => real.as_bytes().to_vec(),
        2 => script.short().to_vec(),
        _ => [real.as_bytes(), script.short()].concat(),
    };
    if how & 4 != 0 {
        let (edits, _) = script.short().as_chunks::<3>();
        for [high, low, byte] in edits {
            let place = usize::from(u16::from_be_bytes([*high, *low]));
            if let Some(length) = std::num::NonZeroUsize::new(contents.len()) {
                contents[place % length] = *byte;
            }
        }
    }
    if how & 8 != 0 {
        let place = usize::from(script.pair()) % (contents.len() + 1);
        contents.splice(place..place, WORD.bytes());
    }
    contents
}
