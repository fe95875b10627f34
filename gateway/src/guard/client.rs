//! The client of a connection. Requests carry it as an extension.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use http::HeaderMap;
use tokio::net::TcpStream;

use crate::port::Sender;

/// Headers that a proxy adds. The address of its client is in the first two.
const FORWARDED: [&str; 4] = ["x-forwarded-for", "x-real-ip", "forwarded", "via"];

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Where it connects from.
    pub address: SocketAddr,
    /// Whether it is on this machine: its address is this end's own.
    pub is_local: bool,
    /// The identity in its verified certificate; `None` if it showed none.
    pub identity: Option<Arc<str>>,
}

impl Client {
    /// Describes the other end of a connection that was accepted from `address`.
    pub(crate) fn new(stream: &TcpStream, address: SocketAddr) -> Self {
        let own = stream.local_addr().is_ok_and(|local| local.ip() == address.ip());
        let mut client = Self { address, is_local: own, identity: None };
        client.is_local |= client.is_loopback();
        client
    }

    /// Returns whether it connects from a loopback address.
    pub(crate) fn is_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }

    /// Returns where a request comes from. Behind a proxy that is not this client, but the address
    /// that the proxy added last to `X-Forwarded-For`, or set in `X-Real-IP`.
    pub(crate) fn sender(&self, headers: &HeaderMap) -> Sender {
        if !FORWARDED.iter().any(|name| headers.contains_key(*name)) {
            return self.machine();
        }
        let last = |name| headers.get_all(name).iter().next_back()?.to_str().ok();
        let forwarded = last("x-forwarded-for").and_then(|list| list.rsplit(',').next());
        let address = forwarded.or_else(|| last("x-real-ip")).and_then(|text| address(text.trim()));
        match address {
            // The proxy's client is on the proxy's machine.
            Some(address) if address.is_loopback() => self.machine(),
            address => Sender::Remote(address),
        }
    }

    /// Returns the machine at the other end.
    fn machine(&self) -> Sender {
        if self.is_local {
            Sender::Local
        } else {
            Sender::Remote(Some(self.address.ip().to_canonical()))
        }
    }
}

/// Parses an address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let ip = text.parse().or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()));
    ip.ok().map(|ip: IpAddr| ip.to_canonical())
}

impl fmt::Display for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.identity {
            Some(identity) => write!(formatter, "{} ({identity})", self.address),
            None => self.address.fmt(formatter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sender_is_the_client_or_what_a_proxy_says_of_its_own() {
        let client = |address: &str, is_local| Client {
            address: address.parse().unwrap(),
            is_local,
            identity: None,
        };
        let remote = |address: &str| Sender::Remote(Some(address.parse().unwrap()));
        let sender = |client: &Client, headers: &[(&'static str, &'static str)]| {
            let headers = headers.iter().map(|(name, value)| {
                (http::HeaderName::from_static(name), http::HeaderValue::from_static(value))
            });
            client.sender(&headers.collect())
        };
        let near = client("127.0.0.1:5000", true);
        let far = client("[::ffff:192.0.2.7]:5000", false);
        assert_eq!(sender(&near, &[]), Sender::Local);
        assert_eq!(sender(&far, &[]), remote("192.0.2.7"));
        for (headers, expected) in [
            (&[("x-forwarded-for", "192.0.2.9")][..], remote("192.0.2.9")),
            (&[("x-forwarded-for", "10.0.0.1, 192.0.2.9")], remote("192.0.2.9")),
            (&[("x-forwarded-for", "[2001:db8::1]:443")], remote("2001:db8::1")),
            (&[("x-real-ip", "192.0.2.9")], remote("192.0.2.9")),
            (&[("x-forwarded-for", "unknown")], Sender::Remote(None)),
            (&[("via", "1.1 proxy")], Sender::Remote(None)),
        ] {
            assert_eq!(sender(&near, headers), expected, "{headers:?}");
            assert_eq!(sender(&far, headers), expected, "{headers:?}");
        }
        let loopback = [("x-forwarded-for", "127.0.0.1")];
        assert_eq!(sender(&near, &loopback), Sender::Local);
        assert_eq!(sender(&far, &loopback), remote("192.0.2.7"), "the proxy's own machine");
    }
}
