//! `.wrap(JwtAuth)` and its relatives.

use std::time::Duration;

use actix_cors::Cors;
use actix_jwt::JwtAuth;
use actix_jwt::permission::{
    Access, AllowAny, Fresh, HasRole, HasScope, IsAuthenticated, IsStaff, Permission, ReadOnly,
};
use actix_web::test::{TestRequest, init_service};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse};
use tests::texts::{INVALID, NOT_PROVIDED, given_token_not_valid};

use crate::shop::{Shop, ask, status};

async fn ok() -> HttpResponse {
    HttpResponse::Ok().body("in")
}

const FORBIDDEN: &str = r#"{"detail":"You do not have permission to perform this action."}"#;

#[actix_web::test]
async fn a_guarded_scope_lets_in_who_is_authenticated_and_nobody_else() {
    let shop = Shop::open().await;
    let orders = web::scope("/orders").wrap(JwtAuth).route("", web::get().to(ok));
    let app = App::new().configure(shop.auth.mount("/api")).service(orders);
    let app = init_service(app).await;

    let reply = ask(&app, TestRequest::get().uri("/orders"), None).await;
    assert_eq!((reply.status, reply.body.as_str()), (401, NOT_PROVIDED));
    assert_eq!(reply.headers.get("www-authenticate").unwrap(), r#"Bearer realm="api""#);

    let reply = ask(&app, TestRequest::get().uri("/orders"), Some("nonsense")).await;
    assert_eq!((reply.status, reply.body), (401, given_token_not_valid(INVALID)));

    let token = shop.customer().await;
    assert_eq!(ask(&app, TestRequest::get().uri("/orders"), Some(&token)).await.body, "in");
}

#[actix_web::test]
async fn a_guard_answers_401_for_paths_that_do_not_exist_too() {
    let shop = Shop::open().await;
    let orders = web::scope("/orders").wrap(JwtAuth).route("", web::get().to(ok));
    let app = App::new().configure(shop.auth.mount("/api")).service(orders);
    let app = init_service(app).await;
    assert_eq!(status(&app, "/orders/nowhere", None).await, 401);
    let token = shop.customer().await;
    assert_eq!(status(&app, "/orders/nowhere", Some(&token)).await, 404);
}

#[actix_web::test]
async fn a_required_permission_is_403_for_somebody_and_401_for_nobody() {
    let shop = Shop::open().await;
    let admin = web::scope("/admin").wrap(JwtAuth::require(IsStaff)).route("", web::get().to(ok));
    let app = init_service(App::new().configure(shop.auth.mount("/api")).service(admin)).await;
    let (customer, staff) = (shop.customer().await, shop.staff().await);

    assert_eq!(status(&app, "/admin", None).await, 401);
    let reply = ask(&app, TestRequest::get().uri("/admin"), Some(&customer)).await;
    assert_eq!((reply.status, reply.body.as_str()), (403, FORBIDDEN));
    assert_eq!(status(&app, "/admin", Some(&staff)).await, 200);
}

#[actix_web::test]
async fn an_optional_guard_lets_nobody_in_and_refuses_a_bad_token() {
    let shop = Shop::open().await;
    let home = web::scope("/home").wrap(JwtAuth::optional()).route("", web::get().to(ok));
    let app = init_service(App::new().configure(shop.auth.mount("/api")).service(home)).await;
    let token = shop.customer().await;
    assert_eq!(status(&app, "/home", None).await, 200);
    assert_eq!(status(&app, "/home", Some(&token)).await, 200);
    assert_eq!(status(&app, "/home", Some("nonsense")).await, 401);
    shop.hands.advance(Duration::from_secs(300));
    shop.auth.authority().sync().await.unwrap();
    assert_eq!(status(&app, "/home", Some(&token)).await, 401, "expired is bad");
}

#[actix_web::test]
async fn permissions_combine_as_they_read() {
    fn at(config: &mut ServiceConfig, path: &str, permission: impl Permission) {
        let guard = JwtAuth::require(permission);
        config.service(web::scope(path).wrap(guard).default_service(web::to(ok)));
    }

    let shop = Shop::open().await;
    let app = App::new().configure(shop.auth.mount("/api")).configure(|config| {
        at(config, "/or", IsStaff | HasScope("orders:write"));
        at(config, "/and", IsStaff & HasRole("boss"));
        at(config, "/not", IsAuthenticated & !IsStaff);
        at(config, "/read", ReadOnly | IsStaff);
        at(config, "/any", AllowAny);
        // Precedence is Rust's: `&` before `|`.
        at(config, "/mixed", HasRole("boss") | IsStaff & HasScope("orders:write"));
    });
    let app = init_service(app).await;

    let customer = shop.customer().await;
    let staff = shop.staff().await;
    let writer = shop.token("3", |account| account.scopes = vec!["orders:write".into()]).await;
    let boss = shop
        .token("4", |account| {
            account.is_staff = true;
            account.role = Some("boss".into());
        })
        .await;
    let everybody = [None, Some(&customer), Some(&staff), Some(&writer), Some(&boss)];
    for (path, expected) in [
        ("/or", [401, 403, 200, 200, 200]),
        ("/and", [401, 403, 403, 403, 200]),
        ("/not", [401, 200, 403, 200, 403]),
        ("/read", [200, 200, 200, 200, 200]),
        ("/any", [200, 200, 200, 200, 200]),
        ("/mixed", [401, 403, 403, 403, 200]),
    ] {
        let mut given = Vec::new();
        for token in everybody {
            given.push(status(&app, path, token.map(String::as_str)).await);
        }
        assert_eq!(given, expected, "{path}: nobody, customer, staff, writer, boss");
    }
    for (token, expected) in everybody.into_iter().zip([401, 403, 200, 403, 200]) {
        let request = TestRequest::post().uri("/read");
        let reply = ask(&app, request, token.map(String::as_str)).await;
        assert_eq!(reply.status, expected, "a change is not read-only");
    }
}

#[actix_web::test]
async fn an_own_permission_is_asked_like_the_others() {
    #[derive(Clone, Copy)]
    struct IsUserSeven;

    impl Permission for IsUserSeven {
        fn allows(&self, access: &Access<'_>) -> bool {
            access.identity.is_some_and(|who| who.user_id() == "7")
        }
    }
    auth_core::permission_operators!(IsUserSeven);

    let shop = Shop::open().await;
    let guard = JwtAuth::require(IsUserSeven | IsStaff);
    let scope = web::scope("/seven").wrap(guard).route("", web::get().to(ok));
    let app = init_service(App::new().configure(shop.auth.mount("/api")).service(scope)).await;
    let seven = shop.token("7", |_| {}).await;
    assert_eq!(status(&app, "/seven", Some(&seven)).await, 200);
    assert_eq!(status(&app, "/seven", Some(&shop.customer().await)).await, 403);
}

#[actix_web::test]
async fn a_login_is_fresh_for_as_long_as_the_permission_says() {
    let shop = Shop::open().await;
    let guard = JwtAuth::require(Fresh(Duration::from_secs(60)));
    let scope = web::scope("/password").wrap(guard).route("", web::get().to(ok));
    let app = init_service(App::new().configure(shop.auth.mount("/api")).service(scope)).await;
    let token = shop.customer().await;
    assert_eq!(status(&app, "/password", Some(&token)).await, 200);
    shop.hands.advance(Duration::from_secs(61));
    shop.auth.authority().sync().await.unwrap();
    assert_eq!(status(&app, "/password", Some(&token)).await, 403);
}

#[actix_web::test]
async fn guards_inside_guards_ask_for_everything() {
    let shop = Shop::open().await;
    let inner = web::scope("/admin").wrap(JwtAuth::require(IsStaff)).route("", web::get().to(ok));
    let outer = web::scope("/shop").wrap(JwtAuth).service(inner).route("", web::get().to(ok));
    let app = init_service(App::new().configure(shop.auth.mount("/api")).service(outer)).await;
    let (customer, staff) = (shop.customer().await, shop.staff().await);
    for (path, expected) in [("/shop", [401, 200, 200]), ("/shop/admin", [401, 403, 200])] {
        for (token, expected) in [None, Some(&customer), Some(&staff)].into_iter().zip(expected) {
            assert_eq!(status(&app, path, token.map(String::as_str)).await, expected, "{path}");
        }
    }
}

#[actix_web::test]
async fn cors_headers_are_on_a_refusal_too() {
    let shop = Shop::open().await;
    let orders = web::scope("/orders")
        .wrap(JwtAuth::require(IsStaff))
        .wrap(Cors::default().allowed_origin("https://shop.example"))
        .route("", web::get().to(ok));
    let app = init_service(App::new().configure(shop.auth.mount("/api")).service(orders)).await;
    let customer = shop.customer().await;
    for (token, expected) in [(None, 401), (Some("nonsense"), 401), (Some(&*customer), 403)] {
        let request = TestRequest::get().uri("/orders");
        let request = request.insert_header(("Origin", "https://shop.example"));
        let reply = ask(&app, request, token).await;
        assert_eq!(reply.status, expected);
        let allowed = reply.headers.get("access-control-allow-origin").unwrap();
        assert_eq!(allowed, "https://shop.example");
    }
}
