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
use utoipa::ToSchema;

use crate::db::Db;
use crate::schema::Documentation;
use crate::telemetry;
use crate::users::parse_id;

/// How long requests under way may take to end when the server is told to stop.
const SHUTDOWN_SECONDS: u64 = 10;

/// Where administrators find the sessions of users.
pub(crate) const ADMIN_PATH: &str = "/api/v1/admin/users";
/// Login for one token, in the header `jwt-auth`.
pub(crate) const SINGLE_PATH: &str = "/api/v1/users/login/jwt";
/// The token routes once more, and what they say there of every token that is refused.
pub(crate) const SIMPLEJWT_PATH: &str = "/api/v1/users/login/simpleJWT";
pub(crate) const SIMPLEJWT_REFUSAL: &str = "Token is invalid or expired";
/// Revocation and introspection.
pub(crate) const OAUTH_PATH: &str = "/api/token";

/// Listens on `listen`; answers the server, to be awaited, and the address it has.
pub(crate) fn bind(
    listen: SocketAddr,
    auth: &Auth,
    db: &Db,
    documentation: Documentation,
) -> io::Result<(Server, SocketAddr)> {
    let (auth, db) = (auth.clone(), db.clone());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(web::Data::new(db.clone()))
            .configure(|config| routes(config, &auth))
            .configure(|config| documentation.routes(config))
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

/// What [`crate::schema`] describes.
fn routes(config: &mut ServiceConfig, auth: &Auth) {
    config
        .configure(auth.mount("/api"))
        .configure(auth.admin_session_routes(ADMIN_PATH, IsStaff))
        .configure(auth.single_token_routes(SINGLE_PATH))
        .configure(auth.token_routes_saying(SIMPLEJWT_PATH, SIMPLEJWT_REFUSAL))
        .configure(auth.oauth_routes(OAUTH_PATH, IsStaff))
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
pub(crate) fn get_only<H, A>(path: &str, handler: H) -> impl FnOnce(&mut ServiceConfig) + use<H, A>
where
    H: Handler<A>,
    A: FromRequest + 'static,
    H::Output: Responder + 'static,
{
    let without = get_only_exactly(path, handler.clone());
    let with = get_only_exactly(&format!("{path}/"), handler);
    move |config| {
        config.configure(without).configure(with);
    }
}

/// The same at this path alone.
pub(crate) fn get_only_exactly<H, A>(
    path: &str,
    handler: H,
) -> impl FnOnce(&mut ServiceConfig) + use<H, A>
where
    H: Handler<A>,
    A: FromRequest + 'static,
    H::Output: Responder + 'static,
{
    let not_allowed = |request: HttpRequest| async move {
        let method = request.method().as_str();
        Err::<HttpResponse, _>(Problem::method_not_allowed(method, "GET, HEAD"))
    };
    let get_or_head = guard::Any(guard::Get()).or(guard::Head());
    let route = web::route().guard(get_or_head).to(handler);
    let resource = web::resource(path).route(route).default_service(web::to(not_allowed));
    move |config| {
        config.service(resource);
    }
}

async fn not_found() -> Result<HttpResponse, Problem> {
    Err(Problem::not_found())
}

/// A user.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({ "id": 1, "username": "alice", "email": "alice@example.org" }))]
pub(crate) struct Me {
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

/// That it answers.
#[derive(Serialize, ToSchema)]
pub(crate) struct Alive {
    status: Part,
}

/// Alive: it answers.
async fn healthz() -> web::Json<Alive> {
    web::Json(Alive { status: Part::Ok })
}

/// What a part of the readiness report says.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    Ok,
    Unavailable,
    /// Migrations that have not been applied.
    Pending,
    /// Not to be known while the database is away.
    Unknown,
    /// Too long without word of other processes' revocations, or the last keys that could be read.
    Stale,
}

/// Whether it is ready, and what is not.
#[derive(Serialize, ToSchema)]
pub(crate) struct Readiness {
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
