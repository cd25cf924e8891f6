//! Removing what is over.

use super::*;

/// Far before the times of the other properties, so that only the rows made here are over.
const LONG_AGO: i64 = -100_000;

fn over() -> Over {
    Over { ended_by: at(LONG_AGO), rotated_by: at(LONG_AGO - 1000), seen_by: at(LONG_AGO - 2000) }
}

/// Removes everything that is over.
async fn prune_all(store: &Store) {
    while store.prune(&over(), 100).await.expect(AWAY) >= 100 {}
}

/// Each bound to the millisecond, and each for its own carrier.
pub async fn pruning_removes_what_is_over_and_nothing_else(store: &Store) {
    prune_all(store).await;
    let me = somebody();
    let over = over();
    let ends = |time| Session { expires_at: time, ..session(&me) };
    let rotated = |carrier, time| Session { carrier, rotated_at: time, ..session(&me) };
    let seen = |carrier, time| Session { carrier, last_seen_at: time, ..session(&me) };
    let revoked = Some((at(LONG_AGO), RevocationReason::Logout));

    let gone = [
        ends(over.ended_by),
        Session { revoked, ..ends(over.ended_by) },
        Session { carrier: Carrier::Single, ..ends(over.ended_by) },
        rotated(Carrier::Token, over.rotated_by),
        seen(Carrier::Cookie, over.seen_by),
    ];
    let kept = [
        ends(over.ended_by + millisecond()),
        Session { revoked, ..session(&me) },
        rotated(Carrier::Token, over.rotated_by + millisecond()),
        rotated(Carrier::Cookie, over.rotated_by),
        rotated(Carrier::Single, over.rotated_by),
        seen(Carrier::Cookie, over.seen_by + millisecond()),
        seen(Carrier::Token, over.seen_by),
        seen(Carrier::Single, over.seen_by),
    ];
    for session in gone.iter().chain(&kept) {
        stored(store, session.clone()).await;
    }
    let seq = last_seq(store).await;
    let live = SessionId::random();
    for (id, until) in [(SessionId::random(), over.ended_by), (live, over.ended_by + millisecond())]
    {
        let stamp = Stamp { until, ..stamp(RevocationReason::Logout) };
        revoke(store, Revoke::Session(id), stamp).await;
    }

    assert!(gone.iter().all(|session| over.includes(session)));
    assert!(!kept.iter().any(|session| over.includes(session)));
    assert_eq!(store.prune(&over, 100).await.expect(AWAY), gone.len() as u64 + 1);
    for session in gone {
        assert_eq!(find(store, session.id).await, None);
    }
    for session in kept {
        assert_eq!(find(store, session.id).await, Some(session));
    }
    assert_eq!(targets_after(store, seq).await, [Target::Session(live)]);
    assert_eq!(store.prune(&over, 100).await.expect(AWAY), 0);
}

/// At most `limit` of each kind goes per call, and "fewer than `limit`" means that all is gone.
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
        let count = store.prune(&over(), 10).await.expect(AWAY);
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
