//! Keys as libraries hand them to each other: PEM, JWK and JWK Set, under the name of RFC 7638.

use auth_core::{Algorithm, Clock, Key, KeyRing, Settings, keys};
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use crate::keys::{KeyText, Keys};
use crate::ours::{access_token, authority_of, authority_with, good_claims, jwks, segment};
use crate::peer::Peer;

pub(crate) async fn a_key_has_the_name_that_they_compute(peer: Peer, alg: Algorithm) {
    for keys in Keys::of_each_length(alg) {
        let theirs = peer.describe(alg, &keys.private);
        let kid = theirs.thumbprint.expect("it is no secret");

        let KeyText::Pem(public) = &keys.public else { panic!("no pair: {keys:?}") };
        let public = Key::from_public_pem(alg, public.as_bytes()).unwrap();
        assert_eq!(public.kid(), Some(&*kid));

        let authority = authority_of(keys.private.ours(alg)).await;
        let token = access_token(&authority).await;
        assert_eq!(segment(&token, 0)["kid"], kid);

        let [ours] = &jwks(&authority)[..] else { panic!("not one key") };
        assert_eq!(ours["kid"], kid);
        assert_eq!(ours["use"], "sig");
        assert_eq!(ours["alg"], json!(alg));
        for secret in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(ours.get(secret).is_none(), "{secret} is secret");
        }
        for member in ["kty", "n", "e", "crv", "x", "y"] {
            assert_eq!(ours.get(member), theirs.public.get(member), "{member}");
        }
    }
}

pub(crate) async fn their_jwks_are_keys_here(peer: Peer, alg: Algorithm) {
    for keys in Keys::of_each_length(alg) {
        let theirs = peer.describe(alg, &keys.private);
        let kid = theirs.thumbprint.as_deref();
        let their_token = peer.sign(alg, &keys.private, &json!({}), &good_claims());

        if !theirs.public.is_null() {
            let public = jwk(theirs.public, alg).ours(alg);
            assert_eq!(public.kid(), kid);
            assert!(!public.can_sign());
            let ring = KeyRing::new(keys.stranger.ours(alg)).also_accept(public);
            let authority = authority_with(ring, Settings::default(), Clock::system()).await;
            assert!(authority.authenticate(&their_token).is_ok());
        }
        if !theirs.private.is_null() {
            let authority = authority_of(jwk(theirs.private, alg).ours(alg)).await;
            let token = access_token(&authority).await;
            assert_eq!(segment(&token, 0).get("kid").and_then(Value::as_str), kid);
            assert!(peer.verify(alg, &keys.public, &token).is_ok());
            assert!(authority.authenticate(&their_token).is_ok());
            let published = jwks(&authority);
            assert!(published.iter().all(|key| key.get("d").or(key.get("k")).is_none()));
        }
    }
}

/// The member `alg` is optional (RFC 7517 §4.4), and libraries leave it out. Where the type does not
/// say enough, whoever hands the key on adds it.
fn jwk(mut jwk: Value, alg: Algorithm) -> KeyText {
    use Algorithm::*;
    if !matches!(alg, HS256 | RS256 | ES256 | ES384 | EdDSA) {
        jwk["alg"] = json!(alg);
    }
    KeyText::Jwk(jwk)
}

/// As it is where another issuer's keys are fetched: the set may have keys that mean nothing to us.
pub(crate) async fn their_key_set_is_a_ring_here(peer: Peer, alg: Algorithm) {
    let keys = Keys::of(alg);
    let theirs = peer.describe(alg, &keys.private);
    let KeyText::Jwk(mut theirs_named) = jwk(theirs.public, alg) else { unreachable!("a JWK") };
    theirs_named["kid"] = json!("theirs");
    theirs_named["use"] = json!("sig");
    let set = json!({ "keys": [
        { "kty": "EC", "crv": "P-521", "x": "AA", "y": "AA", "kid": "curve" },
        { "kty": "RSA", "n": "AQAB", "e": "AQAB", "use": "enc", "kid": "encryption" },
        { "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA", "kid": "later" },
        theirs_named,
    ]});
    let set = Key::from_jwk_set(set.to_string().as_bytes(), None).unwrap();
    let ring = KeyRing::verifying(set.into_iter().flatten());
    let authority = authority_with(ring, Settings::default(), Clock::system()).await;
    assert!(!authority.issues());

    let sign = |key, header| peer.sign(alg, key, &header, &good_claims());
    let accepted = |token: String| authority.authenticate(&token).is_ok();
    assert!(accepted(sign(&keys.private, json!({"kid": "theirs"}))));
    assert!(accepted(sign(&keys.private, json!({}))));
    assert!(!accepted(sign(&keys.private, json!({"kid": "curve"}))));
    assert!(!accepted(sign(&keys.stranger, json!({"kid": "theirs"}))));
    assert!(!accepted(sign(&keys.stranger, json!({}))));
}

