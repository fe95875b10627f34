//! The TCP listener.
//!
//! 1. A name is resolved, and every address it stands for is bound: a client resolves the same
//!    name and may try any of them. Those this machine does not have are left out with a warning,
//!    as gRPC's C++ server left them out; one in use is an error.
//! 2. `0.0.0.0` takes IPv6 clients too, as that server did with Falco's default address.
//! 3. The port is never shared with another process: that split clients between two servers
//!    unnoticed.

use std::collections::HashSet;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv6Addr, SocketAddr, TcpListener as StdListener, ToSocketAddrs};
use std::task::Poll;
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use super::BindError;
use super::unix::BACKLOG;

/// How long sent data may stay unacknowledged before the connection is given up: a peer that
/// vanished must not hold memory for the quarter of an hour TCP would try (grpc/proposal A18).
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// One listener for each address a name stands for; never empty.
#[derive(Debug)]
pub struct Listeners(Vec<TcpListener>);

impl Listeners {
    /// The next connection to any of the addresses, and who it comes from.
    ///
    /// # Errors
    /// As [`TcpListener::accept`] has them. Cancelling loses no connection.
    pub async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        poll_fn(|context| {
            for listener in &self.0 {
                if let Poll::Ready(accepted) = listener.poll_accept(context) {
                    return Poll::Ready(accepted);
                }
            }
            Poll::Pending
        })
        .await
    }

    /// The addresses that are listened on.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().filter_map(|listener| listener.local_addr().ok())
    }
}

/// Binds `address`, `host:port`, and listens on all the host's addresses. Needs a tokio runtime.
///
/// # Errors
/// When none can be had, or one is in use, with the remedy.
pub fn bind(address: &str) -> Result<Listeners, BindError> {
    let failed = |error| failed(address, &error);
    listen_on_all(address.to_socket_addrs().map_err(failed)?).map_err(failed)
}

/// Binds one address and listens. Needs a tokio runtime.
///
/// # Errors
/// When it cannot be had, with the remedy.
pub fn bind_one(address: SocketAddr) -> Result<TcpListener, BindError> {
    listen(address).map_err(|error| failed(&address.to_string(), &error))
}

/// A listener that was bound before. Needs a tokio runtime.
pub(super) fn inherited(listener: StdListener) -> Result<Listeners, BindError> {
    let listening = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
    tracing::info!("serving on the TCP socket that systemd handed over");
    listening.map(|listener| Listeners(vec![listener])).map_err(|error| BindError {
        address: "the TCP socket that systemd handed over".into(),
        reason: error.to_string(),
        remedy: "check the unit's ListenStream=",
        scarcity: false,
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

fn listen_on_all(addresses: impl Iterator<Item = SocketAddr>) -> io::Result<Listeners> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    let mut unavailable = io::Error::new(io::ErrorKind::NotFound, "no such host");
    let mut seen = HashSet::new();
    for mut address in addresses {
        if !seen.insert(address) {
            continue;
        }
        if address.port() == 0
            && let Some(first) = listeners.first()
        {
            // A port of the system's choice is one port.
            address.set_port(first.local_addr()?.port());
        }
        match listen(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(error) => {
                tracing::warn!(%address, %error, "cannot listen on one of the name's addresses");
                unavailable = error;
            }
        }
    }
    if listeners.is_empty() { Err(unavailable) } else { Ok(Listeners(listeners)) }
}

fn failed(address: &str, error: &io::Error) -> BindError {
    BindError {
        address: address.into(),
        reason: error.to_string(),
        scarcity: super::is_scarcity(error),
        remedy: match error.kind() {
            io::ErrorKind::AddrInUse => "stop what listens there, or choose another port",
            io::ErrorKind::AddrNotAvailable => "use an address of this machine",
            io::ErrorKind::PermissionDenied => "use a port above 1023, or grant the right to it",
            _ => "use an address of this machine and a port, such as 0.0.0.0:5060",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_said_so() {
        let first = bind("127.0.0.1:0").unwrap();
        let address = first.addresses().next().unwrap().to_string();
        let error = bind(&address).unwrap_err().to_string();
        assert!(error.contains(&address) && error.contains("choose another port"), "{error}");
    }

    #[tokio::test]
    async fn the_wildcard_takes_both_families() {
        let listener = bind("0.0.0.0:0").unwrap();
        let address = listener.addresses().next().unwrap();
        TcpStream::connect(("127.0.0.1", address.port())).await.unwrap();
        if address.is_ipv6() {
            TcpStream::connect(("::1", address.port())).await.unwrap();
        }
    }

    #[tokio::test]
    async fn every_address_of_a_name_is_listened_on() {
        let address = |ip: [u8; 4]| SocketAddr::from((ip, 0));
        // The third is for documentation (RFC 5737) and nobody's; the last comes twice.
        let name = [[127, 0, 0, 1], [127, 0, 0, 2], [203, 0, 113, 1], [127, 0, 0, 1]].map(address);
        let listeners = listen_on_all(name.into_iter()).unwrap();
        let bound: Vec<_> = listeners.addresses().collect();
        assert_eq!(bound.len(), 2, "{bound:?}");
        for address in &bound {
            assert_eq!(address.port(), bound[0].port());
            let (connected, accepted) =
                tokio::join!(TcpStream::connect(address), listeners.accept());
            assert_eq!(accepted.unwrap().1, connected.unwrap().local_addr().unwrap());
        }
        drop(listeners);
        let _taken = std::net::TcpListener::bind(bound[1]).unwrap();
        let error = listen_on_all(bound.into_iter()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "one in use is a reason not to start");
        let error = listen_on_all(name[2..3].iter().copied()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[tokio::test]
    async fn what_is_no_address_is_refused() {
        for address in ["", ":5060", "localhost", "no-such-host.invalid:1", "127.0.0.1:x"] {
            assert!(bind(address).is_err(), "{address}");
        }
    }
}
