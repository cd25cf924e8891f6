//! What the server answers is what the document says.

use std::collections::BTreeSet;
use std::time::Duration;

use auth_core::ManualClock;
use auth_core::otp::totp_code;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tests::{Answer, Csrf, Database, NewUser, TestApp, on_each_database, with_and_without_slash};

use crate::described::Document;

on_each_database! {
    every_operation_is_there,
    every_success_is_as_described,
    each_credential_opens_what_names_it,
    every_refusal_is_as_described,
    every_refusal_in_the_other_dialect_is_as_described,
    public_keys_are_as_described,
}

fn concrete(path: &str) -> String {
    path.replace("{user_id}", "1").replace("{id}", "00000000000000000000000000000000")
}

async fn every_operation_is_there(database: Database) {
    let app = TestApp::start(database).await;
    let document = Document::of(&app).await;
    // Whoever may not see what is there is not told what it has either.
    let root = app.create(NewUser::staff("root")).await;
    let root = app.log_in(&root).await;
    for operation in document.operations() {
        let method: Method = operation.method.parse().unwrap();
        for path in with_and_without_slash(&concrete(operation.path)) {
            let answer = Answer::to(app.anonymous().request(method.clone(), &path)).await;
            assert!(![404, 405].contains(&answer.status), "{method} {path}: {}", answer.status);
            document.expect(&operation.method, operation.path, &answer);
        }
        let path = concrete(operation.path);
        let answer = Answer::to(root.request(Method::PATCH, &path)).await;
        assert_eq!(answer.status, 405, "{path}");
        document.expect(&operation.method, operation.path, &answer);
        let allowed = answer.header("allow").unwrap().split(", ").map(str::to_owned);
        assert!(allowed.collect::<Vec<_>>().contains(&operation.method), "{}", operation.name());
    }
}

/// What the user's app shows.
fn shown(app: &TestApp, secret: &str) -> String {
    let now = ManualClock::at_unix_seconds(app.now()).clock().now();
    totp_code(secret, now).unwrap()
}

/// A document, and the operations that have been seen to succeed.
struct Walk {
    document: Document,
    seen: BTreeSet<String>,
}

impl Walk {
    #[track_caller]
    fn saw(&mut self, method: &str, path: &str, answer: Answer) -> Answer {
        assert!(
            (200..300).contains(&answer.status),
            "{method} {path}: {} {}",
            answer.status,
            answer.body
        );
        self.document.expect(method, path, &answer);
        self.seen.insert(format!("{method} {path}"));
        answer
    }
}

