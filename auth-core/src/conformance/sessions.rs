//! Storing and finding.

use super::*;
use crate::store::Renewal;

/// Every field of a session survives, whatever carries it.
pub async fn a_session_reads_back_as_it_was_stored(store: &Store) {
    let bare = some_session(store).await;
    assert_eq!(find(store, bare.id).await, Some(bare));

    let full = Session {
        carrier: Carrier::Cookie,
        generation: 7,
        rotated_at: at(1) + millisecond(),
        refreshes_until: at(7),
        rights_version: 8,
        secret_hash: Some(SecretHash::of(b"secret")),
        secret_nonce: Some([9; 16]),
        created_at: at(2),
        authenticated_at: None,
        idle_expires_at: at(3),
        last_seen_at: at(4),
        expires_at: at(5),
        methods: vec![
            Method::Password,
            Method::OneTimeCode,
            Method::MultiFactor,
            Method::Federated,
        ],
        client: ClientInfo::new(Some("2001:db8::1"), Some("Mozilla/5.0 (\u{1f98a}; \"x\")")),
        label: Some("Grandma's phone".into()),
        scopes: Some(vec!["orders:read".into(), "orders:write".into()]),
        revoked: Some((at(6), RevocationReason::PasswordChanged)),
        ..session(&somebody())
    };
    let full = stored(store, full).await;
    assert_eq!(find(store, full.id).await, Some(full));

    let single = Session { carrier: Carrier::Single, methods: vec![], ..session(&somebody()) };
    let single = stored(store, single).await;
    assert_eq!(find(store, single.id).await, Some(single));
}

/// Text is kept as it is: no trimming, no folding of case, no meaning in any character.
pub async fn any_text_reads_back(store: &Store) {
    let tag = somebody().user_id().to_owned();
    let ids = [
        format!("{tag}A"),
        format!("{tag}a"),
        format!("{tag}a "),
        format!("{tag}%"),
        format!("{tag}'; DROP TABLE auth_sessions; --"),
        format!("{tag}é"),
        format!("{tag}e\u{301}"),
        "x".repeat(1000) + &tag,
    ];
    for id in &ids {
        stored(store, session(&Principal::new("user", id.as_str()))).await;
    }
    let odd = ClientInfo { ip: Some("a\0b".into()), user_agent: Some("c\0d".into()) };
    let noted = some_session(store).await.id;
    rotate_by(store, noted, 0, &odd, at(1), &policy()).await;
    store.touch(noted, at(2), at(3), &odd).await.expect(AWAY);
    for id in &ids {
        let principal = Principal::new("user", id.as_str());
        let sessions = store.sessions_of(&principal, at(0)).await.expect(AWAY);
        let principals: Vec<_> = sessions.iter().map(|session| &session.principal).collect();
        assert_eq!(principals, [&principal]);
    }
}

/// What is not there is `None` and no error.
pub async fn an_unknown_session_is_an_answer(store: &Store) {
    let unknown = SessionId::random();
    assert_eq!(find(store, unknown).await, None);
    assert_eq!(rotate(store, unknown, 0, at(0), &policy()).await, None);
    store.touch(unknown, at(1), at(2), &ClientInfo::default()).await.expect(AWAY);
    let renewal = Renewal { hash: SecretHash::of(b"new"), nonce: [1; 16], at: at(1) };
    let renewed = store.renew_secret(unknown, SecretHash::of(b"old"), &renewal).await;
    assert!(!renewed.expect(AWAY));
    assert_eq!(find(store, unknown).await, None);
    let sessions = store.sessions_of(&somebody(), at(0)).await.expect(AWAY);
    assert_eq!(sessions, []);
}

/// A request in flight cannot bring back what was revoked, and a retry does no harm.
pub async fn creating_never_overwrites(store: &Store) {
    let session = some_session(store).await;
    rotate(store, session.id, 0, at(1), &policy()).await;
    revoke(store, Revoke::Session(session.id), stamp(RevocationReason::Logout)).await;
    let revoked = find(store, session.id).await;
    assert!(revoked.as_ref().is_some_and(|session| session.revoked.is_some()));
    store.create(&session).await.expect(AWAY);
    assert_eq!(find(store, session.id).await, revoked);
}

/// The last sign of life counts, with the client that gave it, in whatever order they arrive;
/// nothing else changes.
pub async fn touching_only_moves_forward(store: &Store) {
    let cookie = Session { carrier: Carrier::Cookie, ..session(&somebody()) };
    let cookie = stored(store, cookie).await;
    let client = |seen| ClientInfo::new(Some(&format!("192.0.2.{seen}")), None);
    for (seen, last_seen) in [(60, 60), (30, 60), (61, 61)] {
        store.touch(cookie.id, at(seen), at(seen + 3600), &client(seen)).await.expect(AWAY);
        let expected = Session {
            client: client(last_seen),
            last_seen_at: at(last_seen),
            idle_expires_at: at(last_seen + 3600),
            ..cookie.clone()
        };
        assert_eq!(find(store, cookie.id).await, Some(expected));
    }
}

/// The holder of the secret gets the new one; who holds another changes nothing.
pub async fn a_secret_is_renewed_once(store: &Store) {
    let [old, new, other] = [&b"old"[..], b"new", b"other"].map(SecretHash::of);
    let secret_hash = Some(old);
    let cookie = Session { carrier: Carrier::Cookie, secret_hash, ..session(&somebody()) };
    let cookie = stored(store, cookie).await;
    let renew = async |from, hash| {
        let renewal = Renewal { hash, nonce: [3; 16], at: at(60) };
        store.renew_secret(cookie.id, from, &renewal).await.expect(AWAY)
    };
    assert!(!renew(other, new).await);
    assert_eq!(find(store, cookie.id).await, Some(cookie.clone()));
    assert!(renew(old, new).await);
    assert!(!renew(old, other).await);
    let expected = Session {
        generation: 1,
        rotated_at: at(60),
        secret_hash: Some(new),
        secret_nonce: Some([3; 16]),
        ..cookie.clone()
    };
    assert_eq!(find(store, cookie.id).await, Some(expected));

    revoke(store, Revoke::Session(cookie.id), stamp(RevocationReason::Logout)).await;
    assert!(!renew(new, other).await, "what is revoked stays as it is");
}

/// Neither the dead, nor another principal's, nor those of the same id under another kind.
pub async fn the_live_sessions_of_a_principal_come_last_seen_first(store: &Store) {
    let me = somebody();
    let namesake = Principal::new("client", me.user_id());
    let seen = |seconds| Session { last_seen_at: at(seconds), ..session(&me) };
    let middle = stored(store, seen(20)).await;
    let oldest = stored(store, Session { carrier: Carrier::Cookie, ..seen(10) }).await;
    let latest = stored(store, seen(30)).await;
    stored(store, Session { expires_at: at(100), ..seen(40) }).await;
    stored(store, Session { idle_expires_at: at(100), ..seen(45) }).await;
    stored(store, session(&namesake)).await;
    let gone = stored(store, seen(50)).await;
    revoke(store, Revoke::Session(gone.id), stamp(RevocationReason::Logout)).await;

    let sessions = store.sessions_of(&me, at(100)).await.expect(AWAY);
    assert_eq!(sessions, [latest, middle, oldest]);
    let before = at(100) - millisecond();
    let sessions = store.sessions_of(&me, before).await.expect(AWAY);
    assert_eq!(sessions.len(), 5, "a session lives until its end");
}
