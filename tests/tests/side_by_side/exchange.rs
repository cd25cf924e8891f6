//! Tokens that a running Django issued are used here, and ours there: for an algorithm of each kind, with an
//! issuer and an audience.

use serde_json::{Value, json};
use tests::token::{SIGNING_KEY, claims_of, header_of};
use tests::{Anonymous, Answer, Database, TestApp, run};

use crate::pair::Pair;

/// An algorithm by its name, what signs and what verifies.
struct Algorithm {
    name: &'static str,
    signing_key: &'static str,
    /// Empty for a secret.
    verifying_key: &'static str,
}

macro_rules! key {
    ($name:literal) => {
        include_str!(concat!("../interop/keys/", $name, ".pem"))
    };
}

const HS256: Algorithm = Algorithm { name: "HS256", signing_key: SIGNING_KEY, verifying_key: "" };
const HS512: Algorithm = Algorithm {
    name: "HS512",
    signing_key: "swordfish-swordfish-swordfish-0123456789-0123456789-0123456789-0123456789",
    verifying_key: "",
};
const RS256: Algorithm = Algorithm {
    name: "RS256",
    signing_key: key!("rsa.private"),
    verifying_key: key!("rsa.public"),
};
const ES256: Algorithm = Algorithm {
    name: "ES256",
    signing_key: key!("p256.private"),
    verifying_key: key!("p256.public"),
};
const EDDSA: Algorithm = Algorithm {
    name: "EdDSA",
    signing_key: key!("ed25519.private"),
    verifying_key: key!("ed25519.public"),
};

macro_rules! with_each_algorithm {
    ($($name:ident = $algorithm:ident),+ $(,)?) => { $(
        #[test]
        fn $name() {
            run(module_path!(), Database::Sqlite, |_| tokens_go_both_ways($algorithm));
        }
    )+ };
}

with_each_algorithm! { hs256 = HS256, hs512 = HS512, rs256 = RS256, es256 = ES256, eddsa = EDDSA }

async fn start(algorithm: &Algorithm, more: &[(&str, &str)]) -> Option<Pair> {
    let simple_jwt = json!({
        "ALGORITHM": algorithm.name,
        "SIGNING_KEY": algorithm.signing_key,
        "VERIFYING_KEY": algorithm.verifying_key,
        "ISSUER": "https://login.example",
        "AUDIENCE": "shop",
        "ROTATE_REFRESH_TOKENS": true,
        "BLACKLIST_AFTER_ROTATION": true,
        "AUTH_TOKEN_CLASSES": [
            "rest_framework_simplejwt.tokens.AccessToken",
            "rest_framework_simplejwt.tokens.SlidingToken",
        ],
    });
    let ours = [
        ("ALGORITHM", algorithm.name),
        ("SIGNING_KEY", algorithm.signing_key),
        ("ISSUER", "https://login.example"),
        ("AUDIENCE", "shop"),
        ("AUTH_TOKEN_CLASSES", "access,sliding"),
    ];
    let settings = [&ours, more].concat();
    let app = async || TestApp::by_the_clock(Database::Sqlite, &settings).await;
    Pair::start(simple_jwt, app).await
}

/// The protected route. (Django has it with the slash alone.)
async fn me(door: &Anonymous, token: &str) -> Answer {
    door.get_with("/api/v1/users/me/", &format!("Bearer {token}")).await
}

async fn slide(door: &Anonymous, token: &str) -> Answer {
    door.post("/api/token/sliding/refresh/", json!({ "token": token })).await
}

async fn tokens_go_both_ways(algorithm: Algorithm) {
    let Some(pair) = start(&algorithm, &[]).await else { return };
    theirs_are_used_here(&pair).await;
    ours_are_used_there(&pair).await;
}

