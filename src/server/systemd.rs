//! Notifies systemd (`sd_notify(3)`): ready, reloading, stopping, and the watchdog. Sends nothing
//! if systemd did not start the process.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// Reports that everything listens.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Reports that a reload has begun; [`ready`] ends it.
pub(super) fn reloading() {
    // `Type=notify-reload` needs the time as well.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// Reports that the shutdown has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Feeds the watchdog twice per `WatchdogSec=`, until `stop`. Returns at once if the unit has no
/// watchdog.
pub(super) async fn stay_alive(stop: CancellationToken) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    let mut beat = tokio::time::interval((patience / 2).max(Duration::from_millis(1)));
    while stop.run_until_cancelled(beat.tick()).await.is_some() {
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "cannot notify systemd");
    }
}
