//! A JWT that a Flask application encodes by hand with PyJWT, in the header `jwt-auth`.

use auth_core::Clock;
use serde_json::{Value, json};
use tests::token::{PYJWT_HEADER, SIGNING_KEY, claims_of, header_of, mint, mint_with};
use tests::{Anonymous, Answer, Database, TestApp, User, on_each_database};

use crate::peer::Peer;

const LOGIN: &str = "/api/v1/users/login/jwt";
const INFO: &str = "/api/v1/users/login/jwt/info";

on_each_database! {
    a_hand_made_token_goes_both_ways,
    what_info_says_is_the_same,
}

/// Both servers, and Anna.
async fn start(database: Database) -> Option<(Peer, TestApp, User)> {
    let mut flask = Peer::flask(json!({ "JWT_SECRET_KEY": SIGNING_KEY }))?;
    let app = TestApp::by_the_clock(database, &[]).await;
    let anna = app.user("anna").await;
    create(&mut flask, &anna);
    Some((flask, app, anna))
}

fn create(flask: &mut Peer, user: &User) {
    let (username, password) = (&user.username, user.password);
    flask.order(
        json!({ "do": "create", "id": user.id, "username": username, "password": password }),
    );
}

async fn info(door: &Anonymous, token: &str) -> Answer {
    door.get_with_header(INFO, "jwt-auth", token).await
}

async fn a_hand_made_token_goes_both_ways(database: Database) {
    let Some((flask, app, anna)) = start(database).await else { return };
    let (there, here) = (flask.anonymous(), app.anonymous());
    let expected = json!({ "id": anna.id, "username": "anna" });

    let login = format!("{LOGIN}?lifetime=3600");
    let theirs = there.post(&login, anna.credentials()).await.expect_status(200).text("token");
    let ours = here.post(LOGIN, anna.credentials()).await.expect_status(200).text("token");
    assert_eq!(header_of(&theirs), header_of(&ours));
    for token in [&theirs, &ours] {
        for door in [there, here] {
            assert_eq!(info(door, token).await.expect_status(200).json(), expected, "{token}");
        }
        let claims = claims_of(token);
        assert_eq!((&claims["id"], &claims["username"]), (&json!(anna.id), &json!("anna")));
    }
    let me = here.get_with_header("/api/v1/users/me", "jwt-auth", &theirs).await;
    assert_eq!(me.expect_status(200).text("username"), "anna");
}

/// The texts of the contract, from both.
async fn what_info_says_is_the_same(database: Database) {
    let Some((mut flask, app, anna)) = start(database).await else { return };
    let dora = app.user("dora").await;
    create(&mut flask, &dora);
    let now = Clock::system().now_seconds();
    let good = |id: Value| json!({ "id": id, "username": "x", "exp": now + 3_600 });
    let expired = json!({ "id": anna.id, "exp": now - 100 });
    let of_another_key =
        mint_with(PYJWT_HEADER, &good(json!(anna.id)).to_string(), "x".repeat(40).as_str());
    let unsigned = mint_with(r#"{"alg":"none"}"#, &good(json!(anna.id)).to_string(), SIGNING_KEY);
    let of_dora = mint(&good(json!(dora.id)));
    flask.order(json!({ "do": "delete", "id": dora.id }));
    app.delete(&dora);

    let cases = [
        ("good", mint(&good(json!(anna.id))), 200),
        ("expired", mint(&expired), 401),
        ("no id", mint(&json!({ "username": "anna", "exp": now + 3_600 })), 401),
        ("an empty id", mint(&good(json!(""))), 401),
        ("an id of null", mint_with(PYJWT_HEADER, r#"{"id":null}"#, SIGNING_KEY), 401),
        ("another key", of_another_key, 401),
        ("unsigned", unsigned, 401),
        ("nonsense", "nonsense".to_owned(), 401),
        ("three letters", "a.b.c".to_owned(), 401),
        ("nothing", String::new(), 401),
        ("an unknown user", mint(&good(json!(999_999))), 401),
        ("a user who was deleted", of_dora, 401),
        ("not valid yet", mint(&json!({ "id": anna.id, "nbf": now + 100, "exp": now + 200 })), 401),
    ];
    for (what, token, status) in cases {
        let (theirs, ours) =
            (info(flask.anonymous(), &token).await, info(app.anonymous(), &token).await);
        assert_eq!((theirs.status, theirs.json()), (ours.status, ours.json()), "{what}");
        assert_eq!(ours.status, status, "{what}");
    }
    let (theirs, ours) = (flask.anonymous().get(INFO).await, app.anonymous().get(INFO).await);
    assert_eq!((theirs.status, theirs.json()), (ours.status, ours.json()), "no header");

    // The one deviation: theirs never expires.
    let endless = flask.anonymous().post(LOGIN, anna.credentials()).await.text("token");
    info(flask.anonymous(), &endless).await.expect_status(200);
    let answer = info(app.anonymous(), &endless).await;
    assert_eq!(answer.expect_status(401).text("detail"), "Error decoding token");
}
