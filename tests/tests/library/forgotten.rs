//! What an application forgot must never open a door, and must be easy to find.

use actix_jwt::permission::IsStaff;
use actix_jwt::{Auth, AuthUser, Claims, CurrentUser, JwtAuth, MaybeAuthUser};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, HttpResponse, web};
use serde_json::Value;
use tests::Logs;

use crate::shop::{Shop, ask, status};

async fn ok() -> HttpResponse {
    HttpResponse::Ok().finish()
}

#[actix_web::test]
async fn without_auth_in_the_app_every_guard_and_extractor_is_a_500_that_names_the_mend() {
    async fn user(_: AuthUser) -> HttpResponse {
        ok().await
    }
    async fn maybe(_: MaybeAuthUser) -> HttpResponse {
        ok().await
    }
    async fn claims(_: Claims<Value>) -> HttpResponse {
        ok().await
    }
    async fn current(_: CurrentUser) -> HttpResponse {
        ok().await
    }
    async fn auth(_: Auth) -> HttpResponse {
        ok().await
    }

    let app = App::new()
        .service(web::scope("/guard").wrap(JwtAuth).route("", web::get().to(ok)))
        .service(web::scope("/staff").wrap(JwtAuth::require(IsStaff)).route("", web::get().to(ok)))
        .service(web::scope("/opt").wrap(JwtAuth::optional()).route("", web::get().to(ok)))
        .route("/user", web::get().to(user))
        .route("/maybe", web::get().to(maybe))
        .route("/claims", web::get().to(claims))
        .route("/current", web::get().to(current))
        .route("/auth", web::get().to(auth));
    let app = init_service(app).await;

    for path in ["/guard", "/staff", "/opt", "/user", "/maybe", "/claims", "/current", "/auth"] {
        for token in [None, Some("nonsense")] {
            let logs = Logs::capture();
            let reply = ask(&app, TestRequest::get().uri(path), token).await;
            assert_eq!(reply.status, 500, "{path}");
            assert_eq!(reply.body, r#"{"detail":"A server error occurred."}"#);
            let lines = logs.lines();
            let errors: Vec<_> = lines.iter().filter(|line| line.contains("ERROR")).collect();
            assert_eq!(errors.len(), 1, "{path}: {lines:?}");
            assert!(errors[0].contains("auth.mount"), "{path}: {lines:?}");
        }
    }
}

#[actix_web::test]
async fn a_route_without_the_guard_is_still_closed_where_it_asks_for_the_user() {
    async fn user(user: AuthUser<IsStaff>) -> String {
        user.user_id().to_owned()
    }
    let shop = Shop::open().await;
    let app = App::new().configure(shop.auth.mount("/api")).route("/", web::get().to(user));
    let app = init_service(app).await;
    assert_eq!(status(&app, "/", None).await, 401);
    assert_eq!(status(&app, "/", Some(&shop.customer().await)).await, 403);
    assert_eq!(status(&app, "/", Some(&shop.staff().await)).await, 200);
}
