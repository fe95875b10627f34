//! Numbers in filters and alerts, compared exactly. Pure.
//!
//! 1. Digits, with or without a sign, are an integer of up to 128 bits. So are hexadecimal digits
//!    after `0x`. libsinsp accepts both.
//! 2. Digits with a point or an exponent are a float of 64 bits.
//! 3. Anything else is no number: words such as `inf`, and numbers too large for either.

use std::cmp::Ordering;

/// A number. The variant follows the notation.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    /// Covers all of `u64` and `i64`.
    Integer(i128),
    /// A finite float.
    Float(f64),
}

impl Number {
    pub(super) fn read(text: &str) -> Option<Self> {
        if let Some(digits) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            let all_hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            return all_hexadecimal
                .then(|| i128::from_str_radix(digits, 16).ok())
                .flatten()
                .map(Self::Integer);
        }
        if let Ok(integer) = text.parse() {
            return Some(Self::Integer(integer));
        }
        let is_float = text.contains(['.', 'e', 'E'])
            && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-'));
        let float: f64 = is_float.then(|| text.parse().ok()).flatten()?;
        float.is_finite().then_some(Self::Float(float))
    }

    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(&b),
            (Self::Integer(a), Self::Float(b)) => integer_to_float(a, b),
            (Self::Float(a), Self::Integer(b)) => integer_to_float(b, a).reverse(),
            // Finite floats always compare.
            (Self::Float(a), Self::Float(b)) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        }
    }
}

/// Compares exactly: the float's whole part becomes an integer, not the integer a float.
#[allow(clippy::cast_possible_truncation, reason = "within bounds, and whole")]
fn integer_to_float(integer: i128, float: f64) -> Ordering {
    /// The first power of two beyond `i128`.
    const BEYOND: f64 = (1_u128 << 127) as f64;
    if float >= BEYOND {
        return Ordering::Less;
    }
    if float < -BEYOND {
        return Ordering::Greater;
    }
    let whole = float.floor();
    let fraction = if float > whole { Ordering::Less } else { Ordering::Equal };
    integer.cmp(&(whole as i128)).then(fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_exactly() {
        let number = |text| Number::read(text).unwrap();
        for (a, expected, b) in [
            ("0", Ordering::Equal, "-0"),
            ("+7", Ordering::Equal, "007"),
            ("9007199254740993", Ordering::Greater, "9007199254740992"),
            ("9007199254740993", Ordering::Greater, "9007199254740992.0"),
            ("18446744073709551615", Ordering::Greater, "18446744073709551614"),
            ("-9223372036854775808", Ordering::Less, "-9223372036854775807"),
            ("0xfF", Ordering::Equal, "255"),
            ("1e3", Ordering::Equal, "1000"),
            ("-1.5", Ordering::Less, "-1"),
            ("-2", Ordering::Less, "-1.5"),
            ("1846.4", Ordering::Equal, "1846.40"),
            ("170141183460469231731687303715884105727", Ordering::Less, "1e300"),
            ("-170141183460469231731687303715884105728", Ordering::Greater, "-1e300"),
            (
                "-170141183460469231731687303715884105728",
                Ordering::Equal,
                "-170141183460469231731687303715884105728.0",
            ),
        ] {
            assert_eq!(number(a).compare(number(b)), expected, "{a} {b}");
            assert_eq!(number(b).compare(number(a)), expected.reverse(), "{b} {a}");
        }
    }

    #[test]
    fn other_text_is_no_number() {
        for text in
            ["", "-", "+", ".", "e", "inf", "nan", "1e999", "0x", "0x-1", "0xg", "1 ", "--1", "1_0"]
        {
            assert!(Number::read(text).is_none(), "{text}");
        }
    }
}
