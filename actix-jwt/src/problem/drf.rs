//! The bodies of Django REST framework and SimpleJWT, so that a client written for them reads ours.

use std::borrow::Cow;

use auth_core::session::RevocationReason;
use auth_core::{LinkError, VerifyError};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::{Cause, Shown};

/// The shapes of bodies, with their members in the order of the original.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Body {
    Text {
        detail: Cow<'static, str>,
    },
    Coded {
        detail: Cow<'static, str>,
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
    Fields(Vec<(&'static str, Cow<'static, str>)>),
}

#[derive(Debug, Serialize)]
pub(crate) struct TokenMessage {
    token_class: &'static str,
    token_type: &'static str,
    message: &'static str,
}

impl Body {
    pub(super) fn of(cause: &Cause) -> Self {
        match cause {
            Cause::NoCredentials => Self::text("Authentication credentials were not provided."),
            Cause::AuthorizationHeader => Self::coded(
                "Authorization header must contain two space-delimited values",
                "bad_authorization_header",
            ),
            Cause::CredentialHeader(problem) => Self::text(*problem),
            Cause::Credential(error, shown) => refused_credential(error, shown),
            Cause::Password => Self::text("Invalid username/password."),
            Cause::Token(error, None) => Self::coded(token_message(error), "token_not_valid"),
            Cause::Token(_, Some(text)) => Self::coded(text.to_string(), "token_not_valid"),
            Cause::Login => Self::text("No active account found with the given credentials"),
            Cause::SessionLogin => Self::text("Incorrect authentication credentials."),
            Cause::NoActiveAccount => Self::text("No active account found for the given token."),
            Cause::Forbidden => Self::text("You do not have permission to perform this action."),
            Cause::Csrf(fault) => Self::text(format!("CSRF Failed: {fault}")),
            Cause::Fields(fields) => Self::Fields(fields.clone()),
            Cause::Body(problem) => Self::NonField { non_field_errors: [problem.clone()] },
            Cause::Json(problem) => Self::text(format!("JSON parse error - {problem}")),
            Cause::MediaType(given) => {
                Self::text(format!("Unsupported media type \"{given}\" in request."))
            }
            Cause::Malformed => Self::text("Malformed request."),
            Cause::TooLarge => Self::text("Request body is too large."),
            Cause::NotFound => Self::text("Not found."),
            Cause::Method { method, .. } => Self::text(format!("Method \"{method}\" not allowed.")),
            Cause::Outage(_) => Self::text("Service temporarily unavailable, try again later."),
            Cause::NotMounted => Self::text("A server error occurred."),
            Cause::SecondFactor => Self::coded("A one-time code is required.", "otp_required"),
            Cause::OldLogin => Self::coded("Give your password again.", "password_required"),
            Cause::Link(error) => Self::text(match error {
                LinkError::Expired => "This link has expired.",
                LinkError::Used => "This link was used before.",
                _ => "This link is not valid.",
            }),
        }
    }

    /// What it says to people, where that is one sentence.
    pub(super) fn detail(&self) -> Option<&str> {
        match self {
            Self::Text { detail } | Self::Coded { detail, .. } => Some(detail),
            Self::Refused { messages, .. } => messages.first().map(|message| message.message),
            Self::NonField { non_field_errors: [problem] } => Some(problem),
            Self::Fields(_) => None,
        }
    }

    fn text(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::Text { detail: detail.into() }
    }

    fn coded(detail: impl Into<Cow<'static, str>>, code: &'static str) -> Self {
        Self::Coded { detail: detail.into(), code }
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

fn refused_credential(error: &VerifyError, shown: &Shown) -> Body {
    use RevocationReason::{PasswordChanged, UserDeleted, UserInactive};
    let of_user = match error {
        VerifyError::Revoked(UserDeleted) => Some(("User not found", "user_not_found")),
        VerifyError::Revoked(UserInactive) => Some(("User is inactive", "user_inactive")),
        VerifyError::Revoked(PasswordChanged) => {
            Some(("The user's password has been changed.", "password_changed"))
        }
        VerifyError::NoUser => {
            Some(("Token contained no recognizable user identification", "token_not_valid"))
        }
        _ => None,
    };
    match (shown, of_user) {
        (Shown::Single, _) => Body::text(match error {
            VerifyError::Revoked(UserDeleted | UserInactive) => "User not found",
            VerifyError::NoUser | VerifyError::Revoked(_) => "Invalid Token",
            VerifyError::Expired => "Token has expired",
            _ => "Error decoding token",
        }),
        (Shown::Personal, _) => Body::text(match error {
            VerifyError::Revoked(UserDeleted | UserInactive) => "User inactive or deleted.",
            _ => "Invalid token.",
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

fn fields<S: Serializer>(
    fields: &[(&'static str, Cow<'static, str>)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(fields.len()))?;
    for (name, problem) in fields {
        map.serialize_entry(name, &[problem])?;
    }
    map.end()
}
