//! gRPC health that follows the inputs: while one that was asked for gives nothing, whoever asks
//! is told NOT_SERVING, as `/readyz` tells it. What is kept is served all the same.

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tonic_health::server::HealthReporter;

use crate::ingest::presence::States;
use crate::service::mounted;

/// Tells how the inputs are, until `stop`; from then on nothing is served.
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
