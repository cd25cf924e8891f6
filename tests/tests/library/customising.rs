//! What the tutorials customise: claims, the answer of a login, who may log in, events.

use std::sync::{Arc, Mutex};

use actix_jwt::{Auth, Credential};
use actix_web::App;
use actix_web::test::{TestRequest, init_service};
use auth_core::{AuthEvent, Principal};
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
