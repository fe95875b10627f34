//! The host names that the server accepts.
//!
//! Any site can make its own name resolve to 127.0.0.1, and its pages could then read this server
//! as their own origin (DNS rebinding). Their requests still carry that name. So a request is
//! accepted only if each of its names, `Host` and the target's authority, is
//! 1. `localhost`, or
//! 2. an address, with any port, because an address needs no name resolution, and kubelet and
//!    Prometheus address a pod in this way; or
//! 3. one of the configured names.
//!
//! A request without a name, or with two, is malformed.

use std::{net::IpAddr, str::FromStr};

use http::{HeaderMap, Uri, header::HOST};

/// A host name or an address, without a port. Its case is ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName(Name);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Address(IpAddr),
    Dns(Box<str>),
}

/// The text is not a host name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no host name: give a name or an address alone, without scheme, port or path")]
pub struct InvalidHost {
    text: String,
}

impl FromStr for HostName {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        if let Ok(address) = unbracketed(text).unwrap_or(text).parse() {
            return Ok(Self(Name::Address(address)));
        }
        // The standards do not allow underscores, but container names have them.
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if text.is_empty() || !text.bytes().all(plain) {
            return Err(InvalidHost { text: text.to_owned() });
        }
        Ok(Self(Name::Dns(text.to_ascii_lowercase().into())))
    }
}

/// Why a request's host name is rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unwelcome {
    /// There is no `Host`, or more than one, or it is not ASCII.
    Malformed,
    /// The server does not accept the name.
    Foreign,
}

/// The loopback names and the configured ones.
#[derive(Debug)]
pub(crate) struct Hosts {
    also: Vec<HostName>,
}

impl Hosts {
    pub(crate) fn new(also: Vec<HostName>) -> Self {
        Self { also }
    }

    pub(crate) fn check(&self, target: &Uri, headers: &HeaderMap) -> Result<(), Unwelcome> {
        let mut named = headers.get_all(HOST).iter();
        let header = match (named.next(), named.next()) {
            (Some(host), None) => Some(host.to_str().map_err(|_| Unwelcome::Malformed)?),
            (None, _) => None,
            (Some(_), Some(_)) => return Err(Unwelcome::Malformed),
        };
        let authority = target.authority().map(|authority| authority.as_str());
        if header.is_none() && authority.is_none() {
            return Err(Unwelcome::Malformed);
        }
        match header.into_iter().chain(authority).all(|name| self.answers_to(name)) {
            true => Ok(()),
            false => Err(Unwelcome::Foreign),
        }
    }

    fn answers_to(&self, authority: &str) -> bool {
        let host = without_port(authority);
        if host.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let address: Option<IpAddr> = match unbracketed(host) {
            Some(inner) => inner.parse().map(IpAddr::V6).ok(),
            None => host.parse().map(IpAddr::V4).ok(),
        };
        // The unspecified address leads to this machine too, and no client needs it.
        address.is_some_and(|address| !address.is_unspecified())
            || self.also.iter().any(|HostName(name)| match name {
                Name::Address(ours) => address == Some(*ours),
                Name::Dns(ours) => host.eq_ignore_ascii_case(ours),
            })
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn unbracketed(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(also: &[&str], host: &str) -> bool {
        let also = also.iter().map(|name| name.parse().unwrap()).collect();
        Hosts::new(also).answers_to(host)
    }

    #[test]
    fn addresses_are_answered_to_with_any_port() {
        for host in [
            "localhost",
            "LocalHost:2804",
            "127.0.0.1",
            "127.8.9.1:80",
            "[::1]",
            "[::1]:2804",
            "10.244.0.7:2804",
            "[fd00::7]:2804",
            "[::ffff:8.8.8.8]",
        ] {
            assert!(answers(&[], host), "{host}");
        }
    }

    #[test]
    fn names_and_what_only_looks_like_an_address_are_not() {
        for host in [
            "",
            ":2804",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example",
            "evil.example:2804",
            "localhost:2804:x",
            "a@localhost",
            "localhost@evil.example",
            "::1",
            "[::1",
            "[127.0.0.1]",
            "0.0.0.0",
            "[::]:2804",
            "10.0.0.1.evil.example",
            "10.0.0",
            "127.1",
            "0x7f000001",
            "localhost/",
        ] {
            assert!(!answers(&[], host), "{host}");
        }
    }

    #[test]
    fn configured_names_are_answered_to() {
        let also = ["Falco.example.com", "0.0.0.0", "::", "falconer_1"];
        for host in
            ["falco.example.com", "FALCO.example.com:80", "0.0.0.0:2804", "[::0]", "falconer_1"]
        {
            assert!(answers(&also, host), "{host}");
        }
        assert!(!answers(&also, "x.falco.example.com"));
    }

    #[test]
    fn what_is_no_name_is_refused_with_the_way_out() {
        for text in ["", "a b", "http://a", "a:80", "a/b", "*", "[::1]:80"] {
            let error = text.parse::<HostName>().unwrap_err().to_string();
            assert!(error.contains("without scheme, port or path"), "{text}: {error}");
        }
        assert_eq!("[fd00::1]".parse::<HostName>(), "fd00::1".parse());
    }
}
