//! Checks the inputs: the files to follow and the program to start.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::{Findings, Level};
use crate::ingest::{Config, pattern};

pub(super) fn look(config: &Config, findings: &mut Findings) {
    let mut seen: Vec<((u64, u64), &Path)> = Vec::new();
    let is_pattern = |path: &&PathBuf| pattern::is_pattern(path);
    for pattern in config.files.iter().filter(is_pattern) {
        files(pattern, findings);
    }
    for path in config.files.iter().filter(|path| !is_pattern(path)) {
        file(path, findings);
        let Ok(found) = fs::metadata(path) else { continue };
        let is = (found.dev(), found.ino());
        if let Some((_, same)) = seen.iter().find(|(known, _)| *known == is) {
            let (path, same) = (path.display(), same.display());
            findings.add(
                Level::Warning,
                format_args!(
                    "falconer.inputs.files: {path} and {same} are the same file, which is read \
                     once; name it once"
                ),
            );
        }
        seen.push((is, path));
    }
    if let Some(program) = config.command.first() {
        command(program, findings);
    }
}

fn file(path: &Path, findings: &mut Findings) {
    let key = "falconer.inputs.files";
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if !found.is_file() => findings.add(
            Level::Error,
            format_args!(
                "{key}: {shown} is not a regular file; name the file that Falco's file_output \
                 writes"
            ),
        ),
        Ok(_) => match File::open(path) {
            Ok(_) => findings.add(Level::Ok, format_args!("{key}: {shown} can be read")),
            Err(error) => findings
                .add(Level::Error, format_args!("{key}: {shown}: {error}; let this user read it")),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => findings.add(
            Level::Note,
            format_args!(
                "{key}: {shown} does not exist yet; the server waits for it, and is not ready \
                 until then"
            ),
        ),
        Err(error) => findings.add(
            Level::Error,
            format_args!("{key}: {shown}: {error}; give this user access to its directory"),
        ),
    }
}

fn files(pattern: &Path, findings: &mut Findings) {
    let key = "falconer.inputs.files";
    let shown = pattern.display();
    match pattern::expand(pattern) {
        Ok(none) if none.is_empty() => findings.add(
            Level::Note,
            format_args!(
                "{key}: no file matches {shown} yet; the server waits for one, and is not ready \
                 until then"
            ),
        ),
        Ok(paths) => {
            findings.add(Level::Ok, format_args!("{key}: {shown} matches {} files", paths.len()));
            paths.iter().for_each(|path| file(path, findings));
        }
        Err(error) => findings.add(
            Level::Error,
            format_args!("{key}: {shown}: {error}; give this user access to the directory"),
        ),
    }
}

fn command(program: &str, findings: &mut Findings) {
    let key = "falconer.inputs.command";
    match found(program) {
        Some(path) => {
            findings.add(Level::Ok, format_args!("{key}: {} can be started", path.display()));
        }
        None => findings.add(
            Level::Error,
            format_args!("{key}: there is no executable program {program:?}; write its full path"),
        ),
    }
}

/// Finds the program as a shell would.
fn found(program: &str) -> Option<PathBuf> {
    let executable = |path: &PathBuf| path.is_file() && access(path, AccessFlags::X_OK).is_ok();
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(executable);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(executable)
}
