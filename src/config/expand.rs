//! `${VAR}` in settings, as Falco expanded it (0.37 and later).
//!
//! Left to right over one scalar:
//!
//! 1. `${NAME}` becomes the variable's value, or nothing when it is not set; reading goes on at
//!    the start of that value, so that a reference in it is expanded as well.
//! 2. `$${NAME}` is the literal `${NAME}`; reading goes on behind its `${`.
//! 3. `${` without a `}` behind it ends the expansion, the rest stays as it is.
//! 4. Any other `$` is a dollar sign. (Falco stopped there, so `5$ and ${HOME}` stayed as it is.)
//!
//! Variables that refer to each other in a circle made Falco loop for ever; here they are an
//! error. Keys, and values given with `-o`, are not expanded. The environment is a parameter.

use super::{
    Env,
    finding::Report,
    place::quoted,
    tree::{Node, Value},
};

/// References followed in one scalar; more is a circle.
const MAX_REFERENCES: usize = 64;

/// Longest scalar an expansion may make, in bytes; variables that repeat each other double it
/// with every reference.
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

/// The expansion of one scalar; `None` when it does not end.
fn expanded(text: &str, env: Env<'_>) -> Option<String> {
    let mut text = text.to_owned();
    let mut references = 0;
    // Everything before this byte is done.
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

/// The next dollar sign at or behind a byte, and the text from it on.
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
            // A value that ends in a dollar makes a reference with what follows it.
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
    fn an_expansion_that_does_not_end_is_given_up() {
        assert_eq!(expanded("${CIRCLE}", &env), None);
        assert_eq!(expanded("${TWICE}", &env), None);
    }
}
