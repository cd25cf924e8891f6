//! The document itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tests::{Database, TestApp, on_each_database};

use crate::described::Document;

on_each_database! {
    it_is_whole,
    each_credential_is_a_security_scheme_in_the_order_of_the_chain,
    who_may_call_an_operation_and_what_for_is_said,
    a_personal_token_is_no_alternative_where_a_login_is_needed,
    it_follows_the_settings,
    it_says_in_which_dialect_errors_are_told,
    other_words_for_a_refused_token_are_those_of_their_path_alone,
    it_has_every_path_that_the_server_promises,
    every_example_of_an_error_fits_its_schema,
}

/// The schemes, in the order in which the credentials are looked for.
const CHAIN: [&str; 5] = ["basicAuth", "cookieAuth", "tokenAuth", "bearerAuth", "jwtAuthHeader"];

/// Every `$ref` below a value.
fn references<'d>(value: &'d Value, found: &mut BTreeSet<&'d str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

async fn it_is_whole(database: Database) {
    let app = TestApp::start(database).await;
    let document = Document::of(&app).await;
    assert_eq!(document.0["openapi"], "3.1.0");
    for member in ["title", "version"] {
        assert!(document.0["info"][member].is_string(), "{member}");
    }

    let mut referred = BTreeSet::new();
    references(&document.0, &mut referred);
    assert!(referred.len() > 20, "{referred:?}");
    for reference in &referred {
        assert!(document.resolve(&json!({ "$ref": reference })).is_object(), "{reference}");
    }
    for kind in ["schemas", "responses"] {
        for name in document.0["components"][kind].as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(referred.contains(&*reference), "nothing refers to {reference}");
        }
    }

    let tags: BTreeSet<_> = document.0["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| &tag["name"])
        .collect::<Vec<_>>()
        .into_iter()
        .map(Value::to_string)
        .collect();
    let mut ids = BTreeMap::new();
    for operation in document.operations() {
        let name = operation.name();
        let described = operation.described;
        let id = described["operationId"].as_str().unwrap();
        assert_eq!(ids.insert(id.to_owned(), name.clone()), None, "{id} of {name}");
        assert!(!described["summary"].as_str().unwrap().is_empty(), "{name}");
        for tag in described["tags"].as_array().unwrap() {
            assert!(tags.contains(&tag.to_string()), "{name}: {tag}");
        }

        let responses = described["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status.starts_with('2')), "{name}");
        for (status, response) in responses {
            let response = document.resolve(response);
            assert!(status.parse::<u16>().is_ok_and(|s| (200..600).contains(&s)), "{name}");
            assert!(!response["description"].as_str().unwrap().is_empty(), "{name} {status}");
            for (name, header) in response["headers"].as_object().into_iter().flatten() {
                assert!(header["schema"]["type"].is_string(), "{name}");
            }
        }
        let variable =
            operation.path.split('/').filter_map(|p| p.strip_prefix('{')?.strip_suffix('}'));
        let variable: BTreeSet<_> = variable.map(|name| ("path", name)).collect();
        let in_path = operation.parameters().into_iter().filter(|(place, _)| *place == "path");
        assert_eq!(in_path.collect::<BTreeSet<_>>(), variable, "{name}");

        let schemes = document.0["components"]["securitySchemes"].as_object().unwrap();
        for scheme in operation.schemes() {
            assert!(schemes.contains_key(scheme), "{name}: {scheme}");
        }
    }
}

async fn each_credential_is_a_security_scheme_in_the_order_of_the_chain(database: Database) {
    let app = TestApp::start(database).await;
    let document = Document::of(&app).await;
    let schemes = document.0["components"]["securitySchemes"].as_object().unwrap();
    let without_description = |name: &str| {
        let mut scheme = schemes[name].as_object().unwrap().clone();
        assert!(scheme.remove("description").is_some_and(|text| text.is_string()), "{name}");
        Value::Object(scheme)
    };
    for (name, expected) in [
        ("basicAuth", json!({ "type": "http", "scheme": "basic" })),
        ("tokenAuth", json!({ "type": "apiKey", "in": "header", "name": "Authorization" })),
        ("cookieAuth", json!({ "type": "apiKey", "in": "cookie", "name": "sessionid" })),
        ("bearerAuth", json!({ "type": "http", "scheme": "bearer", "bearerFormat": "JWT" })),
        ("jwtAuthHeader", json!({ "type": "apiKey", "in": "header", "name": "jwt-auth" })),
    ] {
        assert_eq!(without_description(name), expected, "{name}");
    }
    assert_eq!(schemes.len(), CHAIN.len());
    for operation in document.operations() {
        let refused = operation.described["responses"]["401"]["$ref"].as_str();
        let needs_user =
            refused.is_some_and(|name| name.starts_with("#/components/responses/AuthUnauthorized"));
        let listed = operation.schemes();
        assert_eq!(!listed.is_empty(), needs_user, "{}", operation.name());
        let in_order: Vec<_> = CHAIN.into_iter().filter(|name| listed.contains(name)).collect();
        assert_eq!(listed, in_order, "{}", operation.name());
        if operation.path == "/api/v1/users/me" {
            assert_eq!(listed, CHAIN);
        }
    }
}

async fn a_personal_token_is_no_alternative_where_a_login_is_needed(database: Database) {
    let app = TestApp::start(database).await;
    let document = Document::of(&app).await;
    let mut count = 0;
    for operation in document.operations().iter().filter(|o| !o.schemes().is_empty()) {
        let manages_account = [
            "/api/v1/users/logout",
            "/api/v1/users/sessions",
            "/api/v1/users/tokens",
            "/api/v1/users/otp",
        ]
        .iter()
        .any(|path| operation.path.starts_with(path));
        let mut expected = CHAIN.to_vec();
        if manages_account {
            expected.retain(|name| *name != "tokenAuth");
            count += 1;
        }
        assert_eq!(operation.schemes(), expected, "{}", operation.name());
    }
    assert_eq!(count, 13);
}

async fn who_may_call_an_operation_and_what_for_is_said(database: Database) {
    let app = TestApp::start(database).await;
    let document = Document::of(&app).await;
    let mut protected = 0;
    for operation in document.operations() {
        let name = operation.name();
        let has = |status: &str| !operation.described["responses"][status].is_null();
        let takes_csrf = operation.parameters().contains(&("header", "X-CSRFToken"));
        if operation.schemes().is_empty() {
            let is_login = operation.path == "/api/v1/users/login";
            assert_eq!(takes_csrf, is_login, "{name}");
        } else {
            protected += 1;
            assert!(has("401") && has("503"), "{name}");
            assert_eq!(takes_csrf, operation.is_unsafe(), "{name}");
            let is_for_some = operation.path.starts_with("/api/v1/admin/")
                || !operation.schemes().contains(&"tokenAuth");
            assert_eq!(has("403"), operation.is_unsafe() || is_for_some, "{name}");
        }
        let takes_body = operation.described.get("requestBody").is_some();
        let is_form = ["/api/token/revoke/", "/api/token/introspect/"].contains(&operation.path);
        let media_type =
            if is_form { "application/x-www-form-urlencoded" } else { "application/json" };
        let expected: Vec<_> = takes_body.then_some(media_type).into_iter().collect();
        assert_eq!(operation.takes(), expected, "{name}");
        for status in ["400", "413", "415"] {
            assert_eq!(has(status), takes_body, "{name}: {status}");
        }
        for (status, header) in [("401", "WWW-Authenticate"), ("405", "Allow")] {
            if has(status) {
                let response = document.resolve(&operation.described["responses"][status]);
                assert!(response["headers"][header]["example"].is_string(), "{name}: {header}");
            }
        }
    }
    assert!(protected >= 10, "{protected}");
    let outage = &document.0["components"]["responses"]["AuthUnavailable"];
    assert!(outage["headers"]["Retry-After"]["example"].as_u64().is_some_and(|s| s > 0));
}

async fn it_follows_the_settings(database: Database) {
    let scheme = async |settings: &[(&str, &str)]| {
        let app = TestApp::with(database, settings).await;
        let document = Document::of(&app).await;
        document.0["components"]["securitySchemes"]["bearerAuth"].clone()
    };
    let word = scheme(&[("AUTH_HEADER_TYPES", "JWT,Api")]).await;
    assert_eq!((&word["type"], &word["in"]), (&json!("apiKey"), &json!("header")));
    assert_eq!(word["name"], "Authorization");
    let description = word["description"].as_str().unwrap();
    assert!(description.contains("`JWT <token>` or `Api <token>`"), "{description}");
    let several = scheme(&[("AUTH_HEADER_TYPES", "JWT,bearer")]).await;
    assert_eq!(several["scheme"], "bearer");
    let header = scheme(&[("AUTH_HEADER_NAME", "X-Token")]).await;
    assert_eq!((&header["type"], &header["name"]), (&json!("apiKey"), &json!("X-Token")));
    let sliding = scheme(&[("AUTH_TOKEN_CLASSES", "access,sliding")]).await;
    let description = sliding["description"].as_str().unwrap();
    assert!(description.contains("access or sliding"), "{description}");

    for (rotates, expected) in
        [("true", json!(["access", "refresh"])), ("false", json!(["access"]))]
    {
        let app = TestApp::with(database, &[("ROTATE_REFRESH_TOKENS", rotates)]).await;
        let document = Document::of(&app).await;
        assert_eq!(document.0["components"]["schemas"]["AuthRefreshed"]["required"], expected);
        let anna = app.user("anna").await;
        let refreshed = app.log_in(&anna).await.refresh().await;
        document.expect("POST", "/api/token/refresh/", &refreshed);
    }
}

async fn it_says_in_which_dialect_errors_are_told(database: Database) {
    let app = TestApp::with(database, &[("ERROR_DIALECT", "problem")]).await;
    let document = Document::of(&app).await;
    for (name, response) in document.0["components"]["responses"].as_object().unwrap() {
        let content = response["content"].as_object().unwrap();
        let is_oauth = ["AuthBadForm", "AuthRevocationRefused"].contains(&name.as_str());
        let (media_type, schema) = match is_oauth {
            // RFC 6749 §5.2, whatever the dialect.
            true => ("application/json", "#/components/schemas/AuthOAuthError"),
            false => ("application/problem+json", "#/components/schemas/AuthProblem"),
        };
        assert_eq!(content.keys().collect::<Vec<_>>(), [media_type], "{name}");
        assert_eq!(content[media_type]["schema"]["$ref"], schema, "{name}");
    }
    let schemas = document.0["components"]["schemas"].as_object().unwrap();
    let problem = &schemas["AuthProblem"];
    assert_eq!(problem["required"], json!(["type", "title", "status"]));
    for member in ["type", "title", "status", "detail"] {
        assert!(problem["properties"][member]["type"].is_string(), "{member}");
    }
    let fault = &problem["properties"]["errors"]["items"];
    assert_eq!(fault["required"], json!(["detail", "pointer"]));
    for other in ["AuthDetail", "AuthCoded", "AuthFieldErrors"] {
        assert!(!schemas.contains_key(other), "{other}");
    }
    let example =
        "/components/responses/AuthUnauthorized/content/application~1problem+json/examples";
    let example = &document.0.pointer(example).unwrap()["token_expired"]["value"];
    assert_eq!(example["type"], "/problems/token-expired");
    assert_eq!(example["status"], 401);
}

async fn other_words_for_a_refused_token_are_those_of_their_path_alone(database: Database) {
    let app = TestApp::start(database).await;
    let document = Document::of(&app).await;
    let words = |path: &str| {
        let response = &document.0["paths"][path]["post"]["responses"]["401"];
        let examples = &document.resolve(response)["content"]["application/json"]["examples"];
        let examples = examples.as_object().unwrap().values();
        examples.map(|e| e["value"]["detail"].as_str().unwrap()).collect::<Vec<_>>()
    };
    let verify = words("/api/v1/users/login/simpleJWT/verify/");
    assert_eq!(verify, ["Token is invalid or expired"]);
    for path in ["/api/token/verify/", "/api/v1/users/login/simpleJWT/blacklist/"] {
        let words = words(path);
        assert!(words.contains(&"Token is expired") && words.len() == 4, "{path}: {words:?}");
    }
}

async fn it_has_every_path_that_the_server_promises(database: Database) {
    let app = TestApp::start(database).await;
    let document = Document::of(&app).await;
    let described: BTreeSet<_> = document.operations().iter().map(|o| o.name()).collect();
    for promised in [
        "POST /api/token/",
        "POST /api/token/refresh/",
        "POST /api/token/verify/",
        "POST /api/token/blacklist/",
        "POST /api/token/sliding/",
        "POST /api/token/sliding/refresh/",
        "POST /api/v1/users/login",
        "POST /api/v1/users/logout",
        "POST /api/v1/users/logout/all",
        "POST /api/v1/users/logout/others",
        "GET /api/v1/users/csrf",
        "GET /api/v1/users/sessions",
        "DELETE /api/v1/users/sessions/{id}",
        "GET /api/v1/users/me",
        "GET /api/v1/users/otp",
        "POST /api/v1/users/otp",
        "DELETE /api/v1/users/otp",
        "POST /api/v1/users/otp/confirm",
        "POST /api/v1/users/otp/recovery",
        "GET /api/v1/users/tokens",
        "POST /api/v1/users/tokens",
        "DELETE /api/v1/users/tokens/{id}",
        "POST /api/token/revoke/",
        "POST /api/token/introspect/",
        "POST /api/v1/users/login/simpleJWT/",
        "POST /api/v1/users/login/simpleJWT/refresh/",
        "POST /api/v1/users/login/simpleJWT/verify/",
        "POST /api/v1/users/login/jwt",
        "GET /api/v1/users/login/jwt/info",
        "GET /api/v1/admin/users/{user_id}/sessions",
        "DELETE /api/v1/admin/users/{user_id}/sessions",
        "DELETE /api/v1/admin/users/{user_id}/sessions/{id}",
        "GET /.well-known/jwks.json",
        "GET /healthz",
        "GET /readyz",
    ] {
        assert!(described.contains(promised), "{promised}");
    }
}

async fn every_example_of_an_error_fits_its_schema(database: Database) {
    for dialect in ["drf", "problem"] {
        let app = TestApp::with(database, &[("ERROR_DIALECT", dialect)]).await;
        let document = Document::of(&app).await;
        let mut count = 0;
        for (name, response) in document.0["components"]["responses"].as_object().unwrap() {
            let content = response["content"].as_object().unwrap().values().next().unwrap();
            for (which, example) in content["examples"].as_object().unwrap() {
                let mut faults = Vec::new();
                document.compare(&content["schema"], &example["value"], which, &mut faults);
                assert!(faults.is_empty(), "{name}: {faults:?}");
                count += 1;
            }
        }
        assert!(count > 35, "{dialect}: {count}");
    }
}
