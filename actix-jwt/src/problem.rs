//! The only place that says which status and which body an error has.
//!
//! The bodies are those of Django REST framework and SimpleJWT, or of RFC 9457, as
//! [`error_dialect`](auth_core::Settings::error_dialect) says. Causes go to the log, never into a body.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use actix_web::Error;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{HttpResponse, ResponseError};
use auth_core::settings::ErrorDialect;
use auth_core::{LinkError, LoginError, Outage, RefreshError, Settings, TokenKind, VerifyError};
use serde::Serialize;
use serde_json::Value;

use crate::auth::Auth;
use details::Details;
pub(crate) use drf::Body;

mod details;
mod drf;

/// An answer that is not a success. Return it from handlers; actix renders it.
///
/// Applications use the constructors for answers in the same shape, and `?` on an [`Outage`].
#[derive(Clone, Debug)]
pub struct Problem {
    cause: Cause,
    /// That of an `Auth`; `None`: not known yet.
    voice: Option<Arc<Voice>>,
}

/// What is wrong.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// A credential is needed, and there is none.
    NoCredentials,
    /// The header of the credential has too few or too many parts.
    AuthorizationHeader,
    /// The same for a scheme that has its own words for it.
    CredentialHeader(&'static str),
    /// A credential on a protected route was refused.
    Credential(VerifyError, Shown),
    /// So was a login with a password that came with the request.
    Password,
    /// A token that was handed to a token route was refused; what that route says of it.
    Token(VerifyError, Option<Arc<str>>),
    /// The login was refused.
    Login,
    /// The session login was refused (which answers 403).
    SessionLogin,
    /// The user of a good refresh token is gone or inactive.
    NoActiveAccount,
    /// Known, but not allowed.
    Forbidden,
    /// A cross-site request, or one without the session's CSRF token.
    Csrf(CsrfFault),
    /// Fields of the body, each with what is wrong with it.
    Fields(Vec<(&'static str, Cow<'static, str>)>),
    /// The body as a whole.
    Body(String),
    /// The body is not JSON.
    Json(String),
    /// The body does not say that it is JSON.
    MediaType(String),
    /// The body, or the request as a whole, in the words of a parse error.
    Malformed,
    TooLarge,
    NotFound,
    Method {
        method: String,
        allow: &'static str,
    },
    Outage(Outage),
    /// `Auth` is not in the application.
    NotMounted,
    /// The password was right, and the account has a second factor.
    SecondFactor,
    /// The login is too old for what was asked.
    OldLogin,
    /// A one-time link.
    Link(LinkError),
}

/// What kind of credential was refused: each has its own words.
#[derive(Clone, Debug)]
pub(crate) enum Shown {
    /// A token after `Bearer`, and the kinds that would have been accepted.
    Bearer(Vec<TokenKind>),
    /// The one token in a header of its own.
    Single,
    /// A session cookie.
    Cookie,
    /// A personal token.
    Personal,
}

#[derive(Clone, Debug)]
pub(crate) enum CsrfFault {
    Origin(String),
    CrossSite,
    Missing,
    Incorrect,
}

/// How an `Auth` tells problems: its dialect, and its challenges.
pub(crate) struct Voice {
    dialect: ErrorDialect,
    type_base: String,
    challenges: Challenges,
    /// The application's own shape.
    body: Option<ErrorBody>,
}

pub(crate) type ErrorBody = Arc<dyn Fn(&Problem) -> Value + Send + Sync>;

/// The `WWW-Authenticate` headers (RFC 6750 §3).
///
/// There is none for passwords (RFC 7617): a browser would ask for one and send it with every request from
/// then on, those that another site makes included.
#[derive(Debug)]
struct Challenges {
    plain: HeaderValue,
    invalid_token: HeaderValue,
}

