//! The second factor: enrolled, asked for, lost and removed.

mod common;

use auth_core::otp::{NewFactor, totp_code};
use auth_core::session::Method;
use auth_core::token::RecoveryCode;
use auth_core::{
    AuthEvent, Authority, ClientInfo, FactorError, LoginError, MemoryStore, Outage, Principal,
    Proof, Purpose, SessionStore, Settings,
};
use common::{PASSWORD, SECRET, Users, World, seconds};

fn alice() -> Principal {
    Principal::new("user", "1")
}

/// What Alice's app shows now, `steps` periods away.
fn code(world: &World, secret: &str, steps: i64) -> String {
    let now = world.authority.clock().now() + chrono::TimeDelta::seconds(30 * steps);
    totp_code(secret, now).unwrap()
}

/// One that the app shows neither now nor soon.
fn wrong(world: &World, secret: &str) -> String {
    let codes: Vec<_> = (-20..20).map(|steps| code(world, secret, steps)).collect();
    let mut candidates = (0..100).map(|n| format!("{n:06}"));
    candidates.find(|candidate| !codes.contains(candidate)).unwrap()
}

async fn begin(world: &World) -> Option<NewFactor> {
    let account = world.users.account();
    world.authority.begin_second_factor(&account).await.unwrap()
}

/// Alice's app, confirmed half a minute ago, and her recovery codes.
async fn enrol(world: &World) -> (String, Vec<RecoveryCode>) {
    let secret = begin(world).await.unwrap().secret.into_string();
    let shown = code(world, &secret, 0);
    let codes = world.authority.confirm_second_factor(&alice(), &shown).await.unwrap();
    world.wait(seconds(30)).await;
    (secret, codes)
}

async fn password(world: &World) -> Proof {
    let client = ClientInfo::default();
    world.authority.prove_password("user", "alice", PASSWORD, &client).await.unwrap()
}

/// A login by password and `code`.
async fn log_in(world: &World, code: &str) -> Result<Vec<Method>, LoginError> {
    let client = ClientInfo::default();
    let proof = password(world).await;
    let proof = world.authority.prove_second_factor(proof, code, &client).await?;
    let login = world.authority.start_pair(proof, &client).await?;
    assert!(world.authenticate(login.granted.access.expose()).is_ok());
    Ok(login.session.methods)
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, LoginError>) {
    assert!(matches!(result, Err(LoginError::InvalidCredentials)), "{result:?}");
}

#[track_caller]
fn assert_required<T: std::fmt::Debug>(result: Result<T, LoginError>) {
    assert!(matches!(result, Err(LoginError::SecondFactorRequired)), "{result:?}");
}

#[tokio::test]
async fn a_login_needs_the_second_factor_and_says_that_it_had_it() {
    let world = World::new().await;
    let (secret, _) = enrol(&world).await;
    let methods = log_in(&world, &code(&world, &secret, 0)).await.unwrap();
    assert_eq!(methods, [Method::Password, Method::OneTimeCode, Method::MultiFactor]);
}

#[tokio::test]
async fn no_session_of_any_kind_starts_without_the_second_factor() {
    let world = World::new().await;
    enrol(&world).await;
    let (authority, client) = (&world.authority, ClientInfo::default());
    assert!(password(&world).await.needs_second_factor());
    assert_required(authority.login("user", "alice", PASSWORD, &client).await);
    assert_required(authority.start_pair(password(&world).await, &client).await);
    assert_required(authority.start_sliding(password(&world).await, &client).await);
    assert_required(authority.start_single(password(&world).await, &client).await);
    assert_required(authority.start_cookie(password(&world).await, &client).await);
    assert_eq!(authority.sessions(&alice()).await.unwrap(), []);
    assert_refused(authority.login("user", "alice", "wrong", &client).await);
}

