//! Good tokens, from there to here and from here to there.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use auth_core::{Algorithm, Clock, KeyRing, ManualClock, Settings, VerifyError};
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::AlgorithmFamily;
use serde_json::{Value, json};

use crate::keys::{KeyText, Keys};
use crate::ours::{self, NAME, access_token, authority, good_claims, now, segment};
use crate::peer::Peer;

pub(crate) async fn their_tokens_are_accepted_here(peer: Peer, alg: Algorithm) {
    let keys = Keys::of(alg);
    let authority = authority(alg).await;
    // A secret has no name here, so that it may have any there.
    let kid = ours::kid(&authority).unwrap_or_else(|| "2026".into());

    for header in [json!({}), json!({"kid": kid}), json!({"typ": "JWT", "x": [1, {"y": null}]})] {
        for user_id in [json!("1"), json!(1)] {
            let mut claims = good_claims();
            claims["user_id"] = user_id;
            let token = peer.sign(alg, &keys.private, &header, &claims);
            let verified = authority.authenticate(&token);
            let verified = verified.unwrap_or_else(|error| panic!("{error}: {token}"));
            assert_eq!(verified.user_id(), "1");
            assert!(verified.is_foreign());
            assert_eq!(verified.claims::<Value>().unwrap()["name"], NAME, "{token}");
        }
    }
}

pub(crate) async fn our_tokens_are_accepted_there(peer: Peer, alg: Algorithm) {
    let keys = Keys::of(alg);
    let authority = authority(alg).await;
    let token = access_token(&authority).await;

    let jwks = ours::jwks(&authority);
    assert_eq!(jwks.len(), usize::from(!is_secret(&keys.private)), "{jwks:?}");
    let published = jwks.into_iter().map(KeyText::Jwk);
    for key in published.chain([keys.public]) {
        let claims = peer.verify(alg, &key, &token);
        let claims = claims.unwrap_or_else(|why| panic!("{why}: {token} with {key:?}"));
        assert_eq!(claims["user_id"], "1");
        assert_eq!(claims["token_type"], "access");
        assert_eq!(claims["name"], NAME);
        assert_eq!(claims, segment(&token, 1), "they read what is written");
    }
}

fn is_secret(key: &KeyText) -> bool {
    matches!(key, KeyText::Secret(_))
}

pub(crate) async fn issuer_and_audience_mean_the_same(peer: Peer, alg: Algorithm) {
    const ISSUER: &str = "https://login.example";
    let keys = Keys::of(alg);
    let settings = |audience: &[&str]| Settings {
        issuer: Some(ISSUER.into()),
        audience: audience.iter().map(|&name| name.into()).collect(),
        ..Settings::default()
    };
    let ring = || KeyRing::new(keys.private.ours(alg));

    // One audience is written as a text, several as a list (RFC 7519 §4.1.3).
    for audience in [&["shop"][..], &["bank", "shop"]] {
        let authority = ours::authority_with(ring(), settings(audience), Clock::system()).await;
        let token = access_token(&authority).await;
        for (issuer, audience, accepted) in [
            (ISSUER, "shop", true),
            (ISSUER, "Shop", false),
            ("https://login.example/", "shop", false),
        ] {
            let claims = peer.verify_for(alg, &keys.public, &token, Some(issuer), Some(audience));
            assert_eq!(claims.is_ok(), accepted, "{issuer}, {audience}: {claims:?}");
        }
    }

    let authority = ours::authority_with(ring(), settings(&["shop"]), Clock::system()).await;
    for (iss, aud, accepted) in [
        (json!(ISSUER), json!("shop"), true),
        (json!(ISSUER), json!(["bank", "shop"]), true),
        (json!(ISSUER), json!("bank"), false),
        (json!(ISSUER), json!([]), false),
        (json!("https://other.example"), json!("shop"), false),
    ] {
        let mut claims = good_claims();
        claims["iss"] = iss;
        claims["aud"] = aud;
        let token = peer.sign(alg, &keys.private, &json!({}), &claims);
        let here = authority.authenticate(&token);
        assert_eq!(here.is_ok(), accepted, "{claims}: {here:?}");
        let there = peer.verify_for(alg, &keys.public, &token, Some(ISSUER), Some("shop"));
        assert_eq!(there.is_ok(), accepted, "{claims}: {there:?}");
    }
}

pub(crate) async fn when_a_token_ends_is_the_same(peer: Peer, alg: Algorithm) {
    let keys = Keys::of(alg);
    let here = authority(alg).await;

    let hands = ManualClock::starting_now();
    hands.set_back(Duration::from_secs(3_600));
    let ring = KeyRing::new(keys.private.ours(alg));
    let earlier = ours::authority_with(ring, Settings::default(), hands.clock()).await;
    let ended = access_token(&earlier).await;
    assert!(earlier.authenticate(&ended).is_ok());
    assert!(matches!(here.authenticate(&ended), Err(VerifyError::Expired)));
    assert!(peer.verify(alg, &keys.public, &ended).is_err());

    for (claim, time) in [("exp", now() - 1), ("nbf", now() + 100)] {
        let mut claims = good_claims();
        claims[claim] = json!(time);
        let token = peer.sign(alg, &keys.private, &json!({}), &claims);
        assert!(here.authenticate(&token).is_err(), "{claim}");
        assert!(peer.verify(alg, &keys.public, &token).is_err(), "{claim}");
    }
}

/// Of ECDSA's two numbers, and of the one of RSA, one in 256 begins with a zero byte. It must not be
/// left out (RFC 7518 §3.4, RFC 8017 §8.2.1).
pub(crate) async fn signatures_that_begin_with_zero_are_accepted_by_both(
    peer: Peer,
    alg: Algorithm,
) {
    let keys = Keys::of(alg);
    let authority = authority(alg).await;
    let ours = async || access_token(&authority).await;
    let theirs = async || {
        let mut claims = good_claims();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        claims["n"] = json!(NUMBER.fetch_add(1, Ordering::Relaxed));
        peer.sign(alg, &keys.private, &json!({}), &claims)
    };
    for token in [with_a_zero(alg, ours).await, with_a_zero(alg, theirs).await] {
        let here = authority.authenticate(&token);
        assert!(here.is_ok(), "{here:?}: {token}");
        let there = peer.verify(alg, &keys.public, &token);
        assert!(there.is_ok(), "{there:?}: {token}");
    }
}

async fn with_a_zero(alg: Algorithm, token: impl AsyncFn() -> String) -> String {
    let numbers = if alg.family() == AlgorithmFamily::Ec { 2 } else { 1 };
    for _ in 0..10_000 {
        let token = token().await;
        let (_, signature) = token.rsplit_once('.').expect("it has three segments");
        let signature = BASE64.decode_to_vec(signature).expect("it is base64url");
        let mut numbers = signature.chunks(signature.len() / numbers);
        if numbers.any(|number| number[0] == 0) {
            return token;
        }
    }
    panic!("one in 128 or 256 does, but not one in 10,000 did");
}
