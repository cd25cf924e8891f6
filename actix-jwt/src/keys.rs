//! Keys that change while the server runs: asked for at intervals, and when a token names one that
//! is not known.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use auth_core::keys::KeySource;
use auth_core::{Authority, KeyRing, Outage, RefreshError, VerifyError};
use tokio::sync::Mutex;

/// An answer that takes longer is none. (A source has shorter limits of its own.)
const LONGEST: Duration = Duration::from_secs(20);

/// A cool-down up to this is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// What follows a [`KeySource`] for an authority.
pub(crate) struct Keys {
    source: Arc<dyn KeySource>,
    authority: Authority,
    /// Whoever holds it asks the source: one at a time.
    rounds: Mutex<Rounds>,
    /// How many have ended.
    ended: AtomicU64,
    /// Whether the last one failed.
    failing: AtomicBool,
}

struct Rounds {
    begun: Option<Instant>,
    succeeded: Instant,
    /// What was said last of what is wrong.
    problem: Option<String>,
}

impl Keys {
    pub(crate) fn new(source: Arc<dyn KeySource>, authority: Authority) -> Self {
        let rounds = Rounds { begun: None, succeeded: Instant::now(), problem: None };
        Self {
            source,
            authority,
            rounds: Mutex::new(rounds),
            ended: AtomicU64::new(0),
            failing: AtomicBool::new(false),
        }
    }

    /// Whether the source answered when it was asked last.
    pub(crate) fn are_current(&self) -> bool {
        !self.failing.load(Ordering::Relaxed)
    }

    /// Asks for as long as the process lives.
    pub(crate) async fn follow(self: Arc<Self>) {
        loop {
            let wait = {
                let rounds = self.rounds.lock().await;
                self.wait(&rounds)
            };
            tokio::time::sleep(wait).await;
            self.load().await;
        }
    }

    /// Asks at the start. Where an authority waits for its first keys from elsewhere, they may come later;
    /// else it is not to start with others than these.
    pub(crate) async fn load_first(&self) -> Result<(), String> {
        let mut rounds = self.rounds.lock().await;
        self.ask(&mut rounds).await;
        match &rounds.problem {
            Some(problem)
                if !self.authority.keys().is_empty() || self.source.max_staleness().is_none() =>
            {
                Err(problem.clone())
            }
            _ => Ok(()),
        }
    }

    /// Asks now, whenever that was done last.
    pub(crate) async fn load(&self) {
        let mut rounds = self.rounds.lock().await;
        self.ask(&mut rounds).await;
    }

    /// Asks because a token named an unknown key, unless that was done a moment ago. Requests that
    /// want it while it is being done share the answer. Whether there may be other keys now.
    async fn load_for_unknown(self: Arc<Self>) -> bool {
        let ended = self.ended.load(Ordering::Acquire);
        let mut rounds = self.rounds.lock().await;
        if self.ended.load(Ordering::Acquire) != ended {
            return true;
        }
        let cool_down = self.source.cool_down();
        let left = cool_down.saturating_sub(rounds.begun.map_or(Duration::MAX, |at| at.elapsed()));
        if !left.is_zero() {
            if cool_down > PATIENCE {
                return false;
            }
            // It costs little to ask, and less to wait than to refuse a good token.
            tokio::time::sleep(left).await;
        }
        self.ask(&mut rounds).await;
        true
    }

    async fn ask(&self, rounds: &mut Rounds) {
        rounds.begun = Some(Instant::now());
        let loaded = tokio::time::timeout(LONGEST, self.source.load()).await;
        let loaded = loaded.unwrap_or_else(|_| Err(Outage::because("no answer")));
        let outcome = match loaded {
            Ok(Some(ring)) => self.authority.set_keys(ring).map_err(|error| error.to_string()),
            Ok(None) => Ok(()),
            Err(outage) => Err(outage.to_string()),
        };
        let is_answered = outcome.is_ok();
        let problem = outcome.err().or_else(|| self.source.problem());
        self.failing.store(problem.is_some(), Ordering::Relaxed);
        if problem != rounds.problem {
            match &problem {
                None => tracing::info!("all keys can be had again"),
                Some(problem) => {
                    tracing::error!(problem, "keys cannot be had: the last ones stay in use");
                }
            }
            rounds.problem = problem;
        }
        if is_answered {
            rounds.succeeded = Instant::now();
        } else {
            self.give_up_if_stale(rounds);
        }
        self.ended.fetch_add(1, Ordering::Release);
    }

    fn give_up_if_stale(&self, rounds: &Rounds) {
        let limit = self.source.max_staleness();
        let is_stale = limit.is_some_and(|limit| rounds.succeeded.elapsed() >= limit);
        if is_stale && !self.authority.keys().is_empty() {
            tracing::error!("the keys are too old: tokens are refused until there are new ones");
            // Cannot fail but for an authority that issues: that keeps its own.
            let _ = self.authority.set_keys(KeyRing::verifying([]));
        }
    }

    /// How long until the next question.
    fn wait(&self, rounds: &Rounds) -> Duration {
        /// However short the cool-down is.
        const LEAST: Duration = Duration::from_millis(100);
        let interval = self.source.interval();
        if self.are_current() {
            return interval;
        }
        let retry = interval.min(self.source.cool_down().max(Duration::from_secs(1)));
        let limit = self.source.max_staleness();
        let left = limit.map(|limit| limit.saturating_sub(rounds.succeeded.elapsed()));
        match left {
            Some(left) if !left.is_zero() => retry.min(left.max(LEAST)),
            _ => retry,
        }
    }
}

/// An error that a newer key might mend.
pub(crate) trait MayBeUnknownKey {
    fn is_unknown_key(&self) -> bool;
}

impl MayBeUnknownKey for VerifyError {
    fn is_unknown_key(&self) -> bool {
        matches!(self, Self::UnknownKey)
    }
}

impl MayBeUnknownKey for RefreshError {
    fn is_unknown_key(&self) -> bool {
        matches!(self, Self::Token(VerifyError::UnknownKey))
    }
}

/// Attempts something with a token, and once more if that may find a key which the first time was
/// not known.
pub(crate) async fn with_newest<T, E: MayBeUnknownKey>(
    keys: Option<&Arc<Keys>>,
    attempt: impl AsyncFn() -> Result<T, E>,
) -> Result<T, E> {
    let outcome = attempt().await;
    match (&outcome, keys) {
        (Err(error), Some(keys)) if error.is_unknown_key() && may_have_newer(keys).await => {
            attempt().await
        }
        _ => outcome,
    }
}

/// Whether there may be newer keys, after asking for them if it is time to.
pub(crate) async fn may_have_newer(keys: &Arc<Keys>) -> bool {
    // A client that goes away must not end what others wait for.
    let asking = tokio::spawn(Arc::clone(keys).load_for_unknown());
    asking.await.unwrap_or(false)
}
