//! Removing what is over, beside somebody who writes.

use std::time::{Duration, Instant};

use auth_core::rotation::{Decision, Presented, RotationPolicy};
use auth_core::session::BindSession;
use auth_core::{Clock, SessionId, SessionStore};
use tokio::task::JoinHandle;

use crate::databases::{self, Kind, Place};
use crate::{AWAY, build, process, say, settings};

/// How many sessions are refreshed, one after the other and then again.
const REFRESHED: usize = 1000;

/// How long is written without pruning.
const ALONE: Duration = Duration::from_secs(10);

pub(crate) async fn sessions(store: impl SessionStore + Clone, place: &Place, size: usize) {
    let mut writer = Writer::new(store.clone(), databases::live_sessions(place, REFRESHED));
    let (alone, ()) = writer.write_during(tokio::spawn(tokio::time::sleep(ALONE))).await;

    let authority = build(store, settings());
    let again = authority.clone();
    process::forget_peak();
    let before = process::resident();
    let prune = async move {
        let begun = Instant::now();
        let removed = authority.prune().await.expect(AWAY);
        (removed, begun.elapsed())
    };
    let (beside, (removed, took)) = writer.write_during(tokio::spawn(prune)).await;
    let growth = process::peak().saturating_sub(before) as f64 / 1e6;
    assert!(removed >= size as u64, "{removed} of {size} sessions were removed");

    let begun = Instant::now();
    assert_eq!(again.prune().await.expect(AWAY), 0);
    let nothing = begun.elapsed();

    say("prune sessions", place.kind, size, took.as_secs_f64(), "s");
    say("prune nothing", place.kind, size, nothing.as_secs_f64(), "s");
    say("prune memory", place.kind, size, growth, "MB");
    for (times, when) in [(alone, "without pruning"), (beside, "while pruning")] {
        let [median, p99, longest] = [times.len() / 2, times.len() * 99 / 100, times.len() - 1];
        for (name, at) in [("median", median), ("p99", p99), ("longest", longest)] {
            let millis = times[at].as_secs_f64() * 1000.0;
            say(&format!("{name} write {when}"), place.kind, size, millis, "ms");
        }
    }
}

pub(crate) async fn revocations(store: impl SessionStore, kind: Kind, size: usize) {
    let authority = build(store, settings());
    let begun = Instant::now();
    let removed = authority.prune().await.expect(AWAY);
    let took = begun.elapsed().as_secs_f64();
    assert!(removed >= size as u64, "{removed} of {size} revocations were removed");
    say("prune revocations", kind, size, took, "s");
}

/// Somebody who refreshes sessions without a pause.
struct Writer<S> {
    store: S,
    /// With their generations.
    sessions: Vec<(SessionId, u64)>,
    next: usize,
}

impl<S: SessionStore> Writer<S> {
    fn new(store: S, ids: Vec<SessionId>) -> Self {
        Self { store, sessions: ids.into_iter().map(|id| (id, 0)).collect(), next: 0 }
    }

    /// Answers how long each refresh took, the shortest first, and what the task answered.
    async fn write_during<T>(&mut self, task: JoinHandle<T>) -> (Vec<Duration>, T) {
        let mut times = Vec::new();
        loop {
            times.push(self.write().await);
            if task.is_finished() {
                times.sort();
                return (times, task.await.expect("it does not panic"));
            }
        }
    }

    async fn write(&mut self) -> Duration {
        let (id, generation) = &mut self.sessions[self.next];
        let presented = Presented { generation: *generation, client: databases::client() };
        let now = Clock::system().now();
        let begun = Instant::now();
        let rotated = self.store.rotate(*id, &presented, now, &policy()).await;
        let took = begun.elapsed();
        let decision = rotated.expect(AWAY).expect("the session lives").decision;
        assert!(matches!(decision, Decision::Rotate { .. }), "{decision:?}");
        *generation += 1;
        self.next = (self.next + 1) % self.sessions.len();
        took
    }
}

/// The defaults.
fn policy() -> RotationPolicy {
    RotationPolicy {
        rotate: true,
        revoke_on_reuse: true,
        grace: Duration::from_secs(10),
        idle: Duration::from_secs(86_400),
        revocation_lifetime: Duration::from_secs(300),
        bind: BindSession::None,
        usual_interval: Duration::from_secs(60),
    }
}
