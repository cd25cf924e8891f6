//! No input panics.

use std::sync::OnceLock;

use auth_core::{Algorithm, ClientInfo, Key, KeyRing, SessionId};
use base64_simd::{STANDARD, URL_SAFE_NO_PAD as BASE64};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::issuers::{
    ALGORITHMS, ED25519, Issuer, NOW, P256, P384, RSA, good_claims, signed, wait,
};

/// JSON of every kind, and what is most often confused with what is meant.
pub(crate) fn json_values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        // Fractions that every parser reads as the same number.
        any::<i32>().prop_map(|eighths| json!(f64::from(eighths) / 8.0)),
        Just(json!(1e300)),
        "\\PC{0,12}".prop_map(Value::from),
        select(vec![json!(""), json!("1"), json!(NOW), json!(NOW.to_string()), json!("access")]),
        "[0-9a-f]{32}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{0,6}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Bytes that are noise, text, or nearly JSON.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        "\\PC{0,300}".prop_map(String::into_bytes),
        json_values().prop_map(|value| value.to_string().into_bytes()),
        "[\\[\\]{}\",:0-9a-z\\\\]{0,80}".prop_map(String::into_bytes),
    ]
}

/// Hands a text to everything that takes a token, a cookie or an id from outside.
fn show(text: &str) {
    // One of its own: what is shown here may end sessions.
    static ISSUER: OnceLock<Issuer> = OnceLock::new();
    let Issuer { world, .. } = ISSUER.get_or_init(|| Issuer::new(Algorithm::HS256));
    let authority = &world.authority;
    let client = ClientInfo::default();
    let _ = authority.authenticate(text);
    let _ = authority.authenticate_single(text);
    let _ = authority.authenticate_cookie_from_memory(text, &client);
    let _ = text.parse::<SessionId>();
    wait(async {
        let _ = authority.verify(text).await;
        let _ = authority.refresh(text, &client).await;
        let _ = authority.refresh_sliding(text, &client).await;
        let _ = authority.blacklist(text).await;
        let _ = authority.authenticate_cookie(text, &client).await;
        let _ = authority.renew_cookie(text).await;
    });
}

/// The contents of a PEM, with some bytes changed.
fn nearly_der() -> impl Strategy<Value = Vec<u8>> {
    let good = select(vec![RSA, P256, P384, ED25519]).prop_map(|pem| {
        let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        STANDARD.decode_to_vec(body).unwrap()
    });
    let changes = prop::collection::vec((any::<Index>(), any::<u8>()), 0..4);
    (good, changes, prop::option::weighted(0.2, any::<Index>())).prop_map(
        |(mut der, changes, cut)| {
            for (at, byte) in changes {
                let at = at.index(der.len());
                der[at] = byte;
            }
            if let Some(at) = cut {
                der.truncate(at.index(der.len()));
            }
            der
        },
    )
}

fn pems() -> impl Strategy<Value = Vec<u8>> {
    let label = prop_oneof![
        select(vec![
            "PRIVATE KEY",
            "PUBLIC KEY",
            "RSA PRIVATE KEY",
            "RSA PUBLIC KEY",
            "EC PRIVATE KEY"
        ]),
        select(vec!["CERTIFICATE", "ENCRYPTED PRIVATE KEY", "EC PARAMETERS", "", "-----"]),
    ];
    let contents = prop_oneof![3 => nearly_der(), 1 => bytes()];
    (label, contents, "[ \\n\\r\\t]{0,3}").prop_map(|(label, contents, blank)| {
        let body = STANDARD.encode_to_string(contents);
        format!("{blank}-----BEGIN {label}-----\n{body}\n-----END {label}-----{blank}").into_bytes()
    })
}

/// Takes a key that was read to work.
fn use_key(key: &Key) {
    assert!(!key.verify_signature(b"message", b"signature"));
    let _ = format!("{key:?} {:?}", key.public_jwk());
}

proptest! {
    #[test]
    fn no_text_as_a_token_panics(text in "\\PC{0,300}", bytes in bytes()) {
        show(&text);
        show(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_segments_of_a_token_panic(segments in prop::collection::vec(bytes(), 0..6)) {
        let encoded: Vec<_> = segments.iter().map(|s| BASE64.encode_to_string(s)).collect();
        show(&encoded.join("."));
    }

    /// What is signed well is read further.
    #[test]
    fn no_header_and_no_payload_panic(header in bytes(), payload in bytes()) {
        show(&signed(br#"{"alg":"HS256","typ":"JWT"}"#, &payload, Algorithm::HS256));
        show(&signed(&header, good_claims().to_string().as_bytes(), Algorithm::HS256));
    }

    #[test]
    fn no_claim_panics(name in "[a-z_]{1,9}|exp|iat|nbf|iss|aud|sid|gen|jti|amr|role|scope|user_id|user_type|token_type|auth_time|rights_version|refresh_exp|id|username", value in json_values()) {
        for kind in ["access", "refresh", "sliding"] {
            let mut claims = good_claims();
            claims["token_type"] = json!(kind);
            claims["jti"] = json!(format!("{name}{kind}"));
            claims[&name] = value.clone();
            show(&signed(br#"{"alg":"HS256"}"#, claims.to_string().as_bytes(), Algorithm::HS256));
        }
    }

    #[test]
    fn no_bytes_as_a_secret_panic(bytes in bytes(), algorithm in select(&ALGORITHMS[..])) {
        if let Ok(key) = Key::hmac(algorithm, &bytes) {
            use_key(&key);
        }
    }

    #[test]
    fn no_jwk_and_no_set_of_them_panics(bytes in bytes(), value in json_values()) {
        let set = json!({ "keys": value }).to_string();
        let list = json!({ "keys": [value] }).to_string();
        for text in [&bytes[..], set.as_bytes(), list.as_bytes()] {
            if let Ok(key) = Key::from_jwk(text) {
                use_key(&key);
            }
            for rsa in [None, Some(Algorithm::PS256), Some(Algorithm::HS256)] {
                let keys = Key::from_jwk_set(text, rsa).into_iter().flatten().flatten();
                keys.for_each(|key| use_key(&key));
            }
            let _ = KeyRing::from_jwk_set(text);
        }
    }

    #[test]
    fn no_member_of_a_jwk_panics(
        kty in select(vec!["RSA", "EC", "OKP", "oct"]),
        crv in select(vec!["P-256", "P-384", "P-521", "Ed25519", "X25519", ""]),
        numbers in prop::collection::btree_map(
            select(vec!["n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y", "k"]),
            prop_oneof![
                prop::collection::vec(any::<u8>(), 0..60).prop_map(|b| json!(BASE64.encode_to_string(b))),
                prop::collection::vec(any::<u8>(), 32).prop_map(|b| json!(BASE64.encode_to_string(b))),
                prop::collection::vec(any::<u8>(), 256).prop_map(|b| json!(BASE64.encode_to_string(b))),
                Just(json!("AQAB")),
                Just(json!("")),
                json_values(),
            ],
            0..11,
        ),
    ) {
        let mut jwk = json!({ "kty": kty, "crv": crv });
        for (name, value) in numbers {
            jwk[name] = value;
        }
        if let Ok(key) = Key::from_jwk(jwk.to_string().as_bytes()) {
            use_key(&key);
        }
    }

    #[test]
    fn no_pem_panics(pem in prop_oneof![4 => pems(), 1 => bytes()], algorithm in select(&ALGORITHMS[..])) {
        let keys = [Key::from_private_pem(algorithm, &pem), Key::from_public_pem(algorithm, &pem)];
        keys.into_iter().flatten().for_each(|key| use_key(&key));
    }
}
