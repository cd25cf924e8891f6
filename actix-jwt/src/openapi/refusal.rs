//! The answers that are no success: statuses, headers and bodies are those of the answers that the code
//! gives, in the dialect of the application.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpResponse, ResponseError};
use auth_core::session::RevocationReason;
use auth_core::{Outage, VerifyError};
use serde_json::Value;
use utoipa::openapi::example::{Example, ExampleBuilder};
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, Object, RefOr, Response, ResponseBuilder, Schema, Type,
};

use super::model::Model;
use super::{JSON, OpenApiDoc, PREFIX};
use crate::problem::{Body, Cause, CsrfFault, Problem, Told};
use crate::routes::tables::OAuthError;

/// An answer that operations have in common: all causes of one status in one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The body, where each fault of each field is named.
    BadFields,
    /// The body, in one sentence.
    Malformed,
    /// The form (RFC 6749 §5.2, whatever the dialect).
    BadForm,
    /// The form, or a token of somebody else's.
    RevocationRefused,
    /// User name and password, for tokens.
    LoginRefused,
    /// A token that was handed over.
    TokenRefused,
    /// A refresh token that was handed over.
    RefreshTokenRefused,
    /// User name and password, for a session.
    SessionLoginRefused,
    /// User name and password without the code, for a session.
    CodeRequired,
    /// A credential is missing or bad.
    Unauthorized,
    /// As `Unauthorized`, or the password came without the code.
    UnauthorizedWithoutCode,
    Forbidden,
    /// As `Forbidden`, or the login is old and the body does not make up for it.
    ForbiddenWithoutProof,
    NotFound,
    MethodNotAllowed,
    TooLarge,
    UnsupportedMediaType,
    Unavailable,
}

/// An answer as it is given, with what describes it.
struct Given {
    name: &'static str,
    response: HttpResponse,
    model: Model,
    body: Value,
}

impl Given {
    fn problem(name: &'static str, problem: &Problem) -> Self {
        let told = problem.told();
        let model = match &told {
            Told::Own(_) => Model::Error,
            Told::Details(_) => Model::Problem,
            Told::Drf(body) => match body {
                Body::Text { .. } => Model::Detail,
                Body::Coded { .. } => Model::Coded,
                Body::Refused { .. } => Model::Refused,
                Body::NonField { .. } => Model::NonFieldErrors,
                Body::Fields(_) => Model::FieldErrors,
            },
        };
        let body = serde_json::to_value(&told).unwrap_or_default();
        Self { name, response: problem.error_response(), model, body }
    }

    fn oauth(name: &'static str, error: &OAuthError) -> Self {
        let body = serde_json::to_value(error).unwrap_or_default();
        Self { name, response: error.answer(), model: Model::OAuthError, body }
    }

    fn media_type(&self) -> &str {
        let media_type = self.response.headers().get(CONTENT_TYPE);
        media_type.and_then(|value| value.to_str().ok()).unwrap_or(JSON)
    }
}

impl Refusal {
    /// The name of the component.
    pub(super) fn name(self) -> String {
        format!("{PREFIX}{self:?}")
    }

