//! Tokens.

use auth_core::{Algorithm, ClientInfo, SessionId};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value, json};

use super::inputs::json_values;
use super::issuers::{ALGORITHMS, Issuer, NOW, good_claims, signed, wait};
use crate::common::PASSWORD;

/// Every bit of a text that has one more bit to change into text.
fn one_bit_changes(text: &str) -> impl Iterator<Item = String> {
    (0..text.len()).flat_map(move |at| {
        (0..7).map(move |bit| {
            let mut bytes = text.as_bytes().to_vec();
            bytes[at] ^= 1 << bit;
            String::from_utf8(bytes).unwrap()
        })
    })
}

/// Not some bits: all of them.
#[test]
fn any_one_bit_change_of_an_access_token_is_refused() {
    for issuer in Issuer::all() {
        assert!(issuer.accepts(&issuer.access), "{:?}", issuer.algorithm);
        for changed in one_bit_changes(&issuer.access) {
            assert!(!issuer.accepts(&changed), "{:?}: {changed}", issuer.algorithm);
        }
    }
}

#[test]
fn any_one_bit_change_of_a_refresh_token_or_a_cookie_is_refused() {
    let Issuer { world, refresh, .. } = Issuer::with(Algorithm::HS256);
    let client = ClientInfo::default();
    wait(async {
        assert!(world.authority.verify(refresh).await.is_ok());
        for changed in one_bit_changes(refresh) {
            assert!(world.authority.verify(&changed).await.is_err(), "{changed}");
            assert!(world.authority.refresh(&changed, &client).await.is_err(), "{changed}");
        }
        let proof = world.authority.prove_password("user", "alice", PASSWORD, &client).await;
        let cookie = world.authority.start_cookie(proof.unwrap(), &client).await.unwrap().granted;
        let cookie = cookie.expose();
        assert!(world.authority.authenticate_cookie(cookie, &client).await.is_ok());
        for changed in one_bit_changes(cookie) {
            let verdict = world.authority.authenticate_cookie(&changed, &client).await;
            assert!(verdict.is_err(), "{changed}");
        }
    });
}

/// One change of a text.
#[derive(Clone, Debug)]
enum Edit {
    Insert(Index, char),
    Remove(Index),
    Replace(Index, char),
    Swap(Index, Index),
    Truncate(Index),
    Repeat(Index),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let character = prop_oneof![
        8 => select("ABCXYZabcxyz0189-_.=+/ \n\0".chars().collect::<Vec<_>>()),
        1 => any::<char>(),
    ];
    let edit = prop_oneof![
        (any::<Index>(), character.clone()).prop_map(|(at, c)| Edit::Insert(at, c)),
        any::<Index>().prop_map(Edit::Remove),
        (any::<Index>(), character).prop_map(|(at, c)| Edit::Replace(at, c)),
        (any::<Index>(), any::<Index>()).prop_map(|(a, b)| Edit::Swap(a, b)),
        any::<Index>().prop_map(Edit::Truncate),
        any::<Index>().prop_map(Edit::Repeat),
    ];
    prop::collection::vec(edit, 1..5)
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for edit in edits {
        let len = characters.len();
        if len == 0 {
            break;
        }
        match edit {
            Edit::Insert(at, c) => characters.insert(at.index(len + 1), *c),
            Edit::Remove(at) => drop(characters.remove(at.index(len))),
            Edit::Replace(at, c) => characters[at.index(len)] = *c,
            Edit::Swap(a, b) => characters.swap(a.index(len), b.index(len)),
            Edit::Truncate(at) => characters.truncate(at.index(len)),
            Edit::Repeat(at) => characters.extend_from_within(at.index(len)..),
        }
    }
    characters.into_iter().collect()
}

/// Members of claims with values of every kind: most of them good, so that many tokens are.
fn claims() -> impl Strategy<Value = Value> {
    let time = prop_oneof![
        4 => (NOW - 2..NOW + 400).prop_map(|time| json!(time)),
        1 => any::<i64>().prop_map(|time| json!(time)),
        1 => any::<f64>().prop_map(|time| json!(time)),
        1 => json_values(),
    ];
    let odd = |good: Value| prop_oneof![6 => Just(good), 1 => json_values()];
    let members = [
        ("token_type", prop_oneof![6 => Just(json!("access")), 1 => Just(json!("refresh")), 1 => json_values()].boxed()),
        ("exp", time.clone().boxed()),
        ("iat", prop_oneof![4 => Just(json!(NOW)), 1 => time.clone()].boxed()),
        ("jti", odd(json!("0123456789abcdef0123456789abcdef")).boxed()),
        ("user_id", odd(json!("1")).boxed()),
    ];
    let others = [
        ("nbf", time.boxed()),
        ("aud", json_values().boxed()),
        ("iss", json_values().boxed()),
        ("sid", json_values().boxed()),
        ("gen", json_values().boxed()),
        ("auth_time", json_values().boxed()),
        ("rights_version", json_values().boxed()),
        ("user_type", json_values().boxed()),
        ("is_staff", json_values().boxed()),
        ("amr", json_values().boxed()),
        ("scope", json_values().boxed()),
    ];
    let member = |likely: f64| {
        move |(name, value): (&'static str, BoxedStrategy<Value>)| {
            prop::option::weighted(likely, value).prop_map(move |value| value.map(|v| (name, v)))
        }
    };
    let members: Vec<_> = members.into_iter().map(member(0.95)).collect();
    let others: Vec<_> = others.into_iter().map(member(0.08)).collect();
    (members, others).prop_map(|(members, others)| {
        let pairs = members.into_iter().chain(others).flatten();
        Value::Object(pairs.map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>())
    })
}

