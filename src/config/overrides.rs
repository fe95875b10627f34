//! Applies `-o KEY=VALUE` to the tree, in Falco's grammar. Pure.
//!
//! 1. The option is split at its first `=`. Nothing is trimmed, and `${VAR}` is not expanded.
//! 2. KEY has names between dots. `[n]` is an element of a list, `[]` a new one at its end. A dot
//!    at the end is allowed. `\.` `\[` `\]` `\\` are the character itself (Falco 0.44).
//! 3. VALUE in `{…}` is parsed as YAML or JSON. Everything else is text.
//! 4. Missing maps and lists are created. An index out of range is an error, where Falco silently
//!    turned the list into a map. So is a key of more than [`MAX_STEPS`] parts.

use super::{
    finding::Report,
    keys::{self, CONFIG_FILES, TOP},
    place::{At, escaped, quoted},
    tree::{Entry, Node, Value},
    yaml,
};

/// The most steps of a key. Known keys have at most four.
const MAX_STEPS: usize = 32;

/// Selects the options to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Options for `config_files`, before the files it names are included.
    ConfigFiles,
    /// All others, afterwards, so that they win over every file.
    Rest,
}

/// Applies the options of a pass in order. A mistake in one does not stop the others.
pub(super) fn apply(root: &mut Node, options: &[String], pass: Pass, report: &mut Report) {
    for (index, option) in options.iter().enumerate() {
        if option.starts_with(CONFIG_FILES) != (pass == Pass::ConfigFiles) {
            continue;
        }
        let at = At::Option(index);
        let result = read(option, at).and_then(|(steps, value)| {
            let Some(Step::Name(name)) = steps.first() else { return Ok(()) };
            if name != CONFIG_FILES && !TOP.contains(&name.as_str()) {
                warn_foreign(name, at, report);
                return Ok(());
            }
            set(root, &steps, value, at)
        });
        if let Err(text) = result {
            report.error(at, text);
        }
    }
}

/// One step from a node to one below it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
    Append,
}

fn read(option: &str, at: At) -> Result<(Vec<Step>, Node), String> {
    let Some((key, value)) = option.split_once('=') else {
        return Err("there is no \"=\"; expected KEY=VALUE, such as grpc.enabled=true".to_owned());
    };
    let steps = steps(key)?;
    if !(value.starts_with('{') && value.ends_with('}')) {
        return Ok((steps, Node::new(Value::Text(value.to_owned()), at)));
    }
    match yaml::parse(value, |_| at) {
        Ok((_, node)) => Ok((steps, node)),
        Err(yaml::Unreadable { position, reason }) => {
            let place = position.map_or(String::new(), |position| match position.line {
                1 => format!(" at character {} of the value", position.column),
                line => format!(" at line {line}, character {} of the value", position.column),
            });
            Err(format!(
                "the value is not readable as YAML: {}{place}; expected a map such as \
                 {{enabled: true}}",
                escaped(&reason)
            ))
        }
    }
}

/// Parses a key. Positions in errors count characters of the key, from 1.
fn steps(key: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut chars = key.chars().enumerate().peekable();
    while chars.peek().is_some() {
        // A name...
        let mut name = String::new();
        while let Some((nth, c)) = chars.next_if(|(_, c)| !matches!(c, '.' | '[')) {
            match c {
                '\\' => match chars.next() {
                    Some((_, c @ ('.' | '[' | ']' | '\\'))) => name.push(c),
                    _ => return Err(unexpected(nth, c, "one of \\. \\[ \\] \\\\")),
                },
                ']' => return Err(unexpected(nth, c, "a name, or \"[\" before it")),
                c => name.push(c),
            }
        }
        if name.is_empty() {
            let (nth, c) = chars.peek().copied().unwrap_or_default();
            return Err(unexpected(nth, c, "a name"));
        }
        steps.push(Step::Name(name));
        // ...then any number of indices...
        while let Some((open, _)) = chars.next_if(|(_, c)| *c == '[') {
            let mut index = String::new();
            loop {
                match chars.next() {
                    Some((_, ']')) => break,
                    Some((_, c)) if c.is_ascii_digit() => index.push(c),
                    Some((nth, c)) => return Err(unexpected(nth, c, "a number or \"]\"")),
                    None => {
                        let at = open + 1;
                        return Err(format!("the \"[\" at character {at} has no \"]\""));
                    }
                }
            }
            steps.push(match index.parse() {
                Ok(index) => Step::Index(index),
                Err(_) if index.is_empty() => Step::Append,
                Err(_) => return Err(format!("the index {} is too large", quoted(&index))),
            });
        }
        // ...then a dot, or the end.
        if let Some((nth, c)) = chars.next_if(|(_, c)| *c != '.') {
            return Err(unexpected(nth, c, "\".\" before the next name"));
        }
        chars.next();
    }
    match steps.len() {
        0 => Err("there is no key; expected KEY=VALUE, such as grpc.enabled=true".to_owned()),
        1..=MAX_STEPS => Ok(steps),
        steps => Err(format!("the key has {steps} parts; expected at most {MAX_STEPS}")),
    }
}

