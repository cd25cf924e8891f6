//! The life of a session: login, refresh, theft, revocation.

mod common;

use auth_core::password::PasswordHash;
use auth_core::session::{Method, RevocationReason};
use auth_core::settings::WhenStale;
use auth_core::store::Revoke;
use auth_core::token::TokenPair;
use auth_core::{
    AuthEvent, ClientInfo, LoginError, MemoryStore, Principal, Proof, RefreshError, Settings,
    TokenKind, VerifyError,
};
use common::{PASSWORD, SECRET, World, assert_revoked, seconds};

#[tokio::test]
async fn a_login_opens_routes_until_the_access_token_expires() {
    let world = World::new().await;
    let (access, _) = world.pair().await;
    let verified = world.authenticate(&access).unwrap();
    assert_eq!(verified.principal(), &Principal::new("user", "1"));
    assert!(verified.has_method(Method::Password));
    let claims: serde_json::Value = verified.claims().unwrap();
    assert_eq!(claims["username"], "alice");
    assert_ne!(claims["exp"], 1, "a custom claim replaces no standard one");

    world.wait(seconds(299)).await;
    assert!(world.authenticate(&access).is_ok());
    world.wait(seconds(1)).await;
    assert!(matches!(world.authenticate(&access), Err(VerifyError::Expired)));
}

#[tokio::test]
async fn every_way_to_fail_a_login_is_the_same_error() {
    let world = World::new().await;
    let client = ClientInfo::default();
    let attempts = [("alice", "wrong"), ("nobody", PASSWORD), ("alice", "")];
    for (name, password) in attempts {
        let error = world.authority.login("user", name, password, &client).await.unwrap_err();
        assert!(matches!(error, LoginError::InvalidCredentials), "{name}: {error}");
    }
    world.users.change(|alice| alice.is_active = false);
    let error = world.authority.login("user", "alice", PASSWORD, &client).await.unwrap_err();
    assert!(matches!(error, LoginError::InvalidCredentials));
    world.users.change(|alice| (alice.is_active, alice.password_hash) = (true, None));
    let error = world.authority.login("user", "alice", PASSWORD, &client).await.unwrap_err();
    assert!(matches!(error, LoginError::InvalidCredentials));
    let error = world.authority.login("robot", "alice", PASSWORD, &client).await.unwrap_err();
    assert!(matches!(error, LoginError::UnknownUserType));
}

#[tokio::test]
async fn a_password_changed_during_the_login_opens_no_session() {
    let world = World::new().await;
    let client = ClientInfo::default();
    let proof = world.authority.prove_password("user", "alice", PASSWORD, &client).await.unwrap();
    let new = world.authority.hash_password("another one").await.unwrap();
    world.users.change(|alice| alice.password_hash = Some(new));
    let error = world.authority.start_pair(proof, &client).await.unwrap_err();
    assert!(matches!(error, LoginError::InvalidCredentials));
    let sessions = world.authority.sessions(&Principal::new("user", "1")).await.unwrap();
    assert_eq!(sessions, []);
}

#[tokio::test]
async fn simultaneous_logins_all_succeed_while_a_hash_is_upgraded() {
    let world = World::new().await;
    let weak = weak_hash();
    world.users.change(|alice| alice.password_hash = Some(weak.clone()));
    let client = ClientInfo::default();
    let login = || world.authority.login("user", "alice", PASSWORD, &client);
    let (a, b, c) = tokio::join!(login(), login(), login());
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_ne!(world.users.password_hash(), Some(weak));
}

fn weak_hash() -> PasswordHash {
    use argon2::password_hash::PasswordHasher;
    let params = argon2::Params::new(1024, 1, 1, None).unwrap();
    let hash = argon2::Argon2::from(params);
    let hash = hash.hash_password_with_salt(PASSWORD.as_bytes(), b"some old salt").unwrap();
    PasswordHash::from_stored(hash.to_string())
}

#[tokio::test]
async fn a_refresh_spends_the_token_and_repeats_its_answer_within_the_grace() {
    let world = World::new().await;
    let (_, first) = world.pair().await;
    let (access, second) = world.refresh(&first).await.unwrap();
    assert!(world.authenticate(&access).is_ok());
    assert_ne!(first, second);
    world.wait(seconds(10)).await;
    let (_, again) = world.refresh(&first).await.unwrap();
    assert_eq!(again, second, "the same bytes");
    let (_, third) = world.refresh(&second).await.unwrap();
    assert_ne!(third, second);
}

