//! The gRPC services: Falco's own, Falconer's, health and reflection.
//!
//! | service | file |
//! |---|---|
//! | `falco.outputs.service` | [`outputs`]; [`position`] parses the metadata, [`reader`] reads the log |
//! | `falco.version.service` | [`version`] |
//! | `falconer.v1.EventService` | [`events`]; [`watch`] reads the log for `Watch`, [`fields`] applies its field mask |
//! | `grpc.health.v1.Health`, `grpc.reflection.v1` and `v1alpha` | [`mounted`] |

mod events;
mod fields;
pub mod mounted;
mod outputs;
mod position;
mod reader;
pub mod subscribers;
pub mod version;
mod watch;

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

use crate::event::{Origin, Time};
use crate::grpc::Router;
use crate::hub::Hub;
use crate::proto::falconer::v1::InputDown;
use crate::query::Filters;

pub use reader::LOST_CAUSE;
pub use subscribers::Subscribers;
pub use version::FalcoVersion;

/// The settings of the services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `grpc_output.enabled`: if false, `get` and `sub` return no alerts, as in Falco.
    pub grpc_output: bool,
    /// Which streams of a reader group get an alert.
    pub delivery: Delivery,
    /// Whether lost alerts are announced in the stream.
    pub lost_events: LostEvents,
    /// The configured version of Falco. If `None`, Falconer asks Falco.
    pub falco_version: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            grpc_output: true,
            delivery: Delivery::default(),
            lost_events: LostEvents::default(),
            falco_version: None,
        }
    }
}

/// The current configuration, which a reload replaces. A call uses the one from when it began.
#[derive(Debug, Clone, Default)]
pub struct Settings(Arc<RwLock<Config>>);

impl Settings {
    /// Creates settings that start with `config`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(RwLock::new(config)))
    }

    /// Returns the current configuration.
    #[must_use]
    pub fn current(&self) -> Config {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the configuration for new calls.
    pub fn replace(&self, config: Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

/// Which streams of a reader group get an alert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Every open `sub` of the group gets every alert.
    #[default]
    FanOut,
    /// Each alert goes to exactly one stream of the group, as in Falco.
    Shared,
}

/// Whether lost alerts are announced in the stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LostEvents {
    /// Announced with one alert of rule `Falconer internal: events lost`.
    #[default]
    Announce,
    /// Counted in the metrics only.
    Count,
}

/// What the services need from the rest of the server.
#[derive(Clone)]
pub struct Context {
    /// The log of alerts.
    pub hub: Arc<Hub>,
    /// The filters in use. [`crate::query::watch`] wakes the readers that wait with one.
    pub filters: Filters,
    /// The settings, which a reload replaces.
    pub settings: Settings,
    /// The host name and time zone of alerts that Falconer itself makes.
    pub origin: Arc<Origin>,
    /// The clock.
    pub now: fn() -> Time,
    /// Returns Falco's version, as far as it is known.
    pub falco: Arc<dyn Fn() -> FalcoVersion + Send + Sync>,
    /// Returns the configured inputs that are down.
    pub down: Arc<dyn Fn() -> Vec<InputDown> + Send + Sync>,
    /// The connected readers.
    pub subscribers: Subscribers,
    /// Cancelled when the server begins to shut down. Live subscriptions end then.
    pub stop: CancellationToken,
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Context").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// The client of a call. Requests carry it as an extension.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The peer's name, as the connection logs it.
    pub name: Arc<str>,
    /// Cancelled when the calls of the connection must end.
    pub ending: CancellationToken,
}

/// Returns a router with Falco's services and `falconer.v1.EventService`.
#[must_use]
pub fn falco(context: &Context) -> Router {
    Router::default()
        .method("/falco.outputs.service/get", outputs::get(context.clone()))
        .method("/falco.outputs.service/sub", outputs::sub(context.clone()))
        .method("/falconer.v1.EventService/Watch", events::watch(context.clone()))
        .method("/falconer.v1.EventService/Status", events::status(context.clone()))
        .method("/falco.version.service/version", version::version(context.falco.clone()))
        .gone(
            "/falco.output.service/subscribe",
            "this is the API of Falco before 0.24; call falco.outputs.service/sub or get instead",
        )
}
