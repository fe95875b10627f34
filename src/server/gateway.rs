//! The gateway as a part of the server: started, moved to another address, ended.

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
use crate::net::{tcp, tls};

/// A gateway, bound and perhaps being served.
#[derive(Debug)]
pub(super) struct Gateway {
    wanted: config::Gateway,
    credentials: Credentials,
    /// The socket, kept so that another server of it can go on where one ends.
    listener: StdListener,
    ingest: bool,
    stop: CancellationToken,
}

/// What files say of who gets in and what is shown to them.
#[derive(Debug, Clone, Default)]
pub(super) struct Credentials {
    token: Option<Token>,
    pub(super) tls: Option<Arc<tls::Current>>,
}

impl Credentials {
    /// Reads the files `wanted` names; those of `now`, which are in force, are replaced where they
    /// stand. May take a while.
    ///
    /// # Errors
    /// When one cannot be used.
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
            (Some(files), Some(current)) => Some((current.clone(), current.reload(files)?)),
            (Some(files), None) => {
                let (current, warnings) = tls::Current::new(files)?;
                Some((Arc::new(current), warnings))
            }
        };
        let tls = tls.map(|(current, warnings)| {
            super::warn_of_tls(&warnings);
            current
        });
        Ok(Self { token, tls })
    }

    /// Whether connections to come are served the same with both.
    fn is_same(&self, other: &Self) -> bool {
        let place = |tls: &Option<Arc<tls::Current>>| tls.as_ref().map(Arc::as_ptr);
        self.token == other.token && place(&self.tls) == place(&other.tls)
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
        // A certificate without a name was verified all the same.
        connection.peer_certificates()?;
        Some(tls::identity(connection).unwrap_or_default())
    }

    fn refused(&self, client: &Client, error: &io::Error) {
        match tls::refusal(error) {
            Some(cause) => self.refusals.tell(client, &cause),
            None => tracing::debug!(%client, %error, "the client left before TLS was there"),
        }
    }
}

impl Gateway {
    /// Binds what is `wanted`; `ingest` is whether alerts may be posted. It ends at `stop`.
    ///
    /// # Errors
    /// When the address cannot be had.
    pub(super) fn bind(
        wanted: config::Gateway,
        credentials: Credentials,
        ingest: bool,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        let listener = tcp::bind_one(wanted.listen)?.into_std().map_err(Error::GatewayStopped)?;
        Ok(Self { wanted, credentials, listener, ingest, stop: stop.child_token() })
    }

    /// The credentials in force.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The URL it answers at.
    pub(super) fn url(&self) -> Option<String> {
        let scheme = if self.wanted.tls.is_some() { "https" } else { "http" };
        Some(format!("{scheme}://{}/", self.address()?))
    }

    /// Where it really listens.
    fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Serves it from now on.
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
        // Whoever asks for the address it listens at means it.
        allowed_hosts.extend(self.wanted.listen.ip().to_string().parse::<HostName>());
        let config = falconer_gateway::Config {
            ingest: self.ingest,
            allowed_hosts,
            allowed_origins: self.wanted.allowed_origins.clone(),
            posts_per_second: self.wanted.posts_per_second,
            token: self.credentials.token.clone(),
            tls: self.credentials.tls.clone().map(|current| {
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

    /// Makes `gateway` what is wanted now. What cannot be had leaves it as it is.
    ///
    /// # Errors
    /// When an address cannot be had.
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
