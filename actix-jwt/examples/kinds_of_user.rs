//! Staff log in by e-mail and password, clients by a one-time code, which is printed. The same
//! number is two principals. All in memory. `cargo run -p actix-jwt --example kinds_of_user`, then
//!
//! ```sh
//! AT=http://127.0.0.1:8080 JSON='Content-Type: application/json'
//! curl -H "$JSON" -d '{"username":"acme"}' $AT/clients/otp/request
//! curl -H "$JSON" -d '{"username":"acme","code":"…"}' $AT/clients/otp/verify
//! ```

use std::collections::HashMap;
use std::env;
use std::time::Duration;

use actix_jwt::auth_core::password::PasswordHash;
use actix_jwt::auth_core::{
    Account, Authority, MemoryStore, Outage, Principal, Purpose, Settings, UserDirectory,
    async_trait, random,
};
use actix_jwt::permission::UserType;
use actix_jwt::{Auth, AuthUser, JwtAuth, Problem, error_dialect};
use actix_web::middleware::from_fn;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, ResponseError, web};
use serde_json::{Value, json};

type Form = web::Json<HashMap<String, Value>>;
type Answer = Result<HttpResponse, Problem>;

fn field<'f>(form: &'f Form, name: &str) -> Result<&'f str, Problem> {
    form.get(name).and_then(Value::as_str).ok_or_else(Problem::malformed)
}

async fn log_in(auth: Auth, request: HttpRequest, form: Form) -> Answer {
    let (email, password) = (field(&form, "email")?, field(&form, "password")?);
    let login = auth.authority().login("user", email, password, &auth.client(&request)).await?;
    Ok(pair(login.granted.access.expose(), Some(login.granted.refresh.expose())))
}

/// Known or not: the same answer after the same work.
async fn send_code(auth: Auth, request: HttpRequest, form: Form) -> Answer {
    let (name, client) = (field(&form, "username")?, auth.client(&request));
    let issued = auth.authority().request_code(&Purpose::LOGIN, "client", name, &client).await?;
    if let Some(issued) = issued {
        println!("code for {}: {}", issued.account.username, issued.code.expose());
    }
    Ok(envelope("OTP_SENT", "If there is such a client, a code is on its way."))
}

async fn check_code(auth: Auth, request: HttpRequest, form: Form) -> Answer {
    let (name, client) = (field(&form, "username")?, auth.client(&request));
    let code = field(&form, "code")?;
    let proof = auth.authority().prove_code("client", name, code, &client).await?;
    let login = auth.authority().start_pair(proof, &client).await?;
    Ok(pair(login.granted.access.expose(), Some(login.granted.refresh.expose())))
}

async fn refresh(auth: Auth, request: HttpRequest, form: Form) -> Answer {
    let token = field(&form, "refresh")?;
    let refreshed = auth.authority().refresh(token, &auth.client(&request)).await?;
    Ok(pair(refreshed.access.expose(), refreshed.refresh.as_ref().map(|token| token.expose())))
}

async fn log_out(auth: Auth, form: Form) -> Answer {
    auth.authority().blacklist(field(&form, "refresh")?).await?;
    Ok(envelope("LOGGED_OUT", "logged out"))
}

async fn me(user: AuthUser) -> Result<web::Json<Value>, Problem> {
    user.claims().map(web::Json).map_err(|_| Problem::not_found())
}

fn pair(access: &str, refresh: Option<&str>) -> HttpResponse {
    let body = json!({ "access": access, "refresh": refresh });
    HttpResponse::Ok().insert_header(("Cache-Control", "no-store")).json(body)
}

fn envelope(code: &str, message: &str) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "code": code, "message": message }))
}

fn error_body(problem: &Problem) -> Value {
    let code = match problem.status_code().as_u16() {
        401 => "INVALID_TOKEN",
        403 => "FORBIDDEN",
        503 => "UNAVAILABLE",
        _ => "INVALID_REQUEST",
    };
    json!({ "code": code, "message": problem.detail() })
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings {
        access_token_lifetime: Duration::from_secs(30 * 60),
        refresh_token_lifetime: Duration::from_secs(30 * 24 * 3600),
        user_id_field: "user_seq".into(),
        user_id_claim: "user_seq".into(),
        ..Settings::with_signing_key(env::var("SIGNING_KEY").unwrap_or_else(|_| random::token()))
    };
    let mut ann = Account::new(Principal::new("user", "1"), "ann@example.org");
    ann.password_hash = Some(PasswordHash::create("correct horse")?);
    (ann.email, ann.role) = ("ann@example.org".into(), Some("manager".into()));
    let mut acme = Account::new(Principal::new("client", "1"), "acme");
    (acme.email, acme.role) = ("it@acme.example".into(), Some("buyer".into()));

    let authority = Authority::builder(settings)
        .store(MemoryStore::new())
        .users(Directory(ann))
        .users_of_type("client", Directory(acme))
        .claims(|account, claims| {
            claims.insert("email".into(), account.email.as_str().into());
        })
        .build()?;
    let auth = Auth::builder(authority).error_body(error_body).start().await?;

    let server = HttpServer::new(move || {
        App::new()
            .app_data(auth.clone())
            .app_data(web::JsonConfig::default().error_handler(|_, _| Problem::malformed().into()))
            .wrap(from_fn(error_dialect))
            .service(web::resource("/auth/login").post(log_in))
            .service(web::resource("/auth/refresh").post(refresh))
            .service(web::resource("/auth/logout").post(log_out))
            .service(web::resource("/clients/otp/request").post(send_code))
            .service(web::resource("/clients/otp/verify").post(check_code))
            .service(web::resource("/me").get(me))
            .service(web::resource("/staff").wrap(JwtAuth::require(UserType("user"))).to(me))
    })
    .bind(env::var("LISTEN").unwrap_or("127.0.0.1:8080".into()))?;
    println!("listening on http://{}", server.addrs()[0]);
    Ok(server.run().await?)
}

/// Of one user. A real one asks a database: see `demo-app/src/users.rs`.
struct Directory(Account);

#[async_trait]
impl UserDirectory for Directory {
    fn id_field(&self) -> &str {
        "user_seq"
    }

    async fn find_by_login(&self, login: &str) -> Result<Option<Account>, Outage> {
        Ok((login == self.0.username).then(|| self.0.clone()))
    }

    async fn load(&self, id: &str) -> Result<Option<Account>, Outage> {
        Ok((id == self.0.principal.user_id()).then(|| self.0.clone()))
    }
}
