//! Keys of every algorithm from every form in which they come, and those that are refused.

mod common;

use auth_core::keys::{JwkSet, KeyError, generate};
use auth_core::{Algorithm, Authority, Key, KeyRing, MemoryStore, Settings};
use common::{SECRET, Users, World};
use serde_json::{Value, json};

macro_rules! pem {
    ($name:literal) => {
        include_str!(concat!("keys/", $name, ".pem"))
    };
}

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

const HMAC: [Algorithm; 3] = [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];

/// Every form of the private and the public half of a key of each algorithm.
fn forms(algorithm: Algorithm) -> (&'static [&'static str], &'static [&'static str]) {
    match algorithm {
        Algorithm::ES256 => (&[pem!("p256.pkcs8"), pem!("p256.sec1")], &[pem!("p256.spki")]),
        Algorithm::ES384 => (&[pem!("p384.pkcs8"), pem!("p384.sec1")], &[pem!("p384.spki")]),
        Algorithm::EdDSA => (&[pem!("ed25519.pkcs8")], &[pem!("ed25519.spki")]),
        _ => (&[pem!("rsa.pkcs8"), pem!("rsa.pkcs1")], &[pem!("rsa.spki"), pem!("rsa.pkcs1.pub")]),
    }
}

fn asymmetric() -> impl Iterator<Item = Algorithm> {
    RSA.into_iter().chain([Algorithm::ES256, Algorithm::ES384, Algorithm::EdDSA])
}

fn jwk_of(key: &Key) -> Value {
    serde_json::to_value(key.public_jwk().unwrap()).unwrap()
}

fn from_jwk(jwk: &Value) -> Result<Key, KeyError> {
    Key::from_jwk(jwk.to_string().as_bytes())
}

#[tokio::test]
async fn every_form_of_a_private_key_signs_and_every_form_of_its_public_half_verifies() {
    for algorithm in asymmetric() {
        let (private, public) = forms(algorithm);
        let mut kids = Vec::new();
        for pem in private {
            let key = Key::from_private_pem(algorithm, pem.as_bytes()).unwrap();
            let jwk = jwk_of(&key);
            assert_eq!(jwk["alg"], format!("{algorithm:?}"));
            assert!(key.can_sign());
            kids.push(key.kid().unwrap().to_owned());
            let world = World::with_keys(KeyRing::new(key)).await;
            let (access, refresh) = world.pair().await;
            assert!(world.authenticate(&access).is_ok(), "{algorithm:?}");
            assert!(world.refresh(&refresh).await.is_ok(), "{algorithm:?}");

            let mut verifiers: Vec<_> = public
                .iter()
                .map(|pem| Key::from_public_pem(algorithm, pem.as_bytes()).unwrap())
                .collect();
            verifiers.push(from_jwk(&jwk).unwrap());
            for verifier in verifiers {
                assert!(!verifier.can_sign());
                kids.push(verifier.kid().unwrap().to_owned());
                world.authority.set_keys(KeyRing::new(other_key()).also_accept(verifier)).unwrap();
                assert!(world.authenticate(&access).is_ok(), "{algorithm:?}");
            }
            world.authority.set_keys(KeyRing::new(other_key())).unwrap();
            assert!(world.authenticate(&access).is_err(), "{algorithm:?}: no longer in the ring");
        }
        kids.dedup();
        assert_eq!(kids.len(), 1, "{algorithm:?}: one name whatever the form");
    }
}

fn other_key() -> Key {
    Key::from_private_pem(Algorithm::EdDSA, generate(Algorithm::EdDSA).unwrap().as_bytes()).unwrap()
}

#[tokio::test]
async fn new_keys_of_every_algorithm_work() {
    for algorithm in asymmetric().chain(HMAC) {
        let text = generate(algorithm).unwrap();
        assert_ne!(text, generate(algorithm).unwrap());
        let settings = Settings { algorithm, ..Settings::with_signing_key(text) };
        let world = World::with(settings).await;
        let (access, _) = world.pair().await;
        assert!(world.authenticate(&access).is_ok(), "{algorithm:?}");
    }
}

