//! The schemas of what is sent and answered.

use auth_core::NewPersonalToken;
use auth_core::session::Carrier;
use serde_json::{Value, json};
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, SchemaType};
use utoipa::openapi::{KnownFormat, RefOr, Schema, SchemaFormat, Type};

use super::{OpenApiDoc, PREFIX};

/// A schema of ours. The tests over HTTP compare what is answered with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Model {
    Detail,
    Coded,
    Refused,
    FieldErrors,
    NonFieldErrors,
    Problem,
    Error,
    OAuthError,
    Credentials,
    TokenPair,
    RefreshToken,
    Refreshed,
    Token,
    Nothing,
    Message,
    CsrfToken,
    Session,
    Sessions,
    Owner,
    Proof,
    Code,
    SecondFactor,
    NewSecondFactor,
    RecoveryCodes,
    NewPersonalToken,
    PersonalToken,
    PersonalTokens,
    MadePersonalToken,
    TokenForm,
    Introspection,
    KeySet,
}

impl Model {
    /// The name of the component.
    pub(super) fn name(self) -> String {
        format!("{PREFIX}{self:?}")
    }

    pub(super) fn schema(self, document: &mut OpenApiDoc) -> Schema {
        let schema = match self {
            Self::Detail => required([("detail", text("What is wrong."))]),
            Self::Coded => required([
                ("detail", text("What is wrong.")),
                ("code", text("The same for programs.")),
            ]),
            Self::Refused => {
                let message = required([
                    ("token_class", text("The kind of token that is taken, by its class.")),
                    ("token_type", text("The same as the token's own claim says it.")),
                    ("message", text("Why it is none.")),
                ]);
                required([
                    ("detail", text("What is wrong.")),
                    ("code", text("The same for programs.")),
                ])
                .property("messages", ArrayBuilder::new().items(message))
                .required("messages")
            }
            Self::FieldErrors => {
                let faults = ArrayBuilder::new().items(text("What is wrong with it."));
                ObjectBuilder::new()
                    .schema_type(Type::Object)
                    .description(Some("The fields with a fault."))
                    .additional_properties(Some(faults))
            }
            Self::NonFieldErrors => ObjectBuilder::new()
                .schema_type(Type::Object)
                .property("non_field_errors", ArrayBuilder::new().items(text("What is wrong.")))
                .required("non_field_errors"),
            Self::Problem => {
                let reference = SchemaFormat::Custom("uri-reference".into());
                let fault = required([
                    ("detail", text("What is wrong with it.")),
                    ("pointer", text("Which member: a JSON Pointer (RFC 6901 §6).")),
                ])
                .examples([json!({ "detail": "Not a valid string.", "pointer": "#/username" })]);
                required([
                    ("type", text("What it is, for programs.").format(Some(reference))),
                    ("title", text("The same for people.")),
                    ("status", integer("The status of the answer.")),
                ])
                .description(Some("What is wrong (RFC 9457 §3)."))
                .property("detail", text("What is wrong this time."))
                .property("errors", ArrayBuilder::new().items(fault))
            }
            Self::Error => ObjectBuilder::new()
                .schema_type(Type::Object)
                .description(Some("What is wrong, as this application writes it."))
                .additional_properties(anything()),
            Self::OAuthError => required([
                ("error", text("What is wrong, for programs.")),
                ("error_description", text("The same for people.")),
            ])
            .description(Some("What is wrong (RFC 6749 §5.2).")),
            Self::Credentials => {
                required([("username", text("The name to log in with.")), ("password", password())])
                    .property("otp", otp())
                    .examples([json!({ "username": "alice", "password": "correct horse" })])
            }
            Self::TokenPair => required([
                ("refresh", token("The refresh token, for further access tokens.")),
                ("access", token("The access token, for everything else.")),
            ]),
            Self::RefreshToken => required([("refresh", token("A refresh token."))]),
            Self::Refreshed => {
                let next = token("The next refresh token: the one that was sent is spent.");
                let refreshed = required([("access", token("A new access token."))]);
                match document.auth.authority().settings().rotate_refresh_tokens {
                    true => refreshed.property("refresh", next).required("refresh"),
                    false => refreshed,
                }
            }
            Self::Token => required([("token", token("A token."))]),
            Self::Nothing => ObjectBuilder::new().schema_type(Type::Object).examples([json!({})]),
            Self::Message => required([("message", text("What was done."))])
                .examples([json!({ "message": "success" })]),
            Self::CsrfToken => required([(
                "csrfToken",
                text("For the header `X-CSRFToken`; the cookie `csrftoken` has it too."),
            )]),
            Self::Session => required([
                ("id", text("Its id.")),
                ("current", boolean("Whether it is the one that asks.")),
                ("carrier", text("What carries it.").enum_values(Some(carriers()))),
                ("created_at", time("When the user logged in.")),
                ("last_seen_at", time("When it was last used.")),
                ("expires_at", time("When it ends at the latest.")),
                ("ip", text_or_null("The address that it was last seen at.")),
                ("user_agent", text_or_null("What the client says that it is.")),
                ("label", text_or_null("The name that it was given.")),
            ]),
            Self::Sessions => {
                let session = document.model(Self::Session);
                return Schema::Array(ArrayBuilder::new().items(RefOr::Ref(session)).build());
            }
            Self::Owner => {
                let id = ObjectBuilder::new()
                    .schema_type(SchemaType::from_iter([Type::Integer, Type::String]))
                    .description(Some("The user's id: a number, where it is one."));
                required([("id", id), ("username", text("The user's name."))])
                    .examples([json!({ "id": 1, "username": "alice" })])
            }
            Self::Proof => ObjectBuilder::new()
                .schema_type(Type::Object)
                .description(Some("Not needed after a login of the last five minutes."))
                .property("password", password())
                .property("otp", otp()),
            Self::Code => required([("code", text("What the app shows."))])
                .examples([json!({ "code": "123456" })]),
            Self::SecondFactor => required([
                ("confirmed", boolean("Whether it is asked for at a login.")),
                ("confirmed_at", time("Since when.").schema_type(or_null(Type::String))),
                ("recovery_codes", integer("How many are left.")),
            ]),
            Self::NewSecondFactor => required([
                ("secret", text("To be typed into the app: told this once.")),
                ("uri", text("The same for a picture that the app reads: `otpauth://…`.")),
            ]),
            Self::RecoveryCodes => {
                let codes = ArrayBuilder::new()
                    .description(Some("Each is good once, instead of a code: told this once."))
                    .items(text("A recovery code."));
                ObjectBuilder::new()
                    .schema_type(Type::Object)
                    .property("recovery_codes", codes)
                    .required("recovery_codes")
            }
            Self::NewPersonalToken => {
                let settings = document.auth.authority().settings();
                let longest = settings.personal_token_lifetime.as_secs();
                let name = text("What its user calls it.")
                    .max_length(Some(NewPersonalToken::MAX_NAME_CHARS));
                let seconds = "How many seconds it lives. Without it, as long as it may.";
                let expires_in = integer(seconds)
                    .schema_type(or_null(Type::Integer))
                    .minimum(Some(1))
                    .maximum(Some(longest));
                let day = 86_400.min(longest);
                required([("name", name)])
                    .property("scopes", scopes())
                    .property("expires_in", expires_in)
                    .property("password", password())
                    .property("otp", otp())
                    .examples([json!({ "name": "nightly build", "expires_in": day })])
            }
            Self::PersonalToken => personal_token(),
            Self::MadePersonalToken => {
                let token = text("The token, for `Authorization: Token <key>`: told this once.");
                personal_token().property("token", token).required("token")
            }
            Self::PersonalTokens => {
                let token = document.model(Self::PersonalToken);
                return Schema::Array(ArrayBuilder::new().items(RefOr::Ref(token)).build());
            }
            Self::TokenForm => required([("token", token("Any token of ours."))])
                .property("token_type_hint", text("What it may be. Not needed: it is found out.")),
            Self::Introspection => required([("active", boolean("Whether it is good."))])
                .description(Some(
                    "What a token says (RFC 7662 §2.2), its claims included. Of one that is not \
                     good, nothing but `active`.",
                ))
                .property("token_use", text("What it is for: `access`, `refresh` and so on."))
                .property("token_type", text("The word before it in `Authorization`."))
                .property("sub", text("The id of its user."))
                .property("exp", integer("When it ends, in seconds since 1970."))
                .additional_properties(anything())
                .examples([json!({ "active": false })]),
            Self::KeySet => {
                let key = required([
                    ("kty", text("`RSA`, `EC` or `OKP`.")),
                    ("kid", text("Its name, which tokens carry.")),
                    ("use", text("`sig`.")),
                    ("alg", text("The algorithm of its signatures.")),
                ])
                .description(Some("A public key as a JWK (RFC 7517 §4)."))
                .property("n", text("Of RSA: the modulus."))
                .property("e", text("Of RSA: the exponent."))
                .property("crv", text("Of EC and OKP: the curve."))
                .property("x", text("Of EC and OKP: a coordinate."))
                .property("y", text("Of EC: the other one."));
                ObjectBuilder::new()
                    .schema_type(Type::Object)
                    .property("keys", ArrayBuilder::new().items(key))
                    .required("keys")
            }
        };
        Schema::Object(schema.build())
    }
}

