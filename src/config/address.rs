//! Parses addresses to listen on or to connect to. Pure: it resolves no names.
//!
//! Errors say what was expected and what to write; the caller prepends the key and the text. Two
//! forms that Falco accepted are rejected, because nobody can have meant them: an address without
//! a port (443 in Falco) and a socket path that gRPC reads as a host. The error has the right form.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
};

use super::place::quoted;

/// Falco's prefix of a unix socket, in lower case only.
const UNIX: &str = "unix://";

/// Longest path of a unix socket, in bytes: `sun_path` has 108, one of them the final NUL.
const MAX_SOCKET_PATH: usize = 107;

/// Longest host name, in bytes (RFC 1035).
const MAX_HOST: usize = 253;

/// The value of `grpc.bind_address`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bind {
    /// An absolute path.
    Unix(PathBuf),
    /// `host:port`, not resolved yet.
    Tcp(String),
}

/// Parses `grpc.bind_address`.
pub(super) fn bind(text: &str) -> Result<Bind, String> {
    if let Some(path) = text.strip_prefix(UNIX) {
        return socket_path(path).map(|()| Bind::Unix(PathBuf::from(path)));
    }
    if let Some(path) = strip_prefix_any_case(text, "unix:") {
        let path = format!("{UNIX}/{}", path.trim_start_matches('/'));
        return Err(format!("expected {UNIX} and an absolute path; write {}", quoted(&path)));
    }
    // Falco turns a key without a value into `null`.
    if text.is_empty() || text == "null" || text.contains("//") {
        return Err(format!(
            "expected HOST:PORT, or {UNIX} and an absolute path; write 0.0.0.0:5060 or \
             unix:///run/falco/falco.sock"
        ));
    }
    host_port(text, 5060)?;
    Ok(Bind::Tcp(text.to_owned()))
}

/// Parses `falconer.gateway.listen`: an address of this machine.
pub(super) fn gateway(text: &str) -> Result<SocketAddr, String> {
    let (host, port) = host_port(text, 2804)?;
    let address = match host {
        Host::Address(address) => address,
        Host::Name("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Host::Name(_) => {
            return Err("expected an address of this machine; write 127.0.0.1:2804".to_owned());
        }
    };
    Ok(SocketAddr::new(address, port))
}

/// Parses `falconer.falco.webserver` into `host:port`.
pub(super) fn webserver(text: &str) -> Result<String, String> {
    if text.starts_with("https://") {
        return Err("expected HOST:PORT or http://HOST:PORT, because TLS is not supported here; \
                    write localhost:8765"
            .to_owned());
    }
    let address = text.strip_prefix("http://").unwrap_or(text);
    let address = address.strip_suffix('/').unwrap_or(address);
    host_port(address, 8765)?;
    Ok(address.to_owned())
}

fn socket_path(path: &str) -> Result<(), String> {
    const WRITE: &str = "write unix:///run/falco/falco.sock";
    if !path.starts_with('/') {
        return Err(format!("expected an absolute path after {UNIX}; {WRITE}"));
    }
    if path.ends_with('/') {
        return Err(format!("expected a file, not a directory, after {UNIX}; {WRITE}"));
    }
    if path.contains('\0') {
        return Err(format!("expected a path without NUL; {WRITE}"));
    }
    if path.len() > MAX_SOCKET_PATH {
        return Err(format!(
            "the path has {} bytes; expected at most {MAX_SOCKET_PATH}, the system's limit; use a \
             shorter path",
            path.len()
        ));
    }
    Ok(())
}

enum Host<'a> {
    Address(IpAddr),
    Name(&'a str),
}

/// Splits `host:port`; `example` is the port that errors suggest.
fn host_port(text: &str, example: u16) -> Result<(Host<'_>, u16), String> {
    let write = |host: &str| format!("write {host}:{example}");
    if text.is_empty() {
        return Err(format!("expected HOST:PORT; {}", write("127.0.0.1")));
    }
    if text.parse::<Ipv6Addr>().is_ok() {
        // `::1:5060` is an IPv6 address too, but its author meant a port.
        return Err(format!("expected an IPv6 address in [ ] and a port; {}", write("[::1]")));
    }
    let (host, port) = match text.rsplit_once(':') {
        // In `[::1]` the last colon is inside the brackets and separates no port.
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ if is_host(text) => return Err(format!("there is no port; {}", write(text))),
        _ => return Err(format!("expected HOST:PORT; {}", write("127.0.0.1"))),
    };
    let port = match port.parse::<u16>() {
        Ok(number) if port.bytes().all(|b| b.is_ascii_digit()) => number,
        _ if is_host(host) => {
            return Err(format!("expected a port from 0 to 65535; {}", write(host)));
        }
        _ => return Err(format!("expected HOST:PORT; {}", write("127.0.0.1"))),
    };
    if host.is_empty() {
        return Err(format!("there is no host; write 0.0.0.0:{port} or 127.0.0.1:{port}"));
    }
    if let Some(inner) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return match inner.parse() {
            Ok(address) => Ok((Host::Address(IpAddr::V6(address)), port)),
            Err(_) => Err(format!("expected an IPv6 address in [ ]; write [::1]:{port}")),
        };
    }
    if let Ok(address) = host.parse::<Ipv6Addr>() {
        return Err(format!("expected an IPv6 address in [ ]; write [{address}]:{port}"));
    }
    if !is_host(host) {
        return Err(format!("expected a name or an address of a host; {}", write("127.0.0.1")));
    }
    let address = host.parse().map(|address| Host::Address(IpAddr::V4(address)));
    Ok((address.unwrap_or(Host::Name(host)), port))
}

