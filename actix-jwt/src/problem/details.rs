//! `application/problem+json` (RFC 9457): the same problems, each with a type that does not change.

use actix_web::http::StatusCode;
use auth_core::session::RevocationReason;
use auth_core::{LinkError, Outage, VerifyError};
use serde::Serialize;

use super::drf::Body;
use super::{Cause, Shown};

/// RFC 9457 §3.
#[derive(Debug, Serialize)]
pub(crate) struct Details {
    r#type: String,
    title: &'static str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// What is wrong with one member of the body, as in the example of RFC 9457 §3.
#[derive(Debug, Serialize)]
struct FieldError {
    detail: String,
    /// A JSON Pointer as a URI fragment (RFC 6901 §6).
    pointer: String,
}

impl Details {
    pub(super) fn of(cause: &Cause, status: StatusCode, type_base: &str) -> Self {
        let (name, title) = problem_type(cause);
        let errors = match cause {
            Cause::Fields(fields) => fields
                .iter()
                .map(|(field, problem)| FieldError {
                    detail: problem.to_string(),
                    pointer: format!("#/{field}"),
                })
                .collect(),
            _ => Vec::new(),
        };
        Self {
            r#type: format!("{type_base}{name}"),
            title,
            status: status.as_u16(),
            detail: Body::of(cause).detail().map(str::to_owned),
            errors,
        }
    }
}

/// The last part of the type, and the title, which belongs to the type (RFC 9457 §3.1.3).
///
/// Clients compare the type: what is written here stays. docs/errors.md lists them.
pub(super) fn problem_type(cause: &Cause) -> (&'static str, &'static str) {
    match cause {
        Cause::NoCredentials => ("not-authenticated", "Authentication is required"),
        Cause::AuthorizationHeader | Cause::CredentialHeader(_) => {
            ("bad-authorization-header", "The Authorization header is malformed")
        }
        Cause::Credential(error, shown) => match shown {
            Shown::Cookie => refused(error, ("session-invalid", "The session is not valid")),
            Shown::Bearer(_) | Shown::Single | Shown::Personal => refused(error, INVALID),
        },
        Cause::Token(error, _) => refused(error, INVALID),
        Cause::Password | Cause::Login | Cause::SessionLogin => {
            ("invalid-credentials", "The credentials are not valid")
        }
        Cause::NoActiveAccount => ("no-active-account", "The user is gone or inactive"),
        Cause::Forbidden => ("forbidden", "Not allowed"),
        Cause::Csrf(_) => ("csrf-failed", "Cross-site request forgery suspected"),
        Cause::Fields(_) => ("invalid-fields", "Members of the body are not valid"),
        Cause::Body(_) => ("invalid-body", "The body does not have the right shape"),
        Cause::Json(_) => ("malformed-json", "The body is not JSON"),
        Cause::MediaType(_) => ("unsupported-media-type", "The body's media type is not supported"),
        Cause::Malformed => ("malformed-request", "The request is malformed"),
        Cause::TooLarge => ("body-too-large", "The body is too large"),
        Cause::NotFound => ("not-found", "Not found"),
        Cause::Method { .. } => ("method-not-allowed", "The method is not allowed"),
        Cause::Outage(Outage::Busy) => ("busy", "Too much work is waiting"),
        Cause::Outage(Outage::Unavailable(_)) => ("unavailable", "Temporarily unavailable"),
        Cause::NotMounted => ("server-error", "Server error"),
        Cause::SecondFactor => ("otp-required", "A one-time code is required"),
        Cause::OldLogin => ("password-required", "The password is required again"),
        Cause::Link(LinkError::Expired) => ("link-expired", "The link has expired"),
        Cause::Link(LinkError::Used) => ("link-used", "The link was used before"),
        Cause::Link(_) => ("link-invalid", "The link is not valid"),
    }
}

const INVALID: (&str, &str) = ("token-invalid", "The token is not valid");

fn refused(
    error: &VerifyError,
    otherwise: (&'static str, &'static str),
) -> (&'static str, &'static str) {
    match error {
        VerifyError::Expired => ("token-expired", "The token has expired"),
        VerifyError::WrongType => ("token-wrong-type", "A token of another kind is required"),
        VerifyError::NoType => ("token-untyped", "The token does not say what kind it is"),
        VerifyError::NoUser => ("token-without-user", "The token does not say whose it is"),
        VerifyError::Revoked(RevocationReason::UserDeleted) => ("user-not-found", "User not found"),
        VerifyError::Revoked(RevocationReason::UserInactive) => {
            ("user-inactive", "The user is inactive")
        }
        VerifyError::Revoked(RevocationReason::PasswordChanged) => {
            ("password-changed", "The password has been changed")
        }
        VerifyError::Revoked(_) => ("token-revoked", "The token has been revoked"),
        VerifyError::Invalid(_)
        | VerifyError::UnknownKey
        | VerifyError::Stale
        | VerifyError::Outage(_) => otherwise,
    }
}
