//! What the server does around the contracts: identity, logs, errors, its end.

use std::net::TcpListener;

use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use crate::sandbox::{PASSWORD, Sandbox};

const SECRET: &str = "a secret of at least thirty-two bytes";

/// A token as PyJWT makes it with the same key.
fn foreign_token(user_id: &str, more: Value) -> String {
    let mut claims = json!({
        "token_type": "access", "exp": 4_000_000_000_u64, "jti": "0", "user_id": user_id,
    });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    jsonwebtoken::encode(&Header::default(), &claims, &key).unwrap()
}

#[test]
fn me_asks_the_database_only_where_the_token_does_not_tell() {
    let sandbox = Sandbox::new().with("SIGNING_KEY", SECRET);
    sandbox.create_user("alice");
    let server = sandbox.serve();

    let me = |token: &str| server.get("/api/v1/users/me", token);
    let from_database = me(&foreign_token("1", json!({})));
    assert_eq!(from_database.body["email"], "alice@example.org");
    let odd = me(&foreign_token("1", json!({ "username": 5, "email": null })));
    assert_eq!(odd.body["username"], "alice");
    let told = json!({ "username": "ghost", "email": "" });
    for nobody in ["2", "x", "01", "9223372036854775808"] {
        let refused = me(&foreign_token(nobody, told.clone()));
        assert_eq!((refused.status, &refused.body["code"]), (401, &"user_not_found".into()));
    }
    assert_eq!(me(&foreign_token("1\0", told)).status, 401);

    let own = server.token("alice");
    sandbox.sql("ALTER TABLE users RENAME TO away");
    assert_eq!(me(&own).status, 200);
    assert_eq!(me(&foreign_token("1", json!({}))).status, 503);
}

#[test]
fn unknown_paths_and_methods_are_answered_in_json() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    for path in ["/", "/nope", "/api", "/api/v1/users/me/x", "/%ff%00", "/api/v1/users/sessions/%"]
    {
        let answer = server.get(path, "");
        let expected = (404, json!({ "detail": "Not found." }));
        if path != "/api/v1/users/sessions/%" {
            assert_eq!((answer.status, answer.body), expected, "{path}");
        } else {
            assert!(answer.status < 500, "{answer:?}");
        }
    }
    let refused = server.post("/api/v1/users/me", &json!({}));
    assert_eq!(refused.status, 405);
    assert_eq!(refused.header("allow"), Some("get, head"));
    assert_eq!(refused.body, json!({ "detail": "Method \"POST\" not allowed." }));
}

#[test]
fn every_answer_has_a_request_id_of_ours_and_careful_headers() {
    let sandbox = Sandbox::new();
    let server = sandbox.serve();
    for path in ["/healthz", "/nope", "/api/v1/users/me"] {
        let answer = server.get(path, "x");
        let id = answer.header("x-request-id").unwrap();
        assert!(id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit()), "{id}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
}

#[test]
fn the_log_tells_requests_and_logins_and_nothing_secret() {
    let sandbox = Sandbox::new().with("SIGNING_KEY", SECRET);
    sandbox.create_user("alice");
    let server = sandbox.serve();
    let pair = server.login("alice", PASSWORD);
    server.login("alice", "wrong password");
    let (access, refresh) = (&pair.body["access"], &pair.body["refresh"]);
    let me = server.get("/api/v1/users/me?token=s3cret", access.as_str().unwrap());
    let id = me.header("x-request-id").unwrap().to_owned();
    server.post("/api/token/refresh/", &json!({ "refresh": refresh }));
    let (status, log) = server.stop();

    assert!(status.success());
    assert!(log.contains(&id) && log.contains("path=\"/api/v1/users/me\""), "{log}");
    for event in ["login", "login_failed", "refresh"] {
        assert!(log.contains(&format!("event=\"{event}\"")), "{log}");
    }
    let secrets =
        [access, refresh].map(|token| token.as_str().unwrap().rsplit('.').next().unwrap());
    for secret in
        secrets.into_iter().chain([SECRET, PASSWORD, "wrong password", "s3cret", "$argon2"])
    {
        assert!(!log.contains(secret), "{secret} in {log}");
    }
}

#[test]
fn an_address_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let err = Sandbox::new().run(&["serve", "--listen", &addr]).failed(1);
    assert!(err.contains(&format!("cannot listen on {addr}")), "{err}");
    let err = Sandbox::new().run(&["--listen", &addr, "migrate"]).failed(2);
    assert!(err.contains("--listen is for serve"), "{err}");
}
