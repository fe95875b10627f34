//! Starts, changes and stops the gateway.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use falconer_gateway::{Client, HostName, Port, Tls, Token};
use rustls::{ServerConfig, ServerConnection};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Error, Parts};
use crate::config;
use crate::net::refusals::Refusals;
use crate::net::{TlsFiles, tcp, tls};

/// A gateway, bound and possibly served.
#[derive(Debug)]
pub(super) struct Gateway {
    wanted: config::Gateway,
    credentials: Credentials,
    /// The socket. A changed gateway at the same address takes it over.
    listener: StdListener,
    ingest: bool,
    stop: CancellationToken,
}

/// The token and TLS configuration, read from files.
#[derive(Debug, Clone, Default)]
pub(super) struct Credentials {
    token: Option<Token>,
    /// The settings, and the TLS configuration made from them.
    tls: Option<(TlsFiles, Arc<tls::Current>)>,
}

impl Credentials {
    /// Reads the files that `wanted` names. If the TLS settings equal those of `now`, which are in
    /// force, the TLS configuration is reloaded in place. Otherwise a new one is made, and the old
    /// one stays in force until the new gateway takes over: the new settings can rely on a token
    /// instead of client certificates. Reads files, so it can block.
    ///
    /// # Errors
    /// When a file cannot be used.
    pub(super) fn read(wanted: &config::Gateway, now: &Self) -> Result<Self, Error> {
        let token = wanted.token_file.as_deref().map(config::token).transpose()?;
        let token = token.map(|(token, warning)| {
            if let Some(warning) = warning {
                tracing::warn!("{warning}");
            }
            token
        });
        let tls = match (&wanted.tls, &now.tls) {
            (None, _) => None,
            (Some(files), Some((same, current))) if same == files => {
                Some((files, current.clone(), current.reload(files)?))
            }
            (Some(files), _) => {
                let (current, warnings) = tls::Current::new(files)?;
                Some((files, Arc::new(current), warnings))
            }
        };
        let tls = tls.map(|(files, current, warnings)| {
            super::warn_of_tls(&warnings);
            (files.clone(), current)
        });
        Ok(Self { token, tls })
    }

    /// Whether both serve new connections in the same way.
    fn is_same(&self, other: &Self) -> bool {
        let place = |credentials: &Self| credentials.tls().as_ref().map(Arc::as_ptr);
        self.token == other.token && place(self) == place(other)
    }

    /// Returns the TLS configuration in force.
    pub(super) fn tls(&self) -> Option<Arc<tls::Current>> {
        self.tls.as_ref().map(|(_, current)| current.clone())
    }
}

/// The gateway's view of TLS.
#[derive(Debug)]
struct Handshakes {
    current: Arc<tls::Current>,
    refusals: Refusals,
}

impl Tls for Handshakes {
    fn config(&self) -> Arc<ServerConfig> {
        self.current.config()
    }

    fn identity(&self, connection: &ServerConnection) -> Option<String> {
        // A certificate without a name was verified too.
        connection.peer_certificates()?;
        Some(tls::identity(connection).unwrap_or_default())
    }

    fn refused(&self, client: &Client, error: &io::Error) {
        match tls::refusal(error) {
            Some(cause) => self.refusals.tell(client, &cause),
            None => tracing::debug!(%client, %error, "the client left during the TLS handshake"),
        }
    }
}

