//! Where blocking database calls wait and run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::error::Outage;
use crate::patience;

/// Runs blocking work on tokio's blocking threads: so much at once, so much waiting.
///
/// The width is that of a connection pool, so that a flood of requests or a database that has
/// stopped ties up that many threads and no more.
pub(super) struct Lane {
    /// One for each caller, running or waiting.
    places: Semaphore,
    running: Arc<Semaphore>,
}

impl Lane {
    pub(super) fn new(width: u32, queue: u32) -> Self {
        let places = (width as usize).saturating_add(queue as usize).min(Semaphore::MAX_PERMITS);
        Self { places: Semaphore::new(places), running: Arc::new(Semaphore::new(width as usize)) }
    }

    /// Runs `work`, waiting for its turn and its end until `deadline` has passed. Work that has
    /// begun goes on after that and keeps its place in the lane.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl FnOnce() -> Result<T, Outage> + Send + 'static,
    ) -> Result<T, Outage> {
        let begun = Instant::now();
        let answer = async {
            let _place = match self.places.try_acquire() {
                Ok(place) => place,
                Err(_) => {
                    let place = self.places.acquire();
                    patience::for_a_moment(deadline, place).await?.map_err(Outage::because)?
                }
            };
            let turn = Arc::clone(&self.running).acquire_owned().await.map_err(Outage::because)?;
            let work = move || {
                let _turn = turn;
                // Behind a full blocking pool the caller may have left before the work begins.
                if begun.elapsed() < deadline { work() } else { Err(too_late(deadline)) }
            };
            tokio::task::spawn_blocking(work).await.map_err(Outage::because)?
        };
        tokio::time::timeout(deadline, answer).await.unwrap_or_else(|_| Err(too_late(deadline)))
    }
}

pub(super) fn too_late(deadline: Duration) -> Outage {
    Outage::because(format!("the database did not answer within {deadline:?}"))
}
