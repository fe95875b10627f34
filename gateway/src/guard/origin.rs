//! Other origins whose pages can read answers (CORS). The default is none.

use std::str::FromStr;

use http::{
    HeaderName, HeaderValue, Method, Uri,
    header::{AUTHORIZATION, RETRY_AFTER},
};
use tower_http::cors::CorsLayer;

/// The origin of a page: scheme, host and, unless it is the default, port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

/// The text is not an origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no origin: write scheme, host and port as a browser does, https://soc.example"
)]
pub struct InvalidOrigin {
    text: String,
}

impl FromStr for Origin {
    type Err = InvalidOrigin;

    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let invalid = || InvalidOrigin { text: text.to_owned() };
        let uri: Uri = text.parse().map_err(|_| invalid())?;
        let scheme = uri.scheme_str().filter(|scheme| ["http", "https"].contains(scheme));
        let authority = uri.authority().filter(|authority| !authority.as_str().contains('@'));
        let (Some(scheme), Some(authority)) = (scheme, authority) else { return Err(invalid()) };
        // Origins are compared byte by byte. A browser writes no path, no capitals and no default
        // port.
        let written = format!("{scheme}://{authority}").to_ascii_lowercase();
        if written != text {
            return Err(invalid());
        }
        HeaderValue::try_from(written).map(Self).map_err(|_| invalid())
    }
}

/// Allows pages of these origins to read. A browser sends a preflight request if there is a token.
pub(crate) fn readable_by(origins: &[Origin]) -> CorsLayer {
    const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
    CorsLayer::new()
        .allow_origin(origins.iter().map(|origin| origin.0.clone()).collect::<Vec<_>>())
        .allow_methods([Method::GET])
        .allow_headers([AUTHORIZATION, LAST_EVENT_ID])
        .expose_headers([RETRY_AFTER])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_written_as_browsers_do() {
        for text in ["https://soc.example", "http://localhost:5173", "http://[::1]:80"] {
            assert!(text.parse::<Origin>().is_ok(), "{text}");
        }
        for text in [
            "",
            "*",
            "null",
            "soc.example",
            "https://soc.example/",
            "https://Soc.example",
            "https://a@soc.example",
            "ftp://soc.example",
            "https://soc.example/page",
            "https://soc example",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
