//! The ready-made routes.
//!
//! They are resources with whole paths, not scopes, so that an application can put routes of its
//! own under the same prefix. Every path answers with and without a trailing slash.
//!
//! Each resource has the `Auth` that mounted it. The one of the application, which guards and
//! extractors elsewhere find, is that of the last mounted.

use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{Error, HttpRequest, HttpResponse, Resource, Route, guard};
use auth_core::Permission;
use auth_core::permission::LoggedIn;

use crate::auth::Auth;
use crate::credential::Credential;
use crate::middleware::JwtAuth;
use crate::problem::{Problem, error_dialect};

mod admin;
mod body;
mod factor;
mod keys;
pub(crate) mod login;
mod oauth;
mod personal;
mod session;
mod single;
mod token;

impl Auth {
    /// Mounts everything under `prefix`: the token routes at `{prefix}/token/`, the session
    /// routes at `{prefix}/v1/users/`, and where [`Credential::token`](crate::Credential::token) is
    /// accepted the personal tokens at `{prefix}/v1/users/tokens/`. For [`App::configure`](actix_web::App::configure).
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
        let personal = self.accepts(&Credential::token());
        let personal =
            personal.then(|| self.personal_token_routes(&format!("{prefix}/v1/users/tokens")));
        |config| {
            tokens(config);
            sessions(config);
            if let Some(personal) = personal {
                personal(config);
            }
        }
    }

    /// The routes of SimpleJWT under `path`: `POST` to `/` (username and password for a token
    /// pair), `/refresh/`, `/verify/`, `/blacklist/`, `/sliding/` and `/sliding/refresh/`. Where the
    /// authority only verifies, there is `/verify/` alone, and no session login or single tokens.
    pub fn token_routes(&self, path: &str) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        self.routes(path, token::ROUTES)
    }

    /// The same where `/verify/` says `text` of every token that it refuses, as versions of SimpleJWT
    /// before 5.4 did: `Token is invalid or expired`.
    pub fn token_routes_saying(
        &self,
        path: &str,
        text: &str,
    ) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        let (auth, path) = (self.clone(), path.to_owned());
        let text = token::RefusedText(text.into());
        move |config| {
            auth.add(config, &path, token::ROUTES, |resource| resource.app_data(text.clone()))
        }
    }

    /// Personal tokens under `path`, for those who accept them
    /// ([`Credential::token`](crate::Credential::token)): `GET` lists those of the user, `POST`
    /// `{"name", "scopes"?, "expires_in"?}` makes one and tells it this once (`expires_in` in seconds;
    /// with `password`, and `otp` where there is a second factor, unless the login is one of the last five minutes), `DELETE {path}/{id}` ends one. A
    /// personal token itself opens none of them.
    pub fn personal_token_routes(
        &self,
        path: &str,
    ) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        self.routes(path, personal::ROUTES)
    }

    /// Token revocation (RFC 7009) at `POST {path}/revoke/` and introspection (RFC 7662) at
    /// `POST {path}/introspect/`, both with a form that has `token`. Any token of ours will do: access,
    /// refresh, sliding, single, personal.
    ///
    /// The caller has to be authenticated. Whoever is may end tokens of their own; to ask about tokens, or
    /// to end those of others, takes `permission`.
    ///
    /// ```
    /// use actix_jwt::{Auth, permission::HasScope};
    /// # fn example(auth: Auth, config: &mut actix_web::web::ServiceConfig) {
    /// config.configure(auth.oauth_routes("/oauth", HasScope("introspect")));
    /// # }
    /// ```
    pub fn oauth_routes<P: Permission>(
        &self,
        path: &str,
        permission: P,
    ) -> impl FnOnce(&mut ServiceConfig) + Clone + use<P> {
        let (auth, path) = (self.clone(), path.to_owned());
        let may_ask = oauth::MayAsk(Arc::new(permission));
        move |config| {
            auth.add(config, &path, oauth::ROUTES, |resource| resource.app_data(may_ask.clone()));
        }
    }

    /// Session login with cookies under `path`: `POST /login`, `/logout`, `/logout/all` and
    /// `/logout/others`, `GET /csrf`, `GET /sessions`, `DELETE /sessions/{id}`. And the user's second factor,
    /// whatever carries the session: `GET /otp` (is there one?), `POST /otp` (begins to enrol an
    /// authenticator app), `POST /otp/confirm`, `POST /otp/recovery` (new recovery codes), `DELETE /otp`.
    pub fn session_routes(&self, path: &str) -> impl FnOnce(&mut ServiceConfig) + Clone + use<> {
        let (sessions, factor) =
            (self.routes(path, session::ROUTES), self.routes(path, factor::ROUTES));
        |config| {
            sessions(config);
            factor(config);
        }
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
        let (auth, path) = (self.clone(), path.to_owned());
        move |config| {
            auth.add(config, &path, admin::ROUTES, |resource| {
                resource.wrap(JwtAuth::require(permission.clone()))
            });
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
        let (auth, path) = (self.clone(), path.to_owned());
        move |config| auth.add(config, &path, routes, |resource| resource)
    }

    /// Adds `routes` under `path`, each as `finish` wants it.
    fn add<S, B>(
        &self,
        config: &mut ServiceConfig,
        path: &str,
        routes: Routes,
        finish: impl Fn(Resource) -> Resource<S>,
    ) where
        B: MessageBody + 'static,
        S: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
    {
        let path = path.trim_end_matches('/');
        for (suffix, methods) in self.mounted(routes) {
            for resource in resources(&format!("{path}{suffix}"), methods) {
                let resource = finish(resource).app_data(self.clone());
                match self.inner().voice.is_own() {
                    false => config.service(resource),
                    true => config.service(resource.wrap(from_fn(error_dialect))),
                };
            }
        }
        config.app_data(self.clone());
    }

    /// Those of `routes` that there are.
    pub(crate) fn mounted(
        &self,
        routes: Routes,
    ) -> impl Iterator<Item = (&'static str, &'static Methods)> + use<> {
        let issues = self.authority().issues();
        let routes = routes.iter().copied();
        routes.filter(move |(suffix, _)| issues || FOR_VERIFIERS.contains(suffix))
    }
}

