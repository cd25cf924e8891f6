//! The only place that reads the time.
//!
//! Every rule about expiry takes its `now` from a [`Clock`], so that a test sets the time
//! instead of waiting for it. `clippy.toml` bans the other ways to read it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};

/// By so much the clocks of nodes, and of those who read their tokens, may differ.
pub(crate) const CLOCKS_DIFFER: Duration = Duration::from_secs(60);

/// Tells the time, to the millisecond (what the stores keep).
#[derive(Clone, Default)]
pub struct Clock(Source);

#[derive(Clone, Default)]
enum Source {
    #[default]
    System,
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self::default()
    }

    /// The time in UTC.
    pub fn now(&self) -> DateTime<Utc> {
        from_millis(self.now_millis())
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub fn now_millis(&self) -> i64 {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the one place")]
            Source::System => {
                let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
                since_1970.map_or_else(|before| -millis(before.duration()), millis)
            }
            Source::Manual(millis) => millis.load(Ordering::SeqCst),
        }
    }

    /// Seconds since 1970-01-01T00:00:00Z, the `NumericDate` of RFC 7519 §2.
    pub fn now_seconds(&self) -> i64 {
        self.now_millis().div_euclid(1000)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System => "Clock(system)",
            Source::Manual(_) => "Clock(manual)",
        })
    }
}

/// A clock that stands still until it is moved: for tests.
///
/// ```
/// use std::time::Duration;
/// use auth_core::ManualClock;
///
/// let hands = ManualClock::at_unix_seconds(1_800_000_000);
/// let clock = hands.clock();
/// hands.advance(Duration::from_secs(5));
/// assert_eq!(clock.now_seconds(), 1_800_000_005);
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicI64>);

impl ManualClock {
    /// A clock that shows `seconds` since 1970.
    pub fn at_unix_seconds(seconds: i64) -> Self {
        Self(Arc::new(AtomicI64::new(seconds * 1000)))
    }

    /// A clock that starts at the time it is now.
    pub fn starting_now() -> Self {
        Self(Arc::new(AtomicI64::new(Clock::system().now_millis())))
    }

    /// What the code under test is given.
    pub fn clock(&self) -> Clock {
        Clock(Source::Manual(Arc::clone(&self.0)))
    }

    /// Moves on by `by`.
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(millis(by), Ordering::SeqCst);
    }

    /// Moves back by `by`, as a corrected machine clock does.
    pub fn set_back(&self, by: Duration) {
        self.0.fetch_sub(millis(by), Ordering::SeqCst);
    }
}

/// A point in time from milliseconds since 1970. What chrono cannot represent (some 262,000
/// years away) becomes the nearest point that it can.
pub(crate) fn from_millis(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or(if millis < 0 {
        DateTime::<Utc>::MIN_UTC
    } else {
        DateTime::<Utc>::MAX_UTC
    })
}

/// A duration in whole milliseconds, at most some 292 million years.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// A duration in whole seconds, rounded down.
pub(crate) fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}