async fn every_success_is_as_described(database: Database) {
    let app = TestApp::start(database).await;
    let (anna, root) = (app.user("anna").await, app.create(NewUser::staff("root")).await);
    let mut walk = Walk { document: Document::of(&app).await, seen: BTreeSet::new() };
    let anybody = app.anonymous();

    for path in ["/healthz", "/readyz", "/.well-known/jwks.json", "/api/v1/users/csrf"] {
        walk.saw("GET", path, anybody.get(path).await);
    }
    for below in ["/api/token", "/api/v1/users/login/simpleJWT"] {
        let mut post = async |suffix: &str, body: Value| {
            let path = format!("{below}{suffix}");
            walk.saw("POST", &path, anybody.post(&path, body).await)
        };
        let login = post("/", anna.credentials()).await;
        let body = json!({ "refresh": login.text("refresh") });
        let refreshed = post("/refresh/", body).await;
        post("/verify/", json!({ "token": refreshed.text("access") })).await;
        post("/blacklist/", json!({ "refresh": refreshed.text("refresh") })).await;
        let sliding = post("/sliding/", anna.credentials()).await;
        post("/sliding/refresh/", json!({ "token": sliding.text("token") })).await;
    }

    let single = anybody.post("/api/v1/users/login/jwt", anna.credentials()).await;
    let single = walk.saw("POST", "/api/v1/users/login/jwt", single).text("token");
    let info = "/api/v1/users/login/jwt/info";
    walk.saw("GET", info, anybody.get_with_header(info, "jwt-auth", &single).await);

    let mut browser = app.browser();
    let login = browser.log_in(&anna.username, anna.password).await;
    walk.saw("POST", "/api/v1/users/login", login);
    walk.saw("GET", "/api/v1/users/csrf", browser.get("/api/v1/users/csrf").await);
    walk.saw("GET", "/api/v1/users/me", browser.me().await);
    let sessions =
        walk.saw("GET", "/api/v1/users/sessions", browser.get("/api/v1/users/sessions").await);
    let sessions = sessions.json();
    let other = sessions.as_array().unwrap().iter().find(|session| session["current"] == false);
    let other = other.unwrap()["id"].as_str().unwrap().to_owned();
    let gone = browser.act(Method::DELETE, &format!("/api/v1/users/sessions/{other}"), None).await;
    walk.saw("DELETE", "/api/v1/users/sessions/{id}", gone);
    for path in ["/api/v1/users/logout/others", "/api/v1/users/logout"] {
        walk.saw("POST", path, browser.act(Method::POST, path, None).await);
    }
    let mut browser = app.sign_in(&anna).await;
    let all = "/api/v1/users/logout/all";
    walk.saw("POST", all, browser.act(Method::POST, all, None).await);

    let client = app.log_in(&anna).await;
    let tokens = "/api/v1/users/tokens";
    let new = json!({ "name": "ci", "expires_in": 60 });
    let made = Answer::to(client.request(Method::POST, tokens).json(&new)).await;
    let made = walk.saw("POST", tokens, made);
    let me = "/api/v1/users/me";
    let header = format!("Token {}", made.text("token"));
    walk.saw("GET", me, anybody.get_with(me, &header).await);
    walk.saw("GET", tokens, client.get(tokens).await);
    let ended = client.request(Method::DELETE, &format!("{tokens}/{}", made.text("id")));
    walk.saw("DELETE", "/api/v1/users/tokens/{id}", Answer::to(ended).await);

    let otp = "/api/v1/users/otp";
    let factor = async |method: Method, path: &str, body: Value| {
        Answer::to(client.request(method, path).json(&body)).await
    };
    walk.saw("GET", otp, client.get(otp).await);
    let new = walk.saw("POST", otp, factor(Method::POST, otp, json!({})).await);
    let (confirm, renew) = (&*format!("{otp}/confirm"), &*format!("{otp}/recovery"));
    let code = json!({ "code": shown(&app, &new.text("secret")) });
    let confirmed = walk.saw("POST", confirm, factor(Method::POST, confirm, code).await);
    walk.saw("GET", otp, client.get(otp).await);
    let both = |codes: &Answer| json!({ "password": anna.password, "otp": codes.json()["recovery_codes"][0] });
    let renewed = walk.saw("POST", renew, factor(Method::POST, renew, both(&confirmed)).await);
    walk.saw("DELETE", otp, factor(Method::DELETE, otp, both(&renewed)).await);

    app.sign_in(&anna).await;
    let root = app.log_in(&root).await;
    let introspect = "/api/token/introspect/";
    for token in [&client.access, "nonsense"] {
        let asked = root.request(Method::POST, introspect).form(&[("token", token)]);
        walk.saw("POST", introspect, Answer::to(asked).await);
    }
    let revoke = "/api/token/revoke/";
    let ended = client.request(Method::POST, revoke).form(&[("token", &client.refresh)]);
    walk.saw("POST", revoke, Answer::to(ended).await);

    let template = "/api/v1/admin/users/{user_id}/sessions";
    let path = template.replace("{user_id}", &anna.id.to_string());
    let sessions = walk.saw("GET", template, root.get(&path).await).json();
    let id = sessions[0]["id"].as_str().unwrap();
    let gone = Answer::to(root.request(Method::DELETE, &format!("{path}/{id}"))).await;
    walk.saw("DELETE", &format!("{template}/{{id}}"), gone);
    walk.saw("DELETE", template, Answer::to(root.request(Method::DELETE, &path)).await);

    let described: BTreeSet<_> = walk.document.operations().iter().map(|o| o.name()).collect();
    let missed: Vec<_> = described.difference(&walk.seen).collect();
    assert!(missed.is_empty(), "not seen to succeed: {missed:?}");
}