fn password() -> ObjectBuilder {
    text("").format(known(KnownFormat::Password))
}

fn otp() -> ObjectBuilder {
    text("Where the user has a second factor: what the app shows, or a recovery code.")
}

/// As its user sees it.
fn personal_token() -> ObjectBuilder {
    required([
        ("id", text("Its id.")),
        ("name", text("What its user calls it.")),
        ("created_at", time("When it was made.")),
        ("expires_at", time("When it ends at the latest.")),
        ("last_used_at", time("When it was last used.").schema_type(or_null(Type::String))),
        ("last_used_ip", text_or_null("The address that it was last seen at.")),
    ])
    .property("scopes", scopes())
    .required("scopes")
}

fn scopes() -> ArrayBuilder {
    ArrayBuilder::new()
        .schema_type(or_null(Type::Array))
        .description(Some("What it is limited to. `null`: all that its user may do."))
        .items(text("A scope of its user's."))
}

fn carriers() -> [&'static str; 4] {
    [Carrier::Token, Carrier::Cookie, Carrier::Single, Carrier::Personal].map(Carrier::as_str)
}

/// Members of which nothing is said.
fn anything() -> Option<AdditionalProperties<Schema>> {
    Some(AdditionalProperties::FreeForm(true))
}

/// An object with these members, all of which are there.
fn required<const N: usize>(members: [(&str, ObjectBuilder); N]) -> ObjectBuilder {
    let object = ObjectBuilder::new().schema_type(Type::Object);
    members
        .into_iter()
        .fold(object, |object, (name, schema)| object.property(name, schema).required(name))
}

fn text(description: &str) -> ObjectBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String);
    if description.is_empty() { text } else { text.description(Some(description)) }
}

fn text_or_null(description: &str) -> ObjectBuilder {
    text(description).schema_type(or_null(Type::String))
}

fn token(description: &str) -> ObjectBuilder {
    text(description).examples([Value::from("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.….…")])
}

fn time(description: &str) -> ObjectBuilder {
    text(description).format(known(KnownFormat::DateTime))
}

fn integer(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Integer).description(Some(description))
}

fn or_null(kind: Type) -> SchemaType {
    SchemaType::from_iter([kind, Type::Null])
}

fn boolean(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean).description(Some(description))
}

fn known(format: KnownFormat) -> Option<SchemaFormat> {
    Some(SchemaFormat::KnownFormat(format))
}
