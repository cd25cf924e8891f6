//! The HTTP application: its routes, and the server around them.

use std::io;
use std::net::SocketAddr;

use actix_jwt::permission::IsStaff;
use actix_jwt::{Auth, AuthUser, Problem, error_dialect};
use actix_web::dev::Server;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{self, ServiceConfig};
use actix_web::{
    App, FromRequest, Handler, HttpRequest, HttpResponse, HttpServer, Responder, guard,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::db::Db;
use crate::telemetry;
use crate::users::parse_id;

/// How long requests under way may take to end when the server is told to stop.
const SHUTDOWN_SECONDS: u64 = 10;

/// Listens on `listen`; answers the server, to be awaited, and the address it has.
pub(crate) fn bind(listen: SocketAddr, auth: &Auth, db: &Db) -> io::Result<(Server, SocketAddr)> {
    let (auth, db) = (auth.clone(), db.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(db.clone()))
            .configure(|config| routes(config, &auth))
            .default_service(web::to(not_found))
            .wrap(default_headers())
            .wrap(from_fn(error_dialect))
            .wrap(from_fn(telemetry::trace))
    })
    .disable_signals()
    .shutdown_timeout(SHUTDOWN_SECONDS)
    .bind(listen)?;
    let addr = server.addrs().first().copied().unwrap_or(listen);
    Ok((server.run(), addr))
}

fn routes(config: &mut ServiceConfig, auth: &Auth) {
    config
        .configure(auth.mount("/api"))
        .configure(auth.admin_session_routes("/api/v1/admin/users", IsStaff))
        .configure(auth.single_token_routes("/api/v1/users/login/jwt"))
        .configure(
            auth.token_routes_saying(
                "/api/v1/users/login/simpleJWT",
                "Token is invalid or expired",
            ),
        )
        .configure(auth.oauth_routes("/api/token", IsStaff))
        .configure(auth.jwks_route())
        .configure(get_only("/api/v1/users/me", me))
        .configure(get_only("/healthz", healthz))
        .configure(get_only("/readyz", readyz));
}

/// For answers that do not say it themselves (OWASP REST Security Cheat Sheet).
fn default_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add(("Cache-Control", "no-store"))
        .add(("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("X-Content-Type-Options", "nosniff"))
}

/// Answers GET and HEAD (RFC 9110 §9.1), with and without a slash at the end: two resources, for two
/// patterns in one would be a regular expression.
fn get_only<H, A>(path: &'static str, handler: H) -> impl FnOnce(&mut ServiceConfig)
where
    H: Handler<A>,
    A: FromRequest + 'static,
    H::Output: Responder + 'static,
{
    let not_allowed = |request: HttpRequest| async move {
        let method = request.method().as_str();
        Err::<HttpResponse, _>(Problem::method_not_allowed(method, "GET, HEAD"))
    };
    move |config| {
        for path in [path.to_owned(), format!("{path}/")] {
            let get_or_head = guard::Any(guard::Get()).or(guard::Head());
            let route = web::route().guard(get_or_head).to(handler.clone());
            config.service(web::resource(path).route(route).default_service(web::to(not_allowed)));
        }
    }
}

async fn not_found() -> Result<HttpResponse, Problem> {
    Err(Problem::not_found())
}

#[derive(Serialize)]
struct Me {
    id: i64,
    username: String,
    email: String,
}

/// What [`crate::authority`] puts into every token of ours.
#[derive(Deserialize)]
struct Profile {
    username: String,
    email: String,
}

/// Who am I? Without a query, unless the token is another issuer's, who does not know whether the
/// user still exists.
async fn me(user: AuthUser, auth: Auth) -> Result<web::Json<Me>, Problem> {
    Ok(web::Json(match (parse_id(user.user_id()), user.claims()) {
        (Some(id), Ok(Profile { username, email })) if !user.is_foreign() => {
            Me { id, username, email }
        }
        (id, _) => {
            // 401 for an id that cannot be one.
            let account = auth.load_account(&user).await?;
            let id = id.ok_or_else(Problem::not_found)?;
            Me { id, username: account.username, email: account.email }
        }
    }))
}

/// Alive: it answers.
async fn healthz() -> web::Json<serde_json::Value> {
    web::Json(json!({ "status": "ok" }))
}

/// What a part of the readiness report says.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Ok,
    Unavailable,
    /// Migrations that have not been applied.
    Pending,
    /// Not to be known while the database is away.
    Unknown,
    /// Too long without word of other processes' revocations, or the last keys that could be read.
    Stale,
}

#[derive(Serialize)]
struct Readiness {
    status: Part,
    database: Part,
    migrations: Part,
    revocations: Part,
    keys: Part,
}

/// Ready for requests, or what is wrong. The causes are in the log.
async fn readyz(auth: Auth, db: web::Data<Db>) -> HttpResponse {
    let (database, migrations) = match db.pending().await {
        Ok(pending) if pending.is_empty() => (Part::Ok, Part::Ok),
        Ok(pending) => {
            tracing::warn!(?pending, "not ready: migrations have not been applied");
            (Part::Ok, Part::Pending)
        }
        Err(outage) => {
            tracing::warn!(%outage, "not ready: the database");
            (Part::Unavailable, Part::Unknown)
        }
    };
    let revocations = if auth.authority().is_current() { Part::Ok } else { Part::Stale };
    // Without a key that signs there would be no authority. That a new one cannot be read is told, and is
    // no reason to take the node out of service, and all others with it.
    let keys = if auth.keys_are_current() { Part::Ok } else { Part::Stale };
    let is_ready = [database, migrations, revocations].iter().all(|part| *part == Part::Ok);
    let (mut answer, status) = match is_ready {
        true => (HttpResponse::Ok(), Part::Ok),
        false => (HttpResponse::ServiceUnavailable(), Part::Unavailable),
    };
    answer.json(Readiness { status, database, migrations, revocations, keys })
}
