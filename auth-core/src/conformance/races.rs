//! Many callers at once see the same as one after the other.

use std::collections::BTreeSet;

use super::*;
use crate::rotation::{Decision, Refusal};
use crate::store::Renewal;

/// As many as a page with many tabs, retried, on a bad day.
const CALLERS: u64 = 200;

/// `CALLERS` present `presented` at once.
async fn present_at_once(
    store: &Store,
    id: SessionId,
    presented: u64,
    now: DateTime<Utc>,
) -> Vec<Rotation> {
    let rotations = at_once((0..CALLERS).map(|_| {
        let store = Arc::clone(store);
        async move { rotate(&store, id, presented, now, &policy()).await }
    }));
    rotations.await.into_iter().map(|rotation| rotation.expect("it was stored")).collect()
}

fn count(rotations: &[Rotation], decision: Decision) -> u64 {
    rotations.iter().filter(|rotation| rotation.decision == decision).count() as u64
}

/// One rotates and everybody else gets the same answer again; nobody is taken for a thief.
pub async fn simultaneous_refreshes_of_one_token_agree(store: &Store) {
    let session = some_session(store).await;
    for generation in 0..3 {
        let now = at(60 * (generation as i64 + 1));
        let rotations = present_at_once(store, session.id, generation, now).await;
        let to = generation + 1;
        let rotate = Decision::Rotate { to, store_was_behind: false };
        assert_eq!(count(&rotations, rotate), 1);
        assert_eq!(count(&rotations, Decision::Repeat), CALLERS - 1);
        let expected = Session {
            generation: to,
            rotated_at: now,
            last_seen_at: now,
            idle_expires_at: now + policy().idle,
            refreshes_until: now + policy().usual_interval,
            ..session.clone()
        };
        assert!(rotations.iter().all(|rotation| rotation.session == expected));
    }
}

/// Sessions do not get into each other's way.
pub async fn simultaneous_refreshes_of_many_sessions_all_succeed(store: &Store) {
    let me = somebody();
    let mut ids = Vec::new();
    for _ in 0..50 {
        ids.push(stored(store, session(&me)).await.id);
    }
    let rotations = at_once(ids.into_iter().map(|id| {
        let store = Arc::clone(store);
        async move {
            let mut generation = 0;
            for seconds in 1..5 {
                let now = at(seconds);
                let rotation = rotate(&store, id, generation, now, &policy()).await;
                generation = rotation.expect("it was stored").session.generation;
            }
            generation
        }
    }));
    assert!(rotations.await.into_iter().all(|generation| generation == 4));
}

/// Also where the store has to catch up first.
pub async fn a_token_presented_ahead_by_many_rotates_once(store: &Store) {
    let session = some_session(store).await;
    let rotations = present_at_once(store, session.id, 7, at(60)).await;
    let rotate = Decision::Rotate { to: 8, store_was_behind: true };
    assert_eq!(count(&rotations, rotate), 1);
    assert_eq!(count(&rotations, Decision::Repeat), CALLERS - 1);
    assert!(rotations.iter().all(|rotation| rotation.session.generation == 8));
}

/// One caller hears of the reuse, the others of a revoked session, and one revocation is
/// appended.
pub async fn simultaneous_reuse_is_noticed_once(store: &Store) {
    let spent = stored(store, Session { generation: 5, ..session(&somebody()) }).await;
    let seq = last_seq(store).await;
    let rotations = present_at_once(store, spent.id, 1, at(60)).await;
    assert_eq!(count(&rotations, Decision::Reused), 1);
    let refused = Decision::Refused(Refusal::Revoked(RevocationReason::Reuse));
    assert_eq!(count(&rotations, refused), CALLERS - 1);
    let revoked = Some((at(60), RevocationReason::Reuse));
    let expected = Session { revoked, ..spent };
    assert!(rotations.iter().all(|rotation| rotation.session == expected));
    assert_eq!(targets_after(store, seq).await, [Target::Session(expected.id)]);
}

/// However many end the same sessions at once, in whatever way, each is reported by exactly one
/// call and revoked by exactly one entry.
pub async fn simultaneous_revocations_report_a_session_once(store: &Store) {
    for _ in 0..5 {
        let me = somebody();
        let mut ids = Vec::new();
        for _ in 0..10 {
            ids.push(stored(store, session(&me)).await.id);
        }
        ids.sort();
        let seq = last_seq(store).await;
        let keep = ids[0];
        let calls = (0..60).map(|caller| match caller % 3 {
            0 => Revoke::Principal(me.clone()),
            1 => Revoke::OtherSessions { principal: me.clone(), keep },
            _ => Revoke::Session(ids[caller % ids.len()]),
        });
        let ended = at_once(calls.map(|call| {
            let store = Arc::clone(store);
            async move { revoke(&store, call, stamp(RevocationReason::Logout)).await }
        }));
        let mut reported: Vec<_> = ended.await.into_iter().flatten().collect();
        reported.sort();
        assert_eq!(reported, ids);
        let mut targets = targets_after(store, seq).await;
        targets.retain(|target| matches!(target, Target::Session(_)));
        assert_eq!(targets, sorted(ids.into_iter().map(Target::Session).collect()));
    }
}

