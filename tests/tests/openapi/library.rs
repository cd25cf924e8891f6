//! The document of an application that is not the demo.

use actix_jwt::utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder};
use actix_jwt::utoipa::openapi::{Info, OpenApi, PathItem, Paths, Response};
use actix_jwt::{Auth, Credential};
use async_trait::async_trait;
use auth_core::{
    Account, Algorithm, Authority, AuthorityBuilder, MemoryStore, Outage, Settings, UserDirectory,
};
use serde_json::{Value, json};
use tests::token::SIGNING_KEY;

/// RFC 8037, appendix A.2.
const PUBLIC_KEY: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

struct Nobody;

#[async_trait]
impl UserDirectory for Nobody {
    async fn find_by_login(&self, _: &str) -> Result<Option<Account>, Outage> {
        Ok(None)
    }

    async fn load(&self, _: &str) -> Result<Option<Account>, Outage> {
        Ok(None)
    }
}

async fn auth(credentials: &[Credential]) -> Auth {
    let settings = Settings::with_signing_key(SIGNING_KEY);
    let builder: AuthorityBuilder = Authority::builder(settings);
    let authority = builder.store(MemoryStore::new()).users(Nobody).build().unwrap();
    Auth::builder(authority).credentials(credentials).start().await.unwrap()
}

fn json_of(document: OpenApi) -> Value {
    serde_json::from_str(&document.to_json().unwrap()).unwrap()
}

fn paths(document: &Value) -> Vec<&str> {
    document["paths"].as_object().unwrap().keys().map(String::as_str).collect()
}

fn orders() -> Operation {
    OperationBuilder::new().response("200", Response::new("The orders")).build()
}

fn statuses(operation: &Value) -> Vec<&str> {
    operation["responses"].as_object().unwrap().keys().map(String::as_str).collect()
}

#[actix_web::test]
async fn it_has_what_it_was_told_of_where_it_was_mounted() {
    let auth = auth(&[Credential::bearer()]).await;
    let nothing = json_of(auth.openapi().build());
    assert_eq!(nothing["paths"], json!({}));

    let document = json_of(auth.openapi().mount("/").single_token_routes("/one/").build());
    let paths = paths(&document);
    for path in ["/token/", "/token/refresh/", "/v1/users/logout", "/one", "/one/info"] {
        assert!(paths.contains(&path), "{path} in {paths:?}");
    }
    assert_eq!(paths.len(), 6 + 7 + 3 + 2);
    assert!(document["paths"]["/one"]["post"]["requestBody"].is_object());
}

