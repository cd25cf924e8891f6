//! What a token must be to be accepted, with jsonwebtoken as the other side.

mod common;

use auth_core::session::RevocationReason;
use auth_core::{Key, KeyRing, Settings, VerifyError};
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use common::{SECRET, World, assert_revoked, seconds};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};

fn mint(claims: &Value) -> String {
    mint_with(&Header::new(Algorithm::HS256), claims, SECRET)
}

fn mint_with(header: &Header, claims: &Value, secret: &str) -> String {
    jsonwebtoken::encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// A token with this very header and payload, well signed.
fn sign(header: &str, payload: &str) -> String {
    let message =
        format!("{}.{}", BASE64.encode_to_string(header), BASE64.encode_to_string(payload));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn good() -> Value {
    json!({
        "token_type": "access", "exp": 1_800_000_300, "iat": 1_800_000_000,
        "jti": "0123456789abcdef0123456789abcdef", "user_id": "1",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = good();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = good();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

#[tokio::test]
async fn tokens_of_other_libraries_with_the_same_key_and_claims_are_accepted() {
    let world = World::new().await;
    assert!(world.authenticate(&mint(&good())).is_ok(), "typ before alg");
    assert!(world.authenticate(&sign(HEADER, &good().to_string())).is_ok(), "alg before typ");
    assert!(world.authenticate(&sign(r#"{"alg":"HS256"}"#, &good().to_string())).is_ok());
    let named = sign(r#"{"alg":"HS256","kid":"2026"}"#, &good().to_string());
    assert!(world.authenticate(&named).is_ok(), "our secret has no name to compare with");
    let number = world.authenticate(&mint(&with("user_id", json!(1)))).unwrap();
    assert_eq!(number.user_id(), "1");
}

#[tokio::test]
async fn our_tokens_are_accepted_by_other_libraries() {
    let world = World::new().await;
    let (access, _) = world.pair().await;
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let mut validation = Validation::new(Algorithm::HS256);
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Value>(&access, &key, &validation).unwrap().claims;
    assert_eq!(claims["user_id"], "1");
    assert_eq!(claims["token_type"], "access");
    assert_eq!(claims["jti"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn a_bad_header_is_refused() {
    let world = World::new().await;
    for header in [
        r#"{"alg":"none","typ":"JWT"}"#,
        r#"{"alg":"HS512","typ":"JWT"}"#,
        r#"{"alg":"RS256","typ":"JWT"}"#,
        r#"{"alg":"hs256","typ":"JWT"}"#,
        r#"{"typ":"JWT"}"#,
        r#"{"alg":"HS256","typ":"JOSE"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"alg":"HS256","crit":["exp"]}"#,
        r#"{"alg":"HS256","b64":false}"#,
        r#"{"alg":"HS256","zip":"DEF"}"#,
        r#"["HS256"]"#,
        r#""#,
        r#"{"alg":"HS256"} "x""#,
        r#"{"alg":"HS256","a":0,"b":0,"c":0,"d":0,"e":0,"f":0,"g":0,"h":0,"i":0,"j":0,"k":0,"l":0,"m":0,"n":0,"o":0,"p":0}"#,
    ] {
        let token = sign(header, &good().to_string());
        let error = world.authenticate(&token).unwrap_err();
        assert!(matches!(error, VerifyError::Invalid(_)), "{header}: {error}");
    }
}

#[tokio::test]
async fn an_access_token_of_rfc_9068_is_one_by_its_header() {
    let world = World::new().await;
    let typed = |typ: &str, claims: &Value| {
        sign(&json!({"alg": "HS256", "typ": typ}).to_string(), &claims.to_string())
    };
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        let token = typed(typ, &without("token_type"));
        assert_eq!(world.authenticate(&token).unwrap().kind(), auth_core::TokenKind::Access);
        assert!(world.authenticate(&typed(typ, &good())).is_ok());
        let refresh = typed(typ, &with("token_type", json!("refresh")));
        assert!(matches!(world.authenticate(&refresh), Err(VerifyError::WrongType)));
        let single = typed(typ, &json!({"id": 1, "exp": 1_800_000_300}));
        assert!(world.authority.authenticate_single(&single).is_err());
    }
    for typ in ["JWT", "application/jwt"] {
        assert!(world.authenticate(&typed(typ, &good())).is_ok());
        let token = typed(typ, &without("token_type"));
        assert!(matches!(world.authenticate(&token), Err(VerifyError::NoType)));
    }
    for typ in
        ["logout+jwt", "dpop+jwt", "secevent+jwt", "id+jwt", "application/application/jwt", ""]
    {
        assert!(world.authenticate(&typed(typ, &good())).is_err(), "{typ}");
    }
}

#[tokio::test]
async fn a_name_twice_is_refused_wherever_it_stands() {
    let world = World::new().await;
    let text = good().to_string();
    let payload = |more: &str| sign(HEADER, &text.replacen('{', &format!("{{{more},"), 1));
    assert!(world.authenticate(&payload(r#""x":{"a":[{"b":1}],"b":1}"#)).is_ok());
    for twice in [
        r#""user_id":"2""#,
        r#""user_\u0069d":"2""#,
        r#""x":1,"x":1"#,
        r#""x":{"a":1,"a":1}"#,
        r#""x":[[{"a":{"b":1,"\u0062":2}}]]"#,
        r#""role":{"a":1,"a":2}"#,
        r#""amr":[{"a":1,"a":2}]"#,
        r#""rights_version":{"a":1,"a":2}"#,
        r#""id":null,"id":"2""#,
        r#""amr":[],"amr":[]"#,
        r#""role":null,"role":"admin""#,
        r#""scope":"a","scope":"a""#,
        r#""is_staff":false,"is_staff":true"#,
        r#""rights_version":1,"rights_version":1"#,
    ] {
        assert!(world.authenticate(&payload(twice)).is_err(), "{twice}");
    }
    let sid = format!(r#""{:032x}""#, 7);
    for (name, value) in [
        ("exp", "1800000300"),
        ("iat", "1800000000"),
        ("nbf", "1800000000"),
        ("auth_time", "1800000000"),
        ("refresh_exp", "1800000300"),
        ("gen", "1"),
        ("iss", r#""a""#),
        ("aud", r#""a""#),
        ("sid", &sid),
        ("token_type", r#""access""#),
        ("jti", r#""a""#),
        ("user_type", r#""user""#),
    ] {
        let escaped = format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]);
        for again in [name, &escaped] {
            let claims = format!(r#"{{"{name}":{value},"{again}":{value},"user_id":"1"}}"#);
            let error = world.authenticate(&sign(HEADER, &claims)).unwrap_err();
            assert!(matches!(error, VerifyError::Invalid("claims")), "{claims}: {error}");
        }
    }
    let header = r#"{"alg":"HS256","jwk":{"kty":"oct","kty":"oct"}}"#;
    assert!(world.authenticate(&sign(header, &text)).is_err());
}

#[tokio::test]
async fn what_is_not_json_in_utf_8_is_refused_behind_a_good_signature() {
    let world = World::new().await;
    let raw = |header: &[u8], payload: &[u8]| {
        let message =
            format!("{}.{}", BASE64.encode_to_string(header), BASE64.encode_to_string(payload));
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
        format!("{message}.{}", signature.unwrap())
    };
    let (header, text) = (HEADER.as_bytes(), good().to_string());
    assert!(world.authenticate(&raw(header, text.as_bytes())).is_ok());
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_mark = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    let lone = text.replacen('{', "{\"x\":\"\u{1}?\",", 1).replace('?', "");
    let broken = [&text.as_bytes()[..1], b"\"x\":\"\xff\",", &text.as_bytes()[1..]].concat();
    let surrogate = text.replacen('{', r#"{"x":"\ud800","#, 1);
    for bad in [&utf16, &with_mark, &broken, lone.as_bytes(), surrogate.as_bytes()] {
        assert!(world.authenticate(&raw(header, bad)).is_err(), "{}", String::from_utf8_lossy(bad));
    }
    for bad in [&b"{\"alg\":\"HS256\",\"x\":\"\xff\"}"[..], b"\xef\xbb\xbf{\"alg\":\"HS256\"}"] {
        assert!(world.authenticate(&raw(bad, text.as_bytes())).is_err());
    }
}

#[tokio::test]
async fn a_bad_claim_is_refused() {
    let world = World::new().await;
    for (name, value) in [
        ("exp", json!(1_800_000_300.5)),
        ("exp", json!("1800000300")),
        ("exp", json!(-1)),
        ("exp", json!(u64::MAX)),
        ("exp", json!(null)),
        ("iat", json!("now")),
        ("iat", json!(1e300)),
        ("nbf", json!(1_800_000_001)),
        ("nbf", json!([])),
        ("aud", json!("somebody else")),
        ("aud", json!(42)),
        ("jti", json!(7)),
        ("user_type", json!("robot")),
        ("user_type", json!(1)),
        ("user_id", json!("1\0")),
        ("user_id", json!("1".repeat(256))),
        ("iat", json!(1_800_000_100)),
        ("token_type", json!(["access"])),
        ("user_id", json!(1.5)),
        ("user_id", json!({"$ne": ""})),
    ] {
        let error = world.authenticate(&mint(&with(name, value.clone()))).unwrap_err();
        assert!(matches!(error, VerifyError::Invalid(_)), "{name} = {value}: {error}");
    }
    for name in ["exp", "jti"] {
        let error = world.authenticate(&mint(&without(name))).unwrap_err();
        assert!(matches!(error, VerifyError::Invalid(_)), "no {name}: {error}");
    }
    for claims in [without("user_id"), with("user_id", json!("")), with("user_id", json!(null))] {
        assert!(matches!(world.authenticate(&mint(&claims)), Err(VerifyError::NoUser)));
    }
    assert!(matches!(world.authenticate(&mint(&without("token_type"))), Err(VerifyError::NoType)));
    let refresh = mint(&with("token_type", json!("refresh")));
    assert!(matches!(world.authenticate(&refresh), Err(VerifyError::WrongType)));
    let expired = mint(&with("exp", json!(1_800_000_000)));
    assert!(matches!(world.authenticate(&expired), Err(VerifyError::Expired)));
}

#[tokio::test]
async fn what_another_issuer_means_by_our_names_for_rights_grants_nothing() {
    let world = World::new().await;
    for (name, value) in [
        ("role", json!(null)),
        ("role", json!(["admin"])),
        ("scope", json!(["orders:write"])),
        ("is_staff", json!("true")),
        ("is_staff", json!(1)),
        ("is_staff", json!(null)),
        ("amr", json!("mfa")),
        ("sid", json!("08a5019c-17e1-4977-8f42-65a12843ea02")),
    ] {
        let verified = world.authenticate(&mint(&with(name, value.clone()))).unwrap();
        assert!(!verified.is_staff(), "{name} = {value}");
        assert_eq!(verified.role(), None);
        assert_eq!(verified.scopes().count(), 0);
        assert!(!verified.has_method(auth_core::session::Method::MultiFactor));
        assert!(verified.is_foreign());
    }
}

#[tokio::test]
async fn tokens_of_two_users_with_one_jti_are_two_sessions() {
    let world = World::new().await;
    let first = mint(&good());
    let second = mint(&with("user_id", json!("2")));
    let verified = world.authenticate(&second).unwrap();
    world.authority.logout(&verified).await.unwrap();
    assert_revoked(world.authenticate(&second), RevocationReason::Logout);
    assert!(world.authenticate(&first).is_ok());
}

#[tokio::test]
async fn a_revoked_token_of_another_issuer_stays_revoked_for_all_its_life() {
    let world = World::new().await;
    let token = |jti: &str| {
        let mut claims = with("exp", json!(1_800_000_000 + 20 * 86_400));
        claims["jti"] = json!(jti);
        mint(&claims)
    };
    let (logged_out, changed) = (token("a"), token("b"));
    let verified = world.authenticate(&logged_out).unwrap();
    world.authority.logout(&verified).await.unwrap();
    world.authority.password_changed(auth_core::Principal::new("user", "1")).await.unwrap();
    for _ in 0..19 {
        world.wait(seconds(86_400)).await;
        world.authority.prune().await.unwrap();
    }
    assert_revoked(world.authenticate(&logged_out), RevocationReason::Logout);
    assert_revoked(world.authenticate(&changed), RevocationReason::PasswordChanged);
}

#[tokio::test]
async fn tokens_of_other_issuers_can_be_limited_or_refused() {
    let settings = |lifetime| Settings {
        foreign_token_lifetime: lifetime,
        ..Settings::with_signing_key(SECRET)
    };
    let world = World::with(settings(seconds(300))).await;
    assert!(world.authenticate(&mint(&good())).is_ok());
    assert!(world.authenticate(&mint(&with("exp", json!(1_800_000_301)))).is_err());
    let world = World::with(settings(seconds(0))).await;
    assert!(world.authenticate(&mint(&good())).is_err());
    assert!(world.authenticate(&world.pair().await.0).is_ok());
    let world = World::new().await;
    assert!(world.authenticate(&mint(&with("exp", json!(9_999_999_999_u64)))).is_ok());
}

#[tokio::test]
async fn a_session_taken_over_from_another_issuer_is_not_freshly_authenticated() {
    let world = World::new().await;
    let mut claims = with("token_type", json!("refresh"));
    claims.as_object_mut().unwrap().remove("iat");
    let (access, _) = world.refresh(&mint(&claims)).await.unwrap();
    assert_eq!(world.authenticate(&access).unwrap().authenticated_at(), None);
}

#[tokio::test]
async fn duplicate_claims_are_refused_however_they_are_spelt() {
    let world = World::new().await;
    let good = good().to_string();
    for twice in [r#""user_id":"2""#, r#""user\u005fid":"2""#, r#""other":1,"other":1"#] {
        let payload = format!("{},{twice}}}", good.trim_end_matches('}'));
        let error = world.authenticate(&sign(HEADER, &payload)).unwrap_err();
        assert!(matches!(error, VerifyError::Invalid("claims")), "{twice}: {error}");
    }
    let payload = format!("{good} ");
    assert!(world.authenticate(&sign(HEADER, &payload)).is_ok(), "white space is JSON");
    let payload = format!("{good}{good}");
    assert!(world.authenticate(&sign(HEADER, &payload)).is_err());
}

#[tokio::test]
async fn configured_issuer_and_audience_are_required() {
    let settings = Settings {
        issuer: Some("https://login.example".into()),
        audience: vec!["shop".into(), "bank".into()],
        ..Settings::with_signing_key(SECRET)
    };
    let world = World::with(settings).await;
    let (access, refresh) = world.pair().await;
    assert!(world.authenticate(&access).is_ok());
    assert!(world.refresh(&refresh).await.is_ok());

    let mut claims = with("iss", json!("https://login.example"));
    for (aud, accepted) in [
        (json!("shop"), true),
        (json!(["x", "bank"]), true),
        (json!([]), false),
        (json!("Shop"), false),
        (json!([["shop"]]), false),
    ] {
        claims["aud"] = aud.clone();
        assert_eq!(world.authenticate(&mint(&claims)).is_ok(), accepted, "{aud}");
    }
    claims["aud"] = json!("shop");
    claims["iss"] = json!("https://evil.example");
    assert!(world.authenticate(&mint(&claims)).is_err());
    assert!(world.authenticate(&mint(&with("aud", json!("shop")))).is_err(), "no issuer");
    assert!(world.authenticate(&mint(&with("iss", json!("https://login.example")))).is_err());
}

#[tokio::test]
async fn only_the_canonical_text_of_a_token_is_accepted() {
    let world = World::new().await;
    let (access, _) = world.pair().await;
    for bad in [
        String::new(),
        ".".into(),
        "..".into(),
        format!("{access}."),
        format!(".{access}"),
        format!("{access}="),
        format!(" {access}"),
        format!("{access}\n"),
        access.replacen('.', "..", 1),
        access.rsplit_once('.').unwrap().0.to_owned(),
        format!("{}.", access.rsplit_once('.').unwrap().0),
        format!("{access}{}", "A".repeat(8192)),
        "ä.ö.ü".into(),
    ] {
        let error = world.authenticate(&bad).unwrap_err();
        assert!(matches!(error, VerifyError::Invalid(_)), "{error}");
    }
    // The last character of a 32-byte signature has two spare bits.
    let (rest, last) = access.split_at(access.len() - 1);
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    for other in alphabet.chars().filter(|c| !last.contains(*c)) {
        assert!(world.authenticate(&format!("{rest}{other}")).is_err(), "{other}");
    }
}

#[tokio::test]
async fn a_refresh_token_of_another_issuer_becomes_a_session_at_its_first_use() {
    let world = World::new().await;
    let foreign = mint(&with("token_type", json!("refresh")));
    assert!(world.authority.verify(&foreign).await.is_ok());
    let (access, refresh) = world.refresh(&foreign).await.unwrap();
    assert!(world.authenticate(&access).is_ok());
    assert_eq!(world.refresh(&foreign).await.unwrap().1, refresh, "within the grace");
    world.wait(seconds(11)).await;
    assert_revoked(world.refresh(&foreign).await, RevocationReason::Reuse);
    assert_revoked(world.authority.verify(&foreign).await, RevocationReason::Reuse);
    assert_revoked(world.authenticate(&access), RevocationReason::Reuse);
}

#[tokio::test]
async fn a_blacklisted_refresh_token_of_another_issuer_stays_so() {
    let settings = Settings { issuer: None, ..Settings::with_signing_key(SECRET) };
    let world = World::with(settings).await;
    let mut claims = with("token_type", json!("refresh"));
    claims["exp"] = json!(1_800_000_000 + 86_400);
    let foreign = mint(&claims);
    world.authority.blacklist(&foreign).await.unwrap();
    assert_revoked(world.authority.blacklist(&foreign).await, RevocationReason::Logout);
    world.wait(seconds(86_399)).await;
    world.authority.prune().await.unwrap();
    assert_revoked(world.authority.verify(&foreign).await, RevocationReason::Logout);
    assert_revoked(world.refresh(&foreign).await, RevocationReason::Logout);

    claims["exp"] = json!(1_800_000_000 + 3 * 86_400);
    claims["jti"] = json!("another");
    assert!(world.refresh(&mint(&claims)).await.is_err(), "outlives what is remembered of it");
    assert!(world.authority.verify(&mint(&claims)).await.is_err());
}

#[tokio::test]
async fn a_changed_password_concerns_refresh_tokens_of_another_issuer() {
    let world = World::new().await;
    let mut claims = with("token_type", json!("refresh"));
    claims["exp"] = json!(1_800_000_000 + 86_400);
    world.authority.password_changed(auth_core::Principal::new("user", "1")).await.unwrap();
    world.wait(seconds(80_000)).await;
    assert_revoked(world.refresh(&mint(&claims)).await, RevocationReason::PasswordChanged);
}

#[tokio::test]
async fn a_refresh_token_for_a_session_that_does_not_exist_is_refused() {
    let world = World::new().await;
    let mut claims = with("token_type", json!("refresh"));
    claims["sid"] = json!("00000000000000000000000000000000");
    assert!(world.refresh(&mint(&claims)).await.is_err());
    claims["gen"] = json!(0);
    assert!(world.refresh(&mint(&claims)).await.is_err());
    assert!(world.authority.verify(&mint(&claims)).await.is_err());
}

const ED25519: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
";

const ED25519_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
";

#[tokio::test]
async fn an_eddsa_key_signs_under_its_thumbprint_and_is_published() {
    let settings = Settings { algorithm: Algorithm::EdDSA, ..Settings::with_signing_key(ED25519) };
    let world = World::with(settings).await;
    let (access, refresh) = world.pair().await;
    assert!(world.authenticate(&access).is_ok());
    assert!(world.refresh(&refresh).await.is_ok());

    // The key and the thumbprint of RFC 8037, appendices A.1 and A.3.
    let kid = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    assert_eq!(jsonwebtoken::decode_header(&access).unwrap().kid.as_deref(), Some(kid));
    let jwks = world.authority.keys().jwks();
    assert_eq!(
        serde_json::to_value(&jwks).unwrap(),
        json!({"keys": [{
            "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": kid, "use": "sig", "alg": "EdDSA",
        }]})
    );
    let jwk = serde_json::from_value(serde_json::to_value(&jwks.keys[0]).unwrap()).unwrap();
    let key = DecodingKey::from_jwk(&jwk).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.validate_exp = false;
    assert!(jsonwebtoken::decode::<Value>(&access, &key, &validation).is_ok());

    // Key confusion: the public key as an HMAC secret.
    let public = jwks.keys[0].clone();
    let secret = format!("{public:?}");
    let forged = mint_with(&Header::new(Algorithm::HS256), &good(), &secret);
    assert!(world.authenticate(&forged).is_err());
}

#[tokio::test]
async fn tokens_of_a_retired_key_are_accepted_and_new_ones_use_the_active_key() {
    let old = || Key::hmac(Algorithm::HS256, SECRET.as_bytes()).unwrap();
    let new = Key::from_private_pem(Algorithm::EdDSA, ED25519.as_bytes()).unwrap();
    let ring = KeyRing::new(new).also_accept(old());
    let store = auth_core::MemoryStore::new();
    let hands = auth_core::ManualClock::at_unix_seconds(1_800_000_000);
    let authority = auth_core::Authority::builder(Settings::default())
        .keys(ring)
        .store(store)
        .users(common::Users::with_alice())
        .clock(hands.clock())
        .build()
        .unwrap();
    authority.sync().await.unwrap();
    assert!(authority.authenticate(&mint(&good())).is_ok());
    let client = auth_core::ClientInfo::default();
    let login = authority.login("user", "alice", common::PASSWORD, &client).await.unwrap();
    let header = jsonwebtoken::decode_header(login.granted.access.expose()).unwrap();
    assert_eq!(header.alg, Algorithm::EdDSA);
}

#[tokio::test]
async fn a_secret_can_be_replaced_by_another_one() {
    let other = "another honest secret of more than thirty-two bytes";
    let key = |secret: &str| Key::hmac(Algorithm::HS256, secret.as_bytes()).unwrap();
    let authority = auth_core::Authority::builder(Settings::default())
        .keys(KeyRing::new(key(other)).also_accept(key(SECRET)))
        .store(auth_core::MemoryStore::new())
        .users(common::Users::with_alice())
        .clock(auth_core::ManualClock::at_unix_seconds(1_800_000_000).clock())
        .build()
        .unwrap();
    authority.sync().await.unwrap();
    assert!(authority.authenticate(&mint(&good())).is_ok());
    let new = mint_with(&Header::new(Algorithm::HS256), &good(), other);
    assert!(authority.authenticate(&new).is_ok());
    let neither = mint_with(&Header::new(Algorithm::HS256), &good(), &other.to_uppercase());
    assert!(authority.authenticate(&neither).is_err());
}

#[test]
fn weak_and_unfit_keys_are_refused_at_start_without_being_told() {
    for (algorithm, key) in [
        (Algorithm::HS256, "short-secret"),
        (Algorithm::HS512, SECRET),
        (Algorithm::HS256, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        (Algorithm::HS256, ED25519),
        (Algorithm::HS256, ED25519_PUBLIC),
        (Algorithm::EdDSA, SECRET),
        (Algorithm::EdDSA, ED25519_PUBLIC),
        (Algorithm::RS256, ED25519),
    ] {
        let settings = Settings { algorithm, ..Settings::with_signing_key(key) };
        let error = auth_core::Authority::builder(settings)
            .store(auth_core::MemoryStore::new())
            .users(common::Users::with_alice())
            .build()
            .unwrap_err();
        let text = error.to_string();
        assert!(text.contains("signing_key"), "{text}");
        assert!(!text.contains(key), "{text}");
    }
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let error = auth_core::Authority::builder(Settings::default()).build().unwrap_err();
    let names: Vec<_> = error.0.iter().map(|fault| fault.setting.as_str()).collect();
    assert_eq!(names, ["signing_key", "store", "users"]);
}

/// What a token says is the same wherever it stands, however it is spelt and however long the rest is.
#[tokio::test]
async fn texts_are_read_from_short_and_long_payloads_plain_and_escaped() {
    let world = World::new().await;
    let plain = r#""role":"Ärztin","scope":"a:b ç","user_id":"zoë-1","jti":"n°7""#;
    let escaped =
        r#""role":"\u00c4rztin","scope":"a:b \u00e7","user_id":"zo\u00eb-1","jti":"n\u00b07""#;
    let rest = r#""token_type":"access","exp":1800000300,"iat":1800000000"#;
    for texts in [plain, escaped] {
        for room in [0, 300, 600, 5000] {
            let room = "…".repeat(room / 3);
            for claims in [
                format!(r#"{{{texts},{rest},"room":"{room}"}}"#),
                format!(r#"{{"room":"{room}",{rest},{texts}}}"#),
            ] {
                let verified = world.authenticate(&sign(HEADER, &claims)).unwrap();
                assert_eq!(verified.user_id(), "zoë-1", "{claims}");
                assert_eq!(verified.principal().user_id(), "zoë-1");
                assert_eq!(verified.role(), Some("Ärztin"));
                assert!(verified.scopes().eq(["a:b", "ç"]));
                assert_eq!(verified.token_id(), Some("n°7"));
                let all = verified.shared_claims::<Value>().unwrap();
                assert_eq!(*all, verified.claims::<Value>().unwrap());
                assert_eq!(*all, serde_json::from_str::<Value>(&claims).unwrap());
            }
        }
    }
    let empty = format!(r#"{{{rest},"user_id":"1","jti":"","role":"","scope":""}}"#);
    let verified = world.authenticate(&sign(HEADER, &empty)).unwrap();
    assert_eq!((verified.role(), verified.token_id()), (Some(""), Some("")));
    assert_eq!(verified.scopes().count(), 0);
}
