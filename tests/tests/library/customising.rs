//! What the tutorials customise: claims, the answer of a login, who may log in, events.

use std::sync::{Arc, Mutex};

use actix_jwt::{Auth, Credential, JwtAuth, Problem, error_dialect};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, web};
use auth_core::{AuthEvent, Authority, MemoryStore, Principal, Settings};
use serde_json::{Value, json};
use tests::token::claims_of;

use crate::shop::{Shop, ask};

const PASSWORD: &str = "correct horse battery staple";

/// A shop with one user, who has a password.
async fn with_anna(shop: Shop) -> Shop {
    let hash = shop.auth.authority().hash_password(PASSWORD).await.unwrap();
    shop.token("1", |account| {
        account.username = "anna".into();
        account.password_hash = Some(hash);
    })
    .await;
    shop
}

fn login(path: &str) -> TestRequest {
    let body = json!({ "username": "anna", "password": PASSWORD });
    TestRequest::post().uri(path).set_json(body)
}

#[actix_web::test]
async fn claims_can_be_added_and_standard_ones_cannot_be_replaced() {
    let shop = Shop::open_with(|builder| {
        builder.claims(|account, claims| {
            claims.insert("shop".into(), format!("of {}", account.username).into());
            for standard in ["user_id", "exp", "token_type", "is_staff", "sid", "jti"] {
                claims.insert(standard.into(), json!("forged"));
            }
        })
    })
    .await;
    let claims = claims_of(&shop.customer().await);
    assert_eq!(claims["shop"], "of user-1");
    for (name, value) in claims.as_object().unwrap() {
        assert_ne!(*value, "forged", "{name}");
    }
}

#[actix_web::test]
async fn a_login_can_answer_more_than_the_tokens() {
    let shop = with_anna(Shop::open().await).await;
    let auth = Auth::builder(shop.auth.authority().clone()).login_response(|account, body| {
        body.insert("username".into(), account.username.as_str().into());
    });
    let auth = auth.start().await.unwrap();
    let app = init_service(App::new().configure(auth.mount("/api"))).await;
    let reply = ask(&app, login("/api/token/"), None).await;
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    assert_eq!((reply.status, &body["username"]), (200, &json!("anna")));
    assert!(body["access"].is_string() && body["refresh"].is_string());
}

#[actix_web::test]
async fn routes_mount_under_any_path() {
    let shop = with_anna(Shop::open().await).await;
    let app = App::new().configure(shop.auth.token_routes("/auth/jwt"));
    let app = init_service(app).await;
    for path in ["/auth/jwt", "/auth/jwt/"] {
        let reply = ask(&app, login(path), None).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.headers.get("cache-control").unwrap(), "no-store");
    }
}

#[actix_web::test]
async fn a_rule_decides_who_may_log_in() {
    let shop = Shop::open_with(|builder| {
        builder.user_authentication_rule(|account| account.role.as_deref() != Some("guest"))
    });
    let shop = with_anna(shop.await).await;
    let app = init_service(App::new().configure(shop.auth.mount("/api"))).await;
    let pair = ask(&app, login("/api/token/"), None).await;
    assert_eq!(pair.status, 200);

    shop.users.change("1", |anna| anna.role = Some("guest".into()));
    assert_eq!(ask(&app, login("/api/token/"), None).await.status, 401);
    let pair: Value = serde_json::from_str(&pair.body).unwrap();
    let body = json!({ "refresh": pair["refresh"] });
    let refresh = TestRequest::post().uri("/api/token/refresh/").set_json(body);
    assert_eq!(ask(&app, refresh, None).await.status, 401);
}