/// A refresh that races with a logout happens before it or is refused. Once the logout has been
/// answered, nothing moves the session any more.
pub async fn a_revoked_session_never_rotates_again(store: &Store) {
    for _ in 0..30 {
        let session = some_session(store).await;
        let id = session.id;
        let refreshing = at_once((0..4).map(|_| {
            let store = Arc::clone(store);
            async move {
                let mut generation = 0;
                let mut now = at(0);
                loop {
                    now += millisecond();
                    let rotation = rotate(&store, id, generation, now, &policy()).await;
                    let Rotation { decision, session, .. } = rotation.expect("it was stored");
                    match decision {
                        Decision::Rotate { .. } | Decision::Repeat => {
                            generation = session.generation;
                        }
                        // Another of the four is ahead by more than one, or the logout is.
                        Decision::Reused | Decision::Refused(Refusal::Revoked(_)) => {
                            return session;
                        }
                        other => panic!("{other:?}"),
                    }
                    tokio::task::yield_now().await;
                }
            }
        }));
        let logout = async {
            tokio::task::yield_now().await;
            revoke(store, Revoke::Session(id), stamp(RevocationReason::Logout)).await;
            find(store, id).await.expect("it was stored")
        };
        let (last_seen_by_callers, at_logout) = tokio::join!(refreshing, logout);
        assert!(at_logout.revoked.is_some());
        assert!(last_seen_by_callers.iter().all(|session| *session == at_logout));
        assert_eq!(find(store, id).await, Some(at_logout));
    }
}

/// Each change of rights is a version of its own, or one of two would be forgotten; refreshes in
/// between change nothing about that.
pub async fn simultaneous_changes_of_rights_all_count(store: &Store) {
    let session = some_session(store).await;
    let seq = last_seq(store).await;
    let changes = at_once((0..20).map(|_| {
        let (store, me) = (Arc::clone(store), session.principal.clone());
        async move {
            revoke(&store, Revoke::AccessTokens(me), stamp(RevocationReason::RightsChanged)).await
        }
    }));
    let refreshes = present_at_once(store, session.id, 0, at(60));
    tokio::join!(changes, refreshes);
    let versions: BTreeSet<_> = targets_after(store, seq)
        .await
        .into_iter()
        .map(|target| match target {
            Target::Rights { version, .. } => version,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(versions.len(), 20);
    let after = find(store, session.id).await.expect("it was stored");
    assert_eq!(Some(&after.rights_version), versions.last());
    assert_eq!(after.generation, 1);
}

/// Many tabs whose secret is due to be renewed: one renewal.
pub async fn simultaneous_renewals_of_a_secret_make_one(store: &Store) {
    let secret_hash = Some(SecretHash::of(b"old"));
    let cookie = Session { carrier: Carrier::Cookie, secret_hash, ..session(&somebody()) };
    let id = stored(store, cookie).await.id;
    let renewals = at_once((0..50u8).map(|tab| {
        let store = Arc::clone(store);
        async move {
            let renewal = Renewal { hash: SecretHash::of(&[tab]), nonce: [tab; 16], at: at(1) };
            let renewed = store.renew_secret(id, SecretHash::of(b"old"), &renewal).await;
            renewed.expect(AWAY).then_some(renewal)
        }
    }));
    let renewals: Vec<_> = renewals.await.into_iter().flatten().collect();
    let after = find(store, id).await.expect("it was stored");
    assert_eq!(renewals.len(), 1);
    assert_eq!(after.secret_hash, Some(renewals[0].hash));
    assert_eq!(after.secret_nonce, Some(renewals[0].nonce));
    assert_eq!(after.generation, 1);
}

/// A retry that overtakes the first attempt makes no second row and no error.
pub async fn simultaneous_creations_make_one_session(store: &Store) {
    let session = session(&somebody());
    let created = at_once((0..20).map(|_| {
        let (store, session) = (Arc::clone(store), session.clone());
        async move { store.create(&session).await.expect(AWAY) }
    }));
    created.await;
    let sessions = store.sessions_of(&session.principal, at(0)).await.expect(AWAY);
    assert_eq!(sessions, [session]);
}

/// A session that is refreshed while it is being pruned is refreshed or gone, never refreshed
/// and gone.
pub async fn pruning_spares_what_was_refreshed_meanwhile(store: &Store) {
    let me = somebody();
    let idle = |_| Session { idle_expires_at: at(100), ..session(&me) };
    let sessions: Vec<_> = (0..40).map(idle).collect();
    for session in &sessions {
        stored(store, session.clone()).await;
    }
    let refreshing = at_once(sessions.iter().map(|session| {
        let (store, id) = (Arc::clone(store), session.id);
        async move { (id, rotate(&store, id, 0, at(0), &policy()).await) }
    }));
    let pruning = async { while store.prune(at(200), 7).await.expect(AWAY) >= 7 {} };
    let (refreshed, ()) = tokio::join!(refreshing, pruning);
    for (id, rotation) in refreshed {
        assert_eq!(find(store, id).await, rotation.map(|rotation| rotation.session));
    }
}

/// A sign of life of a request in flight is not a resurrection.
pub async fn touching_does_not_bring_back_what_is_revoked(store: &Store) {
    let cookie = Session { carrier: Carrier::Cookie, ..session(&somebody()) };
    let id = stored(store, cookie).await.id;
    let touching =
        at_once((1..20).map(|seconds| {
            let store = Arc::clone(store);
            async move {
                store.touch(id, at(seconds), at(3600), &ClientInfo::default()).await.expect(AWAY)
            }
        }));
    let logout = revoke(store, Revoke::Session(id), stamp(RevocationReason::Logout));
    tokio::join!(touching, logout);
    let revoked = find(store, id).await;
    assert!(revoked.as_ref().is_some_and(|session| session.revoked.is_some()));
    store.touch(id, at(1000), at(4600), &ClientInfo::default()).await.expect(AWAY);
    assert_eq!(find(store, id).await, revoked);
}
