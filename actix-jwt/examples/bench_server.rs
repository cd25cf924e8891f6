//! A server to be measured: a protected route, login and refresh, on the public API and with its defaults.
//!
//! ```sh
//! PORT=8080 KEYS=folder ALG=HS256 cargo run --release -p actix-jwt \
//!     --features sqlite,postgres --example bench_server
//! ```
//!
//! `KEYS` is a folder with `hs256.bin`, `rs256.pem`, `es256.pem`, `eddsa.pem`; `ALG` one of HS256, RS256,
//! ES256, EdDSA; `DATABASE_URL` is `sqlite://PATH` (`sqlite://bench.db`) or `postgres://…`. `CACHE=off` remembers
//! no verified tokens.
//!
//! With `access N` or `refresh N` it serves nothing: it makes N logins and prints their tokens.

use std::env;
use std::error::Error;
use std::sync::Arc;

use actix_jwt::auth_core::password::PasswordHash;
use actix_jwt::auth_core::store::diesel::{
    PgDb, PgOptions, PgStore, SqliteDb, SqliteOptions, SqliteStore,
};
use actix_jwt::auth_core::{
    Account, Algorithm, Authority, ClientInfo, Outage, Principal, Proof, Settings, UserDirectory,
    async_trait, token::TokenPair,
};
use actix_jwt::{Auth, AuthUser};
use actix_web::{App, HttpResponse, HttpServer, web};
use futures_util::{StreamExt as _, stream};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Serialize)]
struct Me<'a> {
    id: &'a str,
    name: &'a str,
}

async fn me(user: AuthUser) -> actix_web::Result<HttpResponse> {
    let claims: Arc<Name> = user.shared_claims()?;
    Ok(HttpResponse::Ok().json(Me { id: user.user_id(), name: &claims.name }))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let var = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let name = var("ALG", "HS256");
    let algorithm: Algorithm = name.parse()?;
    let file = match algorithm {
        Algorithm::HS256 => "hs256.bin".to_owned(),
        _ => format!("{}.pem", name.to_lowercase()),
    };
    let key = std::fs::read_to_string(format!("{}/{file}", env::var("KEYS")?))?;
    let mut settings = Settings {
        algorithm,
        issuer: Some("https://bench.example".into()),
        audience: vec!["bench-api".into()],
        ..Settings::with_signing_key(key)
    };
    if var("CACHE", "on") == "off" {
        settings.token_cache_bytes = 0;
    }

    let builder = Authority::builder(settings).users(Alice::new()?).claims(|_, claims| {
        claims.insert("name".into(), "Alice Example".into());
    });
    let url = var("DATABASE_URL", "sqlite://bench.db");
    let builder = match url.strip_prefix("sqlite://") {
        Some(path) => {
            let store = SqliteStore::new(SqliteDb::open(path, SqliteOptions::default())?);
            store.migrate().await?;
            builder.store(store)
        }
        None => {
            let store = PgStore::new(PgDb::open(&url, PgOptions::default())?);
            store.migrate().await?;
            builder.store(store)
        }
    };
    let authority = builder.build()?;
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [kind, count] = arguments.as_slice() {
        return print_tokens(&authority, kind, count.parse()?).await;
    }
    let auth = Auth::start(authority).await?;

    let server = HttpServer::new(move || {
        App::new()
            .service(web::resource("/me").get(me))
            // `/token/refresh`, and `/token/pair` for the login.
            .configure(auth.token_routes("/token"))
            .configure(auth.token_routes("/token/pair"))
    });
    let port = var("PORT", "8080").parse()?;
    Ok(server.workers(1).bind(("127.0.0.1", port))?.run().await?)
}

/// Logins at once, which the store may then write together.
const AT_ONCE: usize = 256;

async fn print_tokens(
    authority: &Authority,
    kind: &str,
    count: usize,
) -> Result<(), Box<dyn Error>> {
    let login = async |_| {
        let proof = Proof::vouched(Principal::new("user", "42"), []);
        authority.start_pair(proof, &ClientInfo::default()).await
    };
    let mut logins = stream::iter(0..count).map(login).buffer_unordered(AT_ONCE);
    while let Some(login) = logins.next().await {
        let TokenPair { access, refresh } = login?.granted;
        println!("{}", if kind == "access" { access.into_string() } else { refresh.into_string() });
    }
    Ok(())
}

/// A directory with one user.
struct Alice(Account);

impl Alice {
    fn new() -> Result<Self, Outage> {
        let mut alice = Account::new(Principal::new("user", "42"), "alice");
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
