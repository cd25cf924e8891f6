//! What a body may look like, on every route that takes one. As Django REST framework reads them.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tests::{Answer, Database, NewUser, TestApp, on_each_database, with_and_without_slash};

on_each_database! {
    a_missing_null_or_blank_field_is_named,
    each_bad_field_is_named_and_good_ones_are_not,
    unknown_fields_are_ignored,
    a_number_is_read_as_text,
    a_value_that_is_no_text_is_refused,
    a_null_character_is_refused,
    a_lone_surrogate_is_refused,
    malformed_json_is_a_parse_error,
    a_list_is_not_a_dictionary,
    a_text_a_number_or_null_is_not_a_dictionary,
    an_empty_body_lacks_every_field,
    another_content_type_is_refused_by_name,
    json_with_a_charset_is_json,
    another_method_is_not_allowed,
    a_huge_body_is_refused,
    deep_nesting_is_refused,
    a_refused_body_is_never_read_as_a_request,
}

/// The token routes with the fields that each requires.
const ROUTES: [(&str, &[&str]); 6] = [
    ("/api/token/", &["username", "password"]),
    ("/api/token/refresh/", &["refresh"]),
    ("/api/token/verify/", &["token"]),
    ("/api/token/blacklist/", &["refresh"]),
    ("/api/token/sliding/", &["username", "password"]),
    ("/api/token/sliding/refresh/", &["token"]),
];