    fn description(self) -> &'static str {
        match self {
            Self::BadFields => "The body is not what it should be: each field with its fault.",
            Self::Malformed => "The body is not what it should be.",
            Self::BadForm => "The body is no form with one `token` (RFC 6749 §5.2).",
            Self::RevocationRefused => {
                "The body is no form with one `token`, or the token is somebody else's."
            }
            Self::LoginRefused => {
                "No active user has this name and password, and this code where one is needed. Which of \
                 them is wrong is not told; that a code is missing is."
            }
            Self::TokenRefused => "The token is refused.",
            Self::RefreshTokenRefused => "The token is refused, or its user is no longer active.",
            Self::SessionLoginRefused => {
                "No active user has this name and password, or another site sent the request."
            }
            Self::CodeRequired => "The user has a second factor, and there is no code.",
            Self::Unauthorized => "There is no credential, or one that is refused.",
            Self::UnauthorizedWithoutCode => {
                "There is no credential, or one that is refused; or the password came without a code, and \
                 the user has a second factor."
            }
            Self::ForbiddenWithoutProof => {
                "The login is too long ago, and the body has no password and code that are right; or the \
                 user may not do this with this credential, or the request has a session cookie and not \
                 its CSRF token."
            }
            Self::Forbidden => {
                "The user may not do this, or not with this credential, or the request has a session \
                 cookie and not its CSRF token."
            }
            Self::NotFound => "There is no such thing, or it is not for this user.",
            Self::MethodNotAllowed => "This path does not have the method.",
            Self::TooLarge => "The body is longer than 64 KiB.",
            Self::UnsupportedMediaType => "The `Content-Type` is not the one that is described.",
            Self::Unavailable => {
                "Something that is needed for an answer is away, or has too much to do: come again."
            }
        }
    }

    /// All of them, where a refused token is told in the words `text`, if there are any.
    fn given(self, document: &OpenApiDoc, text: Option<&Arc<str>>) -> Vec<Given> {
        let json = || {
            let end = "EOF while parsing a value at line 1 column 1";
            ("not_json", Cause::Json(end.into()))
        };
        let token = |error| Cause::Token(error, text.cloned());
        let causes = match self {
            Self::BadFields => vec![
                (
                    "field_missing",
                    Cause::Fields(vec![("username", "This field is required.".into())]),
                ),
                json(),
                (
                    "not_an_object",
                    Cause::Body("Invalid data. Expected a dictionary, but got list.".into()),
                ),
            ],
            Self::Malformed => vec![("malformed", Cause::Malformed), json()],
            Self::BadForm => return vec![Given::oauth("no_token", &OAuthError::NO_TOKEN)],
            Self::RevocationRefused => {
                return vec![
                    Given::oauth("no_token", &OAuthError::NO_TOKEN),
                    Given::oauth("not_theirs", &OAuthError::NOT_THEIRS),
                ];
            }
            Self::LoginRefused => {
                vec![("login_refused", Cause::Login), ("otp_required", Cause::SecondFactor)]
            }
            Self::CodeRequired => vec![("otp_required", Cause::SecondFactor)],
            Self::TokenRefused | Self::RefreshTokenRefused => {
                let mut causes = vec![
                    ("token_invalid", token(VerifyError::Invalid(""))),
                    ("token_expired", token(VerifyError::Expired)),
                    ("token_wrong_type", token(VerifyError::WrongType)),
                    ("token_blacklisted", token(VerifyError::Revoked(RevocationReason::Logout))),
                ];
                if self == Self::RefreshTokenRefused {
                    causes.push(("no_active_account", Cause::NoActiveAccount));
                }
                causes
            }
            Self::SessionLoginRefused => vec![
                ("login_refused", Cause::SessionLogin),
                ("csrf_missing", Cause::Csrf(CsrfFault::Missing)),
                ("cross_site", Cause::Csrf(CsrfFault::CrossSite)),
            ],
            Self::Unauthorized | Self::UnauthorizedWithoutCode => {
                let mut causes = vec![("no_credentials", Cause::NoCredentials)];
                let refused = document.schemes.iter().flat_map(|scheme| &scheme.refused);
                causes.extend(refused.cloned());
                if self == Self::UnauthorizedWithoutCode {
                    causes.push(("code_missing", Cause::SecondFactor));
                }
                causes
            }
            Self::Forbidden | Self::ForbiddenWithoutProof => {
                let mut causes = vec![("not_permitted", Cause::Forbidden)];
                if self == Self::ForbiddenWithoutProof {
                    causes.push(("password_required", Cause::OldLogin));
                    causes.push(("password_refused", Cause::SessionLogin));
                }
                if document.schemes.iter().any(|scheme| scheme.is_cookie) {
                    causes.push(("csrf_missing", Cause::Csrf(CsrfFault::Missing)));
                    causes.push(("csrf_incorrect", Cause::Csrf(CsrfFault::Incorrect)));
                }
                causes
            }
            Self::NotFound => vec![("not_found", Cause::NotFound)],
            Self::MethodNotAllowed => {
                vec![("not_allowed", Cause::Method { method: "PATCH".into(), allow: "GET, HEAD" })]
            }
            Self::TooLarge => vec![("too_large", Cause::TooLarge)],
            Self::UnsupportedMediaType => {
                vec![("other_type", Cause::MediaType("text/plain".into()))]
            }
            Self::Unavailable => vec![("unavailable", Cause::Outage(Outage::Busy))],
        };
        let problem = |(name, cause)| Given::problem(name, &document.auth.problem(cause));
        causes.into_iter().map(problem).collect()
    }

    /// That of all its causes.
    pub(super) fn status(self, document: &OpenApiDoc) -> StatusCode {
        let given = self.given(document, None);
        given.first().map_or(StatusCode::INTERNAL_SERVER_ERROR, |given| given.response.status())
    }

    pub(super) fn response(self, document: &mut OpenApiDoc) -> Response {
        self.response_saying(document, None)
    }

    /// The same where every refused token is told in the words `text`.
    pub(super) fn response_saying(
        self,
        document: &mut OpenApiDoc,
        text: Option<&Arc<str>>,
    ) -> Response {
        let mut given = self.given(document, text);
        // What is told in the same words needs no example of its own.
        let mut bodies: Vec<Value> = Vec::new();
        given.retain(|given| {
            let is_new = !bodies.contains(&given.body);
            bodies.push(given.body.clone());
            is_new
        });
        let mut models = Vec::new();
        let mut examples = Vec::new();
        for Given { name, model, body, .. } in &given {
            if !models.contains(model) {
                models.push(*model);
            }
            let example: Example = ExampleBuilder::new().value(Some(body.clone())).build();
            examples.push((*name, example));
        }
        let schema: RefOr<Schema> = match models[..] {
            [one] => document.model(one).into(),
            _ => {
                let refs = models.into_iter().map(|model| document.model(model));
                refs.fold(AnyOfBuilder::new(), AnyOfBuilder::item).into()
            }
        };
        let content = ContentBuilder::new().schema(Some(schema)).examples_from_iter(examples);
        let media_type = given.first().map_or(JSON, Given::media_type);
        let mut response = ResponseBuilder::new()
            .description(self.description())
            .content(media_type, content.build());
        for (header, kind, description) in HEADERS {
            let values = given.iter().filter_map(|given| given.response.headers().get(header));
            if let Some(value) = values.last().and_then(|value| value.to_str().ok()) {
                let example = match kind {
                    Type::Integer => value.parse::<u32>().map_or(value.into(), Into::into),
                    _ => value.into(),
                };
                let header_described = HeaderBuilder::new()
                    .description(Some(description))
                    .schema(Some(Object::with_type(kind)))
                    .example(Some(example));
                response = response.header(header, header_described.build());
            }
        }
        response.build()
    }
}

