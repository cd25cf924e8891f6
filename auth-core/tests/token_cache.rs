//! What is remembered of verified tokens is never more than what a check would say.

mod common;

use std::sync::Arc;

use auth_core::keys::generate;
use auth_core::session::RevocationReason;
use auth_core::store::Revoke;
use auth_core::{Algorithm, Key, KeyRing, Settings, VerifyError};
use common::{SECRET, World, assert_revoked, seconds};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

fn key(algorithm: Algorithm) -> Key {
    let text = generate(algorithm).unwrap();
    Key::from_private_pem(algorithm, text.as_bytes()).unwrap()
}

/// A token of another issuer with our key: as many different ones as one likes.
fn mint(number: usize) -> String {
    let claims = json!({
        "token_type": "access", "exp": 1_800_000_300, "iat": 1_800_000_000,
        "jti": format!("{number:032x}"), "user_id": number.to_string(),
    });
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap()
}

/// The second time nothing is checked that was good and cannot change.
fn warm(world: &World, token: &str) {
    for _ in 0..3 {
        world.authenticate(token).unwrap();
    }
    assert!(world.authority.token_cache_bytes() > 0);
}

#[tokio::test]
async fn a_token_that_was_seen_expires_to_the_second() {
    for (settings, lives) in [
        (Settings::with_signing_key(SECRET), 300),
        (Settings { leeway: seconds(20), ..Settings::with_signing_key(SECRET) }, 320),
    ] {
        let world = World::with(settings).await;
        let (access, _) = world.pair().await;
        warm(&world, &access);
        world.wait(seconds(lives - 1)).await;
        assert!(world.authenticate(&access).is_ok());
        // The follower has not run: nothing was swept.
        world.hands.advance(seconds(1));
        assert!(matches!(world.authenticate(&access), Err(VerifyError::Expired)));
    }
}

#[tokio::test]
async fn a_token_that_was_seen_is_refused_once_it_is_revoked() {
    let world = World::new().await;
    for revoke in 0..4 {
        let (access, refresh) = world.pair().await;
        warm(&world, &access);
        let verified = world.authenticate(&access).unwrap();
        let principal = verified.principal().clone();
        match revoke {
            0 => world.authority.logout(&verified).await.unwrap(),
            1 => world.authority.blacklist(&refresh).await.unwrap(),
            2 => drop(
                world
                    .authority
                    .revoke(Revoke::Principal(principal), RevocationReason::Administrator)
                    .await
                    .unwrap(),
            ),
            _ => drop(
                world
                    .authority
                    .revoke(Revoke::AccessTokens(principal), RevocationReason::RightsChanged)
                    .await
                    .unwrap(),
            ),
        }
        assert!(matches!(world.authenticate(&access), Err(VerifyError::Revoked(_))), "{revoke}");
    }
}

#[tokio::test]
async fn a_token_that_was_seen_is_refused_when_revocations_are_not_heard() {
    let world = World::new().await;
    let (access, _) = world.pair().await;
    warm(&world, &access);
    world.hands.advance(seconds(31));
    assert!(matches!(world.authenticate(&access), Err(VerifyError::Stale)));
}

#[tokio::test]
async fn a_token_that_was_seen_is_refused_once_its_key_has_gone() {
    let (old, new) = (key(Algorithm::EdDSA), key(Algorithm::ES256));
    let world = World::with_keys(KeyRing::new(old)).await;
    let (access, _) = world.pair().await;
    warm(&world, &access);
    world.authority.set_keys(KeyRing::new(new)).unwrap();
    assert!(matches!(world.authenticate(&access), Err(VerifyError::UnknownKey)));
}

#[tokio::test]
async fn the_same_keys_again_forget_nothing_and_a_key_that_ends_by_the_clock_is_forgotten() {
    let text = generate(Algorithm::EdDSA).unwrap();
    let old = || Key::from_private_pem(Algorithm::EdDSA, text.as_bytes()).unwrap();
    let world = World::with_keys(KeyRing::new(old())).await;
    let (access, _) = world.pair().await;
    warm(&world, &access);
    let bytes = world.authority.token_cache_bytes();
    world.authority.set_keys(KeyRing::new(old())).unwrap();
    world.wait(seconds(0)).await;
    assert_eq!(world.authority.token_cache_bytes(), bytes);

    // A token that would live longer than its key: made elsewhere, with longer lifetimes.
    let begin = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let other = generate(Algorithm::ES256).unwrap();
    let other = Key::from_private_pem(Algorithm::ES256, other.as_bytes()).unwrap();
    world.authority.set_keys(KeyRing::new(old()).also_sign_from(other, begin)).unwrap();
    let claims = json!({
        "token_type": "access", "exp": 1_900_000_000, "jti": "1", "user_id": "1",
    });
    let pem = EncodingKey::from_ed_pem(text.as_bytes()).unwrap();
    let long = jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &pem).unwrap();
    warm(&world, &long);
    world.wait(seconds(86_400 + 59)).await;
    assert!(world.authenticate(&long).is_ok());
    world.hands.advance(seconds(1));
    assert!(world.authenticate(&long).is_err());
}

