//! What comes when a queue is full.

use std::time::Duration;

use tokio::time::timeout;

use crate::error::Outage;
use crate::random;

/// How long to wait for a place in a queue that is full, at the least. Clients who come back at once when
/// they are refused would otherwise keep the server busy with refusing them.
const LEAST: Duration = Duration::from_millis(200);

/// How much longer, by lot: those who were refused together do not all come back together.
const MORE: Duration = Duration::from_millis(600);

/// Waits for a place for a moment, at the most half of the time that the whole call may take.
///
/// # Errors
/// [`Outage::Busy`] where none has become free.
pub(crate) async fn for_a_moment<T>(
    deadline: Duration,
    place: impl Future<Output = T>,
) -> Result<T, Outage> {
    let lot = u32::from(u16::from_be_bytes(random::bytes()));
    let patience = LEAST + MORE * lot / u32::from(u16::MAX);
    timeout(patience.min(deadline / 2), place).await.map_err(|_| Outage::Busy)
}
