//! A single-page application that keeps its refresh token in a cookie: sign up, log in, refresh, log out.
//! Users and sessions are in memory. `cargo run -p actix-jwt --example cookie_refresh`, then
//!
//! ```sh
//! AT=http://127.0.0.1:8080 JSON='Content-Type: application/json'
//! curl -H "$JSON" -d '{"email":"ann@example.org","password":"correct horse"}' $AT/signup/
//! curl -H "$JSON" -d '{"email":"ann@example.org","password":"correct horse"}' -c jar $AT/login/
//! curl -b jar -c jar -X POST -H "X-CSRFToken: $(awk '/csrftoken/ {print $7}' jar)" $AT/token/refresh/
//! ```
//!
//! Every setting can be given in the environment: `ROTATE_REFRESH_TOKENS=false`, `LISTEN=127.0.0.1:0`.

use std::collections::HashMap;
use std::env;
use std::sync::{Arc, RwLock};

use actix_jwt::auth_core::password::{PasswordHash, check_new};
use actix_jwt::auth_core::{
    Account, Authority, MemoryStore, Outage, Principal, Settings, UserDirectory, async_trait,
    random,
};
use actix_jwt::{Auth, AuthUser, Problem, RefreshCookie};
use actix_web::middleware::NormalizePath;
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
    let is_address = email.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !email.contains(char::is_whitespace)
    });
    if !is_address {
        return Err(Problem::invalid_fields([("email", "Enter a valid email address.")]));
    }
    check_new(&password)
        .map_err(|weak| Problem::invalid_fields([("password", weak.to_string())]))?;
    let hash = auth.authority().hash_password(&password).await?;
    match users.add(&email, hash) {
        true => Ok(HttpResponse::Created().json(said(201, "signed up"))),
        false => Err(Problem::invalid_fields([("email", "This address is taken.")])),
    }
}

async fn log_in(
    auth: Auth,
    request: HttpRequest,
    form: web::Json<Credentials>,
) -> Result<HttpResponse, Problem> {
    let login = COOKIE.log_in(&auth, &request, &form.email, &form.password).await?;
    let mut answer = HttpResponse::Ok();
    for cookie in COOKIE.issued(&auth, &login) {
        answer.cookie(cookie);
    }
    Ok(answer.json(with_token("logged in", login.granted.access.expose())))
}

async fn refresh(auth: Auth, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let refreshed = COOKIE.refresh(&auth, &request).await?;
    let mut answer = HttpResponse::Ok();
    for cookie in COOKIE.renewed(&auth, &refreshed) {
        answer.cookie(cookie);
    }
    Ok(answer.json(with_token("new accessToken", refreshed.access.expose())))
}

/// With the access token: the cookie does not come here.
async fn log_out(auth: Auth, user: AuthUser) -> Result<HttpResponse, Problem> {
    auth.authority().logout(&user).await?;
    let mut answer = HttpResponse::Ok();
    for cookie in COOKIE.cleared(&auth) {
        answer.cookie(cookie);
    }
    Ok(answer.json(said(200, "logged out")))
}

async fn me(user: AuthUser) -> web::Json<Value> {
    web::Json(json!({ "id": user.user_id() }))
}

fn said(code: u16, message: &str) -> Value {
    json!({ "code": code, "message": message })
}

fn with_token(message: &str, access: &str) -> Value {
    json!({ "code": 200, "message": message, "token": { "access": access } })
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
            .wrap(actix_web::middleware::DefaultHeaders::new().add(("Cache-Control", "no-store")))
            .wrap(NormalizePath::new(actix_web::middleware::TrailingSlash::Always))
            .route("/signup/", web::post().to(sign_up))
            .route("/login/", web::post().to(log_in))
            .route("/token/refresh/", web::post().to(refresh))
            .route("/logout/", web::post().to(log_out))
            .route("/me/", web::get().to(me))
    })
    .bind(env::var("LISTEN").unwrap_or("127.0.0.1:8080".into()))?;
    println!("listening on http://{}", server.addrs()[0]);
    Ok(server.run().await?)
}

/// The users, by their addresses. A real directory asks a database: see `demo-app/src/users.rs`.
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
        let is_new = !users.contains_key(&email);
        users.entry(email).or_insert(account);
        is_new
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
