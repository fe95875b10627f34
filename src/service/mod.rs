//! What we answer: Falco's own services, and the ones every gRPC server should have.
//!
//! | service | file |
//! |---|---|
//! | `falco.outputs.service` | [`outputs`]; where a call starts is in [`position`], how it reads in [`reader`] |
//! | `falco.version.service` | [`version`] |
//! | `falconer.v1.EventService` | [`events`]; how a `Watch` reads is in [`watch`], what of an alert it gets in [`fields`] |
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

/// How alerts are handed to readers, and whose version is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `grpc_output.enabled`: without it `get` has nothing and `sub` stays silent, as in Falco.
    pub grpc_output: bool,
    /// Who of a reader group gets an alert.
    pub delivery: Delivery,
    /// Whether a reader is told in the stream what it missed.
    pub lost_events: LostEvents,
    /// Falco's version as the operator states it; `None` asks Falco.
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

/// The configuration in force, which may change. A call takes it as it is when it begins.
#[derive(Debug, Clone, Default)]
pub struct Settings(Arc<RwLock<Config>>);

impl Settings {
    /// Begins with `config`.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self(Arc::new(RwLock::new(config)))
    }

    /// The configuration now.
    #[must_use]
    pub fn current(&self) -> Config {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts another in force for the calls to come.
    pub fn replace(&self, config: Config) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = config;
    }
}

/// Who of a reader group gets an alert.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Every open `sub` gets every alert.
    #[default]
    FanOut,
    /// Each alert goes to exactly one stream of the group, as in Falco.
    Shared,
}

/// Whether a reader is told in the stream what it missed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LostEvents {
    /// With one alert of rule `Falconer internal: events lost`.
    #[default]
    Announce,
    /// Only counted.
    Count,
}

/// What the services answer from.
#[derive(Clone)]
pub struct Context {
    /// The alerts.
    pub hub: Arc<Hub>,
    /// The filters in use. [`crate::query::watch`] wakes those who wait with one.
    pub filters: Filters,
    /// How they are handed out.
    pub settings: Settings,
    /// Stands in for the host of alerts that Falconer itself makes.
    pub origin: Arc<Origin>,
    /// The clock.
    pub now: fn() -> Time,
    /// Falco's version, as far as it is known now.
    pub falco: Arc<dyn Fn() -> FalcoVersion + Send + Sync>,
    /// Inputs that were asked for and give nothing now.
    pub down: Arc<dyn Fn() -> Vec<InputDown> + Send + Sync>,
    /// How many subscriptions are open.
    pub subscribers: Subscribers,
    /// Cancelled when the server begins to stop: live subscriptions end then.
    pub stop: CancellationToken,
}

impl fmt::Debug for Context {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Context").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Who calls. Requests carry it as an extension.
#[derive(Debug, Clone)]
pub struct Caller {
    /// In the words of the connection.
    pub name: Arc<str>,
    /// Cancelled when the calls of the connection have to end.
    pub ending: CancellationToken,
}

/// Falco's services, answering from `context`.
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
