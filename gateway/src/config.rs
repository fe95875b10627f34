//! What the gateway may be told. Built by the host process, which owns the reading of settings.

use std::{fmt::Debug, io, num::NonZeroU32, sync::Arc, time::Duration};

use tokio_rustls::rustls::{ServerConfig, ServerConnection};

use crate::guard::{client::Client, host::HostName, origin::Origin, token::Token};

/// Settings of the gateway.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether alerts may be posted (`falconer.inputs.http`).
    pub ingest: bool,
    /// Names answered to besides the loopback ones (`falconer.gateway.allowed_hosts`).
    pub allowed_hosts: Vec<HostName>,
    /// Foreign pages that may read (`falconer.gateway.allowed_origins`).
    pub allowed_origins: Vec<Origin>,
    /// How often one address may post (`falconer.gateway.posts_per_second`); as often as it likes
    /// without.
    pub posts_per_second: Option<NonZeroU32>,
    /// What clients have to know (`falconer.gateway.token_file`); nothing where no token is asked
    /// for.
    pub token: Option<Token>,
    /// How connections are encrypted (`falconer.gateway.tls`); not at all without.
    pub tls: Option<Arc<dyn Tls>>,
    /// Time and size limits; the defaults are meant for everyone.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ingest: true,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            posts_per_second: None,
            token: None,
            tls: None,
            limits: Limits::default(),
        }
    }
}

/// How long and how many. A setting only so that tests need not wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections open at once; the next ones wait in the kernel's queue.
    pub connections: usize,
    /// From accept, through TLS, to the first complete request head.
    pub first_request: Duration,
    /// From an answer's end to the next complete request head.
    pub idle: Duration,
    /// From a request's head to the end of its body.
    pub body: Duration,
    /// Looking through the alerts for one answer.
    pub scan: Duration,
    /// A client that takes nothing of what is written to it.
    pub stall: Duration,
    /// A connection that a certificate let in, so that one that is revoked stops counting some time.
    pub age: Duration,
    /// For requests in flight at shutdown, and at a connection's greatest age.
    pub grace: Duration,
}

impl Limits {
    /// One Falco needs one connection, a dashboard tab six: hundreds of users, yet few enough
    /// file descriptors to leave room under the usual limit for everything else.
    pub const CONNECTIONS: usize = 1024;
    /// Every client on a working network sends its request at once.
    pub const FIRST_REQUEST: Duration = Duration::from_secs(10);
    /// A little longer than libcurl (so Falco) holds an idle connection for reuse, 118 s: it is
    /// never this side that closes while an alert is on its way.
    pub const IDLE: Duration = Duration::from_secs(120);
    /// 8 MiB at 2.2 Mbit/s.
    pub const BODY: Duration = Duration::from_secs(30);
    /// A few times what the largest log takes with a filter that reads every alert again.
    pub const SCAN: Duration = Duration::from_secs(10);
    /// As long as on the gRPC side.
    pub const STALL: Duration = Duration::from_secs(60);
    /// As on the gRPC side.
    pub const AGE: Duration = Duration::from_secs(24 * 60 * 60);
    /// Shorter than the 10 s that container runtimes give before they kill.
    pub const GRACE: Duration = Duration::from_secs(5);
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: Self::CONNECTIONS,
            first_request: Self::FIRST_REQUEST,
            idle: Self::IDLE,
            body: Self::BODY,
            scan: Self::SCAN,
            stall: Self::STALL,
            age: Self::AGE,
            grace: Self::GRACE,
        }
    }
}

/// The host process's side of TLS. Nothing here may block or wait.
pub trait Tls: Debug + Send + Sync + 'static {
    /// What the next connection is served with.
    fn config(&self) -> Arc<ServerConfig>;

    /// Who the client's certificate says it is; `None` where it showed none. One that was shown was
    /// verified.
    fn identity(&self, connection: &ServerConnection) -> Option<String>;

    /// A handshake failed: tell why, as often as somebody reads it.
    fn refused(&self, client: &Client, error: &io::Error);
}
