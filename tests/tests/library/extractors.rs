//! `AuthUser`, `MaybeAuthUser`, `Claims`, `CurrentUser`: who is it?

use actix_http::Request;
use actix_jwt::permission::{Access, IsStaff, Permission};
use actix_jwt::{AuthUser, Claims, CurrentUser, JwtAuth, MaybeAuthUser};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::test::{TestRequest, init_service};
use actix_web::{App, Error, HttpResponse, Responder, web};
use auth_core::Account;
use serde::Deserialize;
use tests::texts::{NOT_PROVIDED, USER_INACTIVE, USER_NOT_FOUND};

use crate::shop::{Shop, ask, status};

async fn show_me(user: AuthUser) -> String {
    user.user_id().to_owned()
}

async fn show_admin(user: AuthUser<IsStaff>) -> String {
    user.user_id().to_owned()
}

async fn show_home(user: MaybeAuthUser) -> String {
    user.as_ref().map_or_else(|| "nobody".into(), |user| user.user_id().to_owned())
}

#[derive(Deserialize)]
struct Mine {
    username: String,
}

async fn show_claims(Claims(mine): Claims<Mine>) -> String {
    mine.username
}

#[derive(Deserialize)]
struct Others {
    #[expect(dead_code, reason = "no token has it")]
    shoe_size: u8,
}

async fn show_other_claims(_: Claims<Others>) -> &'static str {
    "shoes"
}

async fn show_account(CurrentUser(account): CurrentUser) -> String {
    format!("{} {}", account.username, account.is_staff)
}

struct Customer {
    name: String,
}

impl From<Account> for Customer {
    fn from(account: Account) -> Self {
        Self { name: account.username.to_uppercase() }
    }
}

async fn show_customer(CurrentUser(customer): CurrentUser<Customer>) -> String {
    customer.name
}

async fn app(shop: &Shop) -> impl Service<Request, Response = ServiceResponse, Error = Error> {
    let routes = App::new()
        .configure(shop.auth.mount("/api"))
        .route("/me", web::get().to(show_me))
        .route("/admin", web::get().to(show_admin))
        .route("/home", web::get().to(show_home))
        .route("/claims", web::get().to(show_claims))
        .route("/other-claims", web::get().to(show_other_claims))
        .route("/account", web::get().to(show_account))
        .route("/customer", web::get().to(show_customer));
    init_service(routes).await
}

#[actix_web::test]
async fn an_extractor_authenticates_by_itself_without_any_middleware() {
    let shop = Shop::open().await;
    let app = app(&shop).await;
    for path in ["/me", "/admin", "/claims", "/account", "/customer"] {
        let reply = ask(&app, TestRequest::get().uri(path), None).await;
        assert_eq!((reply.status, reply.body.as_str()), (401, NOT_PROVIDED), "{path}");
        assert!(reply.headers.contains_key("www-authenticate"));
        assert_eq!(status(&app, path, Some("nonsense")).await, 401, "{path}");
    }
}

#[actix_web::test]
async fn auth_user_is_who_the_token_names() {
    let shop = Shop::open().await;
    let app = app(&shop).await;
    let token = shop.customer().await;
    assert_eq!(ask(&app, TestRequest::get().uri("/me"), Some(&token)).await.body, "1");
}

#[actix_web::test]
async fn auth_user_with_a_permission_is_403_for_others() {
    let shop = Shop::open().await;
    let app = app(&shop).await;
    let (customer, staff) = (shop.customer().await, shop.staff().await);
    assert_eq!(status(&app, "/admin", Some(&customer)).await, 403);
    assert_eq!(status(&app, "/admin", Some(&staff)).await, 200);
}

