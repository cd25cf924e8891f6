//! A refresh token that rides in a cookie: out of reach of scripts, and sent to one route only.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration;
use actix_web::cookie::{Cookie, SameSite};
use auth_core::SessionId;
use auth_core::token::{Login, Refreshed, TokenPair, csrf_token};
use chrono::{DateTime, Utc};

use crate::auth::Auth;
use crate::credential::cookie;
use crate::csrf;
use crate::problem::{Cause, Problem};
use crate::routes::login::prove;

/// Where a browser keeps a refresh token: in a cookie that scripts cannot read and that is sent to the path of
/// the refresh alone. The access token stays in the page.
///
/// Beside it goes the cookie `csrftoken`, as for session cookies: a refresh has to echo it in the header
/// `X-CSRFToken`, and may not come from another site. It belongs to the login, so it is the same after every
/// refresh.
///
/// ```
/// use actix_jwt::{Auth, Problem, RefreshCookie};
/// use actix_web::{HttpRequest, HttpResponse};
///
/// const COOKIE: RefreshCookie = RefreshCookie::new("refresh", "/token/refresh/");
///
/// async fn refresh(auth: Auth, request: HttpRequest) -> Result<HttpResponse, Problem> {
///     let refreshed = COOKIE.refresh(&auth, &request).await?;
///     let mut answer = HttpResponse::Ok();
///     for cookie in COOKIE.renewed(&auth, &refreshed) {
///         answer.cookie(cookie);
///     }
///     Ok(answer.json(refreshed.access.expose()))
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RefreshCookie {
    name: &'static str,
    path: &'static str,
}

impl RefreshCookie {
    /// A cookie of this name, sent to this path and those below it.
    pub const fn new(name: &'static str, path: &'static str) -> Self {
        Self { name, path }
    }

    /// Logs in by password with what a page of this site sent, and by `otp`, the code of an authenticator app
    /// or a recovery code, where the user has a second factor.
    ///
    /// The login that the browser had goes on: its cookie is not sent here. A page that knows of it logs out
    /// first.
    ///
    /// # Errors
    /// 401 for wrong credentials and for a code that is missing, 403 for a request of another site, which might
    /// log its victim in as somebody else, 503 in an outage.
    pub async fn log_in(
        &self,
        auth: &Auth,
        request: &HttpRequest,
        login: &str,
        password: &str,
        otp: Option<&str>,
    ) -> Result<Login<TokenPair>, Problem> {
        csrf::check_login(request, &auth.inner().trusted_origins)
            .map_err(|fault| auth.problem(Cause::Csrf(fault)))?;
        let credentials = [login.to_owned(), password.to_owned()];
        // A form sends an empty field for none.
        let otp = otp.filter(|code| !code.trim().is_empty()).map(str::to_owned);
        let proven = prove(auth, request, credentials, otp).await;
        let (proof, client) = proven.map_err(|error| auth.problem(error))?;
        let login = auth.authority().start_pair(proof, &client).await;
        login.map_err(|error| auth.problem(error))
    }

    /// The cookies of a login: the refresh token, and the CSRF token.
    pub fn issued(&self, auth: &Auth, login: &Login<TokenPair>) -> [Cookie<'static>; 2] {
        let refresh = login.granted.refresh.expose();
        self.pair(auth, refresh, login.session.id, login.session.ends_at())
    }

    /// The cookies of a refresh; none where rotation is off and the one that was shown stays.
    pub fn renewed(&self, auth: &Auth, refreshed: &Refreshed) -> Vec<Cookie<'static>> {
        let Some(refresh) = &refreshed.refresh else { return Vec::new() };
        let end = refreshed.refresh_expires_at;
        self.pair(auth, refresh.expose(), refreshed.session, end).into()
    }

    /// Both cookies, gone: for the answer to a logout.
    pub fn cleared(&self, auth: &Auth) -> [Cookie<'static>; 2] {
        let mut refresh = self.cookie(auth, String::new(), 0);
        let mut csrf = auth.inner().cookies.csrf(String::new(), 0);
        refresh.make_removal();
        csrf.make_removal();
        [refresh, csrf]
    }

    /// Refreshes with the cookie of this request.
    ///
    /// # Errors
    /// 401 without a cookie and for one that is not good any more, 403 for a request of another site or
    /// without the CSRF token, 503 in an outage.
    pub async fn refresh(&self, auth: &Auth, request: &HttpRequest) -> Result<Refreshed, Problem> {
        let token = cookie(request.headers(), self.name);
        let token = token.ok_or_else(|| auth.problem(Cause::NoCredentials))?;
        let authority = auth.authority();
        let session = auth.attempt(async || authority.session_of_refresh_token(token)).await;
        let session = session.map_err(|error| auth.problem(Cause::token(error)))?;
        csrf::check_act(request, &csrf_token_of(session), &auth.inner().trusted_origins)
            .map_err(|fault| auth.problem(Cause::Csrf(fault)))?;
        let refreshed = authority.refresh(token, &auth.client(request)).await;
        refreshed.map_err(|error| auth.problem(error))
    }

    fn pair(
        &self,
        auth: &Auth,
        token: &str,
        session: SessionId,
        end: DateTime<Utc>,
    ) -> [Cookie<'static>; 2] {
        let seconds = (end - auth.authority().clock().now()).num_seconds();
        let csrf = auth.inner().cookies.csrf(csrf_token_of(session), seconds);
        [self.cookie(auth, token.to_owned(), seconds), csrf]
    }

    fn cookie(&self, auth: &Auth, value: String, seconds: i64) -> Cookie<'static> {
        Cookie::build(self.name, value)
            .path(self.path)
            .http_only(true)
            // Nobody arrives at this path by a link.
            .same_site(SameSite::Strict)
            .secure(auth.inner().cookies.secure)
            .max_age(Duration::seconds(seconds))
            .finish()
    }
}

/// A function of the session's name, which another site cannot know.
fn csrf_token_of(session: SessionId) -> String {
    csrf_token(&session.to_string())
}
