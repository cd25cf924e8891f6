//! A JSON Web Key, with placeholders for the numbers of good keys.
#![no_main]

use std::sync::LazyLock;

use auth_core::{Algorithm, Key};
use fuzz::fill;
use fuzz::json::Json;
use fuzz::keys::{ALGORITHMS, check, numbers};
use libfuzzer_sys::fuzz_target;

static NUMBERS: LazyLock<Vec<(u8, String)>> = LazyLock::new(|| {
    let numbers = numbers();
    let values: Vec<_> = numbers.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    // Good keys are taken: otherwise nothing that follows would mean anything.
    for good in GOOD {
        Key::from_jwk(&fill(good.as_bytes(), &values)).expect(good);
    }
    numbers
});

const GOOD: [&str; 5] = [
    r#"{"kty":"RSA","n":"{n}","e":"{e}","d":"{d}","p":"{p}","q":"{q}","dp":"{f}","dq":"{g}","qi":"{i}"}"#,
    r#"{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}","d":"{z}"}"#,
    r#"{"kty":"EC","crv":"P-384","x":"{X}","y":"{Y}","d":"{Z}"}"#,
    r#"{"kty":"OKP","crv":"Ed25519","x":"{o}","d":"{u}"}"#,
    r#"{"kty":"oct","k":"{k}"}"#,
];

/// Those that mean something to us. The others may come twice.
const MEMBERS: [&str; 18] = [
    "kty", "use", "key_ops", "alg", "kid", "crv", "x", "y", "n", "e", "d", "p", "q", "dp", "dq",
    "qi", "oth", "k",
];

fn family(algorithm: Algorithm) -> (&'static str, Option<&'static str>) {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => ("oct", None),
        Algorithm::ES256 => ("EC", Some("P-256")),
        Algorithm::ES384 => ("EC", Some("P-384")),
        Algorithm::EdDSA => ("OKP", Some("Ed25519")),
        _ => ("RSA", None),
    }
}

fuzz_target!(|input: &[u8]| {
    let values: Vec<_> = NUMBERS.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let text = fill(input, &values);
    let Ok(key) = Key::from_jwk(&text) else { return };

    let jwk = Json::parse(&text).expect("accepted, and not JSON");
    assert!(jwk.members().is_some(), "accepted, and not an object");
    assert!(std::str::from_utf8(&text).is_ok(), "accepted, and not UTF-8");
    assert!(!jwk.duplicates().iter().any(|name| MEMBERS.contains(name)), "a member twice");
    let get = |name| jwk.get(name).and_then(Json::text);
    let algorithm = key.algorithm();
    let (kty, crv) = family(algorithm);
    assert_eq!(get("kty"), Some(kty));
    assert!(crv.is_none() || get("crv") == crv);
    let name = format!("{algorithm:?}");
    assert!(get("alg").is_none_or(|alg| alg == name), "another algorithm than it says");
    assert!(
        get("alg").is_some() || matches!(&*name, "HS256" | "RS256" | "ES256" | "ES384" | "EdDSA")
    );
    assert!(get("use").is_none_or(|key_use| key_use == "sig"));
    if let Some(kid) = get("kid") {
        assert_eq!(key.kid(), Some(kid));
    } else {
        assert_eq!(
            key.kid().map(str::to_owned),
            key.public_jwk().map(|public| public.thumbprint())
        );
    }
    let is_private = get("d").is_some() || get("k").is_some();
    assert_eq!(key.can_sign(), is_private);
    if let Some(Json::List(operations)) = jwk.get("key_ops") {
        let needed = if is_private { "sign" } else { "verify" };
        assert!(operations.iter().any(|operation| operation.text() == Some(needed)));
    }
    for secret in ALGORITHMS {
        assert!(Key::hmac(secret, &text).is_err(), "the text of a key as a secret");
    }

    // In a set it is the same key.
    let set = [b"{\"keys\":[", &text[..], b"]}"].concat();
    let in_set = Key::from_jwk_set(&set, None).map(|mut keys| keys.remove(0));
    let in_set = in_set.expect("a set of a good key").expect("a good key, and bad in a set");
    assert_eq!((in_set.kid(), in_set.algorithm()), (key.kid(), algorithm));
    assert_eq!((in_set.can_sign(), in_set.public_jwk()), (is_private, key.public_jwk()));

    let public = check(key, algorithm);
    // The numbers are the ones that were given.
    for (name, value) in public.as_ref().and_then(Json::members).unwrap_or_default() {
        if !matches!(&**name, "kid" | "use" | "alg") {
            assert_eq!(jwk.get(name), Some(value), "{name}");
        }
    }
});
