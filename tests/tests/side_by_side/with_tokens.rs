//! Cases of tokens: good, bad, and of users who changed.

use serde_json::{Value, json};
use tests::User;
use tests::token::{PYJWT_HEADER, SIGNING_KEY, but, mint, mint_with, simplejwt_claims};

use crate::cases::{BLACKLIST, Case, Forged, ME, OBTAIN, REFRESH, Route, SLIDE, VERIFY};

/// The routes that take a token, with the kind that they take. (Any, to be verified.)
const TAKERS: [(Route, &str); 5] = [
    (REFRESH, "refresh"),
    (VERIFY, "access"),
    (BLACKLIST, "refresh"),
    (SLIDE, "sliding"),
    (ME, "access"),
];

pub(crate) fn cases(anna: &User, now: i64) -> Vec<Case> {
    let mut cases = issued_by_each();
    for (route, kind) in TAKERS {
        let mut number = 0;
        let mut claims = || {
            number += 1;
            let jti = format!("{number:08x}{:024x}", route.path.len());
            let lifetime = if kind == "refresh" { 3_600 } else { 300 };
            let mut claims = simplejwt_claims(anna.id.to_string(), now);
            claims["token_type"] = kind.into();
            claims["exp"] = (now + lifetime).into();
            claims["jti"] = jti.into();
            if kind == "sliding" {
                claims["refresh_exp"] = (now + 86_400).into();
            }
            claims
        };
        // A sliding token of another issuer is refused, whatever else is wrong with it.
        let is_sliding = kind == "sliding";
        let forged = |header, claims| Forged { of: "sliding#forged", header, claims };
        for (what, changed) in odd_claims(anna, now) {
            if is_sliding {
                let what = format!("minted, {what}");
                cases.push(Case::forged(route, &what, forged(PYJWT_HEADER, changed)));
                continue;
            }
            let token = mint(&but(claims(), changed));
            cases.push(Case::token(route, &format!("minted, {what}"), &token));
        }
        for (what, header) in odd_headers() {
            if is_sliding {
                let what = format!("a header with {what}");
                cases.push(Case::forged(route, &what, forged(header, json!({}))));
                continue;
            }
            let token = mint_with(header, &claims().to_string(), SIGNING_KEY);
            cases.push(Case::token(route, &format!("a header with {what}"), &token));
        }
        for (what, odd) in ODD_PAYLOADS.into_iter().filter(|_| !is_sliding) {
            let token = mint_with(PYJWT_HEADER, &odd(&claims().to_string()), SIGNING_KEY);
            cases.push(Case::token(route, &format!("a payload of {what}"), &token));
        }
        for (what, token) in broken(&mint(&claims()), &claims()) {
            if is_sliding && what == "with padding" {
                continue;
            }
            cases.push(Case::token(route, &format!("a token {what}"), &token));
        }
        if is_sliding {
            for (what, end) in [
                ("no end of its refresh", json!(null)),
                ("a refresh that has ended", json!(now - 100)),
                ("a text as the end of its refresh", json!("tomorrow")),
            ] {
                let forged = forged(PYJWT_HEADER, json!({ "refresh_exp": end }));
                cases.push(Case::forged(route, &format!("minted, {what}"), forged));
            }
            let token = mint(&claims());
            cases.push(Case::token(route, "a token of another issuer", &token));
        }
    }
    cases
}

