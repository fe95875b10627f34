//! Follows every file that a pattern matches, such as `/var/log/containers/falco-*.log`.
//!
//! 1. The pattern is expanded every [`EXPAND_EVERY`], on a blocking thread. `*` and `?` do not
//!    match
//!    `/`, `**` matches any number of directories, `[…]` one of several characters.
//! 2. Each new path becomes an input of its own, which is followed from its beginning
//!    ([`super::files`]). At most [`MAX_FILES`] are followed at once.
//! 3. A file whose path is gone, and to which nothing was written for a minute, is left.
//! 4. A match that cannot be followed, such as a directory, is logged once and skipped.
//!
//! The pattern is down while it matches no file.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use glob::{MatchOptions, Pattern, glob_with};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use super::presence::Asked;
use super::{Intake, files};

/// The time between two expansions of a pattern, and so the longest delay until a new file is
/// followed.
const EXPAND_EVERY: Duration = Duration::from_secs(1);

/// The most files that a pattern follows at once. Each has up to 512 KiB of buffers, and one to a
/// few open files.
pub const MAX_FILES: usize = 128;

/// As a shell matches: a wildcard matches neither `/` nor a leading dot.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Returns whether the path is a pattern: it has `*`, `?` or `[`. In a pattern, `[*]` is an
/// asterisk.
#[must_use]
pub fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

/// Checks a pattern.
///
/// # Errors
/// What is wrong with it, and its position in characters from 1.
pub fn check(pattern: &str) -> Result<(), String> {
    let wrong = |error: glob::PatternError| format!("{} at character {}", error.msg, error.pos + 1);
    Pattern::new(pattern).map(drop).map_err(wrong)
}

/// Returns the paths that the pattern matches now, sorted. Reads directories, so it can block.
///
/// # Errors
/// If the pattern is wrong or a directory cannot be read.
pub fn expand(pattern: &Path) -> io::Result<BTreeSet<PathBuf>> {
    let paths = glob_with(&pattern.to_string_lossy(), OPTIONS).map_err(io::Error::other)?;
    paths.map(|path| path.map_err(io::Error::from)).collect()
}

/// Follows the files that the pattern matches, without end.
pub(super) async fn read(intake: &Arc<Intake>, pattern: &Path) {
    let mut followed = Followed { intake, paths: BTreeSet::new(), tasks: JoinSet::new() };
    let mut unfit = BTreeSet::new();
    let (presence, asked) = (intake.presence(), Asked::file(pattern));
    tracing::info!(pattern = %pattern.display(), "following the files that a pattern matches");
    let mut full = false;
    loop {
        let expanding = pattern.to_owned();
        match spawn_blocking(move || expand(&expanding)).await.map_err(io::Error::other).flatten() {
            Err(error) => presence.down(&asked, &format!("cannot be expanded: {error}")),
            Ok(matched) => {
                unfit.retain(|path| matched.contains(path));
                for path in matched.difference(&unfit) {
                    if followed.paths.len() < MAX_FILES {
                        followed.add(path);
                    } else if !followed.paths.contains(path) && !std::mem::replace(&mut full, true)
                    {
                        let pattern = pattern.display();
                        tracing::warn!(
                            %pattern,
                            MAX_FILES,
                            "the pattern matches too many files; some are not followed"
                        );
                    }
                }
                match followed.paths.is_empty() && unfit.is_empty() {
                    true => presence.down(&asked, "no file matches the pattern yet"),
                    false => presence.up(&asked),
                }
            }
        }
        let pause = sleep(EXPAND_EVERY);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                Some(ended) = followed.tasks.join_next() => {
                    if let Ok((path, Err(error))) = &ended {
                        tracing::warn!(
                            path = %path.display(),
                            %error,
                            "a file that a pattern matches cannot be followed"
                        );
                        unfit.insert(path.clone());
                    }
                    if let Ok((path, _)) = ended {
                        followed.forget(&path);
                    }
                }
            }
        }
    }
}

/// The files that are followed. Dropping it stops that.
struct Followed<'a> {
    intake: &'a Arc<Intake>,
    paths: BTreeSet<PathBuf>,
    tasks: JoinSet<(PathBuf, io::Result<()>)>,
}

impl Followed<'_> {
    /// Follows `path`, unless it is an input already.
    fn add(&mut self, path: &Path) {
        let (presence, asked) = (self.intake.presence(), Asked::file(path));
        if presence.states().contains_key(&asked) {
            return;
        }
        presence.expect(&asked, Some("has not been opened yet"));
        self.paths.insert(path.into());
        let (intake, path) = (self.intake.clone(), path.to_owned());
        self.tasks.spawn(async move {
            let read = files::read_while_there(&intake, &path).await;
            (path, read)
        });
    }

    fn forget(&mut self, path: &Path) {
        self.paths.remove(path);
        self.intake.presence().forget(&Asked::file(path));
    }
}

impl Drop for Followed<'_> {
    fn drop(&mut self) {
        for path in &self.paths {
            self.intake.presence().forget(&Asked::file(path));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir(at("pods")).unwrap();
        for name in
            ["falco-1.log", "falco-2.log", "falco-[3].log", ".falco-4.log", "pods/falco-5.log"]
        {
            fs::write(at(name), "").unwrap();
        }
        // A chain of links ends at a file that is not there.
        std::os::unix::fs::symlink(at("none"), at("falco-6.log")).unwrap();
        let names = |pattern: &str| {
            let found = expand(&at(pattern)).unwrap();
            let name =
                |path: PathBuf| path.strip_prefix(directory.path()).unwrap().display().to_string();
            found.into_iter().map(name).collect::<Vec<_>>()
        };
        let all = ["falco-1.log", "falco-2.log", "falco-6.log", "falco-[3].log"];
        assert_eq!(names("falco-*.log"), all);
        assert_eq!(names("*-[12].log"), ["falco-1.log", "falco-2.log"]);
        assert_eq!(names("falco-[[]*"), ["falco-[3].log"]);
        assert_eq!(names("**/falco-5.log"), ["pods/falco-5.log"]);
        assert!(names("none/*").is_empty());
        assert!(is_pattern(Path::new("/a/[b]")) && !is_pattern(Path::new("/a/b.log")));
        assert!(check("/a/*.log").is_ok());
        assert_eq!(
            check("/a/***").unwrap_err(),
            "wildcards are either regular `*` or recursive `**` at character 6"
        );
    }
}
