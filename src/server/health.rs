//! gRPC health: NOT_SERVING while a configured input is down, as `/readyz` reports it. The retained
//! alerts are served nevertheless. `falconer.v1.EventService/Status` names the input and the cause.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;

use crate::ingest::presence::{Asked, Down, Presence, States};
use crate::proto::falconer::v1::InputDown;
use crate::service::mounted;

/// Keeps health up to date with the inputs until `stop`, then sets NOT_SERVING.
pub(super) async fn follow(
    reporter: HealthReporter,
    mut inputs: watch::Receiver<States>,
    stop: CancellationToken,
) {
    loop {
        let up = inputs.borrow_and_update().values().all(Option::is_none);
        mounted::inputs_are(&reporter, up).await;
        tokio::select! {
            changed = inputs.changed() => if changed.is_err() { break },
            () = stop.cancelled() => break,
        }
    }
    mounted::stop_serving(&reporter).await;
}

/// Returns the inputs that are down.
pub(super) fn down(presence: &Presence) -> Vec<InputDown> {
    let told = |(Asked { input, path }, Down { why, since }): (Asked, Down)| InputDown {
        name: input.name().into(),
        path: path.map(|path| path.display().to_string()).unwrap_or_default(),
        why,
        since: Some(prost_types::Timestamp {
            seconds: since.as_second(),
            nanos: since.subsec_nanosecond(),
        }),
    };
    presence.states().into_iter().filter_map(|(asked, down)| Some(told((asked, down?)))).collect()
}