#[actix_web::test]
async fn maybe_auth_user_is_nobody_without_credentials_and_an_error_with_bad_ones() {
    let shop = Shop::open().await;
    let app = app(&shop).await;
    let token = shop.customer().await;
    assert_eq!(ask(&app, TestRequest::get().uri("/home"), None).await.body, "nobody");
    assert_eq!(ask(&app, TestRequest::get().uri("/home"), Some(&token)).await.body, "1");
    assert_eq!(status(&app, "/home", Some("nonsense")).await, 401);
    let header = TestRequest::get().uri("/home").insert_header(("Authorization", "Bearer"));
    assert_eq!(ask(&app, header, None).await.status, 401);
}

#[actix_web::test]
async fn claims_are_the_applications_own_type() {
    let shop = Shop::open().await;
    let app = app(&shop).await;
    let token = shop.customer().await;
    let reply = ask(&app, TestRequest::get().uri("/claims"), Some(&token)).await;
    assert_eq!(reply.body, "user-1");
    assert_eq!(status(&app, "/other-claims", Some(&token)).await, 401);
}

#[actix_web::test]
async fn current_user_is_the_account_of_now() {
    let shop = Shop::open().await;
    let app = app(&shop).await;
    let token = shop.customer().await;
    let account = || ask(&app, TestRequest::get().uri("/account"), Some(&token));
    assert_eq!(account().await.body, "user-1 false");
    shop.token("1", |account| account.is_staff = true).await;
    assert_eq!(account().await.body, "user-1 true");
    let reply = ask(&app, TestRequest::get().uri("/customer"), Some(&token)).await;
    assert_eq!(reply.body, "USER-1");

    shop.users.change("1", |account| account.is_active = false);
    assert_eq!(account().await.body, USER_INACTIVE);
    shop.users.remove("1");
    let reply = account().await;
    assert_eq!((reply.status, reply.body.as_str()), (401, USER_NOT_FOUND));
}

#[actix_web::test]
async fn current_user_is_503_and_not_401_when_the_directory_is_away() {
    let shop = Shop::open().await;
    let app = app(&shop).await;
    let token = shop.customer().await;
    shop.users.go_away();
    let reply = ask(&app, TestRequest::get().uri("/account"), Some(&token)).await;
    assert_eq!(reply.status, 503);
    assert!(!reply.body.contains("10.0.0.7"), "{}", reply.body);
    assert_eq!(status(&app, "/me", Some(&token)).await, 200, "which asks no directory");
}

#[actix_web::test]
async fn a_policy_can_be_a_type_of_the_application() {
    #[derive(Default)]
    struct OddUsers;

    impl Permission for OddUsers {
        fn allows(&self, access: &Access<'_>) -> bool {
            access
                .identity
                .and_then(|who| who.user_id().parse::<u32>().ok())
                .is_some_and(|id| id % 2 == 1)
        }
    }

    async fn odd(_: AuthUser<OddUsers>) -> impl Responder {
        HttpResponse::Ok()
    }

    let shop = Shop::open().await;
    let app = App::new().configure(shop.auth.mount("/api")).route("/odd", web::get().to(odd));
    let app = init_service(app).await;
    let [one, two] = [shop.token("1", |_| {}).await, shop.token("2", |_| {}).await];
    assert_eq!(status(&app, "/odd", Some(&one)).await, 200);
    assert_eq!(status(&app, "/odd", Some(&two)).await, 403);
}

#[actix_web::test]
async fn a_guard_and_several_extractors_agree_on_who_it_is() {
    async fn all(
        user: AuthUser,
        maybe: MaybeAuthUser,
        Claims(mine): Claims<Mine>,
        CurrentUser(account): CurrentUser,
    ) -> String {
        let maybe = maybe.as_ref().map(|user| user.user_id().to_owned()).unwrap_or_default();
        [user.user_id(), &maybe, &mine.username, &account.username].join(" ")
    }

    let shop = Shop::open().await;
    let scope = web::scope("/all").wrap(JwtAuth).route("", web::get().to(all));
    let app = init_service(App::new().configure(shop.auth.mount("/api")).service(scope)).await;
    let token = shop.customer().await;
    let reply = ask(&app, TestRequest::get().uri("/all"), Some(&token)).await;
    assert_eq!(reply.body, "1 1 user-1 user-1");
}