/// Whom a scheme names is let in, and a personal token is kept out where its scheme is not named.
async fn each_credential_opens_what_names_it(database: Database) {
    let app = TestApp::start(database).await;
    // Operations that end something end it of user 1.
    app.user("anna").await;
    let root = app.create(NewUser::staff("root")).await;
    let document = Document::of(&app).await;
    let client = app.log_in(&root).await;
    let new = client.request(Method::POST, "/api/v1/users/tokens").json(&json!({ "name": "ci" }));
    let personal = Answer::to(new).await.text("token");
    let single = app.anonymous().post("/api/v1/users/login/jwt", root.credentials()).await;
    let cookie = app.sign_in(&root).await.cookie("sessionid").to_owned();
    let password = base64_simd::STANDARD.encode_to_string(format!("root:{}", root.password));
    let shown = [
        ("basicAuth", "Authorization", format!("Basic {password}")),
        ("cookieAuth", "Cookie", format!("sessionid={cookie}")),
        ("tokenAuth", "Authorization", format!("Token {personal}")),
        ("bearerAuth", "Authorization", format!("Bearer {}", client.access)),
        ("jwtAuthHeader", "jwt-auth", single.text("token")),
    ];
    let mut kept_out = 0;
    for operation in document.operations().iter().filter(|o| !o.schemes().is_empty()) {
        for (scheme, header, value) in &shown {
            // The others would log themselves out.
            if operation.is_unsafe() && *scheme != "tokenAuth" {
                continue;
            }
            let path = concrete(operation.path);
            let request = app.anonymous().request(operation.method.parse().unwrap(), &path);
            let answer = Answer::to(request.header(*header, value)).await;
            document.expect(&operation.method, operation.path, &answer);
            let is_let_in = ![401, 403].contains(&answer.status);
            let is_named = operation.schemes().contains(scheme);
            assert_eq!(is_let_in, is_named, "{} with {scheme}", operation.name());
            kept_out += u32::from(!is_let_in);
        }
    }
    assert_eq!(kept_out, 13);
}

async fn every_refusal_is_as_described(database: Database) {
    refusals(TestApp::start(database).await).await;
}

async fn every_refusal_in_the_other_dialect_is_as_described(database: Database) {
    refusals(TestApp::with(database, &[("ERROR_DIALECT", "problem")]).await).await;
}

