//! Path prefixes, compared by components, as in libsinsp's `pmatch`: `/tmp/hello` is a prefix of
//! `/tmp/hello/world`, but not of `/tmp/hello_world`. Pure.
//!
//! Slashes in a row count as one. Wildcards match within a component, never across a slash.

use super::glob;
use super::pattern::Pattern;

/// A path prefix.
#[derive(Debug, Clone)]
pub(super) struct Prefix {
    absolute: bool,
    components: Vec<Component>,
}

#[derive(Debug, Clone)]
enum Component {
    Text(String),
    Pattern(Box<Pattern>),
}

impl Prefix {
    /// Parses a prefix. `compile` compiles a regular expression.
    ///
    /// # Errors
    /// If `compile` fails.
    pub(super) fn new<E>(
        path: &str,
        mut compile: impl FnMut(&str) -> Result<Pattern, E>,
    ) -> Result<Self, E> {
        let mut component = |text: &str| {
            Ok(if glob::has_wildcards(text) {
                Component::Pattern(Box::new(compile(&glob::as_regex(text))?))
            } else {
                Component::Text(text.to_owned())
            })
        };
        let components = components(path).map(&mut component).collect::<Result<_, _>>()?;
        Ok(Self { absolute: is_absolute(path), components })
    }

    /// Returns whether `path` begins with this prefix.
    pub(super) fn begins(&self, path: &str) -> bool {
        let mut there = components(path);
        self.absolute == is_absolute(path)
            && self.components.iter().all(|component| match (component, there.next()) {
                (Component::Text(text), Some(name)) => text == name,
                (Component::Pattern(pattern), Some(name)) => pattern.is_match(name),
                (_, None) => false,
            })
    }

    /// Returns how many steps a byte of a path costs at worst.
    pub(super) fn steps(&self) -> u64 {
        // Each byte of the path is in one component only, so only one pattern sees it.
        self.patterns().map(|pattern| pattern.steps()).max().unwrap_or_default() + 1
    }

    /// Returns about how many bytes of memory it takes at most.
    pub(super) fn size(&self) -> usize {
        let texts = self.components.iter().map(|component| match component {
            Component::Text(text) => text.len(),
            Component::Pattern(pattern) => pattern.size(),
        });
        size_of_val(self.components.as_slice()) + texts.sum::<usize>()
    }

    fn patterns(&self) -> impl Iterator<Item = &Pattern> {
        self.components.iter().filter_map(|component| match component {
            Component::Text(_) => None,
            Component::Pattern(pattern) => Some(&**pattern),
        })
    }
}

/// Returns how many components of a path have wildcards.
pub(super) fn wildcards(path: &str) -> usize {
    components(path).filter(|component| glob::has_wildcards(component)).count()
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/')
}

fn components(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|component| !component.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::pattern::Room;

    #[test]
    fn prefixes_match_whole_components() {
        for (prefix, yes, no) in [
            (
                "/tmp/hello",
                &["/tmp/hello", "/tmp/hello/world", "/tmp//hello/"][..],
                &["/tmp/hello_world", "/tmp", "tmp/hello", ""][..],
            ),
            ("/etc/", &["/etc", "/etc/shadow"], &["/etcetera"]),
            ("/", &["/", "/etc"], &["etc", ""]),
            ("etc", &["etc", "etc/x"], &["/etc"]),
            (
                "/var/*/*.txt",
                &["/var/a/b.txt", "/var/a/b.txt/c"],
                &["/var/b.txt", "/var/a/b/c.txt"],
            ),
            ("/var/*", &["/var/run/file.txt"], &["/var"]),
        ] {
            let mut room = Room::default();
            let prefix = Prefix::new(prefix, |text| Pattern::new(text, &mut room)).unwrap();
            for path in yes {
                assert!(prefix.begins(path), "{prefix:?} {path}");
            }
            for path in no {
                assert!(!prefix.begins(path), "{prefix:?} {path}");
            }
        }
    }
}
