//! The examples of the standards: RFC 7515 (JWS), RFC 7520 (the JOSE cookbook), RFC 7638
//! (thumbprints) and RFC 8037 (Ed25519).
//!
//! Their payloads are no tokens of ours. So the signatures are checked with the key alone, and an
//! authority with the key is asked how far it reads them.

mod common;

use auth_core::{Algorithm, Authority, Key, KeyRing, ManualClock, MemoryStore, Settings};
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

/// An example: its key as a JWK, and the compact serialization.
struct Vector {
    key: Value,
    compact: String,
}

macro_rules! vector {
    ($name:literal) => {
        Vector::parse(include_str!(concat!("vectors/", $name, ".json")))
    };
}

impl Vector {
    fn parse(json: &str) -> Self {
        let json: Value = serde_json::from_str(json).unwrap();
        let compact = json["compact"].as_str().unwrap_or_default().to_owned();
        Self { key: json["key"].clone(), compact }
    }

    fn key(&self) -> Key {
        Key::from_jwk(self.key.to_string().as_bytes()).unwrap()
    }

    /// The key without its private members.
    fn public(&self) -> Value {
        let mut key = self.key.clone();
        for member in ["d", "p", "q", "dp", "dq", "qi"] {
            key.as_object_mut().unwrap().remove(member);
        }
        key
    }

    fn public_key(&self) -> Key {
        Key::from_jwk(self.public().to_string().as_bytes()).unwrap()
    }

    fn segments(&self) -> [&str; 3] {
        self.compact.split('.').collect::<Vec<_>>().try_into().unwrap()
    }

    /// The key verifies the signature, and no other signature or message.
    #[track_caller]
    fn verifies_with(&self, key: &Key) {
        let (message, signature) = self.compact.rsplit_once('.').unwrap();
        let signature = BASE64.decode_to_vec(signature).unwrap();
        assert!(key.verify_signature(message.as_bytes(), &signature));
        assert!(!key.verify_signature(&message.as_bytes()[1..], &signature));
        assert!(!key.verify_signature(message.as_bytes(), &signature[1..]));
        for at in [0, signature.len() / 2, signature.len() - 1] {
            let mut changed = signature.clone();
            changed[at] ^= 1;
            assert!(!key.verify_signature(message.as_bytes(), &changed), "byte {at}");
        }
    }
}

/// What an authority with this key says of a text, a second before the tokens of RFC 7515 expire.
fn verdict(key: Key, text: &str) -> String {
    let ring = KeyRing::new(Key::hmac(Algorithm::HS256, common::SECRET.as_bytes()).unwrap());
    let authority = Authority::builder(Settings::default())
        .keys(ring.also_accept(key))
        .store(MemoryStore::new())
        .users(common::Users::with_alice())
        .clock(ManualClock::at_unix_seconds(1_300_819_379).clock())
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(authority.sync()).unwrap();
    authority.authenticate(text).unwrap_err().to_string()
}

/// The signature is good, the time is too; what is missing is what makes it a token of ours.
const SIGNED_BUT_NOT_OURS: &str = "token without a kind";

#[test]
fn rfc_7515_a1_hs256() {
    let vector = vector!("rfc7515-a1");
    vector.verifies_with(&vector.key());
    assert_eq!(verdict(vector.key(), &vector.compact), SIGNED_BUT_NOT_OURS);
    assert_eq!(vector.key().kid(), None);
    assert!(vector.key().public_jwk().is_none(), "a secret has no public half");
}

#[test]
fn rfc_7515_a2_rs256() {
    let vector = vector!("rfc7515-a2");
    vector.verifies_with(&vector.key());
    vector.verifies_with(&vector.public_key());
    assert_eq!(verdict(vector.public_key(), &vector.compact), SIGNED_BUT_NOT_OURS);
}

#[test]
fn rfc_7515_a3_es256() {
    let vector = vector!("rfc7515-a3");
    vector.verifies_with(&vector.key());
    vector.verifies_with(&vector.public_key());
    assert_eq!(verdict(vector.public_key(), &vector.compact), SIGNED_BUT_NOT_OURS);
}

#[test]
fn rfc_7515_a5_unsecured_is_refused() {
    let token = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";
    for vector in [vector!("rfc7515-a1"), vector!("rfc7515-a2"), vector!("rfc7515-a3")] {
        assert_eq!(verdict(vector.key(), token), "invalid token: signature");
    }
}

#[test]
fn rfc_7515_a6_json_with_two_signatures_is_refused() {
    let (a2, a3) = (vector!("rfc7515-a2"), vector!("rfc7515-a3"));
    let [_, payload, _] = a2.segments();
    let signature = |vector: &Vector, kid: &str| {
        let [protected, _, signature] = vector.segments();
        json!({ "protected": protected, "header": { "kid": kid }, "signature": signature })
    };
    let signatures = json!([
        signature(&a2, "2010-12-29"),
        signature(&a3, "e9bc097a-ce51-4036-9562-d2ade882db0d"),
    ]);
    let jws = json!({ "payload": payload, "signatures": signatures }).to_string();
    for vector in [&a2, &a3] {
        let verdict = verdict(vector.key(), &jws);
        assert!(verdict.starts_with("invalid token: "), "{verdict}");
    }
}

#[test]
fn rfc_7515_a7_flattened_json_is_refused() {
    let a3 = vector!("rfc7515-a3");
    let [protected, payload, signature] = a3.segments();
    let header = json!({ "kid": "e9bc097a-ce51-4036-9562-d2ade882db0d" });
    let jws = json!({
        "payload": payload, "protected": protected, "header": header, "signature": signature,
    });
    let verdict = verdict(a3.key(), &jws.to_string());
    assert!(verdict.starts_with("invalid token: "), "{verdict}");
}