#[tokio::test]
async fn a_token_used_again_past_the_grace_ends_its_session_and_no_other() {
    let world = World::new().await;
    let (_, first) = world.pair().await;
    let (other_access, other_refresh) = world.pair().await;
    let (access, second) = world.refresh(&first).await.unwrap();
    world.wait(seconds(11)).await;

    assert_revoked(world.refresh(&first).await, RevocationReason::Reuse);
    assert_revoked(world.authenticate(&access), RevocationReason::Reuse);
    assert_revoked(world.refresh(&second).await, RevocationReason::Reuse);
    assert!(world.authenticate(&other_access).is_ok());
    assert!(world.refresh(&other_refresh).await.is_ok());
    let reused = |event: &AuthEvent| matches!(event, AuthEvent::ReuseDetected { presented: 0, .. });
    assert!(world.events.lock().unwrap().iter().any(reused));
}

#[tokio::test]
async fn rotation_can_be_off() {
    let off = Settings { rotate_refresh_tokens: false, ..Settings::with_signing_key(SECRET) };
    let world = World::with(off).await;
    let (_, refresh) = world.pair().await;
    for _ in 0..3 {
        world.wait(seconds(3600)).await;
        assert_eq!(world.refresh(&refresh).await.unwrap().1, "");
    }
    world.wait(seconds(86_400)).await;
    let error = world.refresh(&refresh).await.unwrap_err();
    assert!(matches!(error, RefreshError::Token(VerifyError::Expired)));
}

#[tokio::test]
async fn spent_tokens_live_on_where_blacklisting_is_off() {
    let lax =
        Settings { blacklist_after_rotation: Some(false), ..Settings::with_signing_key(SECRET) };
    let world = World::with(lax).await;
    let (_, first) = world.pair().await;
    let (_, second) = world.refresh(&first).await.unwrap();
    world.wait(seconds(3600)).await;
    assert_eq!(world.refresh(&first).await.unwrap().1, second);
}

#[tokio::test]
async fn a_login_ends_at_its_absolute_end_however_often_it_is_refreshed() {
    let world = World::new().await;
    let (_, mut refresh) = world.pair().await;
    for _ in 0..59 {
        world.wait(seconds(43_200)).await;
        refresh = world.refresh(&refresh).await.unwrap().1;
    }
    world.wait(seconds(43_199)).await;
    let (access, last) = world.refresh(&refresh).await.unwrap();
    world.wait(seconds(1)).await;
    assert!(matches!(world.authenticate(&access), Err(VerifyError::Expired)), "cut short");
    let error = world.refresh(&last).await.unwrap_err();
    assert!(matches!(error, RefreshError::Token(VerifyError::Expired)));
}

#[tokio::test]
async fn no_kind_of_login_outlives_the_lifetime_of_a_session() {
    let settings = Settings {
        session_lifetime: Some(seconds(3600)),
        rotate_refresh_tokens: false,
        auth_token_classes: vec![TokenKind::Access, TokenKind::Sliding],
        ..Settings::with_signing_key(SECRET)
    };
    let world = World::with(settings).await;
    let proof = || Proof::vouched(Principal::new("user", "1"), []);
    let client = ClientInfo::default();
    let authority = &world.authority;
    let (_, refresh) = world.pair().await;
    let single = authority.start_single(proof(), &client).await.unwrap().granted;
    let cookie = authority.start_cookie(proof(), &client).await.unwrap().granted;
    let mut sliding = authority.start_sliding(proof(), &client).await.unwrap().granted;
    for _ in 0..15 {
        world.wait(seconds(239)).await;
        sliding = authority.refresh_sliding(sliding.expose(), &client).await.unwrap();
    }
    assert!(world.refresh(&refresh).await.is_ok());
    assert!(authority.authenticate_single(single.expose()).is_ok());
    assert!(authority.authenticate_cookie(cookie.expose(), &client).await.is_ok());
    world.wait(seconds(15)).await;
    assert!(world.refresh(&refresh).await.is_err());
    assert!(authority.authenticate_single(single.expose()).is_err());
    assert!(authority.authenticate_cookie(cookie.expose(), &client).await.is_err());
    assert!(world.authenticate(sliding.expose()).is_err());
}