impl Voice {
    /// `None` for what no header can say, which a check of the settings should have found.
    pub(crate) fn new(settings: &Settings, body: Option<ErrorBody>) -> Option<Self> {
        let scheme = settings.auth_header_types.first().map_or("Bearer", String::as_str);
        Some(Self {
            dialect: settings.error_dialect,
            type_base: settings.problem_type_base.clone(),
            challenges: Challenges::new(scheme, &settings.www_authenticate_realm)?,
            body,
        })
    }

    /// Whether a [`Problem::plain`] is to be told otherwise.
    pub(crate) fn is_own(&self) -> bool {
        self.dialect != ErrorDialect::Drf || self.body.is_some()
    }
}

impl fmt::Debug for Voice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Voice").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

impl Challenges {
    fn new(scheme: &str, realm: &str) -> Option<Self> {
        let plain = format!(r#"{scheme} realm="{realm}""#);
        let invalid_token = format!(r#"{plain}, error="invalid_token""#);
        Some(Self {
            plain: HeaderValue::try_from(plain).ok()?,
            invalid_token: HeaderValue::try_from(invalid_token).ok()?,
        })
    }
}

impl Problem {
    pub(crate) fn new(cause: Cause, voice: &Arc<Voice>) -> Self {
        Self { cause, voice: Some(Arc::clone(voice)) }
    }

    /// In the dialect of Django REST framework and with the default challenge, until [`error_dialect`]
    /// tells it otherwise.
    pub(crate) fn plain(cause: Cause) -> Self {
        Self { cause, voice: None }
    }

    /// 404: `Not found.`
    pub fn not_found() -> Self {
        Self::plain(Cause::NotFound)
    }

    /// 403: the user is known, but may not do this.
    pub fn forbidden() -> Self {
        Self::plain(Cause::Forbidden)
    }

    /// 400: `Malformed request.`
    pub fn malformed() -> Self {
        Self::plain(Cause::Malformed)
    }

    /// 400: what is wrong with each field of the body.
    pub fn invalid_fields<T: Into<Cow<'static, str>>>(
        fields: impl IntoIterator<Item = (&'static str, T)>,
    ) -> Self {
        let fields = fields.into_iter().map(|(name, problem)| (name, problem.into()));
        Self::plain(Cause::Fields(fields.collect()))
    }

    /// 400: what is wrong with the body as a whole, in words for people.
    pub fn invalid_body(problem: impl Into<String>) -> Self {
        Self::plain(Cause::Body(problem.into()))
    }

    /// 405, with the methods that are allowed, such as `"GET, POST"`.
    pub fn method_not_allowed(method: &str, allow: &'static str) -> Self {
        Self::plain(Cause::Method { method: method.to_owned(), allow })
    }

    /// What it is, in a word that does not change: the last part of its type in RFC 9457's dialect, such as
    /// `token-expired`.
    pub fn name(&self) -> &'static str {
        details::problem_type(&self.cause).0
    }

    /// What it says to people.
    pub fn detail(&self) -> String {
        let body = Body::of(&self.cause);
        body.detail().map_or_else(|| details::problem_type(&self.cause).1.into(), str::to_owned)
    }

    /// What is wrong with each field of the body, where it is that.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let fields = match &self.cause {
            Cause::Fields(fields) => &fields[..],
            _ => &[],
        };
        fields.iter().map(|(name, problem)| (*name, &**problem))
    }

    /// 500, and the one line in the log that names the mend.
    pub(crate) fn not_mounted() -> Self {
        tracing::error!(
            "a route asks who the user is, but the App has no Auth: add \
             `.configure(auth.mount(\"/api\"))` to it (or `.app_data(auth.clone())`)"
        );
        Self::plain(Cause::NotMounted)
    }

    /// The challenge of a 401: whether a token was refused.
    fn challenge(&self) -> HeaderValue {
        let refused = matches!(
            self.cause,
            Cause::Credential(_, Shown::Bearer(_) | Shown::Single | Shown::Personal)
                | Cause::Token(..)
        );
        match &self.voice {
            Some(voice) if refused => voice.challenges.invalid_token.clone(),
            Some(voice) => voice.challenges.plain.clone(),
            None if refused => {
                HeaderValue::from_static(r#"Bearer realm="api", error="invalid_token""#)
            }
            None => HeaderValue::from_static(r#"Bearer realm="api""#),
        }
    }

    /// The body, in the dialect.
    pub(crate) fn told(&self) -> Told {
        match self.voice.as_deref() {
            Some(Voice { body: Some(write), .. }) => Told::Own(write(self)),
            Some(voice) if voice.dialect == ErrorDialect::Problem => {
                Told::Details(Details::of(&self.cause, self.status_code(), &voice.type_base))
            }
            _ => Told::Drf(Body::of(&self.cause)),
        }
    }

    /// Writes the body, and what the headers say of it.
    fn write(&self, headers: &mut HeaderMap) -> Vec<u8> {
        let told = self.told();
        let media_type = match told {
            Told::Details(_) => "application/problem+json",
            Told::Drf(_) | Told::Own(_) => "application/json",
        };
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
        if self.status_code() == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, self.challenge());
        }
        serde_json::to_vec(&told).unwrap_or_default()
    }
}

