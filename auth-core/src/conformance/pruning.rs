//! Removing what is over.

use super::*;

/// Far before the times of the other properties, so that only the rows made here are over.
const LONG_AGO: i64 = -100_000;

/// Removes everything that is over.
async fn prune_all(store: &Store) {
    while store.prune(at(LONG_AGO), 100).await.expect(AWAY) >= 100 {}
}

/// Each bound to the millisecond.
pub async fn pruning_removes_what_is_over_and_nothing_else(store: &Store) {
    prune_all(store).await;
    let me = somebody();
    let before = at(LONG_AGO);
    let ends = |time| Session { expires_at: time, ..session(&me) };
    let idle_until = |time| Session { idle_expires_at: time, ..session(&me) };
    let revoked = Some((before, RevocationReason::Logout));

    let gone = [
        ends(before),
        idle_until(before),
        Session { revoked, ..ends(before) },
        Session { carrier: Carrier::Single, ..ends(before) },
        Session { carrier: Carrier::Cookie, ..idle_until(before) },
    ];
    let kept = [
        ends(before + millisecond()),
        idle_until(before + millisecond()),
        Session { revoked, ..session(&me) },
        Session { rotated_at: before, last_seen_at: before, ..session(&me) },
    ];
    for session in gone.iter().chain(&kept) {
        stored(store, session.clone()).await;
    }
    let seq = last_seq(store).await;
    let live = SessionId::random();
    for (id, until) in [(SessionId::random(), before), (live, before + millisecond())] {
        let stamp = Stamp { until, ..stamp(RevocationReason::Logout) };
        revoke(store, Revoke::Session(id), stamp).await;
    }

    assert_eq!(store.prune(before, 100).await.expect(AWAY), gone.len() as u64 + 1);
    for session in gone {
        assert_eq!(find(store, session.id).await, None);
    }
    for session in kept {
        assert_eq!(find(store, session.id).await, Some(session));
    }
    assert_eq!(targets_after(store, seq).await, [Target::Session(live)]);
    assert_eq!(store.prune(before, 100).await.expect(AWAY), 0);
}

/// At most `limit` of each kind, or of both together, goes per call, and "fewer than `limit`" means that all is gone.
pub async fn pruning_is_bounded_and_comes_to_an_end(store: &Store) {
    prune_all(store).await;
    let me = somebody();
    let mut ids = Vec::new();
    for _ in 0..25 {
        let ended = Session { expires_at: at(LONG_AGO), ..session(&me) };
        ids.push(stored(store, ended).await.id);
    }
    for _ in 0..5 {
        let stamp = Stamp { until: at(LONG_AGO), ..stamp(RevocationReason::Logout) };
        revoke(store, Revoke::Session(SessionId::random()), stamp).await;
    }
    let mut removed = Vec::new();
    loop {
        let count = store.prune(at(LONG_AGO), 10).await.expect(AWAY);
        assert!(count <= 20, "{count} rows for a limit of 10 of each kind");
        removed.push(count);
        if count < 10 {
            break;
        }
        assert!(removed.len() < 10, "pruning does not come to an end: {removed:?}");
    }
    assert_eq!(removed.iter().sum::<u64>(), 30, "{removed:?}");
    for id in ids {
        assert_eq!(find(store, id).await, None);
    }
}

/// A process that has read up to a number would never see one that is not above it.
pub async fn numbers_of_revocations_are_never_given_twice(store: &Store) {
    let id = SessionId::random();
    let brief = Stamp { until: at(LONG_AGO), ..stamp(RevocationReason::Logout) };
    revoke(store, Revoke::Session(id), brief).await;
    let pruned = last_seq(store).await;
    prune_all(store).await;
    revoke(store, Revoke::Session(id), stamp(RevocationReason::Logout)).await;
    assert!(last_seq(store).await > pruned);
}
