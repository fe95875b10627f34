//! Symbolic links to the unix socket.
//!
//! Falco's socket was `/var/run/falco.sock` up to 0.32 and `/run/falco/falco.sock` from 0.33 on,
//! and some clients are configured for either. A link is created if its path is free or has a
//! broken link. Anything else at the path stays, and is an error. Shutdown removes the links.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::BindError;

/// The created links. Dropping this removes those that still lead to the socket.
#[derive(Debug, Default)]
pub(super) struct Links {
    socket: PathBuf,
    made: Vec<PathBuf>,
}

impl Links {
    /// Creates `links`, which lead to the existing `socket`.
    ///
    /// # Errors
    /// If a link cannot be created, with the remedy. The links created before it are removed again.
    pub(super) fn make(socket: &Path, links: &[PathBuf]) -> Result<Self, BindError> {
        let mut all = Self { socket: socket.into(), made: Vec::new() };
        for link in links {
            all.add(link).map_err(|error| failed(link, &error))?;
        }
        Ok(all)
    }

    fn add(&mut self, link: &Path) -> io::Result<()> {
        if let Some(directory) = link.parent() {
            fs::create_dir_all(directory)?;
        }
        match look(link, &self.socket)? {
            Found::Nothing => {}
            Found::Socket => return Ok(()),
            Found::Link => fs::remove_file(link)?,
        }
        symlink(&self.socket, link)?;
        self.made.push(link.into());
        Ok(())
    }
}

/// Checks whether `links` could be created, without creating them.
///
/// # Errors
/// The errors of [`Links::make`].
pub(super) fn check(socket: &Path, links: &[PathBuf]) -> Result<(), BindError> {
    links
        .iter()
        .try_for_each(|link| look(link, socket).map(drop).map_err(|error| failed(link, &error)))
}

/// The acceptable contents of a link's path.
enum Found {
    Nothing,
    /// The socket itself under another path, such as through /var/run.
    Socket,
    /// A link that leads to the socket, or a broken link.
    Link,
}

fn look(link: &Path, socket: &Path) -> io::Result<Found> {
    match fs::symlink_metadata(link) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error),
        Ok(found) if !found.is_symlink() && leads_to(link, socket) => Ok(Found::Socket),
        Ok(found) if found.is_symlink() && (!link.exists() || leads_to(link, socket)) => {
            Ok(Found::Link)
        }
        Ok(_) => Err(io::Error::other("something else exists at this path")),
    }
}

fn failed(link: &Path, error: &io::Error) -> BindError {
    BindError {
        address: format!("unix://{}", link.display()),
        reason: error.to_string(),
        remedy: "move it away, or remove the path from falconer.socket.links",
        scarcity: super::is_scarcity(error),
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        for link in &self.made {
            if fs::read_link(link).is_ok_and(|target| target == self.socket) {
                // If this fails, the next start finds a broken link and replaces it.
                let _ = fs::remove_file(link);
            }
        }
    }
}

fn leads_to(path: &Path, socket: &Path) -> bool {
    matches!((fs::canonicalize(path), fs::canonicalize(socket)), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_link(path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink())
    }

    #[test]
    fn links_are_created_replaced_and_removed_and_nothing_else_is_touched() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let socket = at("run/falco.sock");
        fs::create_dir(at("run")).unwrap();
        fs::write(&socket, "").unwrap();
        symlink(at("nowhere"), at("stale")).unwrap();
        symlink(at("run"), at("var-run")).unwrap();
        let wanted = [at("new/falco.sock"), at("stale"), at("var-run/falco.sock")];
        for _ in 0..2 {
            let links = Links::make(&socket, &wanted).unwrap();
            for link in &wanted {
                assert!(leads_to(link, &socket), "{link:?}");
            }
            drop(links);
            assert!(!is_link(&wanted[0]) && !is_link(&wanted[1]) && socket.exists());
        }
        fs::write(at("precious"), "").unwrap();
        symlink(at("precious"), at("foreign")).unwrap();
        for taken in ["precious", "foreign"] {
            assert!(check(&socket, &[at("made"), at(taken)]).is_err());
            let error = Links::make(&socket, &[at("made"), at(taken)]).unwrap_err().to_string();
            assert!(error.contains("something else") && error.contains(taken), "{error}");
            assert!(at(taken).exists() && !is_link(&at("made")));
        }
    }
}