fn unexpected(nth: usize, c: char, expected: &str) -> String {
    let found = quoted(c.encode_utf8(&mut [0; 4]));
    format!("found {found} at character {} of the key; expected {expected}", nth + 1)
}

/// Sets a value at the end of the steps. On an error nothing new is left behind.
fn set(node: &mut Node, steps: &[Step], value: Node, at: At) -> Result<(), String> {
    let Some((step, rest)) = steps.split_first() else {
        *node = value;
        return Ok(());
    };
    let found = node.found();
    if node.value == Value::Null {
        // A missing node, or a key without a value, becomes what the option needs.
        let value = match step {
            Step::Name(_) => Value::Map(Vec::new()),
            Step::Index(_) | Step::Append => Value::List(Vec::new()),
        };
        *node = Node::new(value, at);
    }
    let create = |value| {
        let mut new = Node::new(Value::Null, at);
        set(&mut new, rest, value, at).map(|()| new)
    };
    match (&mut node.value, step) {
        (Value::Map(entries), Step::Name(name)) => {
            match entries.iter_mut().find(|entry| entry.key.as_ref() == Some(name)) {
                Some(entry) => set(&mut entry.value, rest, value, at)?,
                None => {
                    let value = create(value)?;
                    entries.push(Entry { key: Some(name.clone()), at, value });
                }
            }
        }
        (Value::List(nodes), Step::Append) => nodes.push(create(value)?),
        (Value::List(nodes), Step::Index(index)) => {
            let length = nodes.len();
            match nodes.get_mut(*index) {
                Some(node) => set(node, rest, value, at)?,
                None if *index == length => nodes.push(create(value)?),
                None => {
                    return Err(format!(
                        "the list has {length} elements, so there is no [{index}] to set; write \
                         [] to append"
                    ));
                }
            }
        }
        (_, Step::Name(name)) => {
            let name = quoted(name);
            return Err(format!("the parent of {name} {found}; expected a map"));
        }
        (_, Step::Index(_) | Step::Append) => {
            return Err(format!("the value before the index {found}; expected a list"));
        }
    }
    Ok(())
}

/// Warns of an option for a key that Falconer does not read, and that is not applied. A file can
/// have Falco's other keys, but on this command line such a key is a mistake.
fn warn_foreign(name: &str, at: At, report: &mut Report) {
    let meant = match keys::misspelt(name) {
        Some(meant) => format!("did you mean \"{meant}\""),
        None => format!("expected one of {}", TOP.join(", ")),
    };
    report.warn(at, format!("{} is not read by falconer; {meant}", quoted(name)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Step {
        Step::Name(name.to_owned())
    }

    #[test]
    fn keys_follow_the_grammar_of_falco() {
        for (key, expected) in [
            ("a", vec![name("a")]),
            ("a.b", vec![name("a"), name("b")]),
            ("a.b.", vec![name("a"), name("b")]),
            ("a[0].b", vec![name("a"), Step::Index(0), name("b")]),
            ("a[]", vec![name("a"), Step::Append]),
            ("a[1][2]", vec![name("a"), Step::Index(1), Step::Index(2)]),
            ("a[0].", vec![name("a"), Step::Index(0)]),
            (r"a\.b\[0\].c\\", vec![name("a.b[0]"), name(r"c\")]),
            ("json_output ", vec![name("json_output ")]),
        ] {
            assert_eq!(steps(key), Ok(expected), "{key}");
        }
    }

    #[test]
    fn a_key_outside_the_grammar_is_rejected_with_its_character() {
        for (key, expected) in [
            ("", "there is no key"),
            (".a", "found \".\" at character 1 of the key; expected a name"),
            ("a..b", "found \".\" at character 3 of the key; expected a name"),
            ("[0]", "found \"[\" at character 1 of the key; expected a name"),
            ("a[0]b", "found \"b\" at character 5 of the key; expected \".\""),
            ("é[x]", "found \"x\" at character 3 of the key; expected a number"),
            ("a[-1]", "found \"-\" at character 3 of the key; expected a number"),
            ("a[1", "the \"[\" at character 2 has no \"]\""),
            ("a]", "found \"]\" at character 2 of the key"),
            (r"a\b", "found \"\\\\\" at character 2 of the key"),
            (r"a\", "found \"\\\\\" at character 2 of the key"),
            ("a[99999999999999999999]", "the index \"99999999999999999999\" is too large"),
        ] {
            let error = steps(key).expect_err(key);
            assert!(error.starts_with(expected), "{key}: {error}");
        }
    }
}