pub(crate) async fn our_key_set_has_the_key_of_each_token(peer: Peer, alg: Algorithm) {
    use Algorithm::*;

    let keys = Keys::of(alg);
    let others: Vec<_> = [HS256, RS256, ES256, ES384, EdDSA]
        .into_iter()
        .filter(|other| Keys::of(*other).private != keys.private)
        .collect();
    let thumbprint = keys.private.ours(alg);
    let named = keys.private.ours(alg).with_kid("the \"first\" key of Zoë, 2026/11");
    for active in [thumbprint, named] {
        let ring = others.iter().fold(KeyRing::new(active), |ring, &other| {
            ring.also_accept(Keys::of(other).private.ours(other))
        });
        let authority = authority_with(ring, Settings::default(), Clock::system()).await;

        let published = jwks(&authority);
        assert_eq!(published.len(), others.len(), "all but the secret: {published:?}");
        let set = KeyText::Jwks(json!({ "keys": published }));
        let token = access_token(&authority).await;
        let claims = peer.verify(alg, &set, &token);
        assert!(claims.is_ok(), "{claims:?}");
        let stranger = authority_of(keys.stranger.ours(alg)).await;
        let token = access_token(&stranger).await;
        assert!(peer.verify(alg, &set, &token).is_err());
        assert!(authority.authenticate(&token).is_err());

        for &other in &others {
            let token = peer.sign(other, &Keys::of(other).private, &json!({}), &good_claims());
            assert!(authority.authenticate(&token).is_ok(), "{other:?}, which has no kid");
        }
    }
}

pub(crate) async fn keys_made_here_are_keys_there(peer: Peer, alg: Algorithm) {
    let text = keys::generate(alg).unwrap();
    let (ours, theirs) = if alg == Algorithm::HS256 {
        // A secret is the text, not what it may be base64url of.
        let ours = Key::hmac(alg, text.as_bytes()).unwrap();
        (ours, KeyText::Secret(BASE64.encode_to_string(&text)))
    } else {
        (Key::from_private_pem(alg, text.as_bytes()).unwrap(), KeyText::Pem(text))
    };
    let authority = authority_of(ours).await;
    let token = peer.sign(alg, &theirs, &json!({}), &good_claims());
    assert!(authority.authenticate(&token).is_ok());

    let published = jwks(&authority).pop().map_or(theirs, KeyText::Jwk);
    let token = access_token(&authority).await;
    assert!(peer.verify(alg, &published, &token).is_ok());
}

pub(crate) async fn keys_made_there_are_keys_here(peer: Peer, alg: Algorithm) {
    let Some(pair) = peer.generate(alg) else { return };
    let private = KeyText::Pem(pair.private);
    let key = private.ours(alg);
    let public = Key::from_public_pem(alg, pair.public.as_bytes()).unwrap();
    assert_eq!(public.kid(), key.kid());
    assert_eq!(public.kid(), peer.describe(alg, &private).thumbprint.as_deref());

    let authority = authority_of(key).await;
    let token = peer.sign(alg, &private, &json!({}), &good_claims());
    assert!(authority.authenticate(&token).is_ok());
    let token = access_token(&authority).await;
    assert!(peer.verify(alg, &KeyText::Pem(pair.public), &token).is_ok());
}
