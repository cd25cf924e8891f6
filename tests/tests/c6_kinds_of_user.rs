//! Contract C6: several kinds of user, as `actix-jwt/examples/kinds_of_user.rs` does it.

use reqwest::Method;
use serde_json::{Value, json};
use tests::token::{but, claims_of, mint};
use tests::{Answer, Example};

async fn post(example: &Example, path: &str, body: Value) -> Answer {
    example.anonymous().post(path, body).await
}

/// `{"code", "message"}`.
#[track_caller]
fn expect(answer: &Answer, status: u16, code: &str) {
    answer.expect_status(status);
    let mut body = answer.json();
    let members = body.as_object_mut().unwrap();
    assert!(members.remove("message").is_some_and(|message| message.is_string()), "{answer:?}");
    assert_eq!(body, json!({ "code": code }));
    assert_eq!(answer.header("www-authenticate").is_some(), status == 401);
}

async fn ann(example: &Example) -> (String, String) {
    let body = json!({ "email": "ann@example.org", "password": "correct horse" });
    pair(&post(example, "/auth/login", body).await)
}

fn pair(answer: &Answer) -> (String, String) {
    answer.expect_status(200).expect_header("cache-control", "no-store");
    (answer.text("access"), answer.text("refresh"))
}

async fn code(example: &Example) -> String {
    let sent = post(example, "/clients/otp/request", json!({ "username": "acme" })).await;
    expect(&sent, 200, "OTP_SENT");
    example.says("code for acme: ")
}

async fn verify(example: &Example, username: &str, code: &str) -> Answer {
    let body = json!({ "username": username, "code": code });
    post(example, "/clients/otp/verify", body).await
}

async fn acme(example: &Example) -> (String, String) {
    let code = code(example).await;
    pair(&verify(example, "acme", &code).await)
}

async fn get(example: &Example, path: &str, access: &str) -> Answer {
    example.anonymous().get_with(path, &format!("Bearer {access}")).await
}

#[tokio::test]
async fn staff_log_in_by_password_and_clients_by_a_code() {
    let example = Example::run("kinds_of_user", &[]);
    for ((access, refresh), kind, email, role) in [
        (ann(&example).await, "user", "ann@example.org", "manager"),
        (acme(&example).await, "client", "it@acme.example", "buyer"),
    ] {
        let claims = claims_of(&access);
        assert_eq!((&claims["user_type"], &claims["user_seq"]), (&json!(kind), &json!("1")));
        assert_eq!((&claims["email"], &claims["role"]), (&json!(email), &json!(role)));
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 30 * 60);
        let claims = claims_of(&refresh);
        let month = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert_eq!(month, 30 * 24 * 3600);
        assert_eq!(get(&example, "/me", &access).await.expect_status(200).json()["email"], email);
        let staff = get(&example, "/staff", &access).await;
        match kind {
            "user" => drop(staff.expect_status(200)),
            _ => expect(&staff, 403, "FORBIDDEN"),
        }
    }
}

#[tokio::test]
async fn the_same_number_of_another_kind_is_somebody_else() {
    let example = Example::run("kinds_of_user", &[]);
    let (user, user_refresh) = ann(&example).await;
    let (client, client_refresh) = acme(&example).await;
    let logout = post(&example, "/auth/logout", json!({ "refresh": client_refresh })).await;
    expect(&logout, 200, "LOGGED_OUT");
    expect(&get(&example, "/me", &client).await, 401, "INVALID_TOKEN");
    get(&example, "/me", &user).await.expect_status(200);
    pair(&post(&example, "/auth/refresh", json!({ "refresh": user_refresh })).await);
    // The password of the one does not open the other.
    let body = json!({ "email": "acme", "password": "correct horse" });
    expect(&post(&example, "/auth/login", body).await, 401, "INVALID_TOKEN");
    expect(&verify(&example, "ann@example.org", "000000").await, 401, "INVALID_TOKEN");
}

#[tokio::test]
async fn an_unknown_kind_of_user_is_401() {
    let example = Example::run("kinds_of_user", &[]);
    let (access, _) = ann(&example).await;
    for kind in [json!("robot"), json!(""), json!("User"), json!(1)] {
        let token = mint(&but(claims_of(&access), json!({ "user_type": kind })));
        expect(&get(&example, "/me", &token).await, 401, "INVALID_TOKEN");
    }
}

#[tokio::test]
async fn a_code_works_once_and_a_known_client_is_not_told_from_an_unknown_one() {
    let example = Example::run("kinds_of_user", &[]);
    let code = code(&example).await;
    assert!(code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()), "{code}");
    let known = post(&example, "/clients/otp/request", json!({ "username": "acme" })).await;
    let unknown = post(&example, "/clients/otp/request", json!({ "username": "nobody" })).await;
    assert_eq!((known.status, &known.body), (unknown.status, &unknown.body));
    assert!(example.is_silent(), "a moment later there is no second code, and for nobody none");

    let wrong = if code == "000000" { "000001" } else { "000000" };
    let refused = verify(&example, "acme", wrong).await;
    let nobody = verify(&example, "nobody", wrong).await;
    expect(&refused, 401, "INVALID_TOKEN");
    assert_eq!((refused.status, &refused.body), (nobody.status, &nobody.body));
    pair(&verify(&example, "acme", &code).await);
    expect(&verify(&example, "acme", &code).await, 401, "INVALID_TOKEN");
}

#[tokio::test]
async fn after_five_wrong_codes_the_right_one_is_wrong() {
    let example = Example::run("kinds_of_user", &[]);
    let code = code(&example).await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        expect(&verify(&example, "acme", wrong).await, 401, "INVALID_TOKEN");
    }
    expect(&verify(&example, "acme", &code).await, 401, "INVALID_TOKEN");
}

#[tokio::test]
async fn a_refresh_token_is_spent_and_ends_with_its_login() {
    let example = Example::run("kinds_of_user", &[]);
    let (_, refresh) = acme(&example).await;
    let (access, next) =
        pair(&post(&example, "/auth/refresh", json!({ "refresh": refresh })).await);
    assert_ne!(refresh, next);
    assert_eq!(claims_of(&access)["user_type"], "client");
    for _ in 0..2 {
        let logout = post(&example, "/auth/logout", json!({ "refresh": next })).await;
        match logout.status {
            200 => expect(&logout, 200, "LOGGED_OUT"),
            _ => expect(&logout, 401, "INVALID_TOKEN"),
        }
    }
    let refused = post(&example, "/auth/refresh", json!({ "refresh": next })).await;
    expect(&refused, 401, "INVALID_TOKEN");
    expect(&get(&example, "/me", &access).await, 401, "INVALID_TOKEN");
}

#[tokio::test]
async fn what_is_malformed_is_400_in_the_same_envelope() {
    let example = Example::run("kinds_of_user", &[]);
    for path in [
        "/auth/login",
        "/auth/refresh",
        "/auth/logout",
        "/clients/otp/request",
        "/clients/otp/verify",
    ] {
        for body in ["", "{", "[]", "{}", r#"{"username":1}"#] {
            let answer = example.anonymous().post_text(path, body).await;
            expect(&answer, 400, "INVALID_REQUEST");
        }
        let text = example.anonymous().request(Method::POST, path).body("hello");
        expect(&Answer::to(text).await, 400, "INVALID_REQUEST");
    }
    for token in ["", "nonsense", "a.b.c"] {
        let body = json!({ "refresh": token });
        expect(&post(&example, "/auth/refresh", body).await, 401, "INVALID_TOKEN");
    }
    expect(&example.anonymous().get("/me").await, 401, "INVALID_TOKEN");
}
