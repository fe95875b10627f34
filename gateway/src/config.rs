//! The settings of the gateway. The host process reads them.

use std::{fmt::Debug, io, num::NonZeroU32, sync::Arc, time::Duration};

use tokio_rustls::rustls::{ServerConfig, ServerConnection};

use crate::guard::{client::Client, host::HostName, origin::Origin, token::Token};

/// The settings of the gateway.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whether it accepts posted alerts (`falconer.inputs.http`).
    pub ingest: bool,
    /// Host names that it accepts besides the loopback ones (`falconer.gateway.allowed_hosts`).
    pub allowed_hosts: Vec<HostName>,
    /// Origins whose pages can read (`falconer.gateway.allowed_origins`).
    pub allowed_origins: Vec<Origin>,
    /// The limit of posts of one address (`falconer.gateway.posts_per_second`). `None` is no limit.
    pub posts_per_second: Option<NonZeroU32>,
    /// The token that clients need (`falconer.gateway.token_file`). `None` is none.
    pub token: Option<Token>,
    /// The TLS settings (`falconer.gateway.tls`). `None` is plain HTTP.
    pub tls: Option<Arc<dyn Tls>>,
    /// Limits of time and number. The defaults suit everyone.
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

/// Timeouts and limits. They are settings only so that tests need not wait.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The maximum number of open connections. Further ones wait in the kernel's queue.
    pub connections: usize,
    /// The timeout from accept to the first complete request head. It includes the TLS handshake.
    pub first_request: Duration,
    /// The timeout from the end of an answer to the next complete request head.
    pub idle: Duration,
    /// The timeout from the head of a request to the end of its body.
    pub body: Duration,
    /// The timeout of the scan for one answer.
    pub scan: Duration,
    /// The time after which a client that reads nothing is disconnected.
    pub stall: Duration,
    /// The maximum age of a connection with a client certificate, because the certificate can be
    /// revoked meanwhile.
    pub age: Duration,
    /// The timeout of requests in flight at shutdown, and at a connection's maximum age.
    pub grace: Duration,
}

impl Limits {
    /// One Falco needs one connection, and a dashboard tab six. So this is enough for hundreds of
    /// users, and leaves file descriptors under the usual limit for everything else.
    pub const CONNECTIONS: usize = 1024;
    /// A client on a working network sends its request at once.
    pub const FIRST_REQUEST: Duration = Duration::from_secs(10);
    /// A little longer than the 118 s for which libcurl, and so Falco, keeps an idle connection. So
    /// the server never closes a connection while an alert is on its way.
    pub const IDLE: Duration = Duration::from_secs(120);
    /// 8 MiB at 2.2 Mbit/s.
    pub const BODY: Duration = Duration::from_secs(30);
    /// A few times the duration of a scan of the largest log with a filter that decodes every
    /// alert.
    pub const SCAN: Duration = Duration::from_secs(10);
    /// The same as for gRPC.
    pub const STALL: Duration = Duration::from_secs(60);
    /// The same as for gRPC.
    pub const AGE: Duration = Duration::from_secs(24 * 60 * 60);
    /// Shorter than the 10 s after which container runtimes kill a process.
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

/// The host process's part of TLS. No method may block or wait.
pub trait Tls: Debug + Send + Sync + 'static {
    /// Returns the TLS settings for the next connection.
    fn config(&self) -> Arc<ServerConfig>;

    /// Returns the identity in the client's certificate, which was verified. `None` if the client
    /// presented none.
    fn identity(&self, connection: &ServerConnection) -> Option<String>;

    /// Logs a failed handshake. Limits its own rate.
    fn refused(&self, client: &Client, error: &io::Error);
}
