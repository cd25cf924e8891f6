//! Keys.

use std::sync::OnceLock;

use auth_core::{Algorithm, Key};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::inputs::json_values;
use super::issuers::{ED25519, P256, P384, RSA};

const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "k"];

/// Good JWKs of every kind: secrets, private and public ones.
fn pool() -> &'static [Value] {
    static POOL: OnceLock<Vec<Value>> = OnceLock::new();
    POOL.get_or_init(|| {
        let vectors = [
            include_str!("../vectors/rfc7515-a1.json"),
            include_str!("../vectors/rfc7515-a2.json"),
            include_str!("../vectors/rfc7515-a3.json"),
            include_str!("../vectors/rfc7520-4.1.json"),
            include_str!("../vectors/rfc7520-4.4.json"),
            include_str!("../vectors/rfc7638-3.1.json"),
            include_str!("../vectors/rfc8037-a.json"),
        ];
        let vectors =
            vectors.map(|text| serde_json::from_str::<Value>(text).unwrap()["key"].clone());
        let pems = [
            (Algorithm::PS512, RSA),
            (Algorithm::ES256, P256),
            (Algorithm::ES384, P384),
            (Algorithm::EdDSA, ED25519),
        ];
        let publics = pems.map(|(algorithm, pem)| {
            let key = Key::from_private_pem(algorithm, pem.as_bytes()).unwrap();
            serde_json::to_value(key.public_jwk().unwrap()).unwrap()
        });
        vectors.into_iter().chain(publics).collect()
    })
}

#[test]
fn the_keys_of_the_pool_are_good() {
    for jwk in pool() {
        let key = Key::from_jwk(jwk.to_string().as_bytes());
        assert!(key.is_ok(), "{:?}: {jwk}", key.err());
    }
}

/// What may happen to a member of a JWK.
#[derive(Clone, Debug)]
enum Change {
    /// One of those that say what a key is for.
    Name(&'static str, Value),
    Remove(Index),
    /// A character of a number.
    Character(Index, Index, char),
    Replace(Index, Value),
    /// The private half goes.
    Publish,
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let kid = prop_oneof![
        "\\PC{0,20}".prop_map(|kid| json!(kid)),
        Just(json!("\"\\\u{0}\u{1f}é")),
        json_values(),
    ];
    let named = prop_oneof![
        4 => kid.prop_map(|kid| Change::Name("kid", kid)),
        1 => select(vec!["sig", "enc", ""]).prop_map(|v| Change::Name("use", json!(v))),
        1 => select(vec!["RS256", "RS512", "PS384", "ES256", "ES384", "EdDSA", "HS256", "HS512", "none", "A256GCM"])
            .prop_map(|v| Change::Name("alg", json!(v))),
        1 => prop::collection::vec(select(vec!["sign", "verify", "encrypt"]), 0..3)
            .prop_map(|v| Change::Name("key_ops", json!(v))),
        1 => json_values().prop_map(|v| Change::Name("x5c", v)),
        1 => json_values().prop_map(|v| Change::Name("anything", v)),
    ];
    let base64url = select("AQgwZ_-=+".chars().collect::<Vec<_>>());
    let change = prop_oneof![
        6 => named,
        1 => any::<Index>().prop_map(Change::Remove),
        1 => (any::<Index>(), any::<Index>(), base64url).prop_map(|(m, at, c)| Change::Character(m, at, c)),
        1 => (any::<Index>(), json_values()).prop_map(|(m, v)| Change::Replace(m, v)),
        3 => Just(Change::Publish),
    ];
    prop::collection::vec(change, 0..4)
}

fn changed(jwk: &Value, changes: &[Change]) -> Value {
    let mut jwk = jwk.as_object().unwrap().clone();
    for change in changes {
        let name = |index: &Index| {
            let names: Vec<_> = jwk.keys().cloned().collect();
            (!names.is_empty()).then(|| names[index.index(names.len())].clone())
        };
        match change {
            Change::Name(name, value) => drop(jwk.insert((*name).to_owned(), value.clone())),
            Change::Remove(index) => {
                if let Some(name) = name(index) {
                    jwk.remove(&name);
                }
            }
            Change::Replace(index, value) => {
                if let Some(name) = name(index) {
                    jwk.insert(name, value.clone());
                }
            }
            Change::Character(index, at, character) => {
                let name = name(index);
                if let Some(Value::String(text)) = name.and_then(|name| jwk.get_mut(&name)) {
                    let mut characters: Vec<char> = text.chars().collect();
                    if !characters.is_empty() {
                        let at = at.index(characters.len());
                        characters[at] = *character;
                    }
                    *text = characters.into_iter().collect();
                }
            }
            Change::Publish => PRIVATE.iter().for_each(|name| drop(jwk.remove(*name))),
        }
    }
    Value::Object(jwk)
}

proptest! {
    /// A JWK that was read is printed as one that reads back as the same key, its public half.
    #[test]
    fn a_jwk_reads_back(jwk in select(pool()), changes in changes()) {
        let jwk = changed(&jwk, &changes);
        let Ok(key) = Key::from_jwk(jwk.to_string().as_bytes()) else { return Ok(()) };
        let Some(public) = key.public_jwk() else {
            prop_assert_eq!(&jwk["kty"], "oct");
            return Ok(());
        };
        let printed = public.to_string();
        let again = Key::from_jwk(printed.as_bytes()).unwrap();
        prop_assert_eq!(again.public_jwk(), Some(public));
        prop_assert_eq!(again.public_jwk().unwrap().to_string(), printed.clone());
        prop_assert_eq!(again.kid(), key.kid());
        prop_assert_eq!(again.algorithm(), key.algorithm());
        prop_assert!(!again.can_sign());

        // Of what was read, the public numbers are there as they were, and nothing private is.
        let value: Value = serde_json::from_str(&printed).unwrap();
        for name in ["kty", "crv", "n", "e", "x", "y"] {
            prop_assert_eq!(value.get(name), jwk.get(name).filter(|_| value.get(name).is_some()));
        }
        for name in PRIVATE {
            prop_assert_eq!(value.get(name), None);
            let secret = jwk.get(name).and_then(Value::as_str).filter(|text| text.len() > 8);
            prop_assert!(secret.is_none_or(|secret| !printed.contains(secret)));
        }
    }

    /// Its debug form, which ends in logs, has nothing private either.
    #[test]
    fn the_debug_form_of_a_key_tells_no_secret(jwk in select(pool())) {
        let text = format!("{:?}", Key::from_jwk(jwk.to_string().as_bytes()).unwrap());
        for name in PRIVATE {
            prop_assert!(jwk.get(name).and_then(Value::as_str).is_none_or(|d| !text.contains(d)));
        }
    }
}
