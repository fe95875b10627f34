//! The gateway as a part of the server: started, moved to another address, ended.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use falconer_gateway::{HostName, Port, Token};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Error, Parts};
use crate::config::{self, TokenError};
use crate::net::tcp;

/// A gateway, bound and perhaps being served.
#[derive(Debug)]
pub(super) struct Gateway {
    wanted: config::Gateway,
    token: Option<Token>,
    /// The socket, kept so that another server of it can go on where one ends.
    listener: StdListener,
    ingest: bool,
    stop: CancellationToken,
}

impl Gateway {
    /// Binds what is `wanted`; `ingest` is whether alerts may be posted. It ends at `stop`.
    ///
    /// # Errors
    /// When the address or the token cannot be had.
    pub(super) fn bind(
        wanted: config::Gateway,
        ingest: bool,
        stop: &CancellationToken,
    ) -> Result<Self, Error> {
        let token = token(&wanted)?;
        let listener = tcp::bind_one(wanted.listen)?.into_std().map_err(Error::GatewayStopped)?;
        Ok(Self { wanted, token, listener, ingest, stop: stop.child_token() })
    }

    /// Where it really listens.
    pub(super) fn address(&self) -> Option<SocketAddr> {
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
            token: self.token.clone(),
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
        wanted: Option<config::Gateway>,
        ingest: bool,
        stop: &CancellationToken,
        parts: &mut Parts,
        port: &Arc<dyn Port>,
    ) -> Result<(), Error> {
        let token = wanted.as_ref().map(token).transpose()?.flatten();
        let next = match (&*gateway, wanted) {
            (Some(now), Some(wanted))
                if (&now.wanted, &now.token, now.ingest) == (&wanted, &token, ingest) =>
            {
                return Ok(());
            }
            (Some(now), Some(wanted)) if now.wanted.listen == wanted.listen => Some(Self {
                wanted,
                token,
                listener: now.listener.try_clone().map_err(Error::GatewayStopped)?,
                ingest,
                stop: stop.child_token(),
            }),
            (_, Some(wanted)) => Some(Self::bind(wanted, ingest, stop)?),
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

fn token(wanted: &config::Gateway) -> Result<Option<Token>, TokenError> {
    wanted.token_file.as_deref().map(config::token).transpose()
}