/// Whether a text can be a host: a name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let letters = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
        || (!text.is_empty() && text.len() <= MAX_HOST && text.chars().all(letters))
}

fn strip_prefix_any_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let (start, rest) = text.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bind_addresses_of_falco_are_accepted() {
        let unix = |path: &str| Bind::Unix(PathBuf::from(path));
        let longest = format!("/{}", "x".repeat(106));
        for (text, expected) in [
            ("unix:///run/falco/falco.sock", unix("/run/falco/falco.sock")),
            ("unix:///run/a b:ö.sock", unix("/run/a b:ö.sock")),
            (&format!("unix://{longest}"), unix(&longest)),
            ("0.0.0.0:5060", Bind::Tcp("0.0.0.0:5060".to_owned())),
            ("127.0.0.1:0", Bind::Tcp("127.0.0.1:0".to_owned())),
            ("[::]:5060", Bind::Tcp("[::]:5060".to_owned())),
            ("localhost:5060", Bind::Tcp("localhost:5060".to_owned())),
            ("falco.example.org:443", Bind::Tcp("falco.example.org:443".to_owned())),
        ] {
            assert_eq!(bind(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn other_bind_addresses_are_rejected_with_what_to_write() {
        let too_long = format!("unix:///{}", "ö".repeat(54));
        for (text, expected) in [
            ("unix://rel.sock", "absolute path after unix://; write unix:///run/falco/falco.sock"),
            ("unix://", "absolute path after unix://; write unix:///run/falco/falco.sock"),
            ("unix:///run/", "a file, not a directory"),
            ("unix:///a\0b", "a path without NUL"),
            (&too_long, "the path has 109 bytes; expected at most 107"),
            ("unix:/run/x.sock", "write \"unix:///run/x.sock\""),
            ("UNIX:///run/x.sock", "write \"unix:///run/x.sock\""),
            ("unix:rel\n.sock", "write \"unix:///rel\\n.sock\""),
            ("http://localhost:5060", "expected HOST:PORT, or unix://"),
            ("dns:///localhost:5060", "expected HOST:PORT, or unix://"),
            ("", "expected HOST:PORT, or unix://"),
            ("null", "expected HOST:PORT, or unix://"),
            ("0.0.0.0", "there is no port; write 0.0.0.0:5060"),
            ("[::]", "there is no port; write [::]:5060"),
            ("::", "expected an IPv6 address in [ ] and a port; write [::1]:5060"),
            ("::1:5060", "expected an IPv6 address in [ ] and a port; write [::1]:5060"),
            ("1:2:3:4:5:6:7:8:5060", "expected an IPv6 address in [ ]; write [1:2:3:4:5:6:7:8]"),
            (":5065", "there is no host; write 0.0.0.0:5065"),
            ("[x]:1", "expected an IPv6 address in [ ]; write [::1]:1"),
            ("localhost:", "expected a port from 0 to 65535; write localhost:5060"),
            ("localhost:65536", "expected a port from 0 to 65535; write localhost:5060"),
            ("localhost:+1", "expected a port from 0 to 65535; write localhost:5060"),
            ("localhost:https", "expected a port from 0 to 65535; write localhost:5060"),
            (" 0.0.0.0:5060", "expected a name or an address of a host"),
            ("/run/falco.sock", "expected HOST:PORT"),
        ] {
            let error = bind(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn the_gateway_listens_on_an_address_of_this_machine() {
        for (text, expected) in [
            ("127.0.0.1:2804", "127.0.0.1:2804"),
            ("127.9.9.9:0", "127.9.9.9:0"),
            ("[::1]:80", "[::1]:80"),
            ("[::ffff:127.0.0.1]:80", "[::ffff:127.0.0.1]:80"),
            ("localhost:80", "127.0.0.1:80"),
            ("0.0.0.0:2804", "0.0.0.0:2804"),
        ] {
            assert_eq!(gateway(text).map(|address| address.to_string()), Ok(expected.to_owned()));
        }
        for text in ["", "127.0.0.1", "example.org:2804", ":2804"] {
            let error = gateway(text).expect_err(text);
            assert!(error.contains("127.0.0.1:2804"), "{text}: {error}");
        }
    }

    #[test]
    fn the_webserver_is_host_and_port() {
        for text in ["localhost:8765", "http://localhost:8765", "http://localhost:8765/"] {
            assert_eq!(webserver(text), Ok("localhost:8765".to_owned()), "{text}");
        }
        for text in ["https://localhost:8765", "localhost", "http://localhost:8765/versions"] {
            assert!(webserver(text).is_err(), "{text}");
        }
    }
}
