//! Odd tokens: well signed, and yet not what a token should be. The table says who accepts which. Here
//! more is refused than elsewhere, on purpose, and nothing is accepted that all others refuse.
//!
//! The verdicts of the others are those of the versions in `peers/` and in `Cargo.lock`. A newer one
//! that has changed its mind is no fault of ours: note it.

use auth_core::Algorithm;
use base64_simd::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::EncodingKey;

use crate::keys::Keys;
use crate::ours::{authority, good_claims, now};
use crate::peer::Peer;

/// What is odd about a token.
enum Odd {
    /// This header.
    Header(&'static str),
    /// This claim with this value. `NOW` is the time in seconds.
    Claim(&'static str, &'static str),
    /// This payload, where `…` are the members of a good one.
    Payload(&'static str),
    /// This spelling of a good token.
    Spelling(fn(&str) -> String),
    /// This spelling of the header, signed as it is spelt.
    HeaderSpelling(fn(&str) -> String),
}

use Odd::*;

/// Who accepts it: **o**urs, **P**yJWT, **j**ose, json**w**ebtoken.
const TABLE: &[(&str, Odd)] = &[
    // Good ones.
    ("opjw", Header(r#"{"alg":"HS256","typ":"JWT"}"#)),
    ("opjw", Header(r#"{"alg":"HS256"}"#)),
    ("opjw", Header(r#" { "typ" : "JWT" , "alg" : "HS256" } "#)),
    ("opjw", Header(r#"{"alg":"HS256","typ":"jwt"}"#)),
    ("opjw", Payload("\n{…}\n")),
    // Members that say nothing to us; a secret has no name, and no key comes from outside.
    ("opjw", Header(r#"{"alg":"HS256","cty":"JWT"}"#)),
    ("opjw", Header(r#"{"alg":"HS256","kid":"nobody's"}"#)),
    ("opjw", Header(r#"{"alg":"HS256","jku":"https://evil.example"}"#)),
    ("opjw", Header(r#"{"alg":"HS256","jwk":{"kty":"oct","k":"AA"}}"#)),
    ("opjw", Claim("iss", r#""https://anybody.example""#)),
    ("o-jw", Claim("sub", "7")),
    ("opjw", Claim("x", "123456789012345678901234567890")),
    // Another kind of thing than a JWT.
    ("opjw", Header(r#"{"alg":"HS256","typ":"at+jwt"}"#)),
    ("-pjw", Header(r#"{"alg":"HS256","typ":"JOSE"}"#)),
    ("-pjw", Header(r#"{"alg":"HS256","typ":null}"#)),
    // Extensions, which have to be understood or refused (RFC 7515 §4.1.11).
    ("---w", Header(r#"{"alg":"HS256","crit":["exp"]}"#)),
    ("---w", Header(r#"{"alg":"HS256","crit":[]}"#)),
    ("-pjw", Header(r#"{"alg":"HS256","crit":["b64"],"b64":true}"#)),
    ("--jw", Header(r#"{"alg":"HS256","b64":false}"#)),
    ("-pjw", Header(r#"{"alg":"HS256","zip":"DEF"}"#)),
    // The algorithm is one, and a text.
    ("----", Header(r#"{"alg":"hs256"}"#)),
    ("----", Header(r#"{"alg":["HS256"]}"#)),
    ("-pj-", Header(r#"{"alg":"none","alg":"HS256"}"#)),
    // Two members of one name.
    ("-pjw", Header(r#"{"alg":"HS256","x":1,"x":1}"#)),
    ("-pjw", Payload(r#"{…,"x":1,"x":1}"#)),
    ("-pjw", Payload(r#"{"user_id":"2",…}"#)),
    // Times that are no whole numbers, or no times.
    ("-pjw", Claim("exp", "9e9")),
    ("-pjw", Claim("exp", "9999999999.5")),
    ("-p--", Claim("exp", r#""9999999999""#)),
    ("-pjw", Claim("exp", "99999999999999")),
    ("-pj-", Claim("exp", "1e300")),
    ("-pj-", Claim("exp", "99999999999999999999999")),
    ("----", Claim("exp", "null")),
    ("----", Claim("exp", "true")),
    ("----", Claim("exp", "-1")),
    ("-pjw", Claim("iat", "NOW.5")),
    ("--jw", Claim("iat", "9999999999")),
    ("---w", Claim("iat", r#""now""#)),
    ("-pjw", Claim("nbf", "1.5")),
    ("-p--", Claim("nbf", r#""1""#)),
    ("----", Claim("nbf", "null")),
    // An audience where none is expected.
    ("--j-", Claim("aud", r#""shop""#)),
    ("--j-", Claim("aud", r#"["shop"]"#)),
    ("-pj-", Claim("aud", "[]")),
    ("-pjw", Claim("aud", "null")),
    ("--jw", Claim("aud", "7")),
    // Members of another type than they have.
    ("-pj-", Header(r#"{"alg":"HS256","typ":7}"#)),
    ("--j-", Header(r#"{"alg":"HS256","kid":7}"#)),
    ("--jw", Header(r#"{"alg":"HS256","kid":null}"#)),
    ("-pjw", Claim("iss", "7")),
    ("--jw", Claim("jti", "7")),
    // Not quite JSON, or not quite an object.
    ("-p--", Claim("x", "NaN")),
    ("-pj-", Claim("x", r#""\ud800""#)),
    ("-pj-", Header("\u{feff}{\"alg\":\"HS256\"}")),
    ("-pj-", Payload("\u{feff}{…}")),
    ("----", Payload("{…}{}")),
    ("----", Payload("{…,}")),
    ("----", Payload("[{…}]")),
    ("----", Payload("")),
    // Other spellings of the same bytes.
    ("-pj-", Spelling(|token| format!("{token}="))),
    ("--j-", Spelling(|token| format!("{token}\n"))),
    ("----", Spelling(|token| format!(" {token}"))),
    ("----", Spelling(|token| token.replace('.', ". "))),
    ("--j-", Spelling(other_trailing_bits)),
    ("----", Spelling(|token| token.replace('-', "+").replace('_', "/"))),
    ("----", HeaderSpelling(|header| format!("{header}="))),
    ("--j-", HeaderSpelling(|header| format!("{header}\n"))),
    ("----", HeaderSpelling(|header| format!("{}!{}", &header[..8], &header[8..]))),
];

pub(crate) async fn what_they_accept_of_odd_tokens_is_as_noted(peer: Peer, alg: Algorithm) {
    let column = match peer {
        Peer::PyJwt => 1,
        Peer::Jose => 2,
        Peer::JsonWebToken => 3,
    };
    let key = Keys::of(alg).public;
    compare(column, |token| peer.accepts(alg, &key, token));
}

#[tokio::test]
async fn what_we_accept_of_odd_tokens_is_as_noted() {
    let authority = authority(Algorithm::HS256).await;
    compare(0, |token| authority.authenticate(token).is_ok());
}

#[track_caller]
fn compare(column: usize, accepts: impl Fn(&str) -> bool) {
    let mut differences = Vec::new();
    for (row, (verdicts, odd)) in TABLE.iter().enumerate() {
        let token = odd.token();
        let noted = verdicts.as_bytes()[column] != b'-';
        if accepts(&token) != noted {
            differences.push(format!("row {row}, {verdicts}, accepted: {}, {token}", !noted));
        }
    }
    let differences = differences.join("\n");
    assert!(
        differences.is_empty(),
        "not as noted, or not the versions of the note:\n{differences}"
    );
}

#[test]
fn nothing_is_accepted_that_all_others_refuse() {
    for (row, (verdicts, _)) in TABLE.iter().enumerate() {
        assert_ne!(*verdicts, "o---", "row {row}");
    }
}

impl Odd {
    fn token(&self) -> String {
        const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
        let encoded = |text: &str| BASE64.encode_to_string(text);
        let good = || format!("{{{}}}", members(None));
        let payload = match self {
            Claim(name, value) => {
                let value = value.replace("NOW", &now().to_string());
                format!(r#"{{{},"{name}":{value}}}"#, members(Some(name)))
            }
            Payload(payload) => payload.replace('…', &members(None)),
            _ => good(),
        };
        let header = match self {
            Header(header) => encoded(header),
            HeaderSpelling(spell) => spell(&encoded(HEADER)),
            _ => encoded(HEADER),
        };
        let token = sign(&format!("{header}.{}", encoded(&payload)));
        let Spelling(spell) = self else { return token };
        let spelt = spell(&token);
        assert_ne!(spelt, token);
        spelt
    }
}

/// The members of a good payload but one, without the braces.
fn members(but: Option<&str>) -> String {
    let claims = good_claims();
    let claims = claims.as_object().expect("it is an object").iter();
    let others = claims.filter(|(name, _)| Some(name.as_str()) != but);
    others.map(|(name, value)| format!(r#""{name}":{value}"#)).collect::<Vec<_>>().join(",")
}

fn sign(message: &str) -> String {
    let key = EncodingKey::from_secret(&Keys::of(Algorithm::HS256).private.secret());
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
    format!("{message}.{}", signature.expect("HMAC signs everything"))
}

/// Another last character for the same bytes: the signature of 32 bytes leaves two bits unused.
fn other_trailing_bits(token: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = token.split_at(token.len() - 1);
    let at = ALPHABET.find(last).expect("it is base64url");
    format!("{rest}{}", &ALPHABET[at + 1..at + 2])
}
