//! Authentication for actix-web: JWT and session login, guards, ready-made routes.
//!
//! ```
//! use actix_jwt::auth_core::{
//!     Account, Authority, MemoryStore, Outage, Settings, UserDirectory, async_trait,
//! };
//! use actix_jwt::permission::{HasScope, IsStaff};
//! use actix_jwt::{Auth, AuthUser, JwtAuth};
//! use actix_web::{App, HttpServer, get, web};
//!
//! struct MyUsers; // over your own table
//!
//! #[async_trait]
//! impl UserDirectory for MyUsers {
//!     async fn find_by_login(&self, login: &str) -> Result<Option<Account>, Outage> {
//!         Ok(None) // SELECT … WHERE username = login
//!     }
//!     async fn load(&self, user_id: &str) -> Result<Option<Account>, Outage> {
//!         Ok(None) // SELECT … WHERE id = user_id
//!     }
//! }
//!
//! #[get("/")]
//! async fn list(user: AuthUser) -> String {
//!     format!("the orders of {}", user.user_id())
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::with_signing_key(std::env::var("SIGNING_KEY")?);
//! let authority = Authority::builder(settings).store(MemoryStore::new()).users(MyUsers).build()?;
//! let auth = Auth::start(authority).await?;
//!
//! HttpServer::new(move || {
//!     App::new()
//!         .configure(auth.mount("/api"))
//!         .service(web::scope("/orders").wrap(JwtAuth).service(list))
//!         .service(
//!             web::scope("/admin").wrap(JwtAuth::require(IsStaff | HasScope("orders:write"))),
//!         )
//! })
//! # .bind("127.0.0.1:0")?; Ok(()) }
//! ```
//!
//! | in a handler or a scope | what it means |
//! |---|---|
//! | [`.wrap(JwtAuth)`](JwtAuth) | authenticated, or 401 |
//! | [`JwtAuth::require`] | allowed by a [`permission`], or 401 / 403 |
//! | [`JwtAuth::optional`] | anonymous is fine; a bad credential is not |
//! | [`AuthUser<P>`](AuthUser) | who it is, allowed by `P`; no query |
//! | [`MaybeAuthUser`] | who it is, or nobody |
//! | [`Claims<T>`](Claims) | the claims as your type; no query |
//! | [`CurrentUser<T>`](CurrentUser) | the user as the directory has them now: one query |
//! | [`Auth`] | the authority itself |
//!
//! An extractor authenticates by itself, so a forgotten middleware never means an open route; a
//! request is verified once, however many ask. Every error is a [`Problem`]: 401 without or with a bad
//! credential, 403 without the permission, 503 in an outage.
//!
//! Sessions are kept in memory, or with the features `sqlite` and `postgres` in a database:
//! `auth_core::store::diesel` shows how to open it and to make its tables.
//!
//! [`Auth::mount`] adds the routes: obtaining, refreshing, verifying and blacklisting tokens with
//! the paths and bodies of djangorestframework-simplejwt, and session login with cookies. With the feature
//! `openapi`, `Auth::openapi` describes them in an OpenAPI document.
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod auth;
mod client;
mod cookie;
mod credential;
mod csrf;
mod extract;
mod httpauth;
mod keys;
mod middleware;
#[cfg(feature = "openapi")]
mod openapi;
mod problem;
mod refresh_cookie;
#[cfg(feature = "remote-keys")]
mod remote;
mod renewal;
mod routes;
mod upkeep;

pub use auth::{Auth, AuthBuilder, StartError};
pub use auth_core;
pub use auth_core::permission;
pub use credential::Credential;
pub use extract::{AuthUser, Claims, CurrentUser, MaybeAuthUser};
pub use httpauth::bearer_validator;
pub use middleware::{Guard, JwtAuth};
#[cfg(feature = "openapi")]
pub use openapi::OpenApiDoc;
pub use problem::{Problem, error_dialect};
pub use refresh_cookie::RefreshCookie;
#[cfg(feature = "remote-keys")]
pub use remote::{RemoteKeys, RemoteKeysBuilder, RemoteKeysError};
#[cfg(feature = "openapi")]
pub use utoipa;