#[tokio::test]
async fn no_access_token_outlives_its_session_and_nothing_is_left_of_it_afterwards() {
    let settings = Settings {
        access_token_lifetime: seconds(7 * 86_400),
        ..Settings::with_signing_key(SECRET)
    };
    let world = World::with(settings).await;
    let (access, refresh) = world.pair().await;
    world.wait(seconds(86_399)).await;
    assert!(world.authenticate(&access).is_ok());
    assert_eq!(world.authority.prune().await.unwrap(), 0);
    world.wait(seconds(1)).await;
    assert!(matches!(world.authenticate(&access), Err(VerifyError::Expired)));
    assert!(world.refresh(&refresh).await.is_err());
    assert_eq!(world.authority.prune().await.unwrap(), 0, "another node's clock may be behind");
    world.wait(seconds(60)).await;
    assert_eq!(world.authority.prune().await.unwrap(), 1);
}

#[tokio::test]
async fn a_changed_role_shows_at_the_next_refresh_and_an_inactive_user_gets_nothing() {
    let world = World::new().await;
    let (access, refresh) = world.pair().await;
    assert!(!world.authenticate(&access).unwrap().is_staff());
    world.users.change(|alice| (alice.is_staff, alice.role) = (true, Some("boss".into())));
    let (access, refresh) = world.refresh(&refresh).await.unwrap();
    let verified = world.authenticate(&access).unwrap();
    assert!(verified.is_staff());
    assert_eq!(verified.role(), Some("boss"));

    world.users.change(|alice| alice.is_active = false);
    let error = world.refresh(&refresh).await.unwrap_err();
    assert!(matches!(error, RefreshError::NoActiveAccount));
    world.users.delete();
    let error = world.refresh(&refresh).await.unwrap_err();
    assert!(matches!(error, RefreshError::NoActiveAccount));
}

#[tokio::test]
async fn a_logout_on_one_node_reaches_the_other_at_its_next_question() {
    let store = MemoryStore::new();
    let settings = Settings::with_signing_key(SECRET);
    let here = World::over(store.clone(), settings.clone()).await;
    let there = World::of(store, here.users.clone(), here.hands.clone(), settings).await;
    let (access, refresh) = here.pair().await;
    assert!(there.authenticate(&access).is_ok());
    here.authority.blacklist(&refresh).await.unwrap();
    assert_revoked(here.authenticate(&access), RevocationReason::Logout);
    assert_revoked(there.refresh(&refresh).await, RevocationReason::Logout);
    there.authority.sync().await.unwrap();
    assert_revoked(there.authenticate(&access), RevocationReason::Logout);
    assert_revoked(here.authority.blacklist(&refresh).await, RevocationReason::Logout);
}

#[tokio::test]
async fn logging_out_everywhere_or_elsewhere_ends_the_right_sessions() {
    let world = World::new().await;
    let alice = Principal::new("user", "1");
    let (here, there) = (world.login().await, world.pair().await.0);
    let keep = here.session.id;
    let others = Revoke::OtherSessions { principal: alice.clone(), keep };
    world.authority.revoke(others, RevocationReason::Logout).await.unwrap();
    assert!(world.authenticate(here.granted.access.expose()).is_ok());
    assert_revoked(world.authenticate(&there), RevocationReason::Logout);
    assert_eq!(world.authority.sessions(&alice).await.unwrap().len(), 1);

    world.authority.password_changed(alice.clone()).await.unwrap();
    let gone = world.authenticate(here.granted.access.expose());
    assert_revoked(gone, RevocationReason::PasswordChanged);
    assert!(world.authenticate(&world.pair().await.0).is_ok(), "a new login is not concerned");
}

