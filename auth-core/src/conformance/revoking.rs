//! Ending sessions, and what other processes hear of it.

use super::*;

/// The call that ends a session reports it and appends one revocation. Ending it again does
/// neither and keeps the first reason.
pub async fn ending_a_session_is_reported_once(store: &Store) {
    let session = some_session(store).await;
    let seq = last_seq(store).await;
    let logout = stamp(RevocationReason::Logout);
    let ended = revoke(store, Revoke::Session(session.id), logout).await;
    assert_eq!(ended, [session.id]);
    let again = Stamp { at: at(9), reason: RevocationReason::Administrator, until: at(999) };
    assert_eq!(revoke(store, Revoke::Session(session.id), again).await, []);

    let revoked = Some((at(0), RevocationReason::Logout));
    let id = session.id;
    assert_eq!(find(store, id).await, Some(Session { revoked, ..session }));
    let revocations = revocations_after(store, seq).await;
    assert_eq!(revocations.len(), 1);
    assert_eq!(revocations[0].target, Target::Session(id));
    assert_eq!(revocations[0].stamp, logout);
}

/// The token of another issuer is a session that has no row.
pub async fn a_session_without_a_row_can_be_revoked(store: &Store) {
    let foreign = SessionId::of_foreign_token(&somebody(), "1");
    let seq = last_seq(store).await;
    let logout = stamp(RevocationReason::Logout);
    assert_eq!(revoke(store, Revoke::Session(foreign), logout).await, []);
    assert_eq!(targets_after(store, seq).await, [Target::Session(foreign)]);
    assert_eq!(find(store, foreign).await, None);
}

/// All of theirs that live, whatever carries them; nobody else's.
pub async fn ending_a_principal_ends_their_sessions_and_nobody_elses(store: &Store) {
    let me = somebody();
    let namesake = Principal::new("client", me.user_id());
    let mut mine = Vec::new();
    for carrier in [Carrier::Token, Carrier::Cookie, Carrier::Single] {
        mine.push(stored(store, Session { carrier, ..session(&me) }).await.id);
    }
    mine.sort();
    let ended_before = stored(store, session(&me)).await;
    revoke(store, Revoke::Session(ended_before.id), stamp(RevocationReason::Logout)).await;
    let not_mine = [stored(store, session(&namesake)).await, some_session(store).await];
    let seq = last_seq(store).await;

    let changed = stamp(RevocationReason::PasswordChanged);
    let ended = revoke(store, Revoke::Principal(me.clone()), changed).await;
    assert_eq!(ended, mine);
    for &id in &mine {
        let session = find(store, id).await.expect("it was stored");
        assert_eq!(session.revoked, Some((at(0), RevocationReason::PasswordChanged)));
    }
    let before = find(store, ended_before.id).await.and_then(|session| session.revoked);
    assert_eq!(before, Some((at(0), RevocationReason::Logout)));
    for session in not_mine {
        assert_eq!(find(store, session.id).await, Some(session));
    }
    let targets = mine.iter().copied().map(Target::Session).collect();
    assert_eq!(targets_after(store, seq).await, sorted(targets));
    let stamps = revocations_after(store, seq).await;
    assert!(stamps.iter().all(|revocation| revocation.stamp == changed));

    let seq = last_seq(store).await;
    assert_eq!(revoke(store, Revoke::Principal(me), changed).await, []);
    assert_eq!(targets_after(store, seq).await, []);
}

/// Tokens of other issuers have no rows: one revocation concerns them all, and no session.
pub async fn foreign_tokens_are_revoked_by_their_user(store: &Store) {
    let me = somebody();
    let mine = stored(store, session(&me)).await;
    let seq = last_seq(store).await;
    let changed = stamp(RevocationReason::PasswordChanged);
    assert_eq!(revoke(store, Revoke::Foreign(me.clone()), changed).await, []);
    assert_eq!(targets_after(store, seq).await, [Target::Foreign(me.clone())]);

    // Of several the last counts. What is about access tokens only takes nothing back.
    revoke(store, Revoke::Foreign(me.clone()), changed).await;
    revoke(store, Revoke::ForeignAccess(me.clone()), changed).await;
    let both = [Target::Foreign(me.clone()), Target::ForeignAccess(me)];
    assert_eq!(targets_after(store, seq).await, both);
    assert_eq!(find(store, mine.id).await, Some(mine));
}

