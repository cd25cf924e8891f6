//! Key material, and what must be true of every key that was accepted.

use std::cell::RefCell;

use auth_core::keys::PublicJwk;
use auth_core::{Algorithm, Authority, Key, KeyRing, MemoryStore, Settings};
use jsonwebtoken::DecodingKey;
use serde_json::Value;

use crate::from_base64url;
use crate::json::Json;
use crate::world::{authority, pair};

pub const ALGORITHMS: [Algorithm; 12] = [
    Algorithm::HS256,
    Algorithm::HS384,
    Algorithm::HS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

macro_rules! test_key {
    ($name:literal) => {
        include_str!(concat!("../../../auth-core/tests/keys/", $name))
    };
}

/// The keys in PEM that the tests have, by the letter that stands for each.
pub const PEM: [(u8, &str); 14] = [
    (b'a', test_key!("rsa.pkcs8.pem")),
    (b'b', test_key!("rsa.pkcs1.pem")),
    (b'c', test_key!("rsa.spki.pem")),
    (b'd', test_key!("rsa.pkcs1.pub.pem")),
    (b'e', test_key!("p256.pkcs8.pem")),
    (b'f', test_key!("p256.sec1.pem")),
    (b'g', test_key!("p256.spki.pem")),
    (b'h', test_key!("p384.pkcs8.pem")),
    (b'i', test_key!("p384.sec1.pem")),
    (b'j', test_key!("p384.spki.pem")),
    (b'k', test_key!("ed25519.pkcs8.pem")),
    (b'l', test_key!("ed25519.spki.pem")),
    (b'm', test_key!("rsa.encrypted.pem")),
    (b'n', test_key!("rsa1024.spki.pem")),
];

/// The numbers of keys in JWKs, by the letter that stands for each.
pub fn numbers() -> Vec<(u8, String)> {
    let rsa: Value = serde_json::from_str(test_key!("rsa.jwk.json")).unwrap();
    let public = |algorithm, pem: &str| {
        let key = Key::from_public_pem(algorithm, pem.as_bytes()).unwrap();
        serde_json::to_value(key.public_jwk().unwrap()).unwrap()
    };
    let p384 = public(Algorithm::ES384, test_key!("p384.spki.pem"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let fixed = |text: &str| text.to_owned();
    vec![
        (b'n', text(&rsa["n"])),
        (b'e', text(&rsa["e"])),
        (b'd', text(&rsa["d"])),
        (b'p', text(&rsa["p"])),
        (b'q', text(&rsa["q"])),
        (b'f', text(&rsa["dp"])),
        (b'g', text(&rsa["dq"])),
        (b'i', text(&rsa["qi"])),
        // RFC 7515, appendix A.3.1: P-256
        (b'x', fixed("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU")),
        (b'y', fixed("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")),
        (b'z', fixed("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")),
        (b'X', text(&p384["x"])),
        (b'Y', text(&p384["y"])),
        (b'Z', crate::base64url(&p384_private())),
        // RFC 8037, appendix A.1: Ed25519
        (b'o', fixed("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")),
        (b'u', fixed("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")),
        // RFC 7515, appendix A.1.1: 64 bytes
        (
            b'k',
            fixed(
                "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
            ),
        ),
    ]
}

/// The octets of the private key in SEC 1 (RFC 5915 §3).
fn p384_private() -> Vec<u8> {
    let blocks = pem::parse_many(test_key!("p384.sec1.pem")).unwrap();
    let block = blocks.iter().find(|block| block.tag() == "EC PRIVATE KEY").unwrap();
    let der = block.contents();
    let start = der.windows(2).position(|mark| mark == [4, 48]).unwrap() + 2;
    der[start..start + 48].to_vec()
}

/// Checks a key that was accepted, and answers its public half as JSON.
pub fn check(key: Key, algorithm: Algorithm) -> Option<Json> {
    assert_eq!(key.algorithm(), algorithm);
    let name = format!("{algorithm:?}");
    let public = key.public_jwk().map(|public| check_public(public, &name, key.kid()));
    assert_eq!(public.is_none(), name.starts_with("HS"), "a secret has no public half");
    if key.can_sign() {
        check_signing(key, public.as_ref());
    }
    public
}

fn check_public(public: &PublicJwk, algorithm: &str, kid: Option<&str>) -> Json {
    assert_eq!(Some(public.kid()), kid);
    let text = serde_json::to_string(public).unwrap();
    let json = Json::parse(text.as_bytes()).expect("a JWK that is not JSON");
    assert_eq!(json.duplicates(), [""; 0]);
    let get = |name| json.get(name).and_then(Json::text).unwrap_or_default();
    let numbers: &[(&str, usize)] = match get("kty") {
        "RSA" => &[("n", 0), ("e", 0)],
        "EC" if get("crv") == "P-256" => &[("x", 32), ("y", 32)],
        "EC" => &[("x", 48), ("y", 48)],
        "OKP" => &[("x", 32)],
        other => panic!("a key of the kind {other}"),
    };
    for (name, value) in json.members().unwrap() {
        let is_number = numbers.iter().any(|(number, _)| number == name);
        let is_known = matches!(&**name, "kty" | "kid" | "use" | "alg" | "crv");
        assert!(is_number || is_known, "a public half with {name}");
        assert!(value.text().is_some());
    }
    for (name, length) in numbers {
        let bytes = from_base64url(get(name)).expect("a number that is not canonical base64url");
        assert!(bytes.len() == *length || *length == 0 && bytes[0] != 0, "{name}");
        if *name == "n" {
            let bits = bytes.len() * 8 - bytes[0].leading_zeros() as usize;
            assert!((2048..=8192).contains(&bits), "an RSA key of {bits} bits");
        }
        if *name == "e" {
            assert!(
                bytes != [1] && bytes.last().unwrap() % 2 == 1,
                "an RSA key with e = {bytes:?}"
            );
        }
    }
    assert_eq!((get("alg"), get("use")), (algorithm, "sig"));

    let again = Key::from_jwk(text.as_bytes()).expect("our own JWK");
    assert!(!again.can_sign());
    assert_eq!(again.public_jwk(), Some(public));
    assert_eq!((again.kid(), format!("{:?}", again.algorithm())), (kid, algorithm.to_owned()));
    // Its name, where it has none of its own: computed by somebody else, who does not do Ed25519.
    let theirs: jsonwebtoken::jwk::Jwk = serde_json::from_str(&text).expect("our own JWK");
    if get("kty") != "OKP" {
        let thumbprint = theirs.thumbprint(jsonwebtoken::jwk::ThumbprintHash::SHA256).unwrap();
        assert_eq!(public.thumbprint(), thumbprint);
    }
    json
}

/// What it signs is good for a key made from its public half, and for jsonwebtoken.
fn check_signing(key: Key, public: Option<&Json>) {
    thread_local! {
        /// With how many keys it has signed: each login is kept in memory.
        static SIGNER: RefCell<(usize, Authority)> = RefCell::new((0, new_signer()));
    }
    let algorithm = key.algorithm();
    let token = SIGNER.with_borrow_mut(|(count, signer)| {
        *count += 1;
        if count.is_multiple_of(10_000) {
            *signer = new_signer();
        }
        signer.set_keys(KeyRing::new(key)).expect("a key that signs");
        let (access, _) = pair(signer);
        assert!(signer.authenticate(&access).is_ok(), "{algorithm:?}: it refuses its own token");
        access
    });
    let Some(public) = public.map(Json::to_string) else { return };
    let (message, signature) = token.rsplit_once('.').unwrap();
    let verifier = Key::from_jwk(public.as_bytes()).expect("our own JWK");
    let signature_bytes = from_base64url(signature).unwrap();
    assert!(verifier.verify_signature(message.as_bytes(), &signature_bytes), "{algorithm:?}");
    let theirs = serde_json::from_str(&public).expect("our own JWK");
    let theirs = DecodingKey::from_jwk(&theirs).unwrap();
    let verified = jsonwebtoken::crypto::verify(signature, message.as_bytes(), &theirs, algorithm);
    assert!(verified.unwrap(), "jsonwebtoken refuses a signature of {algorithm:?}");
}

fn new_signer() -> Authority {
    authority(Settings::default(), MemoryStore::new())
}