#[tokio::test]
async fn no_other_token_is_taken_for_one_that_was_seen() {
    let world = World::new().await;
    let (access, _) = world.pair().await;
    warm(&world, &access);
    for at in 0..access.len() {
        for bit in 0..7 {
            let mut bytes = access.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(world.authenticate(&changed).is_err(), "byte {at}, bit {bit}");
        }
    }
    for changed in [format!("{access} "), format!(" {access}"), access[1..].to_owned()] {
        assert!(world.authenticate(&changed).is_err());
    }
    // Nor does it become another kind of token.
    assert!(world.authority.authenticate_single(&access).is_err());
    let claims = json!({"id": 1, "exp": 1_800_000_300, "jti": "1"});
    let secret = EncodingKey::from_secret(SECRET.as_bytes());
    let single = jsonwebtoken::encode(&Header::default(), &claims, &secret).unwrap();
    for _ in 0..3 {
        assert!(world.authority.authenticate_single(&single).is_ok());
        assert!(world.authenticate(&single).is_err());
    }
}

#[tokio::test]
async fn what_a_token_says_is_the_same_the_second_time() {
    let world = World::new().await;
    let (access, _) = world.pair().await;
    let first = world.authenticate(&access).unwrap();
    let second = world.authenticate(&access).unwrap();
    assert_eq!(first.claims::<Value>().unwrap(), second.claims::<Value>().unwrap());
    assert_eq!((first.principal(), first.session()), (second.principal(), second.session()));
    // After a refresh the new token says the new things, and the old one the old.
    world.users.change(|account| account.role = Some("editor".into()));
    let (_, refresh) = world.pair().await;
    let (renewed, _) = world.refresh(&refresh).await.unwrap();
    assert_eq!(world.authenticate(&renewed).unwrap().role(), Some("editor"));
    assert_eq!(world.authenticate(&access).unwrap().role(), None);
}

#[tokio::test]
async fn memory_is_bounded_and_is_given_back_when_tokens_expire() {
    let limit = 1 << 20;
    let settings = Settings { token_cache_bytes: limit, ..Settings::with_signing_key(SECRET) };
    let world = World::with(settings).await;
    let table = world.authority.token_cache_bytes();
    assert!(table < limit / 8, "the table itself: {table}");
    for number in 0..5_000 {
        assert!(world.authenticate(&mint(number)).is_ok());
        assert!(world.authority.token_cache_bytes() <= limit + table);
    }
    assert!(world.authority.token_cache_bytes() > limit / 2, "it is used");
    world.wait(seconds(300)).await;
    assert_eq!(world.authority.token_cache_bytes(), table);

    let off = Settings { token_cache_bytes: 0, ..Settings::with_signing_key(SECRET) };
    let world = World::with(off).await;
    assert!(world.authenticate(&mint(0)).is_ok());
    assert_eq!(world.authority.token_cache_bytes(), 0);
}

#[tokio::test]
async fn what_is_refused_is_not_remembered() {
    let world = World::new().await;
    let empty = world.authority.token_cache_bytes();
    let (access, refresh) = world.pair().await;
    let verified = world.authenticate(&access).unwrap();
    world.authority.logout(&verified).await.unwrap();
    world.wait(seconds(300)).await;
    assert_eq!(world.authority.token_cache_bytes(), empty);
    for token in [&access, &refresh, &format!("{access}x"), &"x".repeat(400)] {
        for _ in 0..3 {
            assert!(world.authenticate(token).is_err());
        }
    }
    assert_eq!(world.authority.token_cache_bytes(), empty);
    let (access, _) = world.pair().await;
    let verified = world.authenticate(&access).unwrap();
    world.authority.logout(&verified).await.unwrap();
    assert_revoked(world.authenticate(&access), RevocationReason::Logout);
}

/// Whether a token was remembered shows in its claims: they are read once.
#[tokio::test]
async fn a_flood_of_other_tokens_leaves_those_that_are_shown_again() {
    let settings = Settings { token_cache_bytes: 1 << 20, ..Settings::with_signing_key(SECRET) };
    let world = World::with(settings).await;
    let claims = |token: &str| {
        let verified = world.authenticate(token).unwrap();
        verified.shared_claims::<Value>().unwrap()
    };
    let hot: Vec<_> = (0..200).map(mint).collect();
    hot.iter().for_each(|token| warm(&world, token));
    let before: Vec<_> = hot.iter().map(|token| claims(token)).collect();

    for number in 1000..6000 {
        let new = mint(number);
        world.authenticate(&new).unwrap();
        let forged = format!("{}AAAA", &new[..new.len() - 4]);
        world.authenticate(&forged).unwrap_err();
    }

    let kept =
        hot.iter().zip(&before).filter(|(token, before)| Arc::ptr_eq(&claims(token), before));
    // Of a few that are many in one place one may go.
    let kept = kept.count();
    assert!(kept > 190, "{kept}");
}