/// Claims that are changed; what becomes null is left out.
fn odd_claims(anna: &User, now: i64) -> Vec<(&'static str, Value)> {
    vec![
        ("good", json!({})),
        ("the user's id as a number", json!({ "user_id": anna.id })),
        ("more claims", json!({ "name": "Zoë", "list": [1, { "a": null }], "scope": "a b" })),
        ("expired", json!({ "exp": now - 100 })),
        ("expired long ago", json!({ "exp": 0 })),
        ("no end", json!({ "exp": null })),
        ("a text as its end", json!({ "exp": "tomorrow" })),
        ("digits as its end", json!({ "exp": (now + 300).to_string() })),
        ("a fraction as its end", json!({ "exp": now as f64 + 300.5 })),
        ("a negative end", json!({ "exp": -1 })),
        ("an end beyond all time", json!({ "exp": 1_u64 << 62 })),
        ("true as its end", json!({ "exp": true })),
        ("no time of issue", json!({ "iat": null })),
        ("issued in an hour", json!({ "iat": now + 3_600, "exp": now + 7_200 })),
        ("a text as its time of issue", json!({ "iat": "now" })),
        ("good from now on", json!({ "nbf": now - 1 })),
        ("good from later on", json!({ "nbf": now + 10_000 })),
        ("a text as its begin", json!({ "nbf": "now" })),
        ("no kind", json!({ "token_type": null })),
        ("kind access", json!({ "token_type": "access" })),
        ("kind refresh", json!({ "token_type": "refresh" })),
        ("kind sliding", json!({ "token_type": "sliding", "refresh_exp": now + 3_600 })),
        ("an unknown kind", json!({ "token_type": "magic" })),
        ("a kind in capitals", json!({ "token_type": "ACCESS" })),
        ("an empty kind", json!({ "token_type": "" })),
        ("a number as its kind", json!({ "token_type": 1 })),
        ("a list as its kind", json!({ "token_type": ["access"] })),
        ("no id", json!({ "jti": null })),
        ("a number as its id", json!({ "jti": 42 })),
        ("no user", json!({ "user_id": null })),
        ("an empty user", json!({ "user_id": "" })),
        ("an unknown user", json!({ "user_id": "999999" })),
        ("a user of letters", json!({ "user_id": "abc" })),
        ("a user of SQL", json!({ "user_id": "1; DROP TABLE users" })),
        ("a negative user", json!({ "user_id": "-1" })),
        ("a user of thirty digits", json!({ "user_id": "123456789012345678901234567890" })),
        ("a blank before the user", json!({ "user_id": format!(" {}", anna.id) })),
        ("a zero before the user", json!({ "user_id": format!("0{}", anna.id) })),
        ("a NUL in the user", json!({ "user_id": format!("{}\0", anna.id) })),
        ("a fraction as the user", json!({ "user_id": anna.id as f64 + 0.5 })),
        ("true as the user", json!({ "user_id": true })),
        ("a list as the user", json!({ "user_id": [anna.id] })),
        ("an object as the user", json!({ "user_id": { "id": anna.id } })),
        ("for somebody", json!({ "aud": "somebody" })),
        ("for nobody", json!({ "aud": [] })),
        ("from somebody", json!({ "iss": "somebody" })),
        ("a number as its issuer", json!({ "iss": 42 })),
        ("9,000 letters more", json!({ "x": "x".repeat(9_000) })),
    ]
}

