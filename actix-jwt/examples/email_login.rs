//! Login by e-mail with verified addresses. All in memory; the link is printed. A client that refreshes by
//! itself is in `client.mjs`. `cargo run -p actix-jwt --example email_login`, then
//!
//! ```sh
//! AT=http://127.0.0.1:8080 JSON='Content-Type: application/json'
//! curl -H "$JSON" -d '{"email":"ann@example.org","password":"correct horse"}' $AT/register
//! curl -H "$JSON" -d '{"email":"ann@example.org","password":"correct horse"}' $AT/login
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

type Form = web::Json<HashMap<String, String>>;
type Answer = Result<HttpResponse, Problem>;

fn field<'f>(form: &'f Form, name: &str) -> Result<&'f str, Problem> {
    form.get(name).map(String::as_str).ok_or_else(Problem::malformed)
}

/// Whether the address is known is not told; its owner is.
async fn register(auth: Auth, users: web::Data<Users>, form: Form) -> Answer {
    let (email, password) = (field(&form, "email")?.to_lowercase(), field(&form, "password")?);
    if !email.split_once('@').is_some_and(|(name, host)| !name.is_empty() && host.contains('.')) {
        return Err(Problem::invalid_body("Enter a valid email address."));
    }
    check_new(password).map_err(|weak| Problem::invalid_body(weak.to_string()))?;
    let hash = auth.authority().hash_password(password).await?;
    if let Some(principal) = users.add(&email, hash) {
        let (authority, day) = (auth.authority(), Duration::from_secs(24 * 3600));
        let link = authority.issue_link(&Purpose::VERIFY_ADDRESS, &principal, &email, day).await?;
        println!("link for {email}: /verify/{}", link.expose());
    }
    Ok(HttpResponse::Accepted().json(json!({ "message": "We have sent a link." })))
}

/// Works once, and only while the account has the address that it was sent to.
async fn verify(auth: Auth, users: web::Data<Users>, token: web::Path<String>) -> Answer {
    let still_theirs = |account: &Account, address: &str| account.email == address;
    let link = auth.authority().redeem_link(&Purpose::VERIFY_ADDRESS, &token, still_theirs).await?;
    users.verify(&link.subject);
    Ok(HttpResponse::Ok().json(json!({ "message": "Your address is verified." })))
}

async fn log_in(auth: Auth, users: web::Data<Users>, request: HttpRequest, form: Form) -> Answer {
    let (email, password) = (field(&form, "email")?, field(&form, "password")?);
    let (authority, client) = (auth.authority(), auth.client(&request));
    // Told only to who knows the password.
    let proof = authority.prove_password("user", email, password, &client).await?;
    let account = users.find_by_login(email).await?;
    if !account.is_some_and(|account| account.attributes.contains_key("verified")) {
        return Err(Problem::invalid_body("Verify your email address first."));
    }
    let pair = authority.start_pair(proof, &client).await?.granted;
    Ok(tokens(pair.access.expose(), Some(pair.refresh.expose())))
}

async fn refresh(auth: Auth, request: HttpRequest, form: Form) -> Answer {
    let token = field(&form, "refresh_token")?;
    let refreshed = auth.authority().refresh(token, &auth.client(&request)).await?;
    Ok(tokens(refreshed.access.expose(), refreshed.refresh.as_ref().map(|token| token.expose())))
}

fn tokens(access: &str, refresh: Option<&str>) -> HttpResponse {
    let body = json!({ "access_token": access, "refresh_token": refresh });
    HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(body)
}

async fn profile(CurrentUser(account): CurrentUser<Account>) -> web::Json<Value> {
    web::Json(json!({ "id": account.principal.user_id(), "email": account.email }))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings {
        access_token_lifetime: Duration::from_secs(3600),
        refresh_token_lifetime: Duration::from_secs(30 * 24 * 3600),
        ..Settings::with_signing_key(env::var("SIGNING_KEY").unwrap_or_else(|_| random::token()))
    };
    let users = Users::default();
    let authority =
        Authority::builder(settings).store(MemoryStore::new()).users(users.clone()).build()?;
    let shape = |problem: &Problem| json!({ "error": problem.detail() });
    let auth = Auth::builder(authority).error_body(shape).start().await?;

    let server = HttpServer::new(move || {
        App::new()
            .app_data(auth.clone())
            .app_data(web::Data::new(users.clone()))
            .app_data(web::JsonConfig::default().error_handler(|_, _| Problem::malformed().into()))
            .wrap(from_fn(error_dialect))
            .route("/register", web::post().to(register))
            .route("/verify/{token}", web::get().to(verify))
            .route("/login", web::post().to(log_in))
            .route("/refresh", web::post().to(refresh))
            .route("/profile", web::get().to(profile))
    })
    .bind(env::var("LISTEN").unwrap_or("127.0.0.1:8080".into()))?;
    println!("listening on http://{}", server.addrs()[0]);
    Ok(server.run().await?)
}

/// By address. A real directory asks a database: see `demo-app/src/users.rs`.
#[derive(Clone, Default)]
struct Users(Arc<RwLock<HashMap<String, Account>>>);

impl Users {
    /// The user of this address who has not verified it yet, new or not.
    fn add(&self, email: &str, hash: PasswordHash) -> Option<Principal> {
        let mut users = self.0.write().unwrap();
        let principal = Principal::new("user", (users.len() + 1).to_string());
        let account = users.entry(email.into()).or_insert_with(|| Account {
            email: email.into(),
            password_hash: Some(hash),
            ..Account::new(principal, email)
        });
        (!account.attributes.contains_key("verified")).then(|| account.principal.clone())
    }

    fn verify(&self, email: &str) {
        if let Some(account) = self.0.write().unwrap().get_mut(email) {
            account.attributes.insert("verified".into(), true.into());
        }
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
