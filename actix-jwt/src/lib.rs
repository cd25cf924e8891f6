//! Authentication for actix-web: JWT and session login, guards, ready-made routes.
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod auth;
mod cookie;
mod credential;
mod csrf;
mod extract;
mod httpauth;
mod middleware;
mod problem;
mod routes;

pub use auth::{Auth, AuthBuilder, StartError};
pub use auth_core;
pub use auth_core::permission;
pub use credential::Credential;
pub use extract::{AuthUser, Claims, CurrentUser, MaybeAuthUser};
pub use httpauth::bearer_validator;
pub use middleware::{Guard, JwtAuth};
pub use problem::Problem;
