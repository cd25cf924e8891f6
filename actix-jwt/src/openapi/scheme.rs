//! Security schemes: where a credential rides, in the words of OpenAPI.

use actix_web::http::header::AUTHORIZATION;
use auth_core::VerifyError;
use auth_core::session::RevocationReason;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};

use crate::auth::Auth;
use crate::credential::{BASIC_FAULTS, Credential, Place, TOKEN_FAULTS};
use crate::problem::{Cause, Shown};

/// A credential that opens operations.
#[derive(Clone)]
pub(super) struct Scheme {
    pub(super) name: String,
    pub(super) scheme: SecurityScheme,
    /// Whether browsers send it by themselves, so that unsafe requests need a CSRF token.
    pub(super) is_cookie: bool,
    /// Whether a login is behind it. Without one it opens nothing that manages the account
    /// ([`LoggedIn`](auth_core::permission::LoggedIn)).
    pub(super) is_login: bool,
    /// How it is refused, besides not being there.
    pub(super) refused: Vec<(&'static str, Cause)>,
}

impl Scheme {
    /// That it is enough.
    pub(super) fn alone(&self) -> SecurityRequirement {
        SecurityRequirement::new(&self.name, [""; 0])
    }
}

/// The credentials that this `Auth` takes, in its order.
pub(super) fn all(auth: &Auth) -> Vec<Scheme> {
    // Who only verifies has no sessions and no users.
    let issues = auth.authority().issues();
    let order = auth.inner().places.order.iter().map(|Credential(place)| place);
    order.filter(|place| issues || **place == Place::Bearer).map(|place| of(place, auth)).collect()
}

fn of(place: &Place, auth: &Auth) -> Scheme {
    match place {
        Place::Basic => {
            let description = "User name and password with each request (RFC 7617), which costs the \
                               hashing of a password each time: for tools and for tests. Not for \
                               users with a second factor.";
            let scheme = HttpBuilder::new()
                .scheme(HttpAuthScheme::Basic)
                .description(Some(description))
                .build();
            Scheme {
                name: "basicAuth".into(),
                scheme: SecurityScheme::Http(scheme),
                is_cookie: false,
                is_login: true,
                refused: vec![
                    ("bad_basic_header", Cause::CredentialHeader(BASIC_FAULTS.nothing)),
                    ("password_refused", Cause::Password),
                    ("otp_required", Cause::SecondFactor),
                ],
            }
        }
        Place::Token => {
            let description = "A personal token, as `Token <key>`, the word included. Whatever manages \
                               the account is out of its reach.";
            let refused = |error| Cause::Credential(error, Shown::Personal);
            let is_gone = VerifyError::Revoked(RevocationReason::UserInactive);
            Scheme {
                name: "tokenAuth".into(),
                scheme: in_header("Authorization", description.into()),
                is_cookie: false,
                is_login: false,
                refused: vec![
                    ("bad_token_header", Cause::CredentialHeader(TOKEN_FAULTS.nothing)),
                    ("personal_token_invalid", refused(VerifyError::Invalid(""))),
                    ("personal_token_without_user", refused(is_gone)),
                ],
            }
        }
        Place::Bearer => bearer(auth),
        Place::Header(header) => {
            let description = "The token of a login without refresh, alone in this header.";
            let refused = |error| Cause::Credential(error, Shown::Single);
            Scheme {
                name: format!("{}Header", camel_case(header.as_str())),
                scheme: in_header(header.as_str(), description.into()),
                is_cookie: false,
                is_login: true,
                refused: vec![
                    ("single_token_invalid", refused(VerifyError::Invalid(""))),
                    ("single_token_expired", refused(VerifyError::Expired)),
                ],
            }
        }
        Place::SessionCookie => {
            let description = "The cookie of a session login. Scripts cannot read it; browsers send \
                               it by themselves. A request that changes something also needs the \
                               header `X-CSRFToken` with the value of the cookie `csrftoken`.";
            let cookie = auth.inner().places.session_cookie;
            let key = ApiKeyValue::with_description(cookie, description);
            let refused = Cause::Credential(VerifyError::Invalid(""), Shown::Cookie);
            Scheme {
                name: "cookieAuth".into(),
                scheme: SecurityScheme::ApiKey(ApiKey::Cookie(key)),
                is_cookie: true,
                is_login: true,
                refused: vec![("session_not_valid", refused)],
            }
        }
    }
}

/// Where the settings give the token another header or other words, it is no `bearer` in the sense of
/// OpenAPI: then it is a key, with the word before it.
fn bearer(auth: &Auth) -> Scheme {
    let settings = auth.authority().settings();
    let kinds: Vec<_> = settings.auth_token_classes.iter().map(|kind| kind.as_str()).collect();
    let words: Vec<_> =
        settings.auth_header_types.iter().map(|word| format!("`{word} <token>`")).collect();
    let header = &auth.inner().places.bearer_header;
    let description =
        format!("A token of the kind {}, as {}.", kinds.join(" or "), words.join(" or "));

    let is_bearer = |word: &String| word.eq_ignore_ascii_case("Bearer");
    let scheme = match *header == AUTHORIZATION && settings.auth_header_types.iter().any(is_bearer)
    {
        true => SecurityScheme::Http(
            HttpBuilder::new()
                .scheme(HttpAuthScheme::Bearer)
                .bearer_format("JWT")
                .description(Some(description))
                .build(),
        ),
        false => in_header(&settings.auth_header_name, description),
    };
    let refused =
        |error| Cause::Credential(error, Shown::Bearer(settings.auth_token_classes.clone()));
    Scheme {
        name: "bearerAuth".into(),
        scheme,
        is_cookie: false,
        is_login: true,
        refused: vec![
            ("bad_authorization_header", Cause::AuthorizationHeader),
            ("token_invalid", refused(VerifyError::Invalid(""))),
            ("token_expired", refused(VerifyError::Expired)),
            ("token_without_user", refused(VerifyError::NoUser)),
        ],
    }
}

fn in_header(name: &str, description: String) -> SecurityScheme {
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(name, &description)))
}

/// `jwt-auth` as `jwtAuth`.
fn camel_case(name: &str) -> String {
    let mut words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (initial, rest) = word.split_at(1);
        name + &initial.to_ascii_uppercase() + rest
    })
}
