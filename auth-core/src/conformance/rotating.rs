//! Refresh tokens, one caller at a time. What is decided when is tested with
//! [`decide`](crate::rotation::decide); here, that a store applies it and nothing else.

use super::*;
use crate::rotation::{Decision, Refusal, decide};

/// Presents `presented` and checks the decision against [`decide`]. Answers the session
/// afterwards, which is also what the store has.
async fn present(
    store: &Store,
    id: SessionId,
    presented: u64,
    now: DateTime<Utc>,
    policy: &RotationPolicy,
) -> (Decision, Session) {
    let before = find(store, id).await.expect("it was stored");
    let presented = Presented { generation: presented, client: ClientInfo::default() };
    let expected = decide(&before, &presented, now, policy);
    let rotation = store.rotate(id, &presented, now, policy).await.expect(AWAY);
    let rotation = rotation.expect("it was stored");
    assert_eq!(rotation.decision, expected);
    assert_eq!(rotation.client_before, None);
    assert_eq!(find(store, id).await.as_ref(), Some(&rotation.session));
    (rotation.decision, rotation.session)
}

/// Generation, time of rotation and last sign of life move on; nothing else does.
pub async fn the_current_token_rotates(store: &Store) {
    let session = some_session(store).await;
    for generation in 0..3 {
        let now = at(600 * (generation as i64 + 1));
        let (decision, after) = present(store, session.id, generation, now, &policy()).await;
        let to = generation + 1;
        assert_eq!(decision, Decision::Rotate { to, store_was_behind: false });
        let expected = Session {
            generation: to,
            rotated_at: now,
            last_seen_at: now,
            idle_expires_at: now + policy().idle,
            refreshes_until: now + policy().usual_interval,
            ..session.clone()
        };
        assert_eq!(after, expected);
    }
}

/// A lost answer is not theft: the token before the current one changes nothing, to the last
/// millisecond of the grace.
pub async fn the_token_before_repeats_until_the_grace_ends(store: &Store) {
    let session = some_session(store).await;
    let (_, rotated) = present(store, session.id, 0, at(5), &policy()).await;
    for now in [at(5), at(15)] {
        let (decision, after) = present(store, session.id, 0, now, &policy()).await;
        assert_eq!(decision, Decision::Repeat);
        assert_eq!(after, rotated);
    }
    let (decision, _) = present(store, session.id, 0, at(15) + millisecond(), &policy()).await;
    assert_eq!(decision, Decision::Reused);
}

/// Reuse marks the session, appends one revocation, and is final: the current token is refused
/// too, and so is the spent one inside the grace.
pub async fn a_spent_token_ends_its_session(store: &Store) {
    let session = some_session(store).await;
    let id = session.id;
    present(store, id, 0, at(1), &policy()).await;
    let (_, current) = present(store, id, 1, at(2), &policy()).await;
    let seq = last_seq(store).await;

    let (decision, after) = present(store, id, 0, at(3), &policy()).await;
    assert_eq!(decision, Decision::Reused);
    let revoked = Some((at(3), RevocationReason::Reuse));
    assert_eq!(after, Session { revoked, ..current });
    let revocations = revocations_after(store, seq).await;
    let until = at(303);
    let expected = Stamp { at: at(3), reason: RevocationReason::Reuse, until };
    assert_eq!(revocations.len(), 1);
    assert_eq!(revocations[0].target, Target::Session(id));
    assert_eq!(revocations[0].stamp, expected);

    for presented in 0..4 {
        let (decision, unchanged) = present(store, id, presented, at(4), &policy()).await;
        let reason = RevocationReason::Reuse;
        assert_eq!(decision, Decision::Refused(Refusal::Revoked(reason)));
        assert_eq!(unchanged, after);
    }
    assert_eq!(revocations_after(store, seq).await.len(), 1);
}

/// Without reuse detection a spent token is answered with the current one.
pub async fn a_spent_token_lives_on_where_reuse_is_allowed(store: &Store) {
    let lax = RotationPolicy { revoke_on_reuse: false, ..policy() };
    let session = some_session(store).await;
    present(store, session.id, 0, at(1), &lax).await;
    let (_, current) = present(store, session.id, 1, at(2), &lax).await;
    let (decision, after) = present(store, session.id, 0, at(1000), &lax).await;
    assert_eq!((decision, after), (Decision::Repeat, current));
}

/// The policy that keeps refresh tokens is a policy of the store too.
pub async fn without_rotation_nothing_changes(store: &Store) {
    let keep = RotationPolicy { rotate: false, ..policy() };
    let session = some_session(store).await;
    let (decision, after) = present(store, session.id, 0, at(60), &keep).await;
    assert_eq!((decision, after), (Decision::Keep, session));
}

