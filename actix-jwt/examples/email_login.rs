//! Login by e-mail with verified addresses, in memory; `client.mjs` is a client that refreshes by itself.
//! `cargo run -p actix-jwt --example email_login`, then
//!
//! ```sh
//! curl -H 'Content-Type: application/json' -d '{"email":"ann@example.org","password":"correct horse"}' http://127.0.0.1:8080/register
//! curl -X POST http://127.0.0.1:8080/verify/…
//! ```

use std::collections::HashMap;
use std::env;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use actix_jwt::auth_core::password::{PasswordHash, check_new};
use actix_jwt::auth_core::{
    Account, Authority, MemoryStore, Outage, Principal, Purpose, Settings, UserDirectory,
    async_trait, random,
};
use actix_jwt::{Auth, CurrentUser, Problem, error_dialect};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

type Form = web::Json<HashMap<String, Value>>;
type Answer = Result<HttpResponse, Problem>;

fn field<'f>(form: &'f Form, name: &str) -> Result<&'f str, Problem> {
    form.get(name).and_then(Value::as_str).ok_or_else(Problem::malformed)
}

/// Whether the address is known is not told. Each registration has a link of its own, so that nobody gets an
/// address by having registered it first.
async fn register(auth: Auth, users: web::Data<Users>, form: Form) -> Answer {
    let (email, password) = (field(&form, "email")?.to_lowercase(), field(&form, "password")?);
    email.find('@').ok_or_else(|| Problem::invalid_body("Enter a valid email address."))?;
    check_new(password).map_err(|weak| Problem::invalid_body(weak.to_string()))?;
    let account = users.add(&email, auth.authority().hash_password(password).await?);
    let (purpose, day) = (Purpose::VERIFY_ADDRESS, Duration::from_secs(24 * 3600));
    let link = auth.authority().issue_link(&purpose, &account, &email, day).await?;
    println!("link for {email}: /verify/{}", link.expose());
    Ok(HttpResponse::Accepted().json(json!({ "message": "We have sent a link." })))
}

/// A button: what looks through mail opens links, and presses nothing.
async fn ask() -> web::Html {
    web::Html::new("<!doctype html><form method=post><button>Verify my address</button></form>")
}

async fn verify(auth: Auth, users: web::Data<Users>, token: web::Path<String>) -> Answer {
    let still = |account: &Account, email: &str| account.username == email;
    let link = auth.authority().redeem_link(&Purpose::VERIFY_ADDRESS, &token, still).await?;
    if !users.verify(&link.account) {
        return Err(Problem::invalid_body("This address has an account."));
    }
    Ok(HttpResponse::Ok().json(json!({ "message": "Your address is verified." })))
}

async fn log_in(auth: Auth, users: web::Data<Users>, request: HttpRequest, form: Form) -> Answer {
    let (email, password) = (field(&form, "email")?, field(&form, "password")?);
    let (authority, client) = (auth.authority(), auth.client(&request));
    let proof = authority.prove_password("user", email, password, &client).await?;
    // Told only to who knows the password.
    if !users.find_by_login(email).await?.is_some_and(|account| account.is_active) {
        return Err(Problem::invalid_body("Verify your email address first."));
    }
    let pair = authority.start_pair(proof, &client).await?.granted;
    Ok(tokens(pair.access.expose(), Some(pair.refresh.expose())))
}

async fn refresh(auth: Auth, request: HttpRequest, form: Form) -> Answer {
    let (token, client) = (field(&form, "refresh_token")?, auth.client(&request));
    let refreshed = auth.authority().refresh(token, &client).await?;
    Ok(tokens(refreshed.access.expose(), refreshed.refresh.as_ref().map(|token| token.expose())))
}

fn tokens(access: &str, refresh: Option<&str>) -> HttpResponse {
    let body = json!({ "access_token": access, "refresh_token": refresh });
    HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(body)
}

async fn profile(CurrentUser(account): CurrentUser<Account>) -> web::Json<Value> {
    web::Json(json!({ "id": account.principal.user_id(), "email": account.username }))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings {
        access_token_lifetime: Duration::from_secs(3600),
        refresh_token_lifetime: Duration::from_secs(30 * 24 * 3600),
        check_user_is_active: false, // `log_in` does: who is active has verified the address.
        ..Settings::with_signing_key(env::var("SIGNING_KEY").unwrap_or_else(|_| random::token()))
    };
    let users = Users::default();
    let authority = Authority::builder(settings).store(MemoryStore::new()).users(users.clone());
    let auth = Auth::builder(authority.build()?).error_body(|p| json!({ "error": p.detail() }));
    let auth = auth.start().await?;

    let server = HttpServer::new(move || {
        App::new()
            .app_data(auth.clone())
            .app_data(web::Data::new(users.clone()))
            .app_data(web::JsonConfig::default().error_handler(|_, _| Problem::malformed().into()))
            .wrap(from_fn(error_dialect))
            .service(web::resource("/register").post(register))
            .service(web::resource("/verify/{token}").get(ask).post(verify))
            .service(web::resource("/login").post(log_in))
            .service(web::resource("/refresh").post(refresh))
            .service(web::resource("/profile").get(profile))
    })
    .bind(env::var("LISTEN").unwrap_or("127.0.0.1:8080".into()))?;
    println!("listening on http://{}", server.addrs()[0]);
    Ok(server.run().await?)
}

/// A real directory asks a database: see `demo-app/src/users.rs`.
#[derive(Clone, Default)]
struct Users(Arc<RwLock<Vec<Account>>>);

impl Users {
    fn add(&self, email: &str, hash: PasswordHash) -> Principal {
        let mut users = self.0.write().unwrap();
        let principal = Principal::new("user", (users.len() + 1).to_string());
        let account = Account { is_active: false, ..Account::new(principal.clone(), email) };
        users.push(Account { password_hash: Some(hash), ..account });
        principal
    }

    fn verify(&self, who: &Account) -> bool {
        let mut users = self.0.write().unwrap();
        let is_taken = users.iter().any(|known| known.username == who.username && known.is_active);
        let account = users.iter_mut().find(|known| known.principal == who.principal);
        account.filter(|_| !is_taken).map(|account| account.is_active = true).is_some()
    }
}

#[async_trait]
impl UserDirectory for Users {
    /// Who has verified the address, or else who registered last.
    async fn find_by_login(&self, email: &str) -> Result<Option<Account>, Outage> {
        let (users, email) = (self.0.read().unwrap(), email.to_lowercase());
        let known = users.iter().filter(|account| account.username == email);
        Ok(known.max_by_key(|account| account.is_active).cloned())
    }

    async fn load(&self, id: &str) -> Result<Option<Account>, Outage> {
        let users = self.0.read().unwrap();
        Ok(users.iter().find(|account| account.principal.user_id() == id).cloned())
    }
}