impl Gateway {
    /// Binds the address of `wanted`; `ingest` says whether posts are allowed. The gateway ends at
    /// `stop`.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub(super) fn bind(
        wanted: config::Gateway,
        credentials: Credentials,
        ingest: bool,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        let listener = tcp::bind_one(wanted.listen)?.into_std().map_err(Error::GatewayStopped)?;
        Ok(Self { wanted, credentials, listener, ingest, stop: stop.child_token() })
    }

    /// Returns the credentials in force.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Returns the bound address.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Starts serving.
    ///
    /// # Errors
    /// When the socket cannot be shared.
    pub(super) fn serve(&self, parts: &mut Parts, port: Arc<dyn Port>) -> Result<(), Error> {
        let listener = self
            .listener
            .try_clone()
            .and_then(TcpListener::from_std)
            .map_err(Error::GatewayStopped)?;
        let mut allowed_hosts = self.wanted.allowed_hosts.clone();
        // The address it listens on is always an allowed host.
        allowed_hosts.extend(self.wanted.listen.ip().to_string().parse::<HostName>());
        let config = falconer_gateway::Config {
            ingest: self.ingest,
            allowed_hosts,
            allowed_origins: self.wanted.allowed_origins.clone(),
            posts_per_second: self.wanted.posts_per_second,
            token: self.credentials.token.clone(),
            tls: self.credentials.tls().map(|current| {
                Arc::new(Handshakes { current, refusals: Refusals::default() }) as Arc<dyn Tls>
            }),
            ..falconer_gateway::Config::default()
        };
        let stop = self.stop.clone();
        parts.spawn(async move {
            falconer_gateway::serve(listener, port, config, stop.cancelled_owned())
                .await
                .map_err(Error::GatewayStopped)
        });
        Ok(())
    }

    /// Changes `gateway` to what is wanted. On an error it stays as it was.
    ///
    /// # Errors
    /// When the address cannot be bound, or the socket cannot be shared.
    pub(super) fn change(
        gateway: &mut Option<Self>,
        wanted: Option<(config::Gateway, Credentials)>,
        ingest: bool,
        stop: &CancellationToken,
        parts: &mut Parts,
        port: &Arc<dyn Port>,
    ) -> Result<(), Error> {
        let next = match (&*gateway, wanted) {
            (Some(now), Some((wanted, credentials)))
                if (&now.wanted, now.ingest) == (&wanted, ingest)
                    && now.credentials.is_same(&credentials) =>
            {
                return Ok(());
            }
            (Some(now), Some((wanted, credentials))) if now.wanted.listen == wanted.listen => {
                let listener = now.listener.try_clone().map_err(Error::GatewayStopped)?;
                Some(Self { wanted, credentials, listener, ingest, stop: stop.child_token() })
            }
            (_, Some((wanted, credentials))) => {
                Some(Self::bind(wanted, credentials, ingest, stop)?)
            }
            (_, None) => None,
        };
        if let Some(next) = &next {
            next.serve(parts, port.clone())?;
        }
        if let Some(before) = std::mem::replace(gateway, next) {
            before.stop.cancel();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Serves;

    #[test]
    fn credentials_change_only_with_the_gateway() {
        let dir = tempfile::tempdir().unwrap();
        crate::certs::init(dir.path(), &[], jiff::Timestamp::now()).unwrap();
        std::fs::write(dir.path().join("token"), "a-token-that-is-long-enough").unwrap();
        let at = |name: &str| dir.path().join(name);
        let wanted = |token: bool| config::Gateway {
            listen: config::DEFAULT_GATEWAY,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            posts_per_second: None,
            token_file: token.then(|| at("token")),
            tls: Some(TlsFiles {
                serves: Serves::Gateway { token },
                ..TlsFiles::new(at("server.key"), at("server.crt"), at("ca.crt"))
            }),
        };
        let now = Credentials::read(&wanted(false), &Credentials::default()).unwrap();
        let in_force = now.tls().unwrap().config();
        let other = Credentials::read(&wanted(true), &now).unwrap();
        assert!(!other.is_same(&now));
        assert!(
            Arc::ptr_eq(&now.tls().unwrap().config(), &in_force),
            "client certificates stay required"
        );
        let again = Credentials::read(&wanted(false), &now).unwrap();
        assert!(again.is_same(&now));
        assert!(!Arc::ptr_eq(&now.tls().unwrap().config(), &in_force), "the files are read again");
    }
}
