//! The only place that maps an error to a status and a body.
//!
//! The bodies are those of Django REST framework and SimpleJWT, so that a client written for
//! them reads ours. Causes go to the log, never into a body.

use std::fmt;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use auth_core::session::RevocationReason;
use auth_core::{LoginError, Outage, RefreshError, TokenKind, VerifyError};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// An answer that is not a success. Return it from handlers; actix renders it.
///
/// Applications use the constructors for answers in the same shape, and `?` on an [`Outage`].
#[derive(Clone, Debug)]
pub struct Problem {
    cause: Cause,
    challenges: Option<Arc<Challenges>>,
}

/// What is wrong.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// A credential is needed, and there is none.
    NoCredentials,
    /// The header of the credential has too few or too many parts.
    AuthorizationHeader,
    /// A credential on a protected route was refused.
    Credential(VerifyError, Shown),
    /// A token that was handed to a token route was refused.
    Token(VerifyError),
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
    Fields(Vec<(&'static str, &'static str)>),
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
}

#[derive(Clone, Debug)]
pub(crate) enum CsrfFault {
    Origin(String),
    CrossSite,
    Missing,
    Incorrect,
}

/// The `WWW-Authenticate` headers of an `Auth` (RFC 6750 §3).
#[derive(Debug)]
pub(crate) struct Challenges {
    plain: HeaderValue,
    invalid_token: HeaderValue,
}

