//! The ready-made routes.
//!
//! They are resources with whole paths, not scopes, so that an application can put routes of its
//! own under the same prefix. Every path answers with and without a trailing slash.
//!
//! Each resource has the `Auth` that mounted it. The one of the application, which guards and
//! extractors elsewhere find, is that of the last mounted.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource, Route, guard};
use auth_core::Permission;

use crate::auth::Auth;
use crate::middleware::JwtAuth;
use crate::problem::Problem;

mod admin;
mod body;
mod keys;
mod session;
mod single;
mod token;

impl Auth {
    /// Mounts everything under `prefix`: the token routes at `{prefix}/token/` and the session
    /// routes at `{prefix}/v1/users/`. For [`App::configure`](actix_web::App::configure).
    ///
    /// Configure it before scopes of your own with the same prefix: actix gives a request to the
    /// first that matches.
    ///
    /// An `App` can mount several `Auth`s: each answers its own routes, and the last one mounted
    /// is that of the application's own routes. A scope of the application that belongs to
    /// another says so:
    ///
    /// ```
    /// use actix_jwt::{Auth, JwtAuth};
    /// use actix_web::web::{self, ServiceConfig};
    ///
    /// fn routes(config: &mut ServiceConfig, partners: &Auth, users: &Auth) {
    ///     config
    ///         .configure(partners.mount("/partners"))
    ///         .configure(users.mount("/api"))
    ///         .service(web::scope("/feeds").app_data(partners.clone()).wrap(JwtAuth))
    ///         .service(web::scope("/orders").wrap(JwtAuth));
    /// }
    /// ```
    pub fn mount(&self, prefix: &str) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        let prefix = prefix.trim_end_matches('/');
        let tokens = self.token_routes(&format!("{prefix}/token"));
        let sessions = self.session_routes(&format!("{prefix}/v1/users"));
        |config| {
            tokens(config);
            sessions(config);
        }
    }

    /// The routes of SimpleJWT under `path`: `POST` to `/` (username and password for a token
    /// pair), `/refresh/`, `/verify/`, `/blacklist/`, `/sliding/` and `/sliding/refresh/`. Where the
    /// authority only verifies, there is `/verify/` alone, and no session login or single tokens.
    pub fn token_routes(&self, path: &str) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        self.routes(path, token::ROUTES)
    }

    /// Session login with cookies under `path`: `POST /login`, `/logout`, `/logout/all` and
    /// `/logout/others`, `GET /csrf`, `GET /sessions`, `DELETE /sessions/{id}`.
    pub fn session_routes(&self, path: &str) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        self.routes(path, session::ROUTES)
    }

    /// The sessions of any user, for whom `permission` allows, under `path`:
    /// `GET {path}/{user_id}/sessions` lists them, `DELETE` ends all, and
    /// `DELETE {path}/{user_id}/sessions/{id}` one. `?user_type=` names the kind of user where there
    /// are several.
    ///
    /// ```
    /// use actix_jwt::{Auth, permission::IsStaff};
    /// # fn example(auth: Auth, config: &mut actix_web::web::ServiceConfig) {
    /// config.configure(auth.admin_session_routes("/api/v1/admin/users", IsStaff));
    /// # }
    /// ```
    pub fn admin_session_routes<P: Permission + Clone>(
        &self,
        path: &str,
        permission: P,
    ) -> impl FnOnce(&mut ServiceConfig) + Clone + use<P> {
        let auth = self.clone();
        let path = path.trim_end_matches('/').to_owned();
        move |config| {
            for (suffix, methods) in admin::ROUTES {
                for resource in resources(&format!("{path}{suffix}"), methods) {
                    let guard = JwtAuth::require(permission.clone());
                    config.service(resource.wrap(guard).app_data(auth.clone()));
                }
            }
            config.app_data(auth);
        }
    }

    /// Login for one token without refresh: `POST {path}`, and `GET {path}/info`, which tells
    /// whose it is. The token rides in a header of its own
    /// ([`Credential::header`](crate::Credential::header)).
    pub fn single_token_routes(
        &self,
        path: &str,
    ) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        self.routes(path, single::ROUTES)
    }

    /// The public keys at `/.well-known/jwks.json` (RFC 7517 §5), for services that verify our
    /// tokens themselves.
    pub fn jwks_route(&self) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        self.routes("/.well-known", keys::ROUTES)
    }

    fn routes(
        &self,
        path: &str,
        routes: Routes,
    ) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        let auth = self.clone();
        let path = path.trim_end_matches('/').to_owned();
        move |config| {
            let issues = auth.authority().issues();
            for (suffix, methods) in routes {
                if issues || FOR_VERIFIERS.contains(suffix) {
                    for resource in resources(&format!("{path}{suffix}"), methods) {
                        config.service(resource.app_data(auth.clone()));
                    }
                }
            }
            config.app_data(auth);
        }
    }
}

/// What a service has that issues no tokens, and so has no users and no sessions.
const FOR_VERIFIERS: [&str; 2] = ["/verify/", "/jwks.json"];

/// Paths below where they are mounted, each with its methods.
type Routes = &'static [(&'static str, &'static Methods)];

/// The methods of one path.
struct Methods {
    /// For the `Allow` header.
    allow: &'static str,
    routes: fn() -> Vec<Route>,
}

/// For GET, and for HEAD, which belongs to it (RFC 9110 §9.1): actix leaves the body out.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// The same with and without the slash. Each is a resource of its own: two patterns in one are a regular
/// expression, which every request to a route further down would pay for.
fn resources(path: &str, methods: &'static Methods) -> [Resource; 2] {
    let path = path.trim_end_matches('/');
    [path.to_owned(), format!("{path}/")].map(|path| resource(path, methods))
}

fn resource(path: String, methods: &'static Methods) -> Resource {
    let mut resource = web::resource(path);
    for route in (methods.routes)() {
        resource = resource.route(route);
    }
    resource.default_service(web::to(move |request: HttpRequest| async move {
        Err::<HttpResponse, _>(Problem::method_not_allowed(
            request.method().as_str(),
            methods.allow,
        ))
    }))
}