/// Sessions live on; each has a version of its rights that is higher than any before, whatever the
/// clock says, and the revocation names it.
pub async fn changed_rights_are_a_version_that_grows(store: &Store) {
    let me = somebody();
    let rotated = Session { rotated_at: at(1000), ..session(&me) };
    let mine = [stored(store, session(&me)).await, stored(store, rotated).await];
    let ended = stored(store, session(&me)).await;
    revoke(store, Revoke::Session(ended.id), stamp(RevocationReason::Logout)).await;
    let ended = find(store, ended.id).await;
    let not_mine = some_session(store).await;
    let millis = |seconds| at(seconds).timestamp_millis().cast_unsigned();

    for (now, versions) in [
        (0, [millis(0) + 1, millis(1000) + 1]),
        (-60, [millis(0) + 2, millis(1000) + 2]),
        (2000, [millis(2000); 2]),
    ] {
        let seq = last_seq(store).await;
        let stamp = Stamp { at: at(now), ..stamp(RevocationReason::RightsChanged) };
        assert_eq!(revoke(store, Revoke::AccessTokens(me.clone()), stamp).await, []);
        let mut targets = Vec::new();
        for (session, version) in mine.iter().zip(versions) {
            let expected = Session { rights_version: version, ..session.clone() };
            assert_eq!(find(store, session.id).await, Some(expected));
            targets.push(Target::Rights { session: session.id, version });
        }
        assert_eq!(targets_after(store, seq).await, sorted(targets));
    }
    assert_eq!(find(store, not_mine.id).await, Some(not_mine));
    assert_eq!(ended.as_ref().map(|session| session.rights_version), Some(0));
    assert_eq!(find(store, ended.as_ref().map(|s| s.id).expect("it was stored")).await, ended);

    let seq = last_seq(store).await;
    let stamp = stamp(RevocationReason::RightsChanged);
    assert_eq!(revoke(store, Revoke::ForeignAccess(me.clone()), stamp).await, []);
    assert_eq!(targets_after(store, seq).await, [Target::ForeignAccess(me)]);
}

/// "Log out my other devices" is about sessions only.
pub async fn ending_the_other_sessions_keeps_one(store: &Store) {
    let me = somebody();
    let keep = stored(store, session(&me)).await;
    let other = stored(store, session(&me)).await;
    let personal = stored(store, personal(&me)).await;
    let seq = last_seq(store).await;
    let others = Revoke::OtherSessions { principal: me.clone(), keep: keep.id };
    let logout = stamp(RevocationReason::Logout);
    assert_eq!(revoke(store, others.clone(), logout).await, [other.id]);
    assert_eq!(revoke(store, others, logout).await, []);
    assert_eq!(targets_after(store, seq).await, [Target::Session(other.id)]);
    assert_eq!(find(store, keep.id).await, Some(keep));
    assert_eq!(find(store, personal.id).await, Some(personal));
}

/// "Log out everywhere" leaves personal tokens; what ends everything does not.
pub async fn ending_the_logins_keeps_personal_tokens(store: &Store) {
    let me = somebody();
    let login = stored(store, session(&me)).await;
    let personal = stored(store, personal(&me)).await;
    let logout = stamp(RevocationReason::Logout);
    assert_eq!(revoke(store, Revoke::Logins(me.clone()), logout).await, [login.id]);
    assert_eq!(revoke(store, Revoke::Logins(me.clone()), logout).await, []);
    assert_eq!(find(store, personal.id).await, Some(personal.clone()));
    assert_eq!(revoke(store, Revoke::Principal(me), logout).await, [personal.id]);
}

fn personal(whose: &Principal) -> Session {
    let scopes = Some(Vec::new());
    Session { carrier: Carrier::Personal, scopes, ..session(whose) }
}

/// Numbers grow, `after` is excluded, an overlap reads the same again, and what can concern no
/// token any more is left out from the millisecond on.
pub async fn revocations_come_in_order_and_until_they_expire(store: &Store) {
    let seq = last_seq(store).await;
    let mut ids = Vec::new();
    for until in [300, 100, 200] {
        let id = SessionId::random();
        let stamp = Stamp { until: at(until), ..stamp(RevocationReason::Logout) };
        revoke(store, Revoke::Session(id), stamp).await;
        ids.push(Target::Session(id));
    }
    let read = async |after: i64, now: DateTime<Utc>| {
        let revocations = read_after(store, after, now).await;
        assert!(revocations.is_sorted_by(|a, b| a.seq < b.seq), "{revocations:?}");
        revocations
    };
    let targets = |revocations: &[Revocation]| -> Vec<Target> {
        revocations.iter().map(|revocation| revocation.target.clone()).collect()
    };
    let all = read(seq, at(0)).await;
    assert_eq!(targets(&all), ids);
    assert_eq!(read(seq, at(0)).await, all, "an overlap reads the same again");
    assert_eq!(read(all[0].seq, at(0)).await, all[1..]);
    assert_eq!(read(all[2].seq, at(0)).await, []);
    let live = read(seq, at(200) - millisecond()).await;
    assert_eq!(targets(&live), [ids[0].clone(), ids[2].clone()]);
    assert_eq!(targets(&read(seq, at(200)).await), ids[..1]);
}
