//! The TCP listener.
//!
//! `0.0.0.0` takes IPv6 clients too, as gRPC's C++ server did with Falco's default address. The
//! port is never shared with another process: that split clients between two servers unnoticed.

use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::BindError;
use super::unix::BACKLOG;

/// How long sent data may stay unacknowledged before the connection is given up: a peer that
/// vanished must not hold memory for the quarter of an hour TCP would try (grpc/proposal A18).
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Binds `address`, `host:port`, and listens. Needs a tokio runtime.
///
/// # Errors
/// When it cannot be had, with the remedy.
pub fn bind(address: &str) -> Result<TcpListener, BindError> {
    let failed = |error: io::Error| BindError {
        address: address.into(),
        reason: error.to_string(),
        remedy: match error.kind() {
            io::ErrorKind::AddrInUse => "stop what listens there, or choose another port",
            io::ErrorKind::AddrNotAvailable => "use an address of this machine",
            io::ErrorKind::PermissionDenied => "use a port above 1023, or grant the right to it",
            _ => "use an address of this machine and a port, such as 0.0.0.0:5060",
        },
    };
    let mut candidates = address.to_socket_addrs().map_err(failed)?;
    let first = candidates
        .next()
        .ok_or_else(|| failed(io::Error::new(io::ErrorKind::NotFound, "no such host")))?;
    listen(first).map_err(failed)
}

/// A listener that was bound before. Needs a tokio runtime.
pub(super) fn inherited(listener: StdListener) -> Result<TcpListener, BindError> {
    let listening = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
    tracing::info!("serving on the TCP socket that systemd handed over");
    listening.map_err(|error| BindError {
        address: "the TCP socket that systemd handed over".into(),
        reason: error.to_string(),
        remedy: "check the unit's ListenStream=",
    })
}

/// Settings of an accepted connection: small writes leave at once, vanished peers are noticed.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(USER_TIMEOUT))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    if address.is_ipv4() && address.ip().is_unspecified() {
        let dual = SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port()));
        // A machine without IPv6 serves IPv4 alone; a port in use is in use for both.
        match listen_on(dual) {
            Err(error) if error.kind() != io::ErrorKind::AddrInUse => {}
            bound => return bound,
        }
    }
    listen_on(address)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    TcpListener::from_std(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_said_so() {
        let first = bind("127.0.0.1:0").unwrap();
        let address = first.local_addr().unwrap().to_string();
        let error = bind(&address).unwrap_err().to_string();
        assert!(error.contains(&address) && error.contains("choose another port"), "{error}");
    }

    #[tokio::test]
    async fn the_wildcard_takes_both_families() {
        let listener = bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        if listener.local_addr().unwrap().is_ipv6() {
            TcpStream::connect(("::1", port)).await.unwrap();
        }
    }

    #[tokio::test]
    async fn what_is_no_address_is_refused() {
        for address in ["", ":5060", "localhost", "no-such-host.invalid:1", "127.0.0.1:x"] {
            assert!(bind(address).is_err(), "{address}");
        }
    }
}