/// Ended, expired, idle for too long, carried by something else: refused to the millisecond, and
/// nothing is written.
pub async fn a_dead_session_refuses_and_stays_as_it_is(store: &Store) {
    let check = async |dead: Session, now: DateTime<Utc>, why: Option<Refusal>| {
        let dead = stored(store, dead).await;
        let seq = last_seq(store).await;
        let (decision, after) = present(store, dead.id, dead.generation, now, &policy()).await;
        match why {
            Some(why) => assert_eq!((decision, after), (Decision::Refused(why), dead)),
            None => assert!(matches!(decision, Decision::Rotate { .. }), "{decision:?}"),
        }
        assert_eq!(last_seq(store).await, seq);
    };
    let me = somebody();
    let expired = Some(Refusal::Expired);
    let ends = Session { expires_at: at(100), ..session(&me) };
    check(Session { id: SessionId::random(), ..ends.clone() }, at(100) - millisecond(), None).await;
    check(ends, at(100), expired).await;
    check(session(&me), at(3600) - millisecond(), None).await;
    check(session(&me), at(3600), expired).await;
    for carrier in [Carrier::Cookie, Carrier::Single] {
        let other = Session { carrier, ..session(&me) };
        check(other, at(1), Some(Refusal::WrongCarrier)).await;
    }
    let reason = RevocationReason::Administrator;
    let revoked = Session { revoked: Some((at(0), reason)), generation: 3, ..session(&me) };
    check(revoked, at(1), Some(Refusal::Revoked(reason))).await;
}

/// A token ahead of the store, after a backup was restored: the session goes on from it, however
/// long ago the row was last changed.
pub async fn a_store_that_was_set_back_catches_up(store: &Store) {
    let session = some_session(store).await;
    let (decision, after) = present(store, session.id, 7, at(40_000), &policy()).await;
    assert_eq!(decision, Decision::Rotate { to: 8, store_was_behind: true });
    assert_eq!((after.generation, after.rotated_at), (8, at(40_000)));
    let (decision, _) = present(store, session.id, 8, at(40_001), &policy()).await;
    assert_eq!(decision, Decision::Rotate { to: 9, store_was_behind: false });
}

/// A generation has 64 bits, and no store may lose one or stumble at the end of its column.
pub async fn the_largest_generation_is_kept(store: &Store) {
    for largest in [u64::from(u32::MAX), i64::MAX as u64, u64::MAX] {
        let session =
            stored(store, Session { generation: largest - 1, ..session(&somebody()) }).await;
        let (_, after) = present(store, session.id, largest - 1, at(1), &policy()).await;
        assert_eq!(after.generation, largest);
        let (decision, after) = present(store, session.id, largest, at(2), &policy()).await;
        assert!(matches!(decision, Decision::Rotate { .. }));
        assert_eq!(after.generation, largest.saturating_add(1));
    }
}

/// The session knows the client that refreshed last; what is not known of a client stays, and what
/// was before is told.
pub async fn another_client_is_told_and_noted(store: &Store) {
    let client = |ip, agent| ClientInfo::new(ip, agent);
    let at_login = client(Some("192.0.2.1"), Some("fox"));
    let session = Session { client: at_login.clone(), ..session(&somebody()) };
    let id = stored(store, session).await.id;
    let known = at_login.clone();
    let elsewhere = client(Some("198.51.100.1"), Some("fox"));
    let other_agent = client(Some("198.51.100.1"), Some("owl"));
    for (generation, shown_by, before, after) in [
        (0, known, None, at_login.clone()),
        (1, elsewhere.clone(), Some(at_login), elsewhere.clone()),
        (2, ClientInfo::default(), None, elsewhere.clone()),
        (3, client(None, Some("owl")), Some(elsewhere), other_agent),
    ] {
        let now = at(generation as i64);
        let rotation = rotate_by(store, id, generation, &shown_by, now, &policy()).await;
        let rotation = rotation.expect("it was stored");
        let rotate = Decision::Rotate { to: generation + 1, store_was_behind: false };
        assert_eq!(rotation.decision, rotate);
        assert_eq!(rotation.client_before, before);
        assert_eq!(rotation.session.client, after);
        assert_eq!(find(store, id).await, Some(rotation.session));
    }
}

/// Nothing changes, and the client that it is bound to goes on.
pub async fn a_bound_session_refuses_another_client(store: &Store) {
    let client = |ip| ClientInfo::new(Some(ip), None);
    let session = Session { client: client("192.0.2.1"), ..session(&somebody()) };
    let session = stored(store, session).await;
    let bound = RotationPolicy { bind: BindSession::Address, ..policy() };
    let other = client("192.0.2.2");
    let refused = rotate_by(store, session.id, 0, &other, at(1), &bound).await;
    let refused = refused.expect("it was stored");
    assert_eq!(refused.decision, Decision::Refused(Refusal::OtherClient));
    assert_eq!(refused.session, session);
    let own = rotate_by(store, session.id, 0, &session.client, at(2), &bound).await;
    let rotate = Decision::Rotate { to: 1, store_was_behind: false };
    assert_eq!(own.expect("it was stored").decision, rotate);
}

/// Each refresh uses up the usual interval, from now or from where the one before ended.
pub async fn refreshes_are_counted_against_the_usual_pace(store: &Store) {
    let id = some_session(store).await.id;
    for (generation, now, until) in [(0, 10, 70), (1, 20, 130), (2, 30, 190), (3, 500, 560)] {
        let rotation = rotate(store, id, generation, at(now), &policy()).await;
        let session = rotation.expect("it was stored").session;
        assert_eq!(session.refreshes_until, at(until));
        assert_eq!(find(store, id).await, Some(session));
    }
}
