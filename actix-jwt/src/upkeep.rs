//! What runs beside the requests for as long as the process lives.

use std::time::{Duration, Instant};

use auth_core::Authority;
use tokio::sync::watch;

/// Asks for revocations for as long as the process lives: at every interval, and as soon as the
/// store tells that there are some. One line when the store goes away, one when it is back.
pub(crate) async fn follow(authority: Authority) {
    /// Where the store does not answer, the next question is not left to the next nudge.
    const RETRY: Duration = Duration::from_secs(1);
    let interval = authority.settings().revocation_poll_interval;
    let mut nudges = authority.nudges();
    let mut away = false;
    let mut rest = Duration::ZERO;
    loop {
        tokio::time::sleep(rest).await;
        let wait = if away { interval.min(RETRY) } else { interval };
        let _ = tokio::time::timeout(wait.saturating_sub(rest), nudged(&mut nudges)).await;
        let begun = Instant::now();
        match authority.sync().await {
            Ok(()) if away => {
                tracing::info!("the revocations of other processes are heard again");
                away = false;
            }
            Err(outage) if !away => {
                tracing::error!(%outage, "the revocations of other processes are not heard");
                away = true;
            }
            Ok(()) | Err(_) => {}
        }
        // When a great many are revoked, an answer takes long, and asking must not become all that
        // the process does: no more than half.
        rest = begun.elapsed().min(interval).min(RETRY);
    }
}

/// Returns when the store says that there may be news; never where it says nothing.
async fn nudged(nudges: &mut Option<watch::Receiver<u64>>) {
    if let Some(receiver) = nudges {
        if receiver.changed().await.is_ok() {
            return;
        }
        // Nobody will tell any more.
        *nudges = None;
    }
    std::future::pending().await
}

/// Removes what is expired, now and then.
pub(crate) async fn prune(authority: Authority) {
    /// Not with the first requests, and not all nodes of a deployment at once with the others.
    const FIRST: Duration = Duration::from_secs(30);
    tokio::time::sleep(FIRST.min(authority.settings().prune_interval)).await;
    loop {
        match authority.prune().await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "expired sessions were removed"),
            Err(outage) => tracing::warn!(%outage, "expired sessions could not be removed"),
        }
        tokio::time::sleep(authority.settings().prune_interval).await;
    }
}