/// A body, by whose shape it has.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Told {
    Drf(Body),
    Details(Details),
    Own(Value),
}

/// Middleware that tells the [`Problem`]s which the application's own handlers answer in the dialect and
/// with the challenge of the application's [`Auth`]. Where
/// [`error_dialect`](auth_core::Settings::error_dialect) is `drf` and the challenge is the default one, there
/// is nothing to do. Ready-made routes and guards do not need it.
///
/// ```
/// use actix_web::App;
/// use actix_web::middleware::from_fn;
///
/// let app = App::new().wrap(from_fn(actix_jwt::error_dialect));
/// # let _ = app;
/// ```
///
/// # Errors
/// What the inner service fails with.
pub async fn error_dialect(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let auth = Auth::of(request.request()).ok().cloned();
    let response = match (next.call(request).await, auth) {
        (Ok(response), _) => response.map_into_boxed_body(),
        // Of a middleware.
        (Err(error), Some(auth)) => {
            return Err(match error.as_error::<Problem>() {
                Some(Problem { cause, voice: None }) => auth.problem(cause.clone()).into(),
                _ => error,
            });
        }
        (Err(error), None) => return Err(error),
    };
    let problem = response.response().error().and_then(|error| error.as_error::<Problem>());
    let Some(Problem { cause, voice: None }) = problem else { return Ok(response) };
    let Ok(auth) = Auth::of(response.request()) else { return Ok(response) };
    let problem = Problem::new(cause.clone(), &auth.inner().voice);
    Ok(response.map_body(|head, _| BoxBody::new(problem.write(head.headers_mut()))))
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match &self.cause {
            Cause::NoCredentials
            | Cause::AuthorizationHeader
            | Cause::CredentialHeader(_)
            | Cause::Credential(..)
            | Cause::Password
            | Cause::Token(..)
            | Cause::Login
            | Cause::NoActiveAccount
            | Cause::SecondFactor => StatusCode::UNAUTHORIZED,
            Cause::SessionLogin | Cause::Forbidden | Cause::Csrf(_) | Cause::OldLogin => {
                StatusCode::FORBIDDEN
            }
            Cause::Fields(_)
            | Cause::Body(_)
            | Cause::Json(_)
            | Cause::Malformed
            | Cause::Link(_) => StatusCode::BAD_REQUEST,
            Cause::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Cause::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Cause::NotFound => StatusCode::NOT_FOUND,
            Cause::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Cause::Outage(_) => StatusCode::SERVICE_UNAVAILABLE,
            Cause::NotMounted => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::new(status);
        let headers = response.headers_mut();
        let body = self.write(headers);
        if status == StatusCode::SERVICE_UNAVAILABLE {
            // A full queue empties in a second; an outage is worth a longer pause.
            let busy = matches!(self.cause, Cause::Outage(Outage::Busy));
            let seconds = HeaderValue::from_static(if busy { "1" } else { "5" });
            headers.insert(header::RETRY_AFTER, seconds);
        }
        if let Cause::Method { allow, .. } = self.cause {
            headers.insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response.set_body(BoxBody::new(body))
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.status_code(), Body::of(&self.cause))
    }
}

