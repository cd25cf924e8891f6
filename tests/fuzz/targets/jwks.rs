//! A set of JSON Web Keys. The first byte says what RSA keys without an algorithm are for.
#![no_main]

use std::sync::LazyLock;

use auth_core::{Authority, Key, KeyRing, MemoryStore, Settings};
use fuzz::fill;
use fuzz::json::Json;
use fuzz::keys::{ALGORITHMS, check, numbers};
use fuzz::world::{authority, pair};
use libfuzzer_sys::fuzz_target;

static NUMBERS: LazyLock<Vec<(u8, String)>> = LazyLock::new(|| {
    let numbers = numbers();
    let values: Vec<_> = numbers.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    // A good set is taken: otherwise nothing that follows would mean anything.
    let good = fill(br#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"{o}","d":"{u}"}]}"#, &values);
    assert!(KeyRing::from_jwk_set(&good).is_ok());
    numbers
});

fn new_authority() -> Authority {
    authority(Settings::default(), MemoryStore::new())
}

thread_local! {
    /// With how many rings it has signed: each login is kept in memory.
    static ISSUER: std::cell::RefCell<(usize, Authority)> =
        std::cell::RefCell::new((0, new_authority()));
}

fuzz_target!(|input: &[u8]| {
    let Some((which, input)) = input.split_first() else { return };
    let values: Vec<_> = NUMBERS.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    let text = fill(input, &values);
    let rsa = ALGORITHMS.get(usize::from(which % 16)).copied();
    let ring = KeyRing::from_jwk_set(&text);
    let Ok(keys) = Key::from_jwk_set(&text, rsa) else {
        assert!(ring.is_err());
        return;
    };

    let set = Json::parse(&text).expect("accepted, and not JSON");
    assert!(set.members().is_some(), "accepted, and not an object");
    assert!(!set.duplicates().contains(&"keys"), "accepted, with two lists");
    let Some(Json::List(elements)) = set.get("keys") else { panic!("accepted, without a list") };
    let texts = Json::elements(&text, "keys").unwrap_or_default();
    assert_eq!((keys.len(), texts.len()), (elements.len(), elements.len()));
    assert!(keys.len() <= 100);

    let mut all_good = !keys.is_empty();
    for (key, (element, text)) in keys.into_iter().zip(elements.iter().zip(texts)) {
        // Alone it is the same key.
        let alone = Key::from_jwk(text);
        all_good &= alone.is_ok();
        let is_rsa = element.get("kty").and_then(Json::text) == Some("RSA");
        let rsa = rsa.filter(|_| is_rsa && element.get("alg").is_none());
        let Ok(key) = key else {
            assert!(alone.is_err() || rsa.is_some(), "bad in a set, good alone");
            continue;
        };
        let alone = alone.expect("good in a set, bad alone");
        assert_eq!(key.kid(), alone.kid());
        assert_eq!(key.algorithm(), rsa.unwrap_or(alone.algorithm()));
        check(key, rsa.unwrap_or(alone.algorithm()));
    }
    assert_eq!(ring.is_ok(), all_good, "a ring has good keys, and one at least");
    if let Ok(ring) = ring {
        check_ring(ring);
    }
});

fn check_ring(ring: KeyRing) {
    let published = serde_json::to_string(&ring.jwks()).unwrap();
    let published = Json::parse(published.as_bytes()).expect("a set that is not JSON");
    let Some(Json::List(halves)) = published.get("keys") else { panic!("a set without keys") };
    for half in halves {
        for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
            assert!(half.get(private).is_none(), "a published {private}");
        }
    }
    let signs = ring.can_sign();
    ISSUER.with_borrow_mut(|(count, issuer)| {
        *count += 1;
        if count.is_multiple_of(10_000) {
            *issuer = new_authority();
        }
        if issuer.set_keys(ring).is_ok() {
            assert!(signs, "an issuer without a key that signs");
            let (access, _) = pair(issuer);
            assert!(issuer.authenticate(&access).is_ok(), "it refuses its own token");
            let count = halves.len();
            assert_eq!(issuer.jwks().keys.len(), count, "a key that is not published");
        }
    });
}