#[actix_web::test]
async fn what_happens_is_told_as_events() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let shop = Shop::open_with(|builder| {
        builder.on_event(move |event| ear.lock().unwrap().push(event.clone()))
    })
    .await;
    let shop = with_anna(shop).await;
    heard.lock().unwrap().clear();
    let app = init_service(App::new().configure(shop.auth.mount("/api"))).await;

    let body = json!({ "username": "anna", "password": "wrong" });
    let wrong = TestRequest::post().uri("/api/token/").set_json(body);
    assert_eq!(ask(&app, wrong, None).await.status, 401);
    let reply = ask(&app, login("/api/token/"), None).await;
    let pair: Value = serde_json::from_str(&reply.body).unwrap();
    let body = json!({ "refresh": pair["refresh"] });
    let logout = TestRequest::post().uri("/api/token/blacklist/").set_json(body);
    assert_eq!(ask(&app, logout, None).await.status, 200);

    let heard = heard.lock().unwrap();
    let anna = Principal::new("user", "1");
    assert!(
        matches!(
            &heard[..],
            [
                AuthEvent::LoginFailed { principal: Some(failed), .. },
                AuthEvent::LoginSucceeded { principal: succeeded, .. },
                AuthEvent::Revoked { .. },
            ] if *failed == anna && *succeeded == anna
        ),
        "{heard:?}"
    );
    assert!(!format!("{heard:?}").contains(PASSWORD));
}

#[actix_web::test]
async fn the_places_of_credentials_are_looked_at_in_order() {
    let shop = Shop::open().await;
    let auth = Auth::builder(shop.auth.authority().clone())
        .credentials([Credential::header("x-token"), Credential::bearer()]);
    let auth = auth.start().await.unwrap();
    let app = init_service(App::new().configure(auth.mount("/api"))).await;
    let token = shop.customer().await;
    let sessions = || TestRequest::get().uri("/api/v1/users/sessions");
    assert_eq!(ask(&app, sessions(), Some(&token)).await.status, 200);
    // The first that is present decides, and a bad one is never passed over.
    let bad = sessions().insert_header(("x-token", "nonsense"));
    assert_eq!(ask(&app, bad, Some(&token)).await.status, 401);
}

