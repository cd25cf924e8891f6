//! Cases where everything is set to something else than usual.

use reqwest::Method;
use serde_json::{Value, json};
use tests::User;
use tests::token::{but, mint};

use crate::bodies::login;
use crate::cases::{BLACKLIST, Case, ME, OBTAIN, REFRESH, Route, SLIDE, SLIDING, VERIFY};

pub(crate) fn simple_jwt() -> Value {
    json!({
        "ACCESS_TOKEN_LIFETIME": 1_800,
        "REFRESH_TOKEN_LIFETIME": 604_800,
        "SLIDING_TOKEN_LIFETIME": 900,
        "SLIDING_TOKEN_REFRESH_LIFETIME": 7_200,
        "ROTATE_REFRESH_TOKENS": false,
        "BLACKLIST_AFTER_ROTATION": false,
        "ISSUER": "https://login.example",
        "AUDIENCE": "shop",
        "LEEWAY": 100,
        "AUTH_HEADER_TYPES": ["JWT", "Bearer"],
        "AUTH_HEADER_NAME": "HTTP_X_TOKEN",
        "USER_ID_CLAIM": "sub",
        "TOKEN_TYPE_CLAIM": "kind",
        "JTI_CLAIM": "token_id",
        "SLIDING_TOKEN_REFRESH_EXP_CLAIM": "refresh_exp",
        "AUTH_TOKEN_CLASSES": [
            "rest_framework_simplejwt.tokens.AccessToken",
            "rest_framework_simplejwt.tokens.SlidingToken",
        ],
        "CHECK_REVOKE_TOKEN": true,
    })
}

/// The same here.
pub(crate) const OURS: &[(&str, &str)] = &[
    ("ACCESS_TOKEN_LIFETIME", "30m"),
    ("REFRESH_TOKEN_LIFETIME", "7d"),
    ("SLIDING_TOKEN_LIFETIME", "15m"),
    ("SLIDING_TOKEN_REFRESH_LIFETIME", "2h"),
    ("ROTATE_REFRESH_TOKENS", "false"),
    ("BLACKLIST_AFTER_ROTATION", "false"),
    ("ISSUER", "https://login.example"),
    ("AUDIENCE", "shop"),
    ("LEEWAY", "100s"),
    ("AUTH_HEADER_TYPES", "JWT,Bearer"),
    ("AUTH_HEADER_NAME", "X-Token"),
    ("USER_ID_CLAIM", "sub"),
    ("TOKEN_TYPE_CLAIM", "kind"),
    ("JTI_CLAIM", "token_id"),
    ("AUTH_TOKEN_CLASSES", "access,sliding"),
    ("CHECK_REVOKE_TOKEN", "true"),
];

const TAKERS: [(Route, &str); 5] = [
    (REFRESH, "refresh"),
    (VERIFY, "refresh"),
    (BLACKLIST, "refresh"),
    (SLIDE, "sliding"),
    (ME, "access"),
];

/// `hash` is what they write into the tokens of Anna, a hash of the hash of her password.
pub(crate) fn cases(anna: &User, now: i64, hash: &Value) -> Vec<Case> {
    let mut cases = vec![
        Case::post(OBTAIN, "set: a good login", &login()),
        Case::post(SLIDING, "set: a good login", &login()),
        Case::post(OBTAIN, "set: a wrong password", &json!({"username": "anna", "password": "x"})),
        Case::new(ME, "set: no credential", Method::GET),
        Case::shown("set: the usual header", "Bearer {{access}}"),
        shown("the first word", "JWT {{access}}"),
        shown("the second word", "Bearer {{access}}"),
        shown("another word", "Token {{access}}"),
        shown("a word alone", "JWT"),
        shown("a sliding token", "JWT {{sliding}}"),
        shown("a refresh token", "JWT {{refresh}}"),
        shown("nonsense", "JWT nonsense"),
    ];
    for (route, what, token) in [
        (REFRESH, "a good token", "refresh#1"),
        (REFRESH, "a good token again", "refresh#1"),
        (REFRESH, "a blacklisted token", "blacklisted"),
        (VERIFY, "an access token", "access"),
        (VERIFY, "a refresh token", "refresh"),
        (VERIFY, "a blacklisted token", "blacklisted"),
        (BLACKLIST, "a good token", "refresh#2"),
        (BLACKLIST, "a blacklisted token", "blacklisted"),
        (SLIDE, "a good token", "sliding"),
    ] {
        cases.push(Case::token(route, &format!("set: {what}"), &format!("{{{{{token}}}}}")));
    }
    for (user, what) in
        [("ina", "deactivated"), ("dora", "deleted"), ("paula", "with a new password")]
    {
        let what = format!("a token of a user {what}");
        cases.push(shown(&what, &format!("Bearer {{{{{user}.access}}}}")));
        cases.push(Case::token(
            REFRESH,
            &format!("set: {what}"),
            &format!("{{{{{user}.refresh}}}}"),
        ));
    }
    for (route, kind) in TAKERS {
        for (number, (what, changed)) in odd_claims(now).into_iter().enumerate() {
            let mut claims = json!({
                "kind": kind,
                "iat": now,
                "exp": now + 900,
                "token_id": format!("{:016x}{number:016x}", route.path.len()),
                "sub": anna.id.to_string(),
                "iss": "https://login.example",
                "aud": "shop",
                "hash_password": hash,
            });
            if kind == "sliding" {
                claims["refresh_exp"] = (now + 900).into();
            }
            let token = mint(&but(claims, changed));
            let what = format!("set: minted, {what}");
            cases.push(match route.name {
                "me" => shown(what.trim_start_matches("set: "), &format!("JWT {token}")),
                _ => Case::token(route, &what, &token),
            });
        }
    }
    cases
}

/// A credential in the header that is set.
fn shown(what: &str, value: &str) -> Case {
    Case::new(ME, &format!("set: {what}"), Method::GET).header("X-Token", value)
}

fn odd_claims(now: i64) -> Vec<(&'static str, Value)> {
    vec![
        ("good", json!({})),
        ("from nobody", json!({ "iss": null })),
        ("from somebody else", json!({ "iss": "https://login.example/" })),
        ("a list as its issuer", json!({ "iss": ["https://login.example"] })),
        ("for nobody in particular", json!({ "aud": null })),
        ("for nobody", json!({ "aud": [] })),
        ("for somebody else", json!({ "aud": "bank" })),
        ("for others too", json!({ "aud": ["bank", "shop"] })),
        ("for a number", json!({ "aud": 42 })),
        ("expired, within the leeway", json!({ "exp": now - 50 })),
        ("expired, beyond the leeway", json!({ "exp": now - 150 })),
        ("good from later on, within the leeway", json!({ "nbf": now + 50 })),
        ("good from later on, beyond the leeway", json!({ "nbf": now + 300 })),
        ("the usual name of the user", json!({ "sub": null, "user_id": "1" })),
        ("the usual name of the kind", json!({ "kind": null, "token_type": "access" })),
        ("the usual name of the id", json!({ "token_id": null, "jti": "0123456789abcdef" })),
    ]
}
