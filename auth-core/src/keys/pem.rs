//! Keys from PEM (RFC 7468): PKCS#8, PKCS#1, SEC 1, SPKI.

use aws_lc_rs::error::KeyRejected;
use jsonwebtoken::Algorithm;
use pem::Pem;

use super::KeyError;
use super::asymmetric::{Curve, Family, Pair, PublicParts};

/// What comes before the point or the bytes of the key in a SubjectPublicKeyInfo, in DER, which
/// has one form only (RFC 5480 §2, RFC 8410 §4).
const P256_SPKI: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00";
const P384_SPKI: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00";
const ED25519_SPKI: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

pub(super) fn private_key(algorithm: Algorithm, text: &[u8]) -> Result<Pair, KeyError> {
    let family = Family::of(algorithm)?;
    let block = only_block(algorithm, text)?;
    let pair = match (block.tag(), family) {
        (_, Family::Hmac) => return Err(KeyError::Unfit(algorithm, "it has a secret, not a PEM")),
        ("PRIVATE KEY", _) => Pair::from_pkcs8(family, block.contents()),
        ("RSA PRIVATE KEY", Family::Rsa) => Pair::from_pkcs1(block.contents()),
        ("EC PRIVATE KEY", Family::Ec(curve)) => Pair::from_sec1(curve, block.contents()),
        ("PUBLIC KEY" | "RSA PUBLIC KEY" | "CERTIFICATE", _) => return Err(KeyError::PublicKey),
        ("ENCRYPTED PRIVATE KEY", _) => return Err(encrypted(algorithm)),
        _ => return Err(KeyError::Unfit(algorithm, expected(family))),
    };
    pair.map_err(|rejected| refused(algorithm, expected(family), rejected))
}

pub(super) fn public_key(algorithm: Algorithm, text: &[u8]) -> Result<PublicParts, KeyError> {
    let family = Family::of(algorithm)?;
    let block = only_block(algorithm, text)?;
    let der = block.contents();
    let parts = match (block.tag(), family) {
        (_, Family::Hmac) => return Err(KeyError::Unfit(algorithm, "it has no public key")),
        ("PUBLIC KEY" | "RSA PUBLIC KEY", Family::Rsa) => PublicParts::from_rsa_der(der),
        ("PUBLIC KEY", Family::Ec(curve)) => {
            let prefix = match curve {
                Curve::P256 => P256_SPKI,
                Curve::P384 => P384_SPKI,
            };
            der.strip_prefix(prefix).and_then(|point| PublicParts::from_point(curve, point))
        }
        ("PUBLIC KEY", Family::Ed25519) => {
            let bytes = der.strip_prefix(ED25519_SPKI).filter(|bytes| bytes.len() == 32);
            bytes.map(|bytes| PublicParts::Ed25519 { x: bytes.to_vec() })
        }
        (tag, _) if tag.ends_with("PRIVATE KEY") => return Err(KeyError::PrivateKey),
        _ => None,
    };
    parts.ok_or(KeyError::Unfit(algorithm, expected_public(family)))
}

/// PKCS#8 in PEM.
pub(super) fn to_pem(pair: &Pair) -> Option<String> {
    Some(pem::encode_config(
        &Pem::new("PRIVATE KEY", pair.to_pkcs8()?),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    ))
}

/// The one block of the text. What `openssl ecparam -genkey` writes before it says nothing that the
/// key does not.
fn only_block(algorithm: Algorithm, text: &[u8]) -> Result<Pem, KeyError> {
    let unfit = |why| KeyError::Unfit(algorithm, why);
    let blocks = pem::parse_many(text).map_err(|_| unfit("the PEM cannot be read"))?;
    let mut blocks = blocks.into_iter().filter(|block| block.tag() != "EC PARAMETERS");
    match (blocks.next(), blocks.next()) {
        (Some(block), None) if block.headers().get("DEK-Info").is_some() => {
            Err(encrypted(algorithm))
        }
        (Some(block), None) => Ok(block),
        (None, _) => Err(unfit("there is no key in PEM")),
        (Some(_), Some(_)) => Err(unfit("the PEM has more than one key")),
    }
}

fn encrypted(algorithm: Algorithm) -> KeyError {
    KeyError::Unfit(algorithm, "the key is encrypted: decrypt it first")
}

fn expected(family: Family) -> &'static str {
    match family {
        Family::Hmac => "expected a secret",
        Family::Rsa => "expected an RSA private key in PEM (rsaEncryption; PKCS#8 or PKCS#1)",
        Family::Ec(Curve::P256) => "expected a P-256 private key in PEM (PKCS#8 or SEC 1)",
        Family::Ec(Curve::P384) => "expected a P-384 private key in PEM (PKCS#8 or SEC 1)",
        Family::Ed25519 => "expected an Ed25519 private key in PEM (PKCS#8)",
    }
}

fn expected_public(family: Family) -> &'static str {
    match family {
        Family::Hmac => "expected a secret",
        Family::Rsa => "expected an RSA public key in PEM (rsaEncryption; SPKI or PKCS#1)",
        Family::Ec(Curve::P256) => "expected a P-256 public key in PEM (SPKI, not compressed)",
        Family::Ec(Curve::P384) => "expected a P-384 public key in PEM (SPKI, not compressed)",
        Family::Ed25519 => "expected an Ed25519 public key in PEM (SPKI)",
    }
}

/// Why a private key was rejected: its size, if it says so.
pub(super) fn refused(
    algorithm: Algorithm,
    otherwise: &'static str,
    rejected: KeyRejected,
) -> KeyError {
    match rejected.to_string().as_str() {
        "TooSmall" | "TooLarge" => KeyError::RsaSize,
        _ => KeyError::Unfit(algorithm, otherwise),
    }
}
