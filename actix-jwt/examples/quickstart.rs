//! The whole thing on one page: `cargo run -p actix-jwt --example quickstart`, then
//!
//! ```sh
//! curl -d '{"username":"alice","password":"correct horse"}' \
//!     -H 'Content-Type: application/json' http://127.0.0.1:8080/api/token/
//! curl -H "Authorization: Bearer $ACCESS" http://127.0.0.1:8080/orders/
//! ```

use actix_jwt::auth_core::password::PasswordHash;
use actix_jwt::auth_core::{
    Account, Authority, MemoryStore, Outage, Principal, Settings, UserDirectory, async_trait,
    random,
};
use actix_jwt::{Auth, AuthUser, JwtAuth};
use actix_web::{App, HttpServer, get, web};

#[get("/")]
async fn list(user: AuthUser) -> String {
    format!("the orders of user {}\n", user.user_id())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::with_signing_key(random::token());
    let authority =
        Authority::builder(settings).store(MemoryStore::new()).users(Alice::new()?).build()?;
    let auth = Auth::start(authority).await?;

    println!("listening on http://127.0.0.1:8080");
    HttpServer::new(move || {
        App::new()
            .configure(auth.mount("/api"))
            .service(web::scope("/orders").wrap(JwtAuth).service(list))
    })
    .bind(("127.0.0.1", 8080))?
    .run()
    .await?;
    Ok(())
}

/// A directory with one user. A real one asks a database: see `demo-app/src/users.rs`.
struct Alice(Account);

impl Alice {
    fn new() -> Result<Self, Outage> {
        let mut alice = Account::new(Principal::new("user", "1"), "alice");
        alice.password_hash = Some(PasswordHash::create("correct horse")?);
        Ok(Self(alice))
    }
}

#[async_trait]
impl UserDirectory for Alice {
    async fn find_by_login(&self, login: &str) -> Result<Option<Account>, Outage> {
        Ok((login == self.0.username).then(|| self.0.clone()))
    }

    async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage> {
        Ok((user_id == self.0.principal.user_id()).then(|| self.0.clone()))
    }
}
