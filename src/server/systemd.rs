//! What systemd is told (`sd_notify(3)`): ready, reloading, stopping, and that we are alive.
//! Without systemd nobody listens, and nothing is sent.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

/// Everything listens.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Settings are being read again; [`ready`] ends it.
pub(super) fn reloading() {
    // `Type=notify-reload` asks for the time as well.
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// The end has begun.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that we are alive, twice in the time systemd waits for it, until `stop`; at once over when
/// it does not wait (`WatchdogSec=`).
pub(super) async fn stay_alive(stop: CancellationToken) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return };
    let mut beat = tokio::time::interval((patience / 2).max(Duration::from_millis(1)));
    while stop.run_until_cancelled(beat.tick()).await.is_some() {
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "systemd could not be told");
    }
}