#[actix_web::test]
async fn the_same_routes_in_two_places_have_different_ids() {
    let auth = auth(&[Credential::bearer()]).await;
    let twice = auth.openapi().token_routes("/api/token").token_routes("/login/simpleJWT");
    let document = json_of(twice.build());
    let id = |path: &str| document["paths"][path]["post"]["operationId"].clone();
    assert_eq!(id("/api/token/"), "post_api_token");
    assert_eq!(id("/login/simpleJWT/"), "post_login_simpleJWT");
    assert_eq!(document["tags"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn credentials_that_are_not_taken_are_no_schemes() {
    let auth = auth(&[Credential::header("x-token"), Credential::bearer()]).await;
    let mut document = auth.openapi().session_routes("/users");
    let close = document.protect(&HttpMethod::Post, orders());
    let close = serde_json::to_value(close).unwrap();
    assert_eq!(close["security"], json!([{ "xTokenHeader": [] }, { "bearerAuth": [] }]));
    // No cookie, so nothing to forge.
    assert_eq!(close.get("parameters"), None);
    assert_eq!(statuses(&close), ["200", "401", "503"]);
    let document = json_of(document.build());
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.len(), 2);
    let examples = &document["components"]["responses"]["AuthUnauthorized"]["content"]["application/json"]
        ["examples"];
    assert!(examples["single_token_expired"].is_object());
    assert_eq!(examples.get("session_not_valid"), None);
}

#[actix_web::test]
async fn personal_tokens_are_described_where_they_are_taken() {
    const TOKENS: [&str; 2] = ["/api/v1/users/tokens", "/api/v1/users/tokens/{id}"];
    let without = auth(&[Credential::session_cookie(), Credential::bearer()]).await;
    let document = json_of(without.openapi().mount("/api").build());
    assert!(TOKENS.iter().all(|path| !paths(&document).contains(path)));
    // Nobody is known here who may not list their sessions.
    let sessions = &document["paths"]["/api/v1/users/sessions"]["get"];
    assert_eq!(statuses(sessions), ["200", "401", "405", "503"]);

    let with = auth(&[Credential::token(), Credential::bearer()]).await;
    let document = json_of(with.openapi().mount("/api").build());
    assert!(TOKENS.iter().all(|path| paths(&document).contains(path)));
    let sessions = &document["paths"]["/api/v1/users/sessions"]["get"];
    assert_eq!(statuses(sessions), ["200", "401", "403", "405", "503"]);
    assert_eq!(sessions["security"], json!([{ "bearerAuth": [] }]));

    // What nobody can open is not shown as what anybody may.
    let alone = auth(&[Credential::token()]).await;
    let document = json_of(alone.openapi().session_routes("/users").build());
    let sessions = &document["paths"]["/users/sessions"]["get"];
    assert_eq!(sessions["security"], json!([{ "tokenAuth": [] }]));
}

#[actix_web::test]
async fn to_ask_about_tokens_takes_a_permission_and_to_end_ones_own_takes_none() {
    let auth = auth(&[Credential::bearer()]).await;
    let document = json_of(auth.openapi().oauth_routes("/oauth/").build());
    let operation = |path: &str| &document["paths"][path]["post"];
    let ask = statuses(operation("/oauth/introspect/"));
    assert_eq!(ask, ["200", "400", "401", "403", "405", "413", "415", "503"]);
    let end = statuses(operation("/oauth/revoke/"));
    assert_eq!(end, ["200", "400", "401", "405", "413", "415", "503"]);
}

#[actix_web::test]
async fn errors_in_the_shape_of_the_application_are_shown_as_it_writes_them() {
    let authority = Authority::builder(Settings::with_signing_key(SIGNING_KEY));
    let authority = authority.store(MemoryStore::new()).users(Nobody).build().unwrap();
    let auth = Auth::builder(authority)
        .error_body(|problem| json!({ "error": problem.detail(), "code": problem.name() }));
    let auth = auth.start().await.unwrap();
    let document = json_of(auth.openapi().mount("/").oauth_routes("/oauth").build());
    let components = &document["components"];
    let unauthorized = &components["responses"]["AuthUnauthorized"]["content"]["application/json"];
    assert_eq!(unauthorized["schema"]["$ref"], "#/components/schemas/AuthError");
    let nobody = json!({
        "error": "Authentication credentials were not provided.",
        "code": "not-authenticated",
    });
    assert_eq!(unauthorized["examples"]["no_credentials"]["value"], nobody);
    let schema = &components["schemas"]["AuthError"];
    assert_eq!(
        (&schema["type"], &schema["additionalProperties"]),
        (&json!("object"), &json!(true))
    );
    // RFC 6749 §5.2, whatever the application's.
    let form = &components["responses"]["AuthBadForm"]["content"]["application/json"];
    assert_eq!(form["examples"]["no_token"]["value"]["error"], "invalid_request");
}

#[actix_web::test]
async fn an_application_describes_its_own_operations_with_ours() {
    let auth = auth(&[Credential::session_cookie(), Credential::bearer()]).await;
    let mut document = auth.openapi().mount("/api");
    let list = document.require(&HttpMethod::Get, orders());
    let close = document.protect(&HttpMethod::Post, orders());
    let own = OperationBuilder::new().response("401", Response::new("Ours")).build();
    let own = document.protect(&HttpMethod::Get, own);
    let mut paths = Paths::new();
    let mut item = PathItem::new(HttpMethod::Get, list);
    item.post = Some(close);
    paths.paths.insert("/orders".into(), item);
    paths.paths.insert("/own".into(), PathItem::new(HttpMethod::Get, own));
    let shop = OpenApi::new(Info::new("The shop", "2.0"), paths);
    let document = json_of(document.merge_into(shop));

    assert_eq!(document["info"]["title"], "The shop");
    let orders = &document["paths"]["/orders"];
    assert_eq!(statuses(&orders["get"]), ["200", "401", "403", "503"]);
    assert_eq!(orders["get"].get("parameters"), None);
    assert_eq!(statuses(&orders["post"]), ["200", "401", "403", "503"]);
    assert_eq!(orders["post"]["parameters"][0]["name"], "X-CSRFToken");
    assert_eq!(orders["post"]["security"], json!([{ "cookieAuth": [] }, { "bearerAuth": [] }]));
    assert_eq!(document["paths"]["/own"]["get"]["responses"]["401"]["description"], "Ours");
    for name in ["AuthUnauthorized", "AuthForbidden", "AuthUnavailable"] {
        assert!(document["components"]["responses"][name].is_object(), "{name}");
    }
    assert!(document["paths"]["/api/token/"]["post"].is_object());
}

#[actix_web::test]
async fn a_service_that_only_verifies_has_neither_logins_nor_their_credentials() {
    let settings = Settings {
        algorithm: Algorithm::EdDSA,
        verifying_key: Some(PUBLIC_KEY.into()),
        ..Settings::default()
    };
    let authority = Authority::verifier(settings).build().unwrap();
    let credentials =
        [Credential::session_cookie(), Credential::header("jwt-auth"), Credential::bearer()];
    let auth = Auth::builder(authority).credentials(credentials).start().await.unwrap();
    let document = auth
        .openapi()
        .mount("/api")
        .single_token_routes("/one")
        .personal_token_routes("/tokens")
        .oauth_routes("/oauth")
        .admin_session_routes("/admin")
        .jwks_route();
    let document = json_of(document.build());
    assert_eq!(paths(&document), ["/.well-known/jwks.json", "/api/token/verify/"]);
    let tags = document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str());
    assert_eq!(tags.collect::<Vec<_>>(), [Some("Tokens"), Some("Keys")]);
    let schemes = document["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["bearerAuth"]);
}
