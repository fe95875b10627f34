//! The TCP listener.
//!
//! 1. A host name is resolved, and all of its addresses are bound, because a client resolves the
//!    same name and may try any of them. An address that this machine does not have is skipped with
//!    a warning, as gRPC's C++ server did. An address in use is an error.
//! 2. `0.0.0.0` accepts IPv6 clients too, as that server did with Falco's default address.
//! 3. The port is never shared with another process (`SO_REUSEPORT`), because two servers would
//!    split the clients between them unnoticed.

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

/// How long sent data may stay unacknowledged before the kernel closes the connection. Otherwise a
/// peer that vanished holds memory for the quarter of an hour that TCP retries (grpc/proposal A18).
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// One listener for each address of a host name; never empty.
#[derive(Debug)]
pub struct Listeners(Vec<TcpListener>);

impl Listeners {
    /// Accepts the next connection to any of the addresses, and returns it with the peer's address.
    /// Cancelling this future loses no connection.
    ///
    /// # Errors
    /// The errors of [`TcpListener::accept`].
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

    /// Iterates over the bound addresses.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        self.0.iter().filter_map(|listener| listener.local_addr().ok())
    }
}

/// Binds `address`, `host:port`, and listens on all the host's addresses. Needs a tokio runtime.
///
/// # Errors
/// If no address can be bound, or one is in use; with the remedy.
pub fn bind(address: &str) -> Result<Listeners, BindError> {
    let failed = |error| failed(address, &error);
    listen_on_all(address.to_socket_addrs().map_err(failed)?).map_err(failed)
}

/// Binds one address and listens. Needs a tokio runtime.
///
/// # Errors
/// If the address cannot be bound; with the remedy.
pub fn bind_one(address: SocketAddr) -> Result<TcpListener, BindError> {
    listen(address).map_err(|error| failed(&address.to_string(), &error))
}

/// Listens on a socket that systemd bound. Needs a tokio runtime.
pub(super) fn inherited(listener: StdListener) -> Result<Listeners, BindError> {
    let listening = listener.set_nonblocking(true).and_then(|()| TcpListener::from_std(listener));
    tracing::info!("serving on the TCP socket from systemd");
    listening.map(|listener| Listeners(vec![listener])).map_err(|error| BindError {
        address: "the TCP socket from systemd".into(),
        reason: error.to_string(),
        remedy: "check the unit's ListenStream=",
        scarcity: false,
    })
}

/// Configures an accepted connection: small writes leave at once, vanished peers are noticed.
pub(super) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    SockRef::from(stream).set_tcp_user_timeout(Some(USER_TIMEOUT))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    if address.is_ipv4() && address.ip().is_unspecified() {
        let dual = SocketAddr::from((Ipv6Addr::UNSPECIFIED, address.port()));
        // A machine without IPv6 serves IPv4 only. A port in use is in use for both.
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
            // With port 0, all addresses get the port that the system chose for the first.
            address.set_port(first.local_addr()?.port());
        }
        match listen(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => return Err(error),
            Err(error) => {
                tracing::warn!(%address, %error, "cannot listen on one address of the host name");
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
            io::ErrorKind::AddrInUse => "stop the process on it, or choose another port",
            io::ErrorKind::AddrNotAvailable => "use an address of this machine",
            io::ErrorKind::PermissionDenied => {
                "use a port above 1023, or grant CAP_NET_BIND_SERVICE"
            }
            _ => "use an address of this machine and a port, such as 0.0.0.0:5060",
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_reported() {
        let first = bind("127.0.0.1:0").unwrap();
        let address = first.addresses().next().unwrap().to_string();
        let error = bind(&address).unwrap_err().to_string();
        assert!(error.contains(&address) && error.contains("choose another port"), "{error}");
    }

    #[tokio::test]
    async fn the_wildcard_accepts_ipv4_and_ipv6() {
        let listener = bind("0.0.0.0:0").unwrap();
        let address = listener.addresses().next().unwrap();
        TcpStream::connect(("127.0.0.1", address.port())).await.unwrap();
        if address.is_ipv6() {
            TcpStream::connect(("::1", address.port())).await.unwrap();
        }
    }

    #[tokio::test]
    async fn every_address_of_a_host_name_is_bound() {
        let address = |ip: [u8; 4]| SocketAddr::from((ip, 0));
        // The third is for documentation (RFC 5737), so no machine has it. The last is a duplicate.
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
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse, "an address in use is an error");
        let error = listen_on_all(name[2..3].iter().copied()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    }

    #[tokio::test]
    async fn invalid_addresses_are_rejected() {
        for address in ["", ":5060", "localhost", "no-such-host.invalid:1", "127.0.0.1:x"] {
            assert!(bind(address).is_err(), "{address}");
        }
    }
}
