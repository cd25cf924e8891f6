//! jsonwebtoken, asked in the words of the other peers. With everything required and no leeway: what it
//! offers, not what it does by default.

use auth_core::Algorithm;
use jsonwebtoken::errors::Error;
use jsonwebtoken::jwk::{Jwk, JwkSet, ThumbprintHash};
use jsonwebtoken::{AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation};
use serde_json::Value;

use crate::keys::KeyText;
use crate::peer::{Jwks, Reply, Request};

pub(crate) fn answer(request: &Request<'_>) -> Reply {
    let broken = |error: Error| Reply::Broken(error.to_string());
    match *request {
        Request::Sign { alg, key, header, claims } => {
            sign(alg, key, header, claims).map_or_else(broken, Reply::Token)
        }
        Request::Verify { alg, key, token, issuer, audience } => {
            let key = match decoding_key(alg, key, token) {
                Ok(Some(key)) => key,
                Ok(None) => return Reply::Refused("no such key".into()),
                Err(error) => return broken(error),
            };
            match jsonwebtoken::decode(token, &key, &validation(alg, issuer, audience)) {
                Ok(data) => Reply::Claims(data.claims),
                Err(error) => Reply::Refused(error.to_string()),
            }
        }
        Request::Accepts { alg, key, token } => {
            let request = Request::Verify { alg, key, token, issuer: None, audience: None };
            Reply::Accepted(matches!(answer(&request), Reply::Claims(_)))
        }
        Request::Describe { alg, key } => describe(alg, key).map_or_else(broken, Reply::Keys),
        Request::Generate { .. } => Reply::Broken("it makes no keys".into()),
    }
}

fn sign(alg: Algorithm, key: &KeyText, additions: &Value, claims: &Value) -> Result<String, Error> {
    let mut header = serde_json::to_value(Header::new(alg))?;
    let additions = additions.as_object().expect("it is an object").clone();
    header.as_object_mut().expect("it is an object").extend(additions);
    let header: Header = serde_json::from_value(header)?;
    jsonwebtoken::encode(&header, claims, &encoding_key(alg, key)?)
}

fn validation(alg: Algorithm, issuer: Option<&str>, audience: Option<&str>) -> Validation {
    let mut validation = Validation::new(alg);
    validation.leeway = 0;
    validation.validate_nbf = true;
    let mut required = vec!["exp"];
    if let Some(issuer) = issuer {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    if let Some(audience) = audience {
        validation.set_audience(&[audience]);
        required.push("aud");
    }
    validation.set_required_spec_claims(&required);
    validation
}

fn encoding_key(alg: Algorithm, key: &KeyText) -> Result<EncodingKey, Error> {
    let KeyText::Pem(pem) = key else { return Ok(EncodingKey::from_secret(&key.secret())) };
    match alg.family() {
        AlgorithmFamily::Rsa => EncodingKey::from_rsa_pem(pem.as_bytes()),
        AlgorithmFamily::Ec => EncodingKey::from_ec_pem(pem.as_bytes()),
        _ => EncodingKey::from_ed_pem(pem.as_bytes()),
    }
}

fn decoding_key(alg: Algorithm, key: &KeyText, token: &str) -> Result<Option<DecodingKey>, Error> {
    Ok(Some(match key {
        KeyText::Secret(_) => DecodingKey::from_secret(&key.secret()),
        KeyText::Pem(pem) => match alg.family() {
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(pem.as_bytes())?,
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(pem.as_bytes())?,
            _ => DecodingKey::from_ed_pem(pem.as_bytes())?,
        },
        KeyText::Jwk(jwk) => DecodingKey::from_jwk(&serde_json::from_value(jwk.clone())?)?,
        KeyText::Jwks(jwks) => {
            let jwks: JwkSet = serde_json::from_value(jwks.clone())?;
            let kid = jsonwebtoken::decode_header(token)?.kid;
            match kid.and_then(|kid| jwks.find(&kid).cloned()) {
                Some(jwk) => DecodingKey::from_jwk(&jwk)?,
                None => return Ok(None),
            }
        }
    }))
}

/// The JWK of a secret is the secret. Of key pairs it has no private JWKs.
fn describe(alg: Algorithm, key: &KeyText) -> Result<Jwks, Error> {
    let jwk = Jwk::from_encoding_key(&encoding_key(alg, key)?, alg)?;
    if let KeyText::Secret(_) = key {
        let private = serde_json::to_value(jwk)?;
        return Ok(Jwks { private, public: Value::Null, thumbprint: None });
    }
    let thumbprint = Some(jwk.thumbprint(ThumbprintHash::SHA256)?);
    Ok(Jwks { private: Value::Null, public: serde_json::to_value(jwk)?, thumbprint })
}
