//! Parses scalars, by Falco's rules or by Falconer's. Pure.
//!
//! Falco's rules are those of its YAML library. They are stricter than they look: leading spaces
//! are not trimmed, `1` is not a boolean, `08` is not a number (a leading zero means octal).

/// Spellings of true. Falco accepts each in lower case, Capitalised and in UPPER CASE.
const TRUE: [&str; 4] = ["true", "yes", "on", "y"];

/// Spellings of false.
const FALSE: [&str; 4] = ["false", "no", "off", "n"];

/// The units of a size, in bytes.
const UNITS: [(&str, u64); 6] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// Parses a boolean as Falco does.
pub(super) fn boolean(text: &str) -> Option<bool> {
    if TRUE.iter().any(|word| is_spelling(word, text)) {
        Some(true)
    } else if FALSE.iter().any(|word| is_spelling(word, text)) {
        Some(false)
    } else {
        None
    }
}

/// Whether `text` is the lower-case `word`, also `Capitalised` or `UPPER`, but not `mIXED`.
fn is_spelling(word: &str, text: &str) -> bool {
    let rest_is_lower = || text.chars().skip(1).all(|c| c.is_ascii_lowercase());
    let is_upper = || text.chars().all(|c| c.is_ascii_uppercase());
    text.eq_ignore_ascii_case(word) && (rest_is_lower() || is_upper())
}

/// Parses an unsigned number of 32 bits as Falco does: decimal, hexadecimal after `0x`, or octal
/// after a leading zero. White space may follow, but not precede.
pub(super) fn uint32(text: &str) -> Option<u32> {
    let text = text.trim_end_matches(|c: char| c.is_ascii_whitespace());
    let digits = text.strip_prefix('+').unwrap_or(text);
    let hex = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let (digits, radix) = match hex {
        Some(hex) => (hex, 16),
        None if digits.starts_with('0') => (digits, 8),
        None => (digits, 10),
    };
    // `from_str_radix` would accept a second sign.
    digits.chars().all(|c| c.is_ascii_alphanumeric()).then_some(())?;
    u32::from_str_radix(digits, radix).ok()
}

/// Parses a size in bytes: a whole number, alone or with one of [`UNITS`].
pub(super) fn size(text: &str) -> Option<u64> {
    let (number, factor) = UNITS
        .iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)))
        .unwrap_or((text, 1));
    let number = number.trim_end_matches(' ');
    number.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Parses permission bits in octal: `0660`, `660` or `0o660`.
pub(super) fn mode(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    digits.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    u32::from_str_radix(digits, 8).ok().filter(|mode| *mode <= 0o777)
}

/// Checks a version of Falco in the form its clients expect: three numbers, then optionally `-` or
/// `+` and a label.
pub(super) fn version(text: &str) -> Option<String> {
    let label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+');
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let (core, rest) = text.split_at_checked(end)?;
    let numbers: Vec<_> = core.split('.').map(decimal).collect::<Option<_>>()?;
    let valid = numbers.len() == 3 && rest.len() != 1 && rest.chars().all(label);
    valid.then(|| text.to_owned())
}

fn decimal(text: &str) -> Option<u32> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn booleans_are_those_of_falco() {
        for text in ["true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"] {
            assert_eq!(boolean(text), Some(true), "{text}");
        }
        for text in ["false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"] {
            assert_eq!(boolean(text), Some(false), "{text}");
        }
        for text in ["1", "0", "tRUE", "yEs", "", " true", "true ", "t", "null", "oN"] {
            assert_eq!(boolean(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_those_of_falco() {
        for (text, expected) in [
            ("0", Some(0)),
            ("8", Some(8)),
            ("4294967295", Some(u32::MAX)),
            ("0x10", Some(16)),
            ("0XfF", Some(255)),
            ("010", Some(8)),
            ("+3", Some(3)),
            ("3 ", Some(3)),
            ("-1", None),
            ("-0", None),
            ("08", None),
            ("1.5", None),
            ("abc", None),
            ("4294967296", None),
            (" 3", None),
            ("0x", None),
            ("0x+1", None),
            ("++1", None),
            ("0o7", None),
            ("", None),
            ("+", None),
            ("1_000", None),
        ] {
            assert_eq!(uint32(text), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_whole_numbers_with_a_unit() {
        for (text, expected) in [
            ("1048576", Some(1 << 20)),
            ("64MiB", Some(64 << 20)),
            ("64 MiB", Some(64 << 20)),
            ("1GiB", Some(1 << 30)),
            ("2048KiB", Some(2 << 20)),
            ("2KB", Some(2_000)),
            ("2MB", Some(2_000_000)),
            ("2GB", Some(2_000_000_000)),
            ("0", Some(0)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("18446744073709551615KB", None),
            ("64M", None),
            ("64mib", None),
            ("1.5GiB", None),
            ("-1MiB", None),
            ("+1MiB", None),
            ("MiB", None),
            ("", None),
        ] {
            assert_eq!(size(text), expected, "{text}");
        }
    }

    #[test]
    fn modes_are_octal() {
        for (text, expected) in [
            ("0660", Some(0o660)),
            ("660", Some(0o660)),
            ("0o600", Some(0o600)),
            ("0", Some(0)),
            ("0777", Some(0o777)),
            ("1777", None),
            ("0680", None),
            ("-660", None),
            ("rw-rw----", None),
            ("", None),
        ] {
            assert_eq!(mode(text), expected, "{text}");
        }
    }

    #[test]
    fn versions_have_three_numbers() {
        for text in ["0.43.1", "0.44.0-rc1", "0.44.0-12+abc", "1.2.3+x.y"] {
            assert_eq!(version(text).as_deref(), Some(text));
        }
        for text in ["", "0.43", "v0.43.1", "0.43.1-", "0.43.x", "0..1", "0.43.1 ", "latest"] {
            assert_eq!(version(text), None, "{text}");
        }
    }
}