/// `{"field":["problem"],…}`
fn every(fields: &[&str], problem: &str) -> String {
    let members = fields.iter().map(|field| format!(r#""{field}":["{problem}"]"#));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// `{"field":value,…}`
fn filled(fields: &[&str], value: Value) -> Value {
    fields.iter().map(|field| ((*field).to_owned(), value.clone())).collect()
}

/// Posts `body` to every token route, without and with the trailing slash.
async fn post_everywhere(app: &TestApp, body: &str) -> Vec<(&'static [&'static str], Answer)> {
    let mut answers = Vec::new();
    for (path, fields) in ROUTES {
        for path in with_and_without_slash(path) {
            answers.push((fields, app.anonymous().post_text(&path, body).await));
        }
    }
    answers
}

async fn a_missing_null_or_blank_field_is_named(database: Database) {
    let app = TestApp::start(database).await;
    for (path, fields) in ROUTES {
        for path in with_and_without_slash(path) {
            for (body, problem) in [
                (json!({}), "This field is required."),
                (filled(fields, Value::Null), "This field may not be null."),
                (filled(fields, "".into()), "This field may not be blank."),
                (filled(fields, " \t\n".into()), "This field may not be blank."),
                (filled(fields, "\u{1c}\u{1f}".into()), "This field may not be blank."),
            ] {
                app.anonymous().post(&path, body).await.expect(400, &every(fields, problem));
            }
        }
    }
}

async fn each_bad_field_is_named_and_good_ones_are_not(database: Database) {
    let app = TestApp::start(database).await;
    for (body, expected) in [
        (json!({ "username": "anna" }), r#"{"password":["This field is required."]}"#),
        (
            json!({ "username": null, "password": "" }),
            r#"{"username":["This field may not be null."],"password":["This field may not be blank."]}"#,
        ),
    ] {
        app.anonymous().post("/api/token/", body).await.expect(400, expected);
    }
}

async fn unknown_fields_are_ignored(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    let mut body = anna.credentials();
    body["remember_me"] = json!({ "for": ["ever"] });
    app.anonymous().post("/api/token/", body).await.expect_status(200);
}

async fn a_number_is_read_as_text(database: Database) {
    let app = TestApp::start(database).await;
    app.create(NewUser { password: "1234567890", ..NewUser::named("42") }).await;
    let body = r#"{"username":42,"password":1234567890}"#;
    app.anonymous().post_text("/api/token/", body).await.expect_status(200);
}

async fn a_value_that_is_no_text_is_refused(database: Database) {
    let app = TestApp::start(database).await;
    for value in [json!(true), json!(false), json!([]), json!(["x"]), json!({}), json!({"a": 1})] {
        for (path, fields) in ROUTES {
            let answer = app.anonymous().post(path, filled(fields, value.clone())).await;
            answer.expect(400, &every(fields, "Not a valid string."));
        }
    }
}

async fn a_null_character_is_refused(database: Database) {
    let app = TestApp::start(database).await;
    for (path, fields) in ROUTES {
        let answer = app.anonymous().post(path, filled(fields, "a\0b".into())).await;
        answer.expect(400, &every(fields, "Null characters are not allowed."));
    }
}

async fn a_lone_surrogate_is_refused(database: Database) {
    let app = TestApp::start(database).await;
    for (path, fields) in ROUTES {
        let body = filled(fields, "HERE".into()).to_string().replace("HERE", r"\ud800");
        app.anonymous().post_text(path, &body).await.expect_status(400).json();
    }
}

async fn malformed_json_is_a_parse_error(database: Database) {
    let app = TestApp::start(database).await;
    for body in ["{", "{\"username\":\"anna\",}", "nonsense", "{} {}", "{'username': 'anna'}", " "]
    {
        for (_, answer) in post_everywhere(&app, body).await {
            let detail = answer.expect_detail(400).text("detail");
            assert!(detail.starts_with("JSON parse error - "), "{body:?}: {detail}");
        }
    }
}

async fn a_list_is_not_a_dictionary(database: Database) {
    let app = TestApp::start(database).await;
    let expected = r#"{"non_field_errors":["Invalid data. Expected a dictionary, but got list."]}"#;
    for body in ["[]", r#"[{"username":"anna"}]"#] {
        for (_, answer) in post_everywhere(&app, body).await {
            answer.expect(400, expected);
        }
    }
}

async fn a_text_a_number_or_null_is_not_a_dictionary(database: Database) {
    let app = TestApp::start(database).await;
    for body in ["\"anna\"", "42", "1.5", "true", "null"] {
        for (_, answer) in post_everywhere(&app, body).await {
            answer.expect_status(400);
            assert_eq!(answer.members(), ["non_field_errors"], "{body}");
        }
    }
}

async fn an_empty_body_lacks_every_field(database: Database) {
    let app = TestApp::start(database).await;
    for (fields, answer) in post_everywhere(&app, "").await {
        answer.expect(400, &every(fields, "This field is required."));
    }
}

async fn another_content_type_is_refused_by_name(database: Database) {
    let app = TestApp::start(database).await;
    let expected = r#"{"detail":"Unsupported media type \"text/plain\" in request."}"#;
    for (path, _) in ROUTES {
        for path in with_and_without_slash(path) {
            let request = app.anonymous().request(Method::POST, &path);
            let request = request.header(CONTENT_TYPE, "text/plain").body("{}");
            Answer::to(request).await.expect(415, expected);

            let without = app.anonymous().request(Method::POST, &path).body("{}");
            Answer::to(without).await.expect_detail(415);
        }
    }
}

async fn json_with_a_charset_is_json(database: Database) {
    let app = TestApp::start(database).await;
    let anna = app.user("anna").await;
    for content_type in ["application/json; charset=utf-8", "Application/JSON"] {
        let request = app.anonymous().request(Method::POST, "/api/token/");
        let request = request.header(CONTENT_TYPE, content_type);
        let answer = Answer::to(request.body(anna.credentials().to_string())).await;
        answer.expect_status(200);
    }
}

async fn another_method_is_not_allowed(database: Database) {
    let app = TestApp::start(database).await;
    for (path, _) in ROUTES {
        for path in with_and_without_slash(path) {
            for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE] {
                let answer = Answer::to(app.anonymous().request(method.clone(), &path)).await;
                let expected = format!(r#"{{"detail":"Method \"{method}\" not allowed."}}"#);
                answer.expect(405, &expected);
                let allow = answer.header("allow").unwrap_or_default();
                assert!(allow.split(", ").any(|allowed| allowed == "POST"), "{allow}");
            }
        }
    }
}

async fn a_huge_body_is_refused(database: Database) {
    let app = TestApp::start(database).await;
    let huge = filled(&["username", "password", "token", "refresh"], "x".repeat(4 << 20).into());
    for (_, answer) in post_everywhere(&app, &huge.to_string()).await {
        answer.expect_detail(413);
    }
    app.anonymous().get("/healthz").await.expect_status(200);
}

async fn deep_nesting_is_refused(database: Database) {
    let app = TestApp::start(database).await;
    for deep in ["[".repeat(10_000), format!(r#"{{"x":{}"#, "[".repeat(10_000))] {
        for (_, answer) in post_everywhere(&app, &deep).await {
            answer.expect_status(400).json();
        }
    }
}

async fn a_refused_body_is_never_read_as_a_request(database: Database) {
    let app = TestApp::start(database).await;
    let smuggled = "GET /healthz HTTP/1.1\r\nHost: test\r\n\r\n".repeat(4_000);
    for path in ["/api/token/", "/api/v1/users/logout", "/nowhere"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            smuggled.len()
        );
        let answer = app.raw(&[head.as_bytes(), smuggled.as_bytes()].concat());
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{path}: {answer}");
    }
}
