//! The access token: `Authorization: Bearer TOKEN`, or `Basic` with the token as the password of
//! any user. Falco's `http_output` and curl send the second for a URL such as
//! `http://falco:TOKEN@127.0.0.1:2804/`. The server never requests `Basic`, so that no browser stores
//! the token.
//!
//! It is compared in constant time and never logged.

use std::{fmt, str::FromStr};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use http::{HeaderMap, header::AUTHORIZATION};
use subtle::ConstantTimeEq;

/// The minimum length. Shorter tokens can be guessed.
const MIN_LENGTH: usize = 16;

/// The token.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<[u8]>);

/// The text is not a valid token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token has at least {MIN_LENGTH} visible ASCII characters and stands alone in its file; \
     make one: openssl rand -hex 32"
)]
pub struct BadToken;

impl FromStr for Token {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let token = text.trim();
        let good = token.len() >= MIN_LENGTH && token.bytes().all(|byte| byte.is_ascii_graphic());
        if good { Ok(Self(token.as_bytes().into())) } else { Err(BadToken) }
    }
}

impl Token {
    pub(crate) fn is_in(&self, headers: &HeaderMap) -> bool {
        let Some(sent) = headers.get(AUTHORIZATION) else { return false };
        let mut words = sent.as_bytes().splitn(2, |byte| *byte == b' ');
        let (Some(scheme), Some(word)) = (words.next(), words.next()) else { return false };
        if scheme.eq_ignore_ascii_case(b"bearer") {
            return self.is(word);
        }
        scheme.eq_ignore_ascii_case(b"basic") && password(word).is_some_and(|word| self.is(&word))
    }

    fn is(&self, word: &[u8]) -> bool {
        bool::from(word.ct_eq(&self.0))
    }
}

/// Returns the password of `Basic` credentials (RFC 7617): the text after the first colon.
fn password(credentials: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = BASE64_STANDARD.decode(credentials).ok()?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(decoded.split_off(colon + 1))
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn the_token_is_taken_by_itself_or_as_a_password() {
        let token: Token = "a-token:that-is-long-enough".parse().unwrap();
        let is_in = |sent: &str| {
            let value = HeaderValue::from_str(sent).unwrap();
            token.is_in(&HeaderMap::from_iter([(AUTHORIZATION, value)]))
        };
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        assert!(is_in("Bearer a-token:that-is-long-enough"));
        assert!(is_in("bearer a-token:that-is-long-enough"));
        assert!(is_in(&basic("falco:a-token:that-is-long-enough")));
        assert!(is_in(&basic(":a-token:that-is-long-enough").replace("Basic", "BASIC")));
        for wrong in [
            "",
            "Bearer",
            "Bearer  a-token:that-is-long-enough",
            "a-token:that-is-long-enough",
            "Digest a-token:that-is-long-enough",
            "Basic a-token:that-is-long-enough",
            "Basic ",
            &basic("a-token:that-is-long-enough"),
            &basic("falco:a-token:that-is-long-enoug"),
            &basic("falco:"),
            &basic(""),
        ] {
            assert!(!is_in(wrong), "{wrong:?}");
        }
        assert!(!token.is_in(&HeaderMap::new()));
    }
}
