//! Being told to stop: the first signal asks, the second one insists.
//!
//! SIGTERM and SIGINT mean the same. After the first, everything ends in good order; the
//! second ends the process at once, and the trainer, whose pipe then closes, ends itself.

use std::process;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Exit status after a second signal: as a shell reports SIGINT.
const INSISTED: i32 = 130;

/// A token that is cancelled by the first signal.
///
/// # Errors
/// The signal handlers cannot be installed.
pub fn on_signals() -> std::io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        let mut next = async || {
            tokio::select! { _ = terminate.recv() => "SIGTERM", _ = interrupt.recv() => "SIGINT" }
        };
        let signal = next().await;
        info!(
            signal,
            "stopping: checkpoints are published and leases given back; a second signal ends at once"
        );
        asked.cancel();
        let signal = next().await;
        warn!(signal, "ending at once");
        process::exit(INSISTED);
    });
    Ok(stop)
}