#[tokio::test]
async fn a_process_that_hears_of_no_revocations_stops_trusting_its_memory() {
    let world = World::new().await;
    let (access, _) = world.pair().await;
    world.hands.advance(seconds(30));
    assert!(world.authenticate(&access).is_ok());
    world.hands.advance(seconds(1));
    assert!(matches!(world.authenticate(&access), Err(VerifyError::Stale)));
    world.authority.sync().await.unwrap();
    assert!(world.authenticate(&access).is_ok());

    let serve =
        Settings { revocation_when_stale: WhenStale::Serve, ..Settings::with_signing_key(SECRET) };
    let world = World::with(serve).await;
    let (access, _) = world.pair().await;
    world.hands.advance(seconds(31));
    assert!(world.authenticate(&access).is_ok());
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_hide_that_nothing_is_heard() {
    let world = World::new().await;
    world.wait(seconds(3600)).await;
    let (access, _) = world.pair().await;
    world.hands.set_back(seconds(1800));
    assert!(matches!(world.authenticate(&access), Err(VerifyError::Stale)));
    world.authority.sync().await.unwrap();
    assert!(world.authenticate(&access).is_ok());
}

#[tokio::test]
async fn a_cookie_session_lives_from_memory_and_dies_at_once() {
    let world = World::new().await;
    let client = ClientInfo::default();
    let authority = &world.authority;
    let proof = Proof::vouched(Principal::new("user", "1"), [Method::OneTimeCode]);
    let cookie = authority.start_cookie(proof, &client).await.unwrap().granted;
    let cookie = cookie.expose();

    assert!(authority.authenticate_cookie_from_memory(cookie, &client).is_none(), "not seen yet");
    let verified = authority.authenticate_cookie(cookie, &client).await.unwrap();
    assert!(verified.has_method(Method::OneTimeCode));
    assert!(authority.authenticate_cookie_from_memory(cookie, &client).unwrap().is_ok());

    let mut forged = cookie.to_owned();
    forged.replace_range(40..41, if &cookie[40..41] == "A" { "B" } else { "A" });
    assert!(authority.authenticate_cookie(&forged, &client).await.is_err());

    let session = Revoke::Session(verified.session());
    authority.revoke(session, RevocationReason::Logout).await.unwrap();
    let known = authority.authenticate_cookie_from_memory(cookie, &client).unwrap();
    assert_revoked(known, RevocationReason::Logout);
}

#[tokio::test]
async fn a_cookie_session_ends_when_it_is_idle_and_not_while_it_is_used() {
    let world = World::new().await;
    let proof = Proof::vouched(Principal::new("user", "1"), []);
    let client = ClientInfo::default();
    let login = world.authority.start_cookie(proof, &client).await.unwrap();
    let cookie = login.granted.expose();
    for _ in 0..3 {
        world.wait(seconds(86_000)).await;
        assert!(world.authority.authenticate_cookie(cookie, &client).await.is_ok());
    }
    world.wait(seconds(86_400 + 60)).await;
    let idle = world.authority.authenticate_cookie(cookie, &client).await;
    assert!(matches!(idle, Err(VerifyError::Expired)), "{idle:?}");
}

#[tokio::test]
async fn a_sliding_token_slides_until_the_end_of_its_refresh() {
    let settings = Settings {
        auth_token_classes: vec![auth_core::TokenKind::Sliding],
        ..Settings::with_signing_key(SECRET)
    };
    let world = World::with(settings).await;
    let proof = Proof::vouched(Principal::new("user", "1"), []);
    let login = world.authority.start_sliding(proof, &ClientInfo::default()).await.unwrap();
    let mut token = login.granted.into_string();
    for _ in 0..(86_400 / 240 - 1) {
        world.wait(seconds(240)).await;
        assert!(world.authenticate(&token).is_ok());
        token = world
            .authority
            .refresh_sliding(&token, &ClientInfo::default())
            .await
            .unwrap()
            .into_string();
    }
    world.wait(seconds(240)).await;
    assert!(
        world.authority.refresh_sliding(&token, &ClientInfo::default()).await.is_err(),
        "a day is over"
    );
    assert!(matches!(world.authenticate(&token), Err(VerifyError::Expired)));
}

#[tokio::test]
async fn a_single_token_names_its_user_as_a_number_and_is_nothing_else() {
    let world = World::new().await;
    let proof = Proof::vouched(Principal::new("user", "1"), []);
    let login = world.authority.start_single(proof, &ClientInfo::default()).await.unwrap();
    let token = login.granted.expose();
    let verified = world.authority.authenticate_single(token).unwrap();
    let claims: serde_json::Value = verified.claims().unwrap();
    assert_eq!(claims["id"], 1);
    assert_eq!(claims["username"], "alice");
    assert!(matches!(world.authenticate(token), Err(VerifyError::NoType)));
    let TokenPair { access, refresh } = world.login().await.granted;
    assert!(world.authority.authenticate_single(access.expose()).is_err());
    assert!(matches!(world.authenticate(refresh.expose()), Err(VerifyError::WrongType)));
}

#[tokio::test]
async fn pruning_removes_what_is_over_and_nothing_else() {
    let world = World::new().await;
    let (_, idle) = world.pair().await;
    world.wait(seconds(86_000)).await;
    let (access, live) = world.pair().await;
    world.wait(seconds(460)).await;
    assert_eq!(world.authority.prune().await.unwrap(), 1);
    assert!(world.refresh(&idle).await.is_err());
    assert!(world.refresh(&live).await.is_ok());
    let _ = access;
}
