//! Falconer's gRPC services over one connection in memory, set up like in the server.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll};

use tokio_util::sync::CancellationToken;

use super::pipe::End;
use crate::event::{Origin, Time};
use crate::grpc::Router;
use crate::hub::{Config as HubConfig, Epoch, Hub};
use crate::ingest::{Input, Intake, Line};
use crate::net::Peer;
use crate::net::authority::RepairedIo;
use crate::net::connection::{self, Serving, Terms};
use crate::query::Filters;
use crate::server;
use crate::service::{
    self, Config, Context, FalcoVersion, Settings, Subscribers, mounted, subscribers::Kind,
};

/// The current time of the server, in seconds.
const NOW: i64 = 1_893_456_000;

/// A log and the services that read it.
pub(super) struct Falco {
    pub(super) context: Context,
    pub(super) intake: Arc<Intake>,
    /// The number of alerts so far. An alert's rule is its number, from 0.
    alerts: AtomicU64,
}

impl Falco {
    pub(super) fn new() -> Self {
        let hub = Arc::new(Hub::new(HubConfig::default(), Epoch::new(0xabc)));
        let intake = Arc::new(Intake::new(hub.clone(), Origin::utc("host")));
        let context = Context {
            filters: Filters::default(),
            hub,
            settings: Settings::new(Config::default()),
            origin: Origin::utc("host").into(),
            now: || Time::from(jiff::Timestamp::constant(NOW, 0)),
            falco: Arc::new(FalcoVersion::default),
            down: Arc::new(Vec::new),
            subscribers: Subscribers::default(),
            stop: CancellationToken::new(),
        };
        Self { context, intake, alerts: AtomicU64::new(0) }
    }

    /// Appends `count` alerts at once, each with `text` bytes of output.
    pub(super) fn alert(&self, count: u64, text: usize) {
        let mut delivery = self.intake.begin(Input::Demo);
        for _ in 0..count {
            let rule = self.alerts.fetch_add(1, Ordering::Relaxed);
            let text = "x".repeat(text);
            let line = format!(
                r#"{{"hostname":"a","output":"{text}","priority":"Notice","rule":"{rule}","source":"syscall","tags":[],"time":"2026-01-30T10:00:00Z","output_fields":{{}}}}"#
            );
            delivery.line(Line::Whole(line.as_bytes()));
        }
        delivery.finish();
    }

    /// Returns the number of alerts.
    pub(super) fn alerts(&self) -> u64 {
        self.alerts.load(Ordering::Relaxed)
    }

    /// Returns the number of open gRPC subscriptions.
    pub(super) fn subscribers(&self) -> usize {
        self.context.subscribers.of(Kind::Grpc)
    }

    /// Returns all services. Reflection is optional, because it takes long to set up.
    pub(super) async fn router(&self, reflection: bool) -> Router {
        let stop = &self.context.stop;
        let (router, _) = mounted::health(service::falco(&self.context), stop).await;
        if !reflection {
            return router;
        }
        mounted::reflection(router, stop).expect("descriptors")
    }

    /// Serves one connection as over a unix socket. It may be polled `polls` times.
    pub(super) fn serve(&self, router: Router, end: End, polls: usize) -> Bounded {
        let peer = Peer::Unix { uid: Some(0), pid: None };
        let known = peer.clone();
        let terms = Terms {
            handler: server::handler(router, Arc::default()),
            stop: self.context.stop.clone(),
            max_age: None,
            refusals: Arc::default(),
            cuts: Arc::default(),
            quiet: connection::QUIET,
        };
        let opening = async { Ok((RepairedIo::new(end), known)) };
        Bounded { serving: connection::serve(opening, peer, terms), polls }
    }
}

/// A connection with a limit of polls. If it woke itself without end, the paused clock would never
/// advance.
pub(super) struct Bounded {
    serving: Serving,
    polls: usize,
}

impl Future for Bounded {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<()> {
        assert!(self.polls > 0, "the connection wakes itself without end");
        self.polls -= 1;
        self.serving.as_mut().poll(context)
    }
}