async fn refusals(app: TestApp) {
    let anna = app.user("anna").await;
    let root = app.log_in(&app.create(NewUser::staff("root")).await).await;
    let document = Document::of(&app).await;
    let anybody = app.anonymous();
    let expect = |status: u16, method: &str, path: &str, answer: Answer| {
        answer.expect_status(status);
        document.expect(method, path, &answer);
    };

    for operation in document.operations() {
        let (method, path) = (&*operation.method, operation.path);
        let [media_type] = operation.takes()[..] else { continue };
        let is_for_anybody = operation.schemes().is_empty();
        let send = |media_type: &str, body: String| {
            let method = method.parse().unwrap();
            let request = match is_for_anybody {
                true => anybody.request(method, path),
                false => root.request(method, path),
            };
            Answer::to(request.header(CONTENT_TYPE, media_type).body(body))
        };
        let is_needed = operation.described["requestBody"]["required"] == true;
        let wrong: &[&str] = match media_type {
            // Who has logged in a moment ago is not asked for what it should have.
            _ if !is_needed => &["{"],
            "application/json" => &[
                "{",
                "[]",
                "null",
                "{\"username\":[],\"password\":null,\"token\":{},\"refresh\":\" \",\"name\":1.5,\"scopes\":7}",
            ],
            _ => &["", "token=", "token=a&token=b", "%"],
        };
        for body in wrong {
            expect(400, method, path, send(media_type, (*body).to_owned()).await);
        }
        expect(415, method, path, send("text/plain", "x".into()).await);
        expect(413, method, path, send(media_type, "x".repeat(70_000)).await);
        if !is_for_anybody {
            continue;
        }
        // The same text is no token and nobody's password.
        let body =
            ["username", "password", "token", "refresh"].map(|name| (name.to_owned(), json!("x")));
        let refused = anybody.post(path, Value::Object(body.into_iter().collect())).await;
        let status = if path == "/api/v1/users/login" { 403 } else { 401 };
        expect(status, "POST", path, refused);
    }

    let me = "/api/v1/users/me";
    let unauthorized = &document.0["components"]["responses"]["AuthUnauthorized"]["content"];
    let content = unauthorized.as_object().unwrap().values().next().unwrap();
    let examples: Vec<_> = content["examples"].as_object().unwrap().values().collect();
    for (name, value) in [
        ("X-Other", "x"),
        ("Authorization", "Basic"),
        ("Authorization", "Basic eDp4"),
        ("Authorization", "Token"),
        ("Authorization", "Token x"),
        ("Authorization", "Bearer"),
        ("Authorization", "Bearer x"),
        ("Cookie", "sessionid=x"),
        ("jwt-auth", "x"),
    ] {
        let answer = anybody.get_with_header(me, name, value).await;
        let body = answer.json();
        assert!(examples.iter().any(|example| example["value"] == body), "in no example: {body}");
        expect(401, "GET", me, answer);
    }
    let mut client = app.log_in(&anna).await;
    let template = "/api/v1/admin/users/{user_id}/sessions";
    expect(403, "GET", template, client.get(&concrete(template)).await);
    for nothing in ["/api/v1/users/sessions/{id}", "/api/v1/users/tokens/{id}"] {
        let gone = Answer::to(client.request(Method::DELETE, &concrete(nothing))).await;
        expect(404, "DELETE", nothing, gone);
    }
    for (status, path) in [(400, "/api/token/revoke/"), (403, "/api/token/introspect/")] {
        let theirs = client.request(Method::POST, path).form(&[("token", &root.access)]);
        expect(status, "POST", path, Answer::to(theirs).await);
    }

    let mut browser = app.sign_in(&anna).await;
    browser.csrf = Csrf::Omit;
    let logout = "/api/v1/users/logout";
    expect(403, "POST", logout, browser.act(Method::POST, logout, None).await);
    let login = browser.log_in(&anna.username, anna.password).await;
    expect(403, "POST", "/api/v1/users/login", login);

    app.advance(Duration::from_secs(16 * 60)).await;
    client.refresh().await.expect_status(200);
    let tokens = "/api/v1/users/tokens";
    let late =
        Answer::to(client.request(Method::POST, tokens).json(&json!({ "name": "ci" }))).await;
    assert!(late.body.contains("password_required") || late.body.contains("password-required"));
    expect(403, "POST", tokens, late);

    let otp = "/api/v1/users/otp";
    let begin = |body: Value| Answer::to(client.request(Method::POST, otp).json(&body));
    expect(403, "POST", otp, begin(json!({})).await);
    expect(403, "POST", otp, begin(json!({ "password": "wrong" })).await);
    expect(400, "POST", otp, begin(json!({ "password": {} })).await);
    let nothing = client.request(Method::DELETE, otp).json(&json!({ "password": anna.password }));
    expect(404, "DELETE", otp, Answer::to(nothing).await);
    let new = begin(json!({ "password": anna.password })).await.text("secret");
    let confirm = "/api/v1/users/otp/confirm";
    let code = |code: &str| {
        Answer::to(client.request(Method::POST, confirm).json(&json!({ "code": code })))
    };
    expect(400, "POST", confirm, code("x").await);
    code(&shown(&app, &new)).await.expect_status(200);
    expect(401, "POST", otp, begin(json!({ "password": anna.password })).await);
    for path in [
        "/api/token/",
        "/api/token/sliding/",
        "/api/v1/users/login/simpleJWT/",
        "/api/v1/users/login/jwt",
        "/api/v1/users/login",
    ] {
        expect(401, "POST", path, anybody.post(path, anna.credentials()).await);
    }
    let password = base64_simd::STANDARD.encode_to_string(format!("anna:{}", anna.password));
    expect(401, "GET", me, anybody.get_with(me, &format!("Basic {password}")).await);
}

async fn public_keys_are_as_described(database: Database) {
    for (algorithm, key) in [
        ("RS256", include_str!("../../../auth-core/tests/keys/rsa.pkcs8.pem")),
        ("ES256", include_str!("../../../auth-core/tests/keys/p256.pkcs8.pem")),
        ("EdDSA", include_str!("../../../auth-core/tests/keys/ed25519.pkcs8.pem")),
    ] {
        let settings = [("ALGORITHM", algorithm), ("SIGNING_KEY", key)];
        let app = TestApp::with(database, &settings).await;
        let keys = app.anonymous().get("/.well-known/jwks.json").await;
        assert_eq!(keys.json()["keys"][0]["alg"], algorithm);
        Document::of(&app).await.expect("GET", "/.well-known/jwks.json", &keys);
    }
}
