//! Path prefixes, compared component by component, as libsinsp's `pmatch` does: `/tmp/hello` is a
//! prefix of `/tmp/hello/world`, not of `/tmp/hello_world`. Pure.
//!
//! Slashes in a row count as one. Wildcards match within a component, never across a slash.

use regex::Regex;

use super::glob;

/// The beginning of paths.
#[derive(Debug, Clone)]
pub(super) struct Prefix {
    absolute: bool,
    components: Vec<Component>,
}

#[derive(Debug, Clone)]
enum Component {
    Text(String),
    Pattern(Regex),
}

impl Prefix {
    /// `compile` makes a regular expression of a pattern's text.
    ///
    /// # Errors
    /// Those of `compile`.
    pub(super) fn new<E>(
        path: &str,
        compile: impl Fn(&str) -> Result<Regex, E>,
    ) -> Result<Self, E> {
        let component = |text: &str| {
            Ok(if glob::has_wildcards(text) {
                Component::Pattern(compile(&glob::as_regex(text))?)
            } else {
                Component::Text(text.to_owned())
            })
        };
        let components = components(path).map(component).collect::<Result<_, _>>()?;
        Ok(Self { absolute: is_absolute(path), components })
    }

    /// Whether it is the beginning of `path`, or all of it.
    pub(super) fn begins(&self, path: &str) -> bool {
        let mut there = components(path);
        self.absolute == is_absolute(path)
            && self.components.iter().all(|component| match (component, there.next()) {
                (Component::Text(text), Some(name)) => text == name,
                (Component::Pattern(pattern), Some(name)) => pattern.is_match(name),
                (_, None) => false,
            })
    }
}

/// How many components of a path have wildcards.
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

    #[test]
    fn prefixes_are_whole_components() {
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
            let prefix = Prefix::new(prefix, Regex::new).unwrap();
            for path in yes {
                assert!(prefix.begins(path), "{prefix:?} {path}");
            }
            for path in no {
                assert!(!prefix.begins(path), "{prefix:?} {path}");
            }
        }
    }
}