fn odd_headers() -> [(&'static str, &'static str); 14] {
    [
        ("the members in another order", r#"{"typ":"JWT","alg":"HS256"}"#),
        ("alg alone", r#"{"alg":"HS256"}"#),
        ("a name of its key", r#"{"alg":"HS256","typ":"JWT","kid":"2026"}"#),
        ("blanks", r#"{ "alg": "HS256", "typ": "JWT" }"#),
        ("alg none", r#"{"alg":"none","typ":"JWT"}"#),
        ("alg None", r#"{"alg":"None","typ":"JWT"}"#),
        ("alg HS512", r#"{"alg":"HS512","typ":"JWT"}"#),
        ("alg RS256", r#"{"alg":"RS256","typ":"JWT"}"#),
        ("alg hs256", r#"{"alg":"hs256","typ":"JWT"}"#),
        ("no alg", r#"{"typ":"JWT"}"#),
        ("an unknown critical extension", r#"{"alg":"HS256","typ":"JWT","crit":["x"],"x":1}"#),
        ("a key of the sender's", r#"{"alg":"HS256","jwk":{"kty":"oct","k":"dGhlaXJz"}}"#),
        ("a list instead", r#"["HS256"]"#),
        ("nonsense instead", "nonsense"),
    ]
}

/// What is made of a payload.
type OddPayload = (&'static str, fn(&str) -> String);

const ODD_PAYLOADS: [OddPayload; 9] = [
    ("nothing", |_| String::new()),
    ("a list", |payload| format!("[{payload}]")),
    ("a text", |_| "\"text\"".to_owned()),
    ("null", |_| "null".to_owned()),
    ("half an object", |payload| payload[..payload.len() - 1].to_owned()),
    ("an object and more", |payload| format!("{payload}x")),
    ("blanks and an object", |payload| format!(" \n{payload}\n")),
    ("a claim twice", |payload| {
        format!(r#"{},"user_id":"999999"}}"#, &payload[..payload.len() - 1])
    }),
    ("a null as its user", |payload| {
        let mut claims: Value = serde_json::from_str(payload).expect("claims are JSON");
        claims["user_id"] = Value::Null;
        claims.to_string()
    }),
];

/// `good` and what others make of it.
fn broken(good: &str, claims: &Value) -> Vec<(&'static str, String)> {
    let (message, signature) = good.rsplit_once('.').expect("it has three segments");
    let (header, payload) = message.split_once('.').expect("it has three segments");
    let other_first = if signature.starts_with('A') { 'B' } else { 'A' };
    let stranger =
        mint_with(PYJWT_HEADER, &claims.to_string(), "another key of at least 32 bytes, no?");
    vec![
        ("of another key", stranger),
        ("without its signature", format!("{message}.")),
        ("of two segments", message.to_owned()),
        ("of four segments", format!("{good}.x")),
        ("with half its signature", format!("{message}.{}", &signature[..20])),
        ("with a changed signature", format!("{message}.{other_first}{}", &signature[1..])),
        ("with padding", format!("{good}=")),
        ("with its payload twice", format!("{header}.{payload}{payload}.{signature}")),
        ("of one letter", "x".into()),
        ("of dots", "..".into()),
        ("of three letters", "a.b.c".into()),
        ("of empty objects", "e30.e30.e30".into()),
        ("of unusual letters", "é€𝄞".into()),
        ("of a word", "nonsense".into()),
        ("of null", "null".into()),
    ]
}

/// Tokens that each server issued itself.
fn issued_by_each() -> Vec<Case> {
    let mut cases = Vec::new();
    for (route, what, token) in [
        (REFRESH, "a good token", "refresh#1"),
        (REFRESH, "the token that it answered", "rotated#1"),
        (REFRESH, "an access token", "access"),
        (REFRESH, "a sliding token", "sliding"),
        (REFRESH, "a blacklisted token", "blacklisted"),
        (REFRESH, "a token spent a moment ago", "spent#2"),
        (REFRESH, "a token spent a while ago", "spent"),
        (VERIFY, "an access token", "access"),
        (VERIFY, "a refresh token", "refresh"),
        (VERIFY, "a sliding token", "sliding"),
        (VERIFY, "a blacklisted token", "blacklisted"),
        (VERIFY, "the access token of a blacklisted one", "ended"),
        (VERIFY, "a token spent a moment ago", "spent#3"),
        (VERIFY, "a token spent a while ago", "spent"),
        (BLACKLIST, "a good token", "refresh#2"),
        (BLACKLIST, "an access token", "access"),
        (BLACKLIST, "a sliding token", "sliding"),
        (BLACKLIST, "a blacklisted token", "blacklisted"),
        (BLACKLIST, "a token spent a moment ago", "spent#4"),
        (BLACKLIST, "a token spent a while ago", "spent"),
        (SLIDE, "a good token", "sliding#1"),
        (SLIDE, "a good token again", "sliding#1"),
        (SLIDE, "an access token", "access"),
        (SLIDE, "a refresh token", "refresh"),
        (ME, "the access token of a blacklisted one", "ended"),
        (ME, "a blacklisted token", "blacklisted"),
        (ME, "the access token before a refresh", "access#1"),
    ] {
        cases.push(Case::token(route, what, &format!("{{{{{token}}}}}")));
    }
    for (user, what) in [
        ("dora", "of a user who was deleted"),
        ("ina", "of a user who was deactivated"),
        ("paula", "of a user with a new password"),
    ] {
        for (route, kind) in TAKERS {
            let token = format!("{{{{{user}.{kind}}}}}");
            cases.push(Case::token(route, &format!("a token {what}"), &token));
        }
        let token = format!("{{{{{user}.refresh}}}}");
        cases.push(Case::token(VERIFY, &format!("a refresh token {what}"), &token));
    }
    for name in ["dora", "ina", "paula"] {
        let login = json!({ "username": name, "password": "correct horse battery staple" });
        cases.push(Case::post(OBTAIN, &format!("the old password of {name}"), &login));
    }
    let new = json!({ "username": "paula", "password": crate::compare::NEW_PASSWORD });
    cases.push(Case::post(OBTAIN, "a new password", &new));
    cases
}
