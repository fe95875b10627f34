//! The name in a client's certificate, for logs and audit.
//!
//! 1. The name is the subject's common name, or without one the first alternative name.
//! 2. The owner of the certificate may have chosen the text. So it is escaped, and cut at
//!    [`LONGEST`] characters.

use rustls::ServerConnection;
use rustls::pki_types::CertificateDer;

use super::x509::{Certificate, common_name};

/// The most characters of an identity, including the `…` of a cut.
const LONGEST: usize = 100;

/// Returns the name of a client whose certificate the handshake has verified.
#[must_use]
pub fn identity(connection: &ServerConnection) -> Option<String> {
    of(connection.peer_certificates()?.first()?)
}

pub(super) fn of(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = Certificate::read(certificate).ok()?;
    let name = certificate.common_name().filter(|name| !name.is_empty());
    name.or_else(|| certificate.alternative_name()).map(|name| shown(&name))
}

/// Returns the common name in the contents of a name, escaped and cut in the same way.
pub(super) fn of_name(name: &[u8]) -> Option<String> {
    common_name(name).ok().flatten().map(|name| shown(&name))
}

/// Escapes and cuts text for a log line.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    let mut length = 0;
    for c in text.chars() {
        let escaped = c.escape_debug();
        // The cut splits no escape, and leaves one character for the `…`.
        if length + escaped.len() >= LONGEST {
            shown.push('…');
            break;
        }
        length += escaped.len();
        shown.extend(escaped);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_and_bounded() {
        for (name, expected) in [
            ("falco-exporter", "falco-exporter"),
            ("Zoë", "Zoë"),
            ("a\nb\u{1b}[31m", "a\\nb\\u{1b}[31m"),
            ("\u{202e}txt", "\\u{202e}txt"),
        ] {
            assert_eq!(shown(name), expected);
        }
        for long in ["x".repeat(4000), "\u{202e}".repeat(4000), "é".repeat(4000)] {
            let shown = shown(&long);
            assert!(shown.ends_with('…'));
            assert!(shown.chars().count() <= LONGEST, "{shown}");
        }
    }
}
