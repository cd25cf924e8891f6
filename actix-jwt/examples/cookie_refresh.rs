//! A single-page application that keeps its refresh token in a cookie: sign up, log in, refresh, log out.
//! Users and sessions are in memory, settings in the environment (`ROTATE_REFRESH_TOKENS=false`).
//! `cargo run -p actix-jwt --example cookie_refresh`, then
//!
//! ```sh
//! AT=http://127.0.0.1:8080 JSON='Content-Type: application/json'
//! curl -H "$JSON" -d '{"email":"ann@example.org","password":"correct horse"}' $AT/signup/
//! curl -H "$JSON" -d '{"email":"ann@example.org","password":"correct horse"}' -c jar $AT/login/
//! curl -b jar -c jar -X POST -H "X-CSRFToken: $(awk '/csrftoken/ {print $7}' jar)" $AT/token/refresh/
//! ```

use std::collections::HashMap;
use std::env;
use std::sync::{Arc, RwLock};

use actix_jwt::auth_core::password::{PasswordHash, check_new};
use actix_jwt::auth_core::{
    Account, Authority, MemoryStore, Outage, Principal, Settings, UserDirectory, async_trait,
    random,
};
use actix_jwt::{Auth, AuthUser, Problem, RefreshCookie};
use actix_web::cookie::Cookie;
use actix_web::middleware::{NormalizePath, TrailingSlash};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde::Deserialize;
use serde_json::{Value, json};

/// Sent to this path only, and out of reach of scripts.
const COOKIE: RefreshCookie = RefreshCookie::new("refresh", "/token/refresh/");

#[derive(Deserialize)]
struct Credentials {
    email: String,
    password: String,
}

async fn sign_up(
    auth: Auth,
    users: web::Data<Users>,
    form: web::Json<Credentials>,
) -> Result<HttpResponse, Problem> {
    let Credentials { email, password } = form.into_inner();
    let field = |name, problem: String| Err(Problem::invalid_fields([(name, problem)]));
    if !email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.')) {
        return field("email", "Enter a valid email address.".into());
    }
    if let Err(weak) = check_new(&password) {
        return field("password", weak.to_string());
    }
    let hash = auth.authority().hash_password(&password).await?;
    match users.add(&email, hash) {
        true => Ok(HttpResponse::Created().json(json!({ "code": 201, "message": "signed up" }))),
        false => field("email", "This address is taken.".into()),
    }
}

async fn log_in(
    auth: Auth,
    request: HttpRequest,
    form: web::Json<Credentials>,
) -> Result<HttpResponse, Problem> {
    let login = COOKIE.log_in(&auth, &request, &form.email, &form.password, None).await?;
    let token = json!({ "access": login.granted.access.expose() });
    let body = json!({ "code": 200, "message": "logged in", "token": token });
    Ok(answer(COOKIE.issued(&auth, &login), body))
}

async fn refresh(auth: Auth, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let refreshed = COOKIE.refresh(&auth, &request).await?;
    let token = json!({ "access": refreshed.access.expose() });
    let body = json!({ "code": 200, "message": "new accessToken", "token": token });
    Ok(answer(COOKIE.renewed(&auth, &refreshed), body))
}

/// With the access token: the cookie does not come here.
async fn log_out(auth: Auth, user: AuthUser) -> Result<HttpResponse, Problem> {
    auth.authority().logout(&user).await?;
    Ok(answer(COOKIE.cleared(&auth), json!({ "code": 200, "message": "logged out" })))
}

/// Tokens are not for caches (RFC 6749 §5.1).
fn answer(cookies: impl IntoIterator<Item = Cookie<'static>>, body: Value) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.insert_header(("Cache-Control", "no-store"));
    for cookie in cookies {
        answer.cookie(cookie);
    }
    answer.json(body)
}

async fn me(user: AuthUser) -> String {
    user.user_id().to_owned()
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut settings = Settings::from_env()?;
    settings.signing_key.get_or_insert_with(|| random::token().into());
    let users = Users::default();
    let authority =
        Authority::builder(settings).store(MemoryStore::new()).users(users.clone()).build()?;
    // Only because there is no TLS here.
    let auth = Auth::builder(authority).insecure_cookies(true).start().await?;

    let server = HttpServer::new(move || {
        let malformed = |_, _: &HttpRequest| Problem::malformed().into();
        App::new()
            .app_data(auth.clone())
            .app_data(web::Data::new(users.clone()))
            .app_data(web::JsonConfig::default().error_handler(malformed))
            .wrap(NormalizePath::new(TrailingSlash::Always))
            .service(web::resource("/signup/").post(sign_up))
            .service(web::resource("/login/").post(log_in))
            .service(web::resource("/token/refresh/").post(refresh))
            .service(web::resource("/logout/").post(log_out))
            .service(web::resource("/me/").get(me))
    })
    .bind(env::var("LISTEN").unwrap_or("127.0.0.1:8080".into()))?;
    println!("listening on http://{}", server.addrs()[0]);
    Ok(server.run().await?)
}

/// By address. A real directory asks a database: see `demo-app/src/users.rs`.
#[derive(Clone, Default)]
struct Users(Arc<RwLock<HashMap<String, Account>>>);

impl Users {
    /// Whether there was nobody with this address.
    fn add(&self, email: &str, hash: PasswordHash) -> bool {
        let mut users = self.0.write().unwrap();
        let mut account =
            Account::new(Principal::new("user", (users.len() + 1).to_string()), email);
        account.password_hash = Some(hash);
        let email = email.to_lowercase();
        !users.contains_key(&email) && users.insert(email, account).is_none()
    }
}

#[async_trait]
impl UserDirectory for Users {
    async fn find_by_login(&self, email: &str) -> Result<Option<Account>, Outage> {
        Ok(self.0.read().unwrap().get(&email.to_lowercase()).cloned())
    }

    async fn load(&self, id: &str) -> Result<Option<Account>, Outage> {
        let users = self.0.read().unwrap();
        Ok(users.values().find(|account| account.principal.user_id() == id).cloned())
    }
}
