//! Parses `grpc-timeout`, the client's timeout for the whole call.
//!
//! The grammar is one to eight digits and a unit (gRPC over HTTP/2, "Timeout"). It allows no sign,
//! although integer parsers do.

use std::time::Duration;

use http::HeaderMap;

use super::{Code, Status};

/// Returns the call's timeout, if the client set one.
///
/// # Errors
/// INTERNAL if the header is not a timeout.
pub fn of(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    match parse(value.as_bytes()) {
        Some(timeout) => Ok(Some(timeout)),
        None => Err(Status::new(
            Code::Internal,
            "malformed grpc-timeout: expected 1 to 8 digits and one of H M S m u n",
        )),
    }
}

/// Parses a timeout. The largest, 99,999,999 hours or over 11,000 years, fits a `Duration`.
#[must_use]
pub fn parse(text: &[u8]) -> Option<Duration> {
    let (unit, digits) = text.split_last()?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0_u64, |number, digit| number * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(number * 3600)),
        b'M' => Some(Duration::from_secs(number * 60)),
        b'S' => Some(Duration::from_secs(number)),
        b'm' => Some(Duration::from_millis(number)),
        b'u' => Some(Duration::from_micros(number)),
        b'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn valid_timeouts_of_every_unit() {
        for (text, expected) in [
            ("1H", Duration::from_secs(3600)),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
            ("2M", Duration::from_secs(120)),
            ("0S", Duration::ZERO),
            ("00000001S", Duration::from_secs(1)),
            ("5m", Duration::from_millis(5)),
            ("7u", Duration::from_micros(7)),
            ("9n", Duration::from_nanos(9)),
        ] {
            assert_eq!(parse(text.as_bytes()), Some(expected), "{text}");
        }
    }

    #[test]
    fn invalid_timeouts_are_rejected() {
        for text in
            ["", "S", "1", "1s", "+5S", "-1S", "1.5S", "123456789S", " 1S", "1S ", "1SS", "é"]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn exactly_the_grammar(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let grammatical = bytes.len() >= 2
                && bytes.len() <= 9
                && bytes[..bytes.len() - 1].iter().all(u8::is_ascii_digit)
                && b"HMSmun".contains(&bytes[bytes.len() - 1]);
            prop_assert_eq!(parse(&bytes).is_some(), grammatical);
        }
    }
}