#[actix_web::test]
async fn answers_of_a_refresh_and_a_verify_can_say_more() {
    let shop = with_anna(Shop::open().await).await;
    let auth = Auth::builder(shop.auth.authority().clone())
        .refresh_response(|account, body| {
            body.insert("username".into(), account.username.as_str().into());
            body.insert("access".into(), "forged".into());
        })
        .verify_response(|verified, body| {
            body.insert("user".into(), verified.user_id().into());
        });
    let auth = auth.start().await.unwrap();
    let app = init_service(App::new().configure(auth.mount("/api"))).await;
    let pair = ask(&app, login("/api/token/"), None).await.json();
    let body = json!({ "refresh": pair["refresh"] });
    let refresh = TestRequest::post().uri("/api/token/refresh/").set_json(body);
    let refreshed = ask(&app, refresh, None).await.json();
    assert_eq!(refreshed["username"], "anna");
    let body = json!({ "token": refreshed["access"] });
    let verify = TestRequest::post().uri("/api/token/verify/").set_json(body);
    assert_eq!(ask(&app, verify, None).await.body, r#"{"user":"1"}"#);
}

/// As in the tutorials: a refresh is refused for a while, and counted when it succeeded.
#[actix_web::test]
async fn code_runs_before_and_after_the_ready_made_routes() {
    let shop = with_anna(Shop::open().await).await;
    let counted = Arc::new(Mutex::new(Vec::new()));
    let counter = Arc::clone(&counted);
    let around = from_fn(move |request: ServiceRequest, next: Next<_>| {
        let counter = Arc::clone(&counter);
        async move {
            if request.headers().contains_key("x-maintenance") {
                return Err(Problem::forbidden().into());
            }
            let path = request.path().to_owned();
            let response: ServiceResponse<_> = next.call(request).await?;
            counter.lock().unwrap().push((path, response.status().as_u16()));
            Ok::<_, actix_web::Error>(response)
        }
    });
    let tokens = web::scope("/auth").wrap(around).configure(shop.auth.token_routes("/token"));
    let app = init_service(App::new().service(tokens)).await;

    let closed = login("/auth/token/").insert_header(("x-maintenance", "1"));
    let closed = actix_web::test::try_call_service(&app, closed.to_request()).await;
    assert_eq!(closed.unwrap_err().error_response().status().as_u16(), 403);
    let pair = ask(&app, login("/auth/token/"), None).await.json();
    let body = json!({ "refresh": pair["refresh"] });
    let refresh = TestRequest::post().uri("/auth/token/refresh/").set_json(body);
    assert_eq!(ask(&app, refresh, None).await.status, 200);
    let expected = [("/auth/token/".to_owned(), 200), ("/auth/token/refresh/".to_owned(), 200)];
    assert_eq!(*counted.lock().unwrap(), expected);
}

#[actix_web::test]
async fn errors_can_have_a_shape_of_the_applications_own() {
    async fn fails() -> Result<String, Problem> {
        Err(Problem::not_found())
    }

    let shop = with_anna(Shop::open().await).await;
    let auth = Auth::builder(shop.auth.authority().clone()).error_body(|problem| {
        let fields: Vec<_> = problem.fields().map(|(field, _)| field).collect();
        json!({ "error": problem.detail(), "name": problem.name(), "fields": fields })
    });
    let auth = auth.start().await.unwrap();
    let app = App::new()
        .configure(auth.mount("/api"))
        .service(web::resource("/orders").wrap(JwtAuth).to(|| async { "orders" }))
        .service(web::resource("/fails").to(fails))
        .wrap(from_fn(error_dialect));
    let app = init_service(app).await;
    for (request, status, expected) in [
        (
            TestRequest::get().uri("/orders"),
            401,
            json!({
                "error": "Authentication credentials were not provided.",
                "name": "not-authenticated",
                "fields": [],
            }),
        ),
        (
            TestRequest::post().uri("/api/token/").set_json(json!({})),
            400,
            json!({
                "error": "Members of the body are not valid",
                "name": "invalid-fields",
                "fields": ["username", "password"],
            }),
        ),
        (
            TestRequest::get().uri("/fails"),
            404,
            json!({ "error": "Not found.", "name": "not-found", "fields": [] }),
        ),
        (
            TestRequest::get().uri("/api/token/"),
            405,
            json!({
                "error": "Method \"GET\" not allowed.",
                "name": "method-not-allowed",
                "fields": [],
            }),
        ),
    ] {
        let reply = ask(&app, request, None).await;
        assert_eq!((reply.status, reply.json()), (status, expected));
        assert_eq!(reply.headers.get("content-type").unwrap(), "application/json");
        assert_eq!(reply.headers.contains_key("www-authenticate"), status == 401);
        assert_eq!(reply.headers.contains_key("allow"), status == 405);
    }
}

#[actix_web::test]
async fn a_chain_that_does_not_go_together_does_not_start() {
    let shop = Shop::open().await;
    let with = |change: fn(&mut Settings)| {
        let mut settings = Settings::with_signing_key(tests::token::SIGNING_KEY);
        change(&mut settings);
        let builder = Authority::builder(settings).store(MemoryStore::new());
        builder.users(shop.users.clone()).build().unwrap()
    };
    let (bearer, token) = (Credential::bearer(), Credential::token());
    for (authority, chain, words) in [
        (with(|_| {}), vec![], "there is none"),
        (with(|_| {}), vec![bearer.clone(), token.clone(), bearer.clone()], "there twice"),
        (
            with(|settings| settings.auth_header_types = vec!["token".into()]),
            vec![token.clone(), bearer.clone()],
            "auth_header_types has `Token`",
        ),
        (
            with(|settings| settings.auth_header_name = "X-Token".into()),
            vec![token.clone()],
            "has no effect",
        ),
        (
            with(|settings| settings.personal_token_prefix = "shop".into()),
            vec![bearer.clone()],
            "has no effect",
        ),
    ] {
        let error = Auth::builder(authority).credentials(chain).start().await.unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    for taken in ["authorization", "cookie"] {
        let chain = [Credential::header(taken), bearer.clone()];
        let error = Auth::builder(with(|_| {})).credentials(chain).start().await.unwrap_err();
        assert!(error.to_string().contains("means something else"), "{error}");
    }
    for users in [Credential::basic(), token.clone()] {
        let key = Settings::with_signing_key(tests::token::SIGNING_KEY);
        let verifier = Authority::verifier(key).build().unwrap();
        let error = Auth::builder(verifier).credentials([users]).start().await.unwrap_err();
        assert!(error.to_string().contains("only verifies"), "{error}");
    }
    // In a header of its own the word means nothing else.
    let authority = with(|settings| {
        settings.auth_header_types = vec!["Token".into()];
        settings.auth_header_name = "X-Token".into();
    });
    Auth::builder(authority).credentials([token, bearer]).start().await.unwrap();
}
