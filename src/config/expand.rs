//! Expands `${VAR}` in settings, as Falco 0.37 and later did.
//!
//! Each scalar is expanded from left to right:
//!
//! 1. `${NAME}` is replaced by the variable's value, or by nothing if it is not set. Expansion
//!    continues at the start of that value, so references in it are expanded as well.
//! 2. `$${NAME}` is the literal `${NAME}`. Expansion continues after its `${`.
//! 3. `${` without a following `}` ends the expansion. The rest stays as it is.
//! 4. Any other `$` is a dollar sign. Falco stopped there, so that `5$ and ${HOME}` was unchanged.
//!
//! Variables that refer to each other in a circle made Falco loop for ever; here they are an
//! error. Keys, and values given with `-o`, are not expanded. The environment is a parameter.

use super::{
    Env,
    finding::Report,
    place::quoted,
    tree::{Node, Value},
};

/// The most references to follow in one scalar. More count as a circle.
const MAX_REFERENCES: usize = 64;

/// Longest result of an expansion, in bytes. Variables that repeat each other double it with every
/// reference.
const MAX_EXPANDED: usize = 64 << 10;

/// Expands every scalar of a tree.
pub(super) fn expand(node: &mut Node, env: Env<'_>, report: &mut Report) {
    match &mut node.value {
        Value::Null => {}
        Value::List(nodes) => nodes.iter_mut().for_each(|node| expand(node, env, report)),
        Value::Map(entries) => {
            entries.iter_mut().for_each(|entry| expand(&mut entry.value, env, report));
        }
        Value::Text(text) => match expanded(text, env) {
            Some(new) if new == *text => {}
            Some(new) => node.unexpanded = Some(std::mem::replace(text, new)),
            None => report.error(
                node.at,
                format!(
                    "the expansion of {} does not end; expected variables that do not refer to \
                     each other in a circle",
                    quoted(text)
                ),
            ),
        },
    }
}

/// Expands one scalar; returns `None` if the expansion does not end.
fn expanded(text: &str, env: Env<'_>) -> Option<String> {
    let mut text = text.to_owned();
    let mut references = 0;
    // Everything before this byte is expanded.
    let mut done = 0;
    while let Some((dollar, from)) = next_dollar(&text, done) {
        if from.starts_with("$${") && from.contains('}') {
            text.remove(dollar);
            done = dollar + "${".len();
        } else if let Some(reference) = from.strip_prefix("${") {
            let Some((name, _)) = reference.split_once('}') else { break };
            let end = dollar + "${".len() + name.len() + "}".len();
            let value = env(name).unwrap_or_default();
            text.replace_range(dollar..end, &value);
            done = dollar;
            references += 1;
            if references > MAX_REFERENCES || text.len() > MAX_EXPANDED {
                return None;
            }
        } else {
            done = dollar + "$".len();
        }
    }
    Some(text)
}

/// Returns the next dollar sign from byte `done` on, and the text from it on.
fn next_dollar(text: &str, done: usize) -> Option<(usize, &str)> {
    let dollar = done + text.get(done..)?.find('$')?;
    Some((dollar, text.get(dollar..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        let value = match name {
            "X" => "x",
            "NESTED" => "<${X}>",
            "DOLLAR" => "$",
            "CIRCLE" => "a${CIRCLE}",
            "TWICE" => "${LONG}${LONG}",
            "LONG" => return Some("l".repeat(40 << 10)),
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[test]
    fn scalars_expand_as_in_falco() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("${X}", "x"),
            ("a${X}b${X}c", "axbxc"),
            ("${UNSET}", ""),
            ("a${UNSET}b", "ab"),
            ("${NESTED}", "<x>"),
            ("$X", "$X"),
            ("$${X}", "${X}"),
            ("$${${X}}", "${x}"),
            ("$${X}${X}", "${X}x"),
            ("${X", "${X"),
            ("${X}${X", "x${X"),
            ("$${X", "$${X"),
            ("${}", ""),
            ("${X${X}}", "}"),
            // A value that ends in a dollar sign forms a reference with the text after it.
            ("${DOLLAR}{X}", "x"),
            // Falco stopped at the lone dollar.
            ("5$ and ${X}", "5$ and x"),
            ("$$ ${X}", "$$ x"),
            ("$$$${X}", "$$${X}"),
            ("ä${X}ö$", "äxö$"),
        ] {
            assert_eq!(expanded(text, &env).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn an_endless_expansion_is_rejected() {
        assert_eq!(expanded("${CIRCLE}", &env), None);
        assert_eq!(expanded("${TWICE}", &env), None);
    }
}