impl Challenges {
    /// `None` for what no header can say, which a check of the settings should have found.
    pub(crate) fn new(scheme: &str, realm: &str) -> Option<Self> {
        let plain = format!(r#"{scheme} realm="{realm}""#);
        let invalid_token = format!(r#"{plain}, error="invalid_token""#);
        Some(Self {
            plain: HeaderValue::try_from(plain).ok()?,
            invalid_token: HeaderValue::try_from(invalid_token).ok()?,
        })
    }
}

impl Problem {
    pub(crate) fn new(cause: Cause, challenges: &Arc<Challenges>) -> Self {
        Self { cause, challenges: Some(Arc::clone(challenges)) }
    }

    /// With the default challenge.
    pub(crate) fn plain(cause: Cause) -> Self {
        Self { cause, challenges: None }
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

    /// 405, with the methods that are allowed, such as `"GET, POST"`.
    pub fn method_not_allowed(method: &str, allow: &'static str) -> Self {
        Self::plain(Cause::Method { method: method.to_owned(), allow })
    }

    /// 500, and the one line in the log that names the mend.
    pub(crate) fn not_mounted() -> Self {
        tracing::error!(
            "a route asks who the user is, but the App has no Auth: add \
             `.configure(auth.mount(\"/api\"))` to it (or `.app_data(auth.clone())`)"
        );
        Self::plain(Cause::NotMounted)
    }

    fn body(&self) -> Body {
        match &self.cause {
            Cause::NoCredentials => Body::text("Authentication credentials were not provided."),
            Cause::AuthorizationHeader => Body::coded(
                "Authorization header must contain two space-delimited values",
                "bad_authorization_header",
            ),
            Cause::Credential(error, shown) => credential_body(error, shown),
            Cause::Token(error) => Body::coded(token_message(error), "token_not_valid"),
            Cause::Login => Body::text("No active account found with the given credentials"),
            Cause::SessionLogin => Body::text("Incorrect authentication credentials."),
            Cause::NoActiveAccount => Body::text("No active account found for the given token."),
            Cause::Forbidden => Body::text("You do not have permission to perform this action."),
            Cause::Csrf(fault) => Body::text(format!("CSRF Failed: {fault}")),
            Cause::Fields(fields) => Body::Fields(fields.clone()),
            Cause::Body(problem) => Body::NonField { non_field_errors: [problem.clone()] },
            Cause::Json(problem) => Body::text(format!("JSON parse error - {problem}")),
            Cause::MediaType(given) => {
                Body::text(format!("Unsupported media type \"{given}\" in request."))
            }
            Cause::Malformed => Body::text("Malformed request."),
            Cause::TooLarge => Body::text("Request body is too large."),
            Cause::NotFound => Body::text("Not found."),
            Cause::Method { method, .. } => Body::text(format!("Method \"{method}\" not allowed.")),
            Cause::Outage(_) => Body::text("Service temporarily unavailable, try again later."),
            Cause::NotMounted => Body::text("A server error occurred."),
        }
    }

    /// The challenge of a 401: whether a token was refused.
    fn challenge(&self) -> HeaderValue {
        let refused = matches!(
            self.cause,
            Cause::Credential(_, Shown::Bearer(_) | Shown::Single) | Cause::Token(_)
        );
        match &self.challenges {
            Some(challenges) if refused => challenges.invalid_token.clone(),
            Some(challenges) => challenges.plain.clone(),
            None => HeaderValue::from_static(r#"Bearer realm="api""#),
        }
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        match &self.cause {
            Cause::NoCredentials
            | Cause::AuthorizationHeader
            | Cause::Credential(..)
            | Cause::Token(_)
            | Cause::Login
            | Cause::NoActiveAccount => StatusCode::UNAUTHORIZED,
            Cause::SessionLogin | Cause::Forbidden | Cause::Csrf(_) => StatusCode::FORBIDDEN,
            Cause::Fields(_) | Cause::Body(_) | Cause::Json(_) | Cause::Malformed => {
                StatusCode::BAD_REQUEST
            }
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
        let mut response = HttpResponse::build(status);
        let mut header = |name: HeaderName, value| {
            response.insert_header((name, value));
        };
        match status {
            StatusCode::UNAUTHORIZED => header(header::WWW_AUTHENTICATE, self.challenge()),
            // A full queue empties in a second; an outage is worth a longer pause.
            StatusCode::SERVICE_UNAVAILABLE => {
                let busy = matches!(self.cause, Cause::Outage(Outage::Busy));
                let seconds = HeaderValue::from_static(if busy { "1" } else { "5" });
                header(header::RETRY_AFTER, seconds);
            }
            _ => {}
        }
        if let Cause::Method { allow, .. } = self.cause {
            header(header::ALLOW, HeaderValue::from_static(allow));
        }
        response.json(self.body())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.status_code(), self.body())
    }
}

impl From<Outage> for Problem {
    fn from(outage: Outage) -> Self {
        Self::plain(Cause::from(outage))
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

impl From<LoginError> for Cause {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials | LoginError::UnknownUserType => Self::Login,
            LoginError::Outage(outage) => outage.into(),
        }
    }
}

impl Cause {
    /// A token handed to a token route was refused.
    pub(crate) fn token(error: VerifyError) -> Self {
        Self::unless_outage(error, Self::Token)
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

fn token_message(error: &VerifyError) -> &'static str {
    match error {
        VerifyError::Expired => "Token is expired",
        VerifyError::WrongType => "Token has wrong type",
        VerifyError::NoType => "Token has no type",
        VerifyError::Revoked(_) => "Token is blacklisted",
        VerifyError::Invalid(_)
        | VerifyError::UnknownKey
        | VerifyError::NoUser
        | VerifyError::Stale
        | VerifyError::Outage(_) => "Token is invalid",
    }
}

fn credential_body(error: &VerifyError, shown: &Shown) -> Body {
    let user = match error {
        VerifyError::Revoked(RevocationReason::UserDeleted) => {
            Some(("User not found", "user_not_found"))
        }
        VerifyError::Revoked(RevocationReason::UserInactive) => {
            Some(("User is inactive", "user_inactive"))
        }
        VerifyError::Revoked(RevocationReason::PasswordChanged) => {
            Some(("The user's password has been changed.", "password_changed"))
        }
        VerifyError::NoUser => {
            Some(("Token contained no recognizable user identification", "token_not_valid"))
        }
        _ => None,
    };
    match (shown, user) {
        (Shown::Single, _) => Body::text(match error {
            VerifyError::Revoked(
                RevocationReason::UserDeleted | RevocationReason::UserInactive,
            ) => "User not found",
            VerifyError::NoUser | VerifyError::Revoked(_) => "Invalid Token",
            VerifyError::Expired => "Token has expired",
            _ => "Error decoding token",
        }),
        (_, Some((detail, code))) => Body::coded(detail, code),
        (Shown::Cookie, None) => {
            Body::coded("Session is invalid or has expired.", "session_not_valid")
        }
        (Shown::Bearer(kinds), None) => Body::Refused {
            detail: "Given token not valid for any token type",
            code: "token_not_valid",
            messages: kinds
                .iter()
                .map(|kind| TokenMessage {
                    token_class: kind.class_name(),
                    token_type: kind.as_str(),
                    message: token_message(error),
                })
                .collect(),
        },
    }
}

/// The shapes of bodies, with their members in the order of the original.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Body {
    Text {
        detail: String,
    },
    Coded {
        detail: &'static str,
        code: &'static str,
    },
    Refused {
        detail: &'static str,
        code: &'static str,
        messages: Vec<TokenMessage>,
    },
    NonField {
        non_field_errors: [String; 1],
    },
    #[serde(serialize_with = "fields")]
    Fields(Vec<(&'static str, &'static str)>),
}

#[derive(Debug, Serialize)]
struct TokenMessage {
    token_class: &'static str,
    token_type: &'static str,
    message: &'static str,
}

impl Body {
    fn text(detail: impl Into<String>) -> Self {
        Self::Text { detail: detail.into() }
    }

    const fn coded(detail: &'static str, code: &'static str) -> Self {
        Self::Coded { detail, code }
    }
}

fn fields<S: Serializer>(
    fields: &[(&'static str, &'static str)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(fields.len()))?;
    for (name, problem) in fields {
        map.serialize_entry(name, &[problem])?;
    }
    map.end()
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
