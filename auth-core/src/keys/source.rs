//! Keys that change while a process runs.

use std::time::Duration;

use async_trait::async_trait;

use super::KeyRing;
use crate::error::{Fault, Outage};
use crate::settings::Settings;

/// Where the keys of an authority come from, when they change while it runs:
/// [`KeyDirectory`](super::KeyDirectory), or the key set of another issuer.
///
/// Somebody has to ask it, and hand what it answers to
/// [`Authority::set_keys`](crate::Authority::set_keys). `actix_jwt::AuthBuilder::keys_from` does.
#[async_trait]
pub trait KeySource: Send + Sync + 'static {
    /// Whether it goes with the settings of the authority. Asked once, at the start.
    ///
    /// # Errors
    /// The setting that it needs.
    fn check(&self, settings: &Settings) -> Result<(), Fault> {
        let _ = settings;
        Ok(())
    }

    /// The keys as they are now; `None` where they are as they were at the last call.
    ///
    /// # Errors
    /// They cannot be had, or make no sense. Those that are in use stay in use.
    async fn load(&self) -> Result<Option<KeyRing>, Outage>;

    /// How often it is asked.
    fn interval(&self) -> Duration;

    /// A token with the name of a key that is not known makes it be asked at once, but not sooner
    /// than this after the last time: tokens can be forged at any rate.
    fn cool_down(&self) -> Duration;

    /// How long the last keys stay in use when no newer ones can be had. After that tokens are refused
    /// with [`VerifyError::Stale`](crate::VerifyError). `None`: for ever.
    fn max_staleness(&self) -> Option<Duration>;

    /// What was wrong with a part of what was loaded last, so that the rest is in use.
    fn problem(&self) -> Option<String> {
        None
    }
}