/// What a client has to look at besides the body.
const HEADERS: [(&str, Type, &str); 3] = [
    ("WWW-Authenticate", Type::String, "The challenge (RFC 6750 §3)."),
    ("Retry-After", Type::Integer, "After how many seconds to come again."),
    ("Allow", Type::String, "The methods that this path has."),
];

#[cfg(test)]
mod tests {
    use auth_core::settings::ErrorDialect;
    use auth_core::{Account, Authority, MemoryStore, Settings, UserDirectory, async_trait};

    use super::*;
    use crate::auth::Auth;
    use crate::credential::Credential;

    const ALL: [Refusal; 18] = [
        Refusal::BadFields,
        Refusal::Malformed,
        Refusal::BadForm,
        Refusal::RevocationRefused,
        Refusal::LoginRefused,
        Refusal::TokenRefused,
        Refusal::RefreshTokenRefused,
        Refusal::SessionLoginRefused,
        Refusal::CodeRequired,
        Refusal::Unauthorized,
        Refusal::UnauthorizedWithoutCode,
        Refusal::Forbidden,
        Refusal::ForbiddenWithoutProof,
        Refusal::NotFound,
        Refusal::MethodNotAllowed,
        Refusal::TooLarge,
        Refusal::UnsupportedMediaType,
        Refusal::Unavailable,
    ];

    struct Nobody;

    #[async_trait]
    impl UserDirectory for Nobody {
        async fn find_by_login(&self, _: &str) -> Result<Option<Account>, Outage> {
            Ok(None)
        }

        async fn load(&self, _: &str) -> Result<Option<Account>, Outage> {
            Ok(None)
        }
    }

    async fn documents() -> [OpenApiDoc; 3] {
        let builder = |settings| {
            let authority = Authority::builder(settings).store(MemoryStore::new()).users(Nobody);
            Auth::builder(authority.build().unwrap()).credentials([
                Credential::basic(),
                Credential::session_cookie(),
                Credential::token(),
                Credential::bearer(),
                Credential::header("jwt-auth"),
            ])
        };
        let settings = Settings::with_signing_key("a secret of at least thirty-two bytes");
        let problems = Settings { error_dialect: ErrorDialect::Problem, ..settings.clone() };
        let own = |problem: &Problem| serde_json::json!({ "error": problem.detail() });
        let auths = [
            builder(settings.clone()).start().await,
            builder(problems).start().await,
            builder(settings).error_body(own).start().await,
        ];
        auths.map(|auth| auth.unwrap().openapi())
    }

    #[actix_web::test]
    async fn all_causes_of_a_refusal_have_one_status_and_one_media_type() {
        for document in documents().await {
            for refusal in ALL {
                let given = refusal.given(&document, None);
                for one in &given {
                    let name = one.name;
                    assert_eq!(
                        one.response.status(),
                        refusal.status(&document),
                        "{refusal:?}: {name}"
                    );
                    assert_eq!(one.media_type(), given[0].media_type(), "{refusal:?}: {name}");
                }
            }
        }
    }

    #[actix_web::test]
    async fn causes_that_are_told_alike_are_one_example() {
        let [mut document, ..] = documents().await;
        let examples = |response: Response| {
            let response = serde_json::to_value(response).unwrap();
            response["content"][JSON]["examples"].as_object().unwrap().len()
        };
        assert_eq!(examples(Refusal::TokenRefused.response(&mut document)), 4);
        let text = "Token is invalid or expired".into();
        let same = Refusal::TokenRefused.response_saying(&mut document, Some(&text));
        assert_eq!(examples(same), 1);
    }
}