#[tokio::test]
async fn a_code_by_mail_needs_the_app_as_well_and_is_not_taken_for_two_factors() {
    let world = World::new().await;
    let (secret, _) = enrol(&world).await;
    let (authority, client) = (&world.authority, ClientInfo::default());
    let mailed = authority.request_code(&Purpose::LOGIN, "user", "alice", &client).await;
    let mailed = mailed.unwrap().unwrap().code;
    let proof = authority.prove_code("user", "alice", mailed.expose(), &client).await.unwrap();
    let shown = code(&world, &secret, 0);
    let proof = authority.prove_second_factor(proof, &shown, &client).await.unwrap();
    let login = authority.start_pair(proof, &client).await.unwrap();
    assert_eq!(login.session.methods, [Method::OneTimeCode]);

    world.wait(seconds(30)).await;
    let mailed = authority.request_code(&Purpose::LOGIN, "user", "alice", &client).await;
    let mailed = mailed.unwrap().unwrap().code;
    let proof = authority.prove_code("user", "alice", mailed.expose(), &client).await.unwrap();
    assert_required(authority.start_pair(proof, &client).await);
}

#[tokio::test]
async fn until_it_is_confirmed_nothing_is_asked_for() {
    let world = World::new().await;
    let authority = &world.authority;
    assert_eq!(authority.second_factor(&alice()).await.unwrap(), None);
    let first = begin(&world).await.unwrap().secret;
    let status = authority.second_factor(&alice()).await.unwrap().unwrap();
    assert_eq!((status.confirmed_at, status.recovery_codes), (None, 0));
    world.login().await;

    let second = begin(&world).await.unwrap().secret;
    assert_ne!(first, second);
    let old = code(&world, first.expose(), 0);
    let old = authority.confirm_second_factor(&alice(), &old).await;
    assert!(matches!(old, Err(FactorError::WrongCode)), "{old:?}");
    world.login().await;
    let shown = code(&world, second.expose(), 0);
    let codes = authority.confirm_second_factor(&alice(), &shown).await.unwrap();
    let status = authority.second_factor(&alice()).await.unwrap().unwrap();
    assert_eq!(status.confirmed_at, Some(authority.clock().now()));
    assert_eq!((status.recovery_codes, codes.len()), (10, 10));

    let next = code(&world, second.expose(), 1);
    let again = authority.confirm_second_factor(&alice(), &next).await;
    assert!(matches!(again, Err(FactorError::NotEnrolling)), "{again:?}");
    assert!(begin(&world).await.is_none(), "it has to be removed first");
}

#[tokio::test]
async fn the_code_that_confirmed_does_not_log_in_and_no_code_logs_in_twice() {
    let world = World::new().await;
    let secret = begin(&world).await.unwrap().secret.into_string();
    let shown = code(&world, &secret, 0);
    world.authority.confirm_second_factor(&alice(), &shown).await.unwrap();
    assert_refused(log_in(&world, &shown).await);
    let next = code(&world, &secret, 1);
    assert!(log_in(&world, &next).await.is_ok());
    assert_refused(log_in(&world, &next).await);
    assert_refused(log_in(&world, &shown).await);
}

#[tokio::test]
async fn a_clock_may_be_half_a_minute_off_and_not_a_whole_one() {
    let world = World::new().await;
    let (secret, _) = enrol(&world).await;
    world.wait(seconds(300)).await;
    assert_refused(log_in(&world, &code(&world, &secret, -2)).await);
    assert!(log_in(&world, &code(&world, &secret, -1)).await.is_ok());
    assert_refused(log_in(&world, &code(&world, &secret, 2)).await);
    assert!(log_in(&world, &code(&world, &secret, 1)).await.is_ok());
}