/// For handlers of the application's own that end in `?`.
macro_rules! plain {
    ($($error:ty),*) => { $(
        impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                Self::plain(Cause::from(error))
            }
        }
    )* };
}

plain!(Outage, LoginError, RefreshError, LinkError);

/// A token that was handed over was refused.
impl From<VerifyError> for Problem {
    fn from(error: VerifyError) -> Self {
        Self::plain(Cause::token(error))
    }
}

/// The cause of an outage is for the log, and this is where every outage passes.
impl From<Outage> for Cause {
    fn from(outage: Outage) -> Self {
        match &outage {
            Outage::Busy => tracing::warn!("too much work is waiting: answered 503"),
            Outage::Unavailable(cause) => tracing::error!(%cause, "outage: answered 503"),
        }
        Self::Outage(outage)
    }
}

impl From<LinkError> for Cause {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Outage(outage) => outage.into(),
            error => Self::Link(error),
        }
    }
}

impl From<LoginError> for Cause {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials | LoginError::UnknownUserType => Self::Login,
            LoginError::SecondFactorRequired => Self::SecondFactor,
            LoginError::Outage(outage) => outage.into(),
        }
    }
}

impl Cause {
    /// A session login was refused, which answers 403 where the others answer 401.
    pub(crate) fn session_login(error: LoginError) -> Self {
        match error.into() {
            Self::Login => Self::SessionLogin,
            other => other,
        }
    }

    /// A token handed to a token route was refused.
    pub(crate) fn token(error: VerifyError) -> Self {
        Self::unless_outage(error, |error| Self::Token(error, None))
    }

    /// The same where the route has a text of its own for it.
    pub(crate) fn token_saying(error: VerifyError, text: Option<&Arc<str>>) -> Self {
        Self::unless_outage(error, |error| Self::Token(error, text.cloned()))
    }

    /// A credential on a protected route was refused.
    pub(crate) fn credential(error: VerifyError, shown: Shown) -> Self {
        Self::unless_outage(error, |error| Self::Credential(error, shown))
    }

    fn unless_outage(error: VerifyError, refused: impl FnOnce(VerifyError) -> Self) -> Self {
        match error {
            VerifyError::Outage(outage) => outage.into(),
            VerifyError::Stale => {
                Outage::because("the revocation view is older than revocation_max_staleness").into()
            }
            error => refused(error),
        }
    }
}

impl From<RefreshError> for Cause {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::NoActiveAccount => Self::NoActiveAccount,
            RefreshError::Token(error) => Self::token(error),
        }
    }
}

impl fmt::Display for CsrfFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Origin(origin) => {
                write!(f, "Origin checking failed - {origin} does not match any trusted origins.")
            }
            Self::CrossSite => f.write_str("Cross-site request."),
            Self::Missing => f.write_str("CSRF token missing."),
            Self::Incorrect => {
                f.write_str("CSRF token from the 'X-Csrftoken' HTTP header incorrect.")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_names_its_realm_or_is_none() {
        let challenges = Challenges::new("JWT", "the shop").unwrap();
        assert_eq!(challenges.plain, r#"JWT realm="the shop""#);
        assert_eq!(challenges.invalid_token, r#"JWT realm="the shop", error="invalid_token""#);
        assert!(Challenges::new("Bearer", "the\nshop").is_none());
    }
}