/// What a service has that issues no tokens, and so has no users and no sessions.
const FOR_VERIFIERS: [&str; 2] = ["/verify/", "/jwks.json"];

/// What can be mounted, for who describes it.
#[cfg(feature = "openapi")]
pub(crate) mod tables {
    use super::Routes;
    pub(crate) use super::oauth::OAuthError;

    pub(crate) const TOKEN: Routes = super::token::ROUTES;
    pub(crate) const SESSION: Routes = super::session::ROUTES;
    pub(crate) const FACTOR: Routes = super::factor::ROUTES;
    pub(crate) const SINGLE: Routes = super::single::ROUTES;
    pub(crate) const PERSONAL: Routes = super::personal::ROUTES;
    pub(crate) const OAUTH: Routes = super::oauth::ROUTES;
    pub(crate) const ADMIN: Routes = super::admin::ROUTES;
    pub(crate) const KEYS: Routes = super::keys::ROUTES;
}

/// Paths below where they are mounted, each with its methods.
pub(crate) type Routes = &'static [(&'static str, &'static Methods)];

/// The methods of one path.
pub(crate) struct Methods {
    /// For the `Allow` header.
    pub(crate) allow: &'static str,
    routes: fn() -> Vec<Route>,
}

/// For GET, and for HEAD, which belongs to it (RFC 9110 §9.1): actix leaves the body out.
fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// For who logged in, which is found before the body is read: extractors are asked all at once, so that the
/// fault of a body would be told to whom it is not for.
fn for_logins(route: Route) -> Route {
    route.wrap(JwtAuth::require(LoggedIn))
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