#[tokio::test]
async fn a_recovery_code_logs_in_once() {
    let world = World::new().await;
    let (_, codes) = enrol(&world).await;
    let methods = log_in(&world, codes[3].expose()).await.unwrap();
    assert_eq!(methods, [Method::Password, Method::OneTimeCode, Method::MultiFactor]);
    assert_refused(log_in(&world, codes[3].expose()).await);
    assert!(log_in(&world, &codes[4].expose().to_uppercase().replace('-', " ")).await.is_ok());
    let status = world.authority.second_factor(&alice()).await.unwrap().unwrap();
    assert_eq!(status.recovery_codes, 8);
    let events = world.events.lock().unwrap();
    assert!(events.contains(&AuthEvent::RecoveryCodeUsed { principal: alice(), left: 8 }));
}

#[tokio::test]
async fn new_recovery_codes_end_the_old_ones() {
    let world = World::new().await;
    assert!(world.authority.renew_recovery_codes(&alice()).await.unwrap().is_none());
    let (_, old) = enrol(&world).await;
    let new = world.authority.renew_recovery_codes(&alice()).await.unwrap().unwrap();
    assert_refused(log_in(&world, old[0].expose()).await);
    assert!(log_in(&world, new[0].expose()).await.is_ok());
}

#[tokio::test]
async fn after_five_wrong_codes_the_right_one_is_refused_for_five_minutes() {
    let world = World::new().await;
    let (secret, codes) = enrol(&world).await;
    let bad = wrong(&world, &secret);
    for typed in [&bad, "", "not a code", "1234567", &"a".repeat(10_000)] {
        assert_refused(log_in(&world, typed).await);
    }
    assert_refused(log_in(&world, &code(&world, &secret, 0)).await);
    // What nobody can guess is there for who is locked out.
    assert!(log_in(&world, codes[0].expose()).await.is_ok());
    assert_refused(log_in(&world, codes[0].expose()).await);
    for _ in 0..5 {
        assert_refused(log_in(&world, &bad).await);
    }
    assert_refused(log_in(&world, &code(&world, &secret, 0)).await);
    let exhausted = |event: &&AuthEvent| {
        matches!(event, AuthEvent::SecondFactorRefused { exhausted: true, .. })
    };
    assert_eq!(world.events.lock().unwrap().iter().filter(exhausted).count(), 2);
    world.wait(seconds(300)).await;
    assert!(log_in(&world, &code(&world, &secret, 0)).await.is_ok());
}

#[tokio::test]
async fn who_goes_on_to_guess_waits_longer_each_time() {
    let world = World::new().await;
    let (secret, codes) = enrol(&world).await;
    // The tries at the enrolment count no more.
    world.wait(seconds(300)).await;
    for minutes in [5, 10, 20, 40] {
        for _ in 0..5 {
            assert_refused(log_in(&world, &wrong(&world, &secret)).await);
        }
        world.wait(seconds(minutes * 60 - 1)).await;
        assert_refused(log_in(&world, &code(&world, &secret, 0)).await);
        world.wait(seconds(1)).await;
    }
    assert!(log_in(&world, &code(&world, &secret, 0)).await.is_ok());
    // And a code that was right makes it as it was.
    world.wait(seconds(3600)).await;
    for _ in 0..5 {
        assert_refused(log_in(&world, &wrong(&world, &secret)).await);
    }
    world.wait(seconds(300)).await;
    assert!(log_in(&world, &code(&world, &secret, 0)).await.is_ok());
    assert!(log_in(&world, codes[0].expose()).await.is_ok());
}