/// The header of a token that is signed with `algorithm`, or nearly.
fn headers(algorithm: Algorithm) -> impl Strategy<Value = Value> {
    let alg = prop_oneof![
        6 => Just(json!(format!("{algorithm:?}"))),
        1 => select(&ALGORITHMS[..]).prop_map(|other| json!(format!("{other:?}"))),
        1 => json_values(),
    ];
    let other = select(vec!["typ", "kid", "crit", "b64", "zip", "enc", "x"]);
    let others = prop::collection::vec((other, json_values()), 0..2);
    (alg, others).prop_map(|(alg, others)| {
        let mut header = json!({ "alg": alg, "typ": "JWT" });
        for (name, value) in others {
            header[name] = value;
        }
        header
    })
}

proptest! {
    #[test]
    fn any_other_text_than_the_token_is_refused(issuer in select(&ALGORITHMS[..]).prop_map(Issuer::with), edits in edits()) {
        let changed = edited(&issuer.access, &edits);
        prop_assert_eq!(issuer.accepts(&changed), changed == issuer.access);
    }

    /// Parsed, printed and parsed again, a token is the same token.
    #[test]
    fn the_claims_of_a_token_read_back(claims in claims(), algorithm in select(&ALGORITHMS[..])) {
        let issuer = Issuer::with(algorithm);
        let header = json!({ "alg": format!("{algorithm:?}") }).to_string();
        let mint = |claims: &Value| signed(header.as_bytes(), claims.to_string().as_bytes(), algorithm);
        let Ok(first) = issuer.world.authenticate(&mint(&claims)) else { return Ok(()) };
        let printed: Value = first.claims().unwrap();
        prop_assert_eq!(&printed, &claims);
        let again = issuer.world.authenticate(&mint(&printed)).unwrap();
        prop_assert_eq!(again.claims::<Value>().unwrap(), printed);
        prop_assert_eq!(again.principal(), first.principal());
        prop_assert_eq!(again.kind(), first.kind());
        prop_assert_eq!(again.session(), first.session());
        prop_assert_eq!(again.expires_at(), first.expires_at());
    }

    #[test]
    fn a_session_id_reads_back(text in "[0-9a-f]{32}", other in "\\PC{0,40}") {
        let id: SessionId = text.parse().unwrap();
        prop_assert_eq!(id.to_string(), text);
        if let Ok(id) = other.parse::<SessionId>() {
            prop_assert_eq!(id.to_string(), other);
        }
    }

    /// Whatever is accepted, jsonwebtoken accepts with everything required, and reads the same.
    #[test]
    fn nothing_is_accepted_that_the_oracle_refuses(
        (algorithm, header) in select(&ALGORITHMS[..]).prop_flat_map(|a| (Just(a), headers(a))),
        signer in prop::option::weighted(0.1, select(&ALGORITHMS[..])),
        claims in claims(),
        edits in prop::option::weighted(0.1, edits()),
    ) {
        let issuer = Issuer::with(algorithm);
        let signer = signer.unwrap_or(algorithm);
        let mut token =
            signed(header.to_string().as_bytes(), claims.to_string().as_bytes(), signer);
        if let Some(edits) = &edits {
            token = edited(&token, edits);
        }
        if let Ok(verified) = issuer.world.authenticate(&token) {
            let Some(oracle) = issuer.oracle(&token) else {
                return Err(TestCaseError::fail(format!("accepted: {header} {claims}")));
            };
            prop_assert!(oracle["exp"].as_i64().unwrap() > NOW);
            prop_assert!(oracle.get("nbf").is_none_or(|nbf| nbf.as_i64().unwrap() <= NOW));
            prop_assert_eq!(&oracle["token_type"], "access");
            prop_assert_eq!(oracle.get("aud"), None);
            let user = match &oracle["user_id"] {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            prop_assert_eq!(verified.user_id(), user);
            prop_assert_eq!(verified.is_staff(), oracle.get("is_staff") == Some(&json!(true)));
        }
    }
}

/// Else the property above would say little.
#[test]
fn the_oracle_and_the_issuers_agree_on_good_tokens() {
    for issuer in Issuer::all() {
        let header = json!({ "alg": format!("{:?}", issuer.algorithm), "typ": "JWT" }).to_string();
        let token =
            signed(header.as_bytes(), good_claims().to_string().as_bytes(), issuer.algorithm);
        assert!(issuer.accepts(&token), "{:?}", issuer.algorithm);
        assert_eq!(issuer.oracle(&token), Some(good_claims()), "{:?}", issuer.algorithm);
        assert!(issuer.oracle(&issuer.access).is_some(), "{:?}", issuer.algorithm);
    }
}