#[tokio::test]
async fn a_key_of_one_algorithm_does_not_verify_another_of_its_family() {
    for (i, algorithm) in RSA.into_iter().enumerate() {
        let pem = pem!("rsa.pkcs8").as_bytes();
        let world =
            World::with_keys(KeyRing::new(Key::from_private_pem(algorithm, pem).unwrap())).await;
        let (access, _) = world.pair().await;
        let other = Key::from_private_pem(RSA[(i + 1) % RSA.len()], pem).unwrap();
        world.authority.set_keys(KeyRing::new(other)).unwrap();
        assert!(world.authenticate(&access).is_err(), "{algorithm:?}");
    }
}

#[tokio::test]
async fn private_jwks_of_every_kind_sign() {
    let rsa: Value = serde_json::from_str(include_str!("keys/rsa.jwk.json")).unwrap();
    let ec = json!({
        // RFC 7515, appendix A.3.1
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        "d": "jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI",
    });
    let okp = json!({
        // RFC 8037, appendix A.1
        "kty": "OKP", "crv": "Ed25519",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    let oct = json!({
        // RFC 7515, appendix A.1.1
        "kty": "oct",
        "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
    });
    for (jwk, algorithm) in [
        (&rsa, Algorithm::RS256),
        (&ec, Algorithm::ES256),
        (&okp, Algorithm::EdDSA),
        (&oct, Algorithm::HS256),
    ] {
        let key = from_jwk(jwk).unwrap();
        assert_eq!(key.algorithm(), algorithm);
        let world = World::with_keys(KeyRing::new(key)).await;
        let (access, _) = world.pair().await;
        assert!(world.authenticate(&access).is_ok(), "{algorithm:?}");

        // The same key as a setting, for its algorithm and no other.
        let settings =
            |algorithm| Settings { algorithm, ..Settings::with_signing_key(jwk.to_string()) };
        let world = World::with(settings(algorithm)).await;
        assert!(world.authenticate(&access).is_ok(), "{algorithm:?}: the same key");
        let other = if algorithm == Algorithm::EdDSA { Algorithm::ES256 } else { Algorithm::EdDSA };
        assert!(KeyRing::from_settings(&settings(other)).is_err());
        // With an algorithm of its own it is for that one.
        let mut named = jwk.clone();
        named["alg"] = json!("PS512");
        assert_eq!(from_jwk(&named).is_ok(), algorithm == Algorithm::RS256);
    }
    for (mut jwk, member) in [(rsa.clone(), "qi"), (rsa, "d"), (ec, "d"), (okp, "d")] {
        let value = jwk[member].as_str().unwrap().to_owned();
        // Another number of the same length.
        let first = if value.starts_with('A') { "B" } else { "A" };
        jwk[member] = json!(format!("{first}{}", &value[1..]));
        assert!(from_jwk(&jwk).is_err(), "{member} of another key");
        jwk.as_object_mut().unwrap().remove(member);
        let public = from_jwk(&jwk);
        assert!(public.is_err() || !public.unwrap().can_sign(), "{member} missing");
    }
}

#[test]
fn a_jwk_that_is_not_written_as_it_must_be_is_refused() {
    let good =
        jwk_of(&Key::from_public_pem(Algorithm::ES256, pem!("p256.spki").as_bytes()).unwrap());
    assert!(from_jwk(&good).is_ok());
    let x = good["x"].as_str().unwrap();
    for (member, value) in [
        ("kty", json!("ec")),
        ("kty", json!("RSA")),
        ("crv", json!("P-384")),
        ("crv", json!("secp256k1")),
        ("alg", json!("none")),
        ("alg", json!("ES384")),
        ("alg", json!("HS256")),
        ("alg", json!(7)),
        ("use", json!("enc")),
        ("key_ops", json!(["deriveKey"])),
        ("key_ops", json!("verify")),
        ("kid", json!("")),
        ("kid", json!("k".repeat(256))),
        ("kid", json!(1)),
        ("x", json!(format!("{x}="))),
        ("x", json!(format!("{x}AA"))),
        ("x", json!(x.replace(['-', '_'], "+"))),
        ("x", json!(&x[1..])),
        ("x", json!(good["y"])),
        ("y", json!(null)),
        ("x", json!(["x"])),
        ("d", json!("AA")),
    ] {
        let mut bad = good.clone();
        bad[member] = value.clone();
        if bad != good {
            assert!(from_jwk(&bad).is_err(), "{member}: {value}");
        }
    }
    for member in ["kty", "crv", "x", "y"] {
        let mut bad = good.clone();
        bad.as_object_mut().unwrap().remove(member);
        assert!(from_jwk(&bad).is_err(), "without {member}");
    }
    // Members of others' are nobody's business; those that point to keys elsewhere are not followed.
    for (member, value) in [
        ("x5u", json!("https://attacker.example/")),
        ("x5c", json!(["MIIB"])),
        ("ext", json!(true)),
        ("key_ops", json!(["verify"])),
    ] {
        let mut more = good.clone();
        more[member] = value;
        assert!(from_jwk(&more).is_ok(), "{member}");
    }
    let text = good.to_string();
    let twice = text.replacen('{', &format!(r#"{{"x":"{x}","#), 1);
    assert!(Key::from_jwk(twice.as_bytes()).is_err(), "a member twice");
    assert!(Key::from_jwk(format!("{text} x").as_bytes()).is_err());
    assert!(Key::from_jwk(b"[]").is_err());

    let mut rsa =
        jwk_of(&Key::from_public_pem(Algorithm::RS256, pem!("rsa.spki").as_bytes()).unwrap());
    assert!(from_jwk(&rsa).is_ok());
    for e in ["AA", "AQ", "Ag", "AAEAAQ", ""] {
        rsa["e"] = json!(e);
        assert!(from_jwk(&rsa).is_err(), "e: {e}");
    }
}

#[test]
fn keys_that_are_weak_or_of_the_wrong_half_are_refused_and_say_why() {
    let private = |algorithm, text: &str| Key::from_private_pem(algorithm, text.as_bytes());
    let public = |algorithm, text: &str| Key::from_public_pem(algorithm, text.as_bytes());
    for algorithm in RSA {
        let small = pem!("rsa1024.pkcs1");
        assert_eq!(private(algorithm, small).unwrap_err(), KeyError::RsaSize);
        assert_eq!(public(algorithm, pem!("rsa1024.spki")).unwrap_err(), KeyError::RsaSize);
    }
    for algorithm in asymmetric() {
        let (private_forms, public_forms) = forms(algorithm);
        for pem in private_forms {
            assert_eq!(public(algorithm, pem).unwrap_err(), KeyError::PrivateKey);
        }
        for pem in public_forms {
            assert_eq!(private(algorithm, pem).unwrap_err(), KeyError::PublicKey);
        }
        for other in asymmetric().filter(|other| forms(*other) != forms(algorithm)) {
            let (private_forms, public_forms) = forms(other);
            for pem in private_forms {
                let error = private(algorithm, pem).unwrap_err();
                assert!(matches!(error, KeyError::Unfit(..)), "{algorithm:?}, {other:?}: {error}");
            }
            for pem in public_forms {
                let error = public(algorithm, pem).unwrap_err();
                assert!(matches!(error, KeyError::Unfit(..)), "{algorithm:?}, {other:?}: {error}");
            }
        }
        assert!(private(algorithm, SECRET).is_err());
        assert!(private(algorithm, "").is_err());
        let two = [private_forms[0], private_forms[0]].concat();
        assert!(private(algorithm, &two).unwrap_err().to_string().contains("more than one"));
    }
    assert!(private(Algorithm::ES256, pem!("k256.sec1")).is_err());
    // Keys with parameters of their own, which would be ignored.
    for algorithm in RSA {
        assert!(private(algorithm, pem!("rsa_pss.pkcs8")).is_err());
        assert!(public(algorithm, pem!("rsa_pss.spki")).is_err());
    }
    let encrypted = private(Algorithm::RS256, pem!("rsa.encrypted")).unwrap_err();
    assert!(encrypted.to_string().contains("decrypt it first"), "{encrypted}");

    for (algorithm, needed) in [(HMAC[0], 32), (HMAC[1], 48), (HMAC[2], 64)] {
        let bytes: Vec<u8> = (0..needed).collect();
        assert!(Key::hmac(algorithm, &bytes).is_ok());
        let error = Key::hmac(algorithm, &bytes[1..]).unwrap_err();
        let (needed, given) = (usize::from(needed), usize::from(needed) - 1);
        assert_eq!(error, KeyError::TooShort { algorithm, needed, given });
        for text in [pem!("rsa.spki"), pem!("p256.sec1")] {
            assert_eq!(Key::hmac(algorithm, text.as_bytes()).unwrap_err(), KeyError::KeyAsSecret);
        }
    }
    let jwk = jwk_of(&private(Algorithm::EdDSA, pem!("ed25519.pkcs8")).unwrap()).to_string();
    assert_eq!(Key::hmac(Algorithm::HS256, jwk.as_bytes()).unwrap_err(), KeyError::KeyAsSecret);
}

#[test]
fn settings_say_which_key_is_wrong() {
    let fault = |settings: &Settings| KeyRing::from_settings(settings).unwrap_err();
    let base =
        Settings { algorithm: Algorithm::RS256, ..Settings::with_signing_key(pem!("rsa.pkcs8")) };
    let with = |verifying_key: &str| Settings {
        verifying_key: Some(verifying_key.into()),
        ..base.clone()
    };
    assert!(KeyRing::from_settings(&with(pem!("rsa.spki"))).is_ok());
    let private = fault(&with(pem!("rsa.pkcs8"))).to_string();
    assert_eq!(private, "verifying_key: a private key where a public one is meant");
    let other = fault(&with(pem!("p256.spki")));
    assert_eq!(other.setting, "verifying_key");
    let public = Settings { signing_key: Some(pem!("rsa.spki").into()), ..base.clone() };
    assert_eq!(
        fault(&public).to_string(),
        "signing_key: a public key where a private one is needed"
    );
    let both = Settings { jwk_url: Some("https://example.org/jwks".into()), ..base };
    assert_eq!(fault(&both).setting, "jwk_url");
}

#[tokio::test]
async fn a_public_key_alone_verifies_and_does_not_issue() {
    let pem = pem!("ed25519.pkcs8").as_bytes();
    let issuer =
        World::with_keys(KeyRing::new(Key::from_private_pem(Algorithm::EdDSA, pem).unwrap())).await;
    let (access, _) = issuer.pair().await;
    let settings = Settings {
        algorithm: Algorithm::EdDSA,
        verifying_key: Some(pem!("ed25519.spki").into()),
        ..Settings::default()
    };
    let verifier = World::with(settings).await;
    assert!(!verifier.authority.issues());
    // A PEM does not say what its issuer calls it.
    let key = Key::from_private_pem(Algorithm::EdDSA, pem).unwrap().with_kid("their name");
    let (named, _) = World::with_keys(KeyRing::new(key)).await.pair().await;
    assert!(verifier.authenticate(&named).is_ok());
    assert_eq!(verifier.authenticate(&access).unwrap().user_id(), "1");
    let client = auth_core::ClientInfo::default();
    let login = verifier.authority.login("user", "alice", common::PASSWORD, &client).await;
    assert!(login.is_err());
}

fn build(ring: KeyRing) -> Result<(), String> {
    Authority::builder(Settings::default())
        .keys(ring)
        .store(MemoryStore::new())
        .users(Users::with_alice())
        .build()
        .map(|_| ())
        .map_err(|error| error.to_string())
}

#[test]
fn a_ring_is_refused_that_cannot_sign_or_has_two_keys_of_one_name() {
    let key = || Key::from_private_pem(Algorithm::ES256, pem!("p256.pkcs8").as_bytes()).unwrap();
    assert!(build(KeyRing::new(key())).is_ok());
    let error = build(KeyRing::new(key().verifying_only())).unwrap_err();
    assert!(error.contains("no private half") || error.contains("can sign"), "{error}");
    let error = build(KeyRing::new(key()).also_accept(key())).unwrap_err();
    assert!(error.contains("same kid"), "{error}");
    assert!(build(KeyRing::new(key()).also_accept(key().with_kid("another"))).is_ok());
}

#[test]
fn a_set_of_ones_own_signs_with_its_first_private_key_and_publishes_public_halves_only() {
    let okp = json!({
        "kty": "OKP", "crv": "Ed25519", "kid": "mine",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    let oct =
        json!({"kty": "oct", "kid": "secret", "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"});
    let rsa = jwk_of(&Key::from_public_pem(Algorithm::PS256, pem!("rsa.spki").as_bytes()).unwrap());
    let set = json!({"keys": [rsa, okp, oct]}).to_string();
    let ring = KeyRing::from_jwk_set(set.as_bytes()).unwrap();
    assert!(ring.can_sign());
    let JwkSet { keys } = ring.jwks();
    let kids: Vec<_> = keys.iter().map(|jwk| jwk.kid()).collect();
    assert_eq!(kids, [rsa["kid"].as_str().unwrap(), "mine"]);
    let text = serde_json::to_string(&ring.jwks()).unwrap();
    assert!(
        !text.contains("nWGxne") && !text.contains("AyM1Sys") && !text.contains("\"d\""),
        "{text}"
    );

    let bad = json!({"keys": [okp, {"kty": "EC"}]}).to_string();
    assert!(KeyRing::from_jwk_set(bad.as_bytes()).is_err());
    assert!(KeyRing::from_jwk_set(br#"{"keys":[]}"#).is_err());
    assert!(KeyRing::from_jwk_set(br#"[]"#).is_err());
}

#[test]
fn debug_and_errors_tell_no_key() {
    let key = Key::from_private_pem(Algorithm::ES256, pem!("p256.pkcs8").as_bytes()).unwrap();
    let text = format!("{key:?} {:?}", KeyRing::new(other_key()));
    assert!(!text.contains("PRIVATE") && text.len() < 400, "{text}");
}

#[tokio::test]
async fn a_retired_key_verifies_until_its_last_token_has_expired_and_then_goes() {
    use chrono::TimeDelta;

    let make = |algorithm| {
        Key::from_private_pem(algorithm, generate(algorithm).unwrap().as_bytes()).unwrap()
    };
    let (old, new) = (make(Algorithm::EdDSA), make(Algorithm::ES256));
    let (old_kid, new_kid) = (old.kid().unwrap().to_owned(), new.kid().unwrap().to_owned());
    let begin = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
    let switch = begin + TimeDelta::seconds(600);
    let world = World::with_keys(KeyRing::new(old).also_sign_from(new, switch)).await;
    let published = || -> Vec<String> {
        let keys = world.authority.jwks().keys;
        keys.iter().map(|jwk| jwk.kid().to_owned()).collect()
    };
    let kid_of = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();

    assert_eq!(published(), [old_kid.clone(), new_kid.clone()], "known before it signs");
    // The last token of the old key, a moment before the switch: good for a day.
    world.wait(common::seconds(599)).await;
    let (access, refresh) = world.pair().await;
    assert_eq!(kid_of(&access), old_kid);
    world.wait(common::seconds(1)).await;
    let (next, _) = world.pair().await;
    assert_eq!(kid_of(&next), new_kid);
    assert!(world.authenticate(&access).is_ok());

    // At the very end of its life it is still taken, and answered with one of the new key.
    world.wait(common::seconds(86_400 - 2)).await;
    assert!(published().contains(&old_kid));
    let (_, renewed) = world.refresh(&refresh).await.unwrap();
    assert_eq!(kid_of(&renewed), new_kid);

    world.wait(common::seconds(62)).await;
    assert_eq!(published(), std::slice::from_ref(&new_kid));
    assert!(world.authenticate(&next).is_err(), "expired");
    let (kid, state) = world.authority.key_states().remove(0);
    assert_eq!((kid, state), (Some(old_kid), auth_core::keys::KeyState::Ended));
    assert!(world.refresh(&renewed).await.is_ok());
}

#[tokio::test]
async fn a_retired_key_verifies_for_as_long_as_the_longest_lifetime_and_a_minute() {
    let week = 7 * 86_400;
    let settings =
        Settings { refresh_token_lifetime: common::seconds(week), ..Settings::default() };
    let make = || {
        let text = generate(Algorithm::EdDSA).unwrap();
        Key::from_private_pem(Algorithm::EdDSA, text.as_bytes()).unwrap()
    };
    let (old, new) = (make(), make());
    let old_kid = old.kid().unwrap().to_owned();
    let switch = chrono::DateTime::from_timestamp(1_800_000_001, 0).unwrap();
    let ring = KeyRing::new(old).also_sign_from(new, switch);
    let world = World::with_settings_and_keys(settings, ring).await;
    let (_, refresh) = world.pair().await;
    let is_published =
        || world.authority.jwks().keys.iter().any(|jwk| jwk.kid() == old_kid.as_str());
    world.wait(common::seconds(week - 1)).await;
    assert!(world.refresh(&refresh).await.is_ok());
    // For nodes whose clocks differ.
    world.wait(common::seconds(61)).await;
    assert!(is_published());
    world.wait(common::seconds(1)).await;
    assert!(!is_published());
}

#[tokio::test]
async fn keys_are_replaced_between_two_requests_and_never_by_ones_that_cannot_sign() {
    let world = World::with_keys(KeyRing::new(other_key())).await;
    let (access, _) = world.pair().await;
    let set = |ring| world.authority.set_keys(ring);
    assert_eq!(set(KeyRing::verifying([])).unwrap_err(), KeyError::CannotSign);
    assert_eq!(set(KeyRing::verifying([other_key()])).unwrap_err(), KeyError::CannotSign);
    assert!(world.authenticate(&access).is_ok(), "the old ones stay");
    set(KeyRing::new(other_key())).unwrap();
    assert!(world.authenticate(&access).is_err());
    let (access, _) = world.pair().await;
    assert!(world.authenticate(&access).is_ok());
}

#[test]
fn one_key_has_one_algorithm() {
    let rsa = |algorithm, kid: &str| {
        Key::from_private_pem(algorithm, pem!("rsa.pkcs8").as_bytes()).unwrap().with_kid(kid)
    };
    let ring = KeyRing::new(rsa(Algorithm::RS256, "a")).also_accept(rsa(Algorithm::PS256, "b"));
    assert!(build(ring).unwrap_err().contains("two algorithms"));
    let secret = generate(Algorithm::HS512).unwrap();
    let hmac = |algorithm| Key::hmac(algorithm, secret.as_bytes()).unwrap();
    let ring = KeyRing::new(hmac(Algorithm::HS256)).also_accept(hmac(Algorithm::HS512));
    assert!(build(ring).unwrap_err().contains("two algorithms"));
}

#[test]
fn a_point_off_its_curve_is_no_key() {
    let pem = generate(Algorithm::ES256).unwrap();
    let key = Key::from_private_pem(Algorithm::ES256, pem.as_bytes()).unwrap();
    let mut jwk = jwk_of(&key);
    let (x, y) = (jwk["x"].clone(), jwk["y"].clone());
    jwk["x"] = y;
    jwk["y"] = x;
    assert!(from_jwk(&jwk).is_err());
    for zero in ["x", "y"] {
        let mut jwk = jwk_of(&key);
        jwk[zero] = json!("A".repeat(43));
        assert!(from_jwk(&jwk).is_err());
    }
}

#[tokio::test]
async fn a_set_can_be_given_as_a_setting() {
    let okp = json!({
        "kty": "OKP", "crv": "Ed25519", "kid": "new",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    let old = Key::from_private_pem(Algorithm::ES256, pem!("p256.pkcs8").as_bytes()).unwrap();
    let set = json!({"keys": [jwk_of(&old), okp]}).to_string();
    let settings = |algorithm| Settings { algorithm, ..Settings::with_signing_key(&*set) };
    let world = World::with(settings(Algorithm::EdDSA)).await;
    let (access, _) = world.pair().await;
    assert_eq!(jsonwebtoken::decode_header(&access).unwrap().kid.as_deref(), Some("new"));
    let earlier = World::with_keys(KeyRing::new(old)).await;
    assert!(world.authenticate(&earlier.pair().await.0).is_ok(), "the other one is accepted");
    assert!(KeyRing::from_settings(&settings(Algorithm::ES256)).is_err(), "it does not sign");
    let mine = json!({"keys": [serde_json::from_str::<Value>(include_str!("keys/rsa.jwk.json")).unwrap(), okp]}).to_string();
    for (algorithm, kid) in [(Algorithm::EdDSA, Some("new")), (Algorithm::PS256, None)] {
        let settings = Settings { algorithm, ..Settings::with_signing_key(&*mine) };
        let world = World::with(settings).await;
        let header = jsonwebtoken::decode_header(&world.pair().await.0).unwrap();
        assert_eq!(header.alg, algorithm, "the first of this algorithm signs");
        assert!(kid.is_none() || header.kid.as_deref() == kid);
    }
    // Beside a key that signs, the others of the set are accepted.
    let beside = Settings {
        verifying_key: Some(json!({"keys": [jwk_of(&from_jwk(&okp).unwrap()), jwk_of(&Key::from_public_pem(Algorithm::ES256, pem!("p256.spki").as_bytes()).unwrap())]}).to_string()),
        algorithm: Algorithm::EdDSA,
        ..Settings::with_signing_key(okp.to_string())
    };
    assert!(World::with(beside).await.authenticate(&earlier.pair().await.0).is_ok());

    let published = serde_json::to_string(&world.authority.jwks()).unwrap();
    let verifying = |text: &str| Settings {
        algorithm: Algorithm::EdDSA,
        verifying_key: Some(text.to_owned()),
        ..Settings::default()
    };
    let verifier = World::with(verifying(&published)).await;
    assert!(verifier.authenticate(&access).is_ok());
    let error = KeyRing::from_settings(&verifying(&set)).unwrap_err().to_string();
    assert_eq!(error, "verifying_key: a private key where a public one is meant");
    for bad in [r#"{"keys":[]}"#, r#"{"keys":7}"#, r#"{"keys":[{"kty":"EC"}]}"#] {
        assert!(KeyRing::from_settings(&verifying(bad)).is_err(), "{bad}");
        let private = Settings { algorithm: Algorithm::EdDSA, ..Settings::with_signing_key(bad) };
        assert!(KeyRing::from_settings(&private).is_err(), "{bad}");
    }
    let only_public =
        Settings { algorithm: Algorithm::EdDSA, ..Settings::with_signing_key(&*published) };
    let error = KeyRing::from_settings(&only_public).unwrap_err().to_string();
    assert_eq!(error, "signing_key: a public key where a private one is needed");
}
