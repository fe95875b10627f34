//! The word that lets clients in: `Authorization: Bearer TOKEN`.
//!
//! Compared in the same time whatever is sent, and never shown.

use std::{fmt, str::FromStr};

use http::{HeaderMap, header::AUTHORIZATION};
use subtle::ConstantTimeEq;

/// Shorter ones are guessed.
const MIN_LENGTH: usize = 16;

/// The word.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Box<[u8]>);

/// The text is no token.
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
        let sent =
            headers.get(AUTHORIZATION).and_then(|value| value.as_bytes().split_at_checked(7));
        sent.is_some_and(|(scheme, token)| {
            scheme.eq_ignore_ascii_case(b"bearer ") && bool::from(token.ct_eq(&self.0))
        })
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token")
    }
}