#[tokio::test]
async fn a_right_code_gives_the_tries_back() {
    let world = World::new().await;
    let (secret, _) = enrol(&world).await;
    for steps in [0, 1] {
        for _ in 0..4 {
            assert_refused(log_in(&world, &wrong(&world, &secret)).await);
        }
        assert!(log_in(&world, &code(&world, &secret, steps)).await.is_ok());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_with_the_right_code_at_once_one_logs_in() {
    let many = Settings { otp_attempts: 20, ..Settings::with_signing_key(SECRET) };
    let world = World::with(many).await;
    let (secret, _) = enrol(&world).await;
    let right = code(&world, &secret, 0);
    let mut calls = Vec::new();
    for _ in 0..10 {
        let (authority, right) = (world.authority.clone(), right.clone());
        let proof = password(&world).await;
        calls.push(tokio::spawn(async move {
            authority.prove_second_factor(proof, &right, &ClientInfo::default()).await.is_ok()
        }));
    }
    let mut proven = 0;
    for call in calls {
        proven += usize::from(call.await.unwrap());
    }
    assert_eq!(proven, 1);
}

#[tokio::test]
async fn without_a_factor_a_code_is_not_looked_at() {
    let world = World::new().await;
    assert_eq!(log_in(&world, "123456").await.unwrap(), [Method::Password]);
}

#[tokio::test]
async fn removed_it_is_asked_for_no_more() {
    let world = World::new().await;
    assert!(!world.authority.remove_second_factor(&alice()).await.unwrap());
    enrol(&world).await;
    let waiting = password(&world).await;
    assert!(world.authority.remove_second_factor(&alice()).await.unwrap());
    world.login().await;
    let client = ClientInfo::default();
    let proof = world.authority.prove_second_factor(waiting, "123456", &client).await.unwrap();
    assert!(world.authority.start_pair(proof, &client).await.is_ok());
    let events = world.events.lock().unwrap();
    assert!(events.contains(&AuthEvent::SecondFactorAdded { principal: alice() }));
    assert!(events.contains(&AuthEvent::SecondFactorRemoved { principal: alice() }));
}

#[tokio::test]
async fn to_prove_the_password_again_needs_the_second_factor_again() {
    let world = World::new().await;
    let (authority, client) = (&world.authority, ClientInfo::default());
    let again =
        async |password: &str| authority.prove_password_again(&alice(), password, &client).await;
    assert!(!again(PASSWORD).await.unwrap().needs_second_factor());
    assert_refused(again("wrong").await);
    enrol(&world).await;
    assert!(again(PASSWORD).await.unwrap().needs_second_factor());
    world.users.change(|alice| alice.is_active = false);
    assert_refused(again(PASSWORD).await);
    world.users.delete();
    assert_refused(again(PASSWORD).await);
}

const KEY: &str = "a key of thirty-two bytes or more, of its own";
const NEW_KEY: &str = "another key of thirty-two bytes, newer";

fn with_keys(keys: &[&str]) -> Settings {
    let totp_encryption_keys = keys.iter().map(|key| (*key).into()).collect();
    Settings { totp_encryption_keys, ..Settings::with_signing_key(SECRET) }
}

/// The same store and time with other keys.
async fn with_other_keys(world: &World, store: &MemoryStore, keys: &[&str]) -> World {
    World::of(store.clone(), Users::with_alice(), world.hands.clone(), with_keys(keys)).await
}

#[tokio::test]
async fn the_secret_is_encrypted_and_encrypted_anew_with_a_new_key() {
    let store = MemoryStore::new();
    let world = World::over(store.clone(), with_keys(&[KEY])).await;
    let (secret, _) = enrol(&world).await;
    let sealed = store.find_factor(&alice()).await.unwrap().unwrap().secret;
    assert_eq!(sealed.as_bytes().len(), 1 + 12 + 20 + 16);

    let newer = with_other_keys(&world, &store, &[NEW_KEY, KEY]).await;
    assert!(log_in(&newer, &code(&newer, &secret, 0)).await.is_ok());
    let newest = with_other_keys(&world, &store, &[NEW_KEY]).await;
    assert!(log_in(&newest, &code(&newest, &secret, 1)).await.is_ok());
}

#[tokio::test]
async fn a_secret_that_no_key_opens_is_an_outage_and_lets_nobody_in() {
    let store = MemoryStore::new();
    let world = World::over(store.clone(), with_keys(&[KEY])).await;
    let (secret, _) = enrol(&world).await;
    let other = with_other_keys(&world, &store, &[NEW_KEY]).await;
    let outage = log_in(&other, &code(&other, &secret, 0)).await;
    assert!(matches!(outage, Err(LoginError::Outage(_))), "{outage:?}");
    assert_required(
        other.authority.start_pair(password(&other).await, &ClientInfo::default()).await,
    );
}

#[tokio::test]
async fn the_app_is_told_who_it_is_for_and_debug_tells_nothing() {
    let issuer = Some("The Shop".to_owned());
    let settings = Settings { totp_issuer: issuer, ..Settings::with_signing_key(SECRET) };
    let world = World::with(settings).await;
    let new = begin(&world).await.unwrap();
    let secret = new.secret.expose();
    assert_eq!(secret.len(), 32, "160 bits");
    let expected = format!("otpauth://totp/The%20Shop:alice?secret={secret}&issuer=The%20Shop");
    assert!(new.uri.expose().starts_with(&expected), "{}", new.uri.expose());
    assert!(!format!("{new:?}").contains(secret));
    let shown = code(&world, secret, 0);
    let codes = world.authority.confirm_second_factor(&alice(), &shown).await.unwrap();
    assert!(!format!("{codes:?}").contains(codes[0].expose()));
}

#[tokio::test]
async fn a_service_that_only_verifies_enrols_nobody() {
    let settings = Settings::with_signing_key(SECRET);
    let verifier = Authority::verifier(settings).store(MemoryStore::new()).build().unwrap();
    let account = Users::with_alice().account();
    let begun = verifier.begin_second_factor(&account).await;
    assert!(matches!(begun, Err(Outage::Unavailable(_))));
    let confirmed = verifier.confirm_second_factor(&alice(), "123456").await;
    assert!(matches!(confirmed, Err(FactorError::Outage(_))));
}

#[tokio::test]
async fn a_proof_from_before_the_enrolment_starts_no_session() {
    let world = World::new().await;
    let (authority, client) = (&world.authority, ClientInfo::default());
    let early = password(&world).await;
    enrol(&world).await;
    assert_required(authority.start_pair(early, &client).await);
    assert_eq!(authority.sessions(&alice()).await.unwrap(), []);
    let vouched = Proof::vouched(alice(), [Method::Federated]);
    assert!(authority.start_pair(vouched, &client).await.is_ok());
}

#[tokio::test]
async fn an_enrolment_is_guessed_at_as_little_as_a_login_and_does_not_wait_for_ever() {
    let world = World::new().await;
    let secret = begin(&world).await.unwrap().secret.into_string();
    let confirm = async |code: &str| world.authority.confirm_second_factor(&alice(), code).await;
    for _ in 0..5 {
        let refused = confirm(&wrong(&world, &secret)).await;
        assert!(matches!(refused, Err(FactorError::WrongCode)));
    }
    let right = confirm(&code(&world, &secret, 0)).await;
    assert!(matches!(right, Err(FactorError::WrongCode)), "no try is left");
    world.wait(seconds(300)).await;
    assert!(confirm(&code(&world, &secret, 0)).await.is_ok());

    assert!(world.authority.remove_second_factor(&alice()).await.unwrap());
    let secret = begin(&world).await.unwrap().secret.into_string();
    world.wait(seconds(600)).await;
    let late = confirm(&code(&world, &secret, 0)).await;
    assert!(matches!(late, Err(FactorError::NotEnrolling)));
    // A login goes on as if there were none.
    assert!(!password(&world).await.needs_second_factor());
}

#[tokio::test]
async fn a_refresh_token_of_another_issuer_is_no_way_around_it() {
    let world = World::new().await;
    enrol(&world).await;
    let now = world.authority.clock().now_seconds();
    let claims = serde_json::json!({
        "token_type": "refresh", "exp": now + 3600, "iat": now, "jti": "x", "user_id": "1",
    });
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let client = ClientInfo::default();
    assert!(world.authority.refresh(&token, &client).await.is_err());
    assert!(world.authority.remove_second_factor(&alice()).await.unwrap());
    assert!(world.authority.refresh(&token, &client).await.is_ok());
}