/// The payload is a sentence, so the signature is all that is good about it.
const NO_CLAIMS: &str = "invalid token: claims";

#[test]
fn rfc_7520_4_1_rs256() {
    let vector = vector!("rfc7520-4.1");
    vector.verifies_with(&vector.key());
    vector.verifies_with(&vector.public_key());
    assert_eq!(vector.key().kid(), Some("bilbo.baggins@hobbiton.example"));
    assert_eq!(vector.key().algorithm(), Algorithm::RS256);
    assert_eq!(verdict(vector.public_key(), &vector.compact), NO_CLAIMS);
}

#[test]
fn rfc_7520_4_2_ps384() {
    let vector = vector!("rfc7520-4.2");
    vector.verifies_with(&vector.key());
    vector.verifies_with(&vector.public_key());
    assert_eq!(vector.key().algorithm(), Algorithm::PS384);
    assert_eq!(verdict(vector.public_key(), &vector.compact), NO_CLAIMS);
    // The same key pair for another algorithm is another key (RFC 8725 §3.1).
    let rs256 = vector!("rfc7520-4.1");
    assert_eq!(verdict(rs256.key(), &vector.compact), "invalid token: signature");
}

#[test]
fn rfc_7520_4_3_es512_is_not_supported() {
    let vector = vector!("rfc7520-4.3");
    for key in [vector.key.clone(), vector.public()] {
        assert!(Key::from_jwk(key.to_string().as_bytes()).is_err());
    }
}

#[test]
fn rfc_7520_4_4_hs256() {
    let vector = vector!("rfc7520-4.4");
    vector.verifies_with(&vector.key());
    assert_eq!(vector.key().kid(), Some("018c0ae5-4d9b-471b-bfd6-eef314bc7037"));
    assert_eq!(verdict(vector.key(), &vector.compact), NO_CLAIMS);
}

#[test]
fn rfc_7520_4_8_several_signatures_are_refused() {
    let (rs256, hs256) = (vector!("rfc7520-4.1"), vector!("rfc7520-4.4"));
    let signature = |vector: &Vector| {
        let [protected, _, signature] = vector.segments();
        json!({ "protected": protected, "signature": signature })
    };
    let signatures = json!([signature(&rs256), signature(&hs256)]);
    let jws = json!({ "payload": rs256.segments()[1], "signatures": signatures }).to_string();
    for key in [rs256.key(), hs256.key()] {
        let verdict = verdict(key, &jws);
        assert!(verdict.starts_with("invalid token: ") && verdict != NO_CLAIMS, "{verdict}");
    }
}

/// RFC 7520 §3.3 and §3.4: the private key publishes what its public half does.
#[test]
fn rfc_7520_3_the_public_half_is_that_of_the_private_key() {
    for vector in [vector!("rfc7520-4.1"), vector!("rfc7515-a2"), vector!("rfc7515-a3")] {
        let (private, public) = (vector.key(), vector.public_key());
        assert_eq!(private.public_jwk(), public.public_jwk());
        let published = serde_json::to_value(private.public_jwk().unwrap()).unwrap();
        for (member, value) in vector.public().as_object().unwrap() {
            assert_eq!(&published[member], value, "{member}");
        }
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert_eq!(published.get(private), None);
        }
    }
}

#[test]
fn rfc_7520_3_6_a_key_for_encryption_is_refused() {
    let mut key = json!({
        "kty": "oct", "kid": "1e571774-2e08-40da-8308-e8d68773842d", "use": "enc",
        "alg": "A256GCM", "k": "AAPapAv4LbFbiVawEjagUBluYqN5rhna-8nuldDvOx8",
    });
    assert!(Key::from_jwk(key.to_string().as_bytes()).is_err());
    // Neither word alone makes it one for signatures.
    key["alg"] = json!("HS256");
    assert!(Key::from_jwk(key.to_string().as_bytes()).is_err());
    key["alg"] = json!("A256GCM");
    key["use"] = json!("sig");
    assert!(Key::from_jwk(key.to_string().as_bytes()).is_err());
}

#[test]
fn rfc_7638_3_1_thumbprint() {
    let mut vector = vector!("rfc7638-3.1");
    let thumbprint = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    assert_eq!(vector.key().public_jwk().unwrap().thumbprint(), thumbprint);
    assert_eq!(vector.key().kid(), Some("2011-04-29"));
    vector.key.as_object_mut().unwrap().remove("kid");
    assert_eq!(vector.key().kid(), Some(thumbprint));
}

#[test]
fn rfc_8037_a1_to_a3_key_and_thumbprint() {
    let vector = vector!("rfc8037-a");
    for key in [vector.key(), vector.public_key()] {
        let kid = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        assert_eq!(key.kid(), Some(kid));
        assert_eq!(
            serde_json::to_value(key.public_jwk().unwrap()).unwrap(),
            json!({
                "kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                "kid": kid, "use": "sig", "alg": "EdDSA",
            })
        );
    }
}

#[test]
fn rfc_8037_a4_and_a5_signature() {
    let vector = vector!("rfc8037-a");
    vector.verifies_with(&vector.key());
    vector.verifies_with(&vector.public_key());
    assert_eq!(verdict(vector.public_key(), &vector.compact), NO_CLAIMS);
}

#[test]
fn rfc_8037_a6_x25519_is_no_key_for_signatures() {
    let x25519 = r#"{"kty":"OKP","crv":"X25519","kid":"Bob","x":"3p7bfXt9wbTTW2HC7OQ1Nz-DQ8hbeGdNrfx-FG-IK08"}"#;
    assert!(Key::from_jwk(x25519.as_bytes()).is_err());
}