async fn theirs_are_used_here(pair: &Pair) {
    let (here, there) = (pair.app.anonymous(), pair.django.anonymous());
    let anna = json!({ "id": pair.anna.id, "username": "anna", "email": "anna@example.com" });

    let (access, refresh) = pair.theirs.log_in(&pair.anna).await;
    assert_eq!(claims_of(&access).get("sid"), None, "it is theirs");
    assert_eq!(me(here, &access).await.expect_status(200).json(), anna);
    for token in [&access, &refresh] {
        here.verify(token).await.expect(200, "{}");
    }
    // What it is exchanged for is ours, and good on both sides.
    let answer = here.refresh(&refresh).await;
    let (access, refresh) = (answer.expect_status(200).text("access"), answer.text("refresh"));
    assert!(claims_of(&access)["sid"].is_string(), "{access}");
    for door in [here, there] {
        assert_eq!(me(door, &access).await.expect_status(200).json(), anna);
    }
    here.refresh(&refresh).await.expect_status(200);

    let (_, refresh) = pair.theirs.log_in(&pair.anna).await;
    here.blacklist(&refresh).await.expect(200, "{}");
    assert_eq!(
        here.refresh(&refresh).await.expect_status(401).text("detail"),
        "Token is blacklisted"
    );

    let sliding = pair.theirs.log_in_sliding(&pair.anna).await;
    assert_eq!(me(here, &sliding).await.expect_status(200).json(), anna);
    here.verify(&sliding).await.expect(200, "{}");
    let later = slide(here, &sliding).await.expect_status(200).text("token");
    assert_eq!(me(here, &later).await.expect_status(200).json(), anna);
    slide(here, &later).await.expect_status(200);
}

async fn ours_are_used_there(pair: &Pair) {
    let (here, there) = (pair.app.anonymous(), pair.django.anonymous());
    let anna = json!({ "id": pair.anna.id, "username": "anna", "email": "anna@example.com" });

    let (access, refresh) = pair.ours.log_in(&pair.anna).await;
    let sliding = pair.ours.log_in_sliding(&pair.anna).await;
    for token in [&access, &sliding] {
        assert_eq!(me(there, token).await.expect_status(200).json(), anna);
    }
    for token in [&access, &refresh, &sliding] {
        there.verify(token).await.expect(200, "{}");
        let header: Value = serde_json::from_str(&header_of(token)).unwrap();
        assert_eq!(header["typ"], "JWT");
    }
    let later = slide(there, &sliding).await.expect_status(200).text("token");
    assert_eq!(me(there, &later).await.expect_status(200).json(), anna);

    // They copy the claims, so what they issue belongs to our session, and can come back.
    let answer = there.refresh(&refresh).await;
    let (access, refresh) = (answer.expect_status(200).text("access"), answer.text("refresh"));
    for door in [there, here] {
        assert_eq!(me(door, &access).await.expect_status(200).json(), anna);
    }
    assert_eq!(me(here, &later).await.expect_status(200).json(), anna);
    here.refresh(&refresh).await.expect_status(200);

    let (_, refresh) = pair.ours.log_in(&pair.anna).await;
    there.blacklist(&refresh).await.expect(200, "{}");
    assert_eq!(
        there.refresh(&refresh).await.expect_status(401).text("detail"),
        "Token is blacklisted"
    );
}

#[test]
fn tokens_of_simplejwt_are_refused_where_foreign_tokens_are() {
    run("", Database::Sqlite, |_| async {
        let foreign = [("FOREIGN_TOKEN_LIFETIME", "0")];
        let Some(pair) = start(&HS256, &foreign).await else { return };
        let here = pair.app.anonymous();
        let (access, refresh) = pair.theirs.log_in(&pair.anna).await;
        let sliding = pair.theirs.log_in_sliding(&pair.anna).await;
        for token in [&access, &sliding] {
            let answer = me(here, token).await;
            assert_eq!(
                answer.expect_status(401).json()["messages"][0]["message"],
                "Token is invalid"
            );
        }
        for token in [&access, &refresh, &sliding] {
            assert_eq!(
                here.verify(token).await.expect_status(401).text("detail"),
                "Token is invalid"
            );
        }
        assert_eq!(
            here.refresh(&refresh).await.expect_status(401).text("detail"),
            "Token is invalid"
        );
        // Those of a session here are not concerned, wherever they were.
        let (_, refresh) = pair.ours.log_in(&pair.anna).await;
        let access = pair.django.anonymous().refresh(&refresh).await.text("access");
        me(here, &access).await.expect_status(200);
    });
}

#[test]
fn who_is_locked_out_here_is_so_with_tokens_of_simplejwt() {
    run("", Database::Sqlite, |_| async {
        let Some(mut pair) = start(&HS256, &[]).await else { return };
        let ina = pair.logged_in("ina").await;
        let dora = pair.logged_in("dora").await;
        let before = [pair.theirs.log_in(&ina).await, pair.theirs.log_in(&dora).await];
        pair.app.deactivate(&ina).await;
        pair.app.delete(&dora);
        let here = pair.app.anonymous();
        for ((access, refresh), code) in before.iter().zip(["user_inactive", "user_not_found"]) {
            let answer = me(here, access).await;
            assert_eq!(answer.expect_status(401).text("code"), code);
            here.refresh(refresh).await.expect_status(401);
        }
    });
}
