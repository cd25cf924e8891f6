//! What there is to say of each operation: one entry for each method of each path in the tables that the
//! routes are mounted from. A test compares the two.

use utoipa::openapi::path::HttpMethod;

use super::entry::{
    Access, Answer, Entry, Family, In, Parameter, Takes, answer, by_login, by_user, done, post,
};
use super::model::Model;
use super::refusal::Refusal;
use crate::routes::tables;

const COOKIES_SET: &[(&str, &str)] = &[("Set-Cookie", "`sessionid` and `csrftoken`.")];
const COOKIES_GONE: &[(&str, &str)] = &[("Set-Cookie", "Both cookies, gone.")];

const SESSION_ID: Parameter = ("id", In::Path, "The id of a session.");
const TOKEN_ID: Parameter = ("id", In::Path, "The id of a personal token.");
const USER_ID: Parameter = ("user_id", In::Path, "The id of a user.");
const USER_TYPE: Parameter = ("user_type", In::Query, "The kind of user, where there are several.");

pub(super) const TOKEN: Family = Family {
    tag: "Tokens",
    about: "An access token for requests and a refresh token for further ones, as SimpleJWT has them.",
    routes: tables::TOKEN,
    has_slash: true,
    entries: &[
        post(
            "/",
            "Log in for a token pair",
            Model::Credentials,
            answer("The tokens.", Model::TokenPair),
            &[Refusal::LoginRefused, Refusal::Unavailable],
        ),
        post(
            "/refresh/",
            "A new access token",
            Model::RefreshToken,
            answer("The tokens.", Model::Refreshed),
            &[Refusal::RefreshTokenRefused, Refusal::Unavailable],
        ),
        post(
            "/verify/",
            "Is this token good?",
            Model::Token,
            answer("It is.", Model::Nothing),
            &[Refusal::TokenRefused, Refusal::Unavailable],
        ),
        post(
            "/blacklist/",
            "End the login of a refresh token",
            Model::RefreshToken,
            answer("It has ended.", Model::Nothing),
            &[Refusal::TokenRefused, Refusal::Unavailable],
        ),
        post(
            "/sliding/",
            "Log in for a sliding token",
            Model::Credentials,
            answer("The token.", Model::Token),
            &[Refusal::LoginRefused, Refusal::Unavailable],
        ),
        post(
            "/sliding/refresh/",
            "A later sliding token",
            Model::Token,
            answer("The token.", Model::Token),
            &[Refusal::RefreshTokenRefused, Refusal::Unavailable],
        ),
    ],
};

pub(super) const SESSION: Family = Family {
    tag: "Sessions",
    about: "Login by cookie, and where a user is logged in, whatever with.",
    routes: tables::SESSION,
    has_slash: false,
    entries: &[
        Entry {
            access: Access::Login,
            takes: Some(Takes::Plain(Model::Credentials)),
            answer: Answer { headers: COOKIES_SET, ..answer("Logged in.", Model::Message) },
            refusals: &[Refusal::SessionLoginRefused, Refusal::CodeRequired, Refusal::Unavailable],
            ..by_user(HttpMethod::Post, "/login/", "Log in with a session cookie", done(""))
        },
        by_login(
            HttpMethod::Post,
            "/logout/",
            "Log out here",
            Answer { headers: COOKIES_GONE, ..answer("Logged out.", Model::Message) },
        ),
        by_login(
            HttpMethod::Post,
            "/logout/all/",
            "Log out everywhere",
            Answer { headers: COOKIES_GONE, ..done("All sessions of the user have ended.") },
        ),
        by_login(
            HttpMethod::Post,
            "/logout/others/",
            "Log out everywhere else",
            done("All other sessions of the user have ended."),
        ),
        Entry {
            access: Access::Anybody,
            answer: Answer {
                headers: &[("Set-Cookie", "`csrftoken`.")],
                ..answer("The token.", Model::CsrfToken)
            },
            refusals: &[Refusal::Unavailable],
            ..by_user(HttpMethod::Get, "/csrf/", "The CSRF token of a session or a login", done(""))
        },
        by_login(
            HttpMethod::Get,
            "/sessions/",
            "Where the user is logged in",
            answer("The sessions.", Model::Sessions),
        ),
        Entry {
            parameters: &[SESSION_ID],
            refusals: &[Refusal::NotFound],
            ..by_login(
                HttpMethod::Delete,
                "/sessions/{id}/",
                "End a session",
                done("It has ended."),
            )
        },
    ],
};

/// What changes it takes a login of now, or who it is once more.
const PROOF: Option<Takes> = Some(Takes::Optional(Model::Proof));
const PROOF_REFUSED: &[Refusal] =
    &[Refusal::UnauthorizedWithoutCode, Refusal::ForbiddenWithoutProof];
const PROOF_REFUSED_OR_NONE: &[Refusal] =
    &[Refusal::UnauthorizedWithoutCode, Refusal::ForbiddenWithoutProof, Refusal::NotFound];

const LOGIN_OF_NOW: &str = "The login has to be one of the last five minutes. Else the body has the password \
                            and, where there is a second factor, a code.";

pub(super) const FACTOR: Family = Family {
    tag: "Second factor",
    about: "An authenticator app (RFC 6238), and recovery codes for when it is lost. Who has one logs in with \
            password and code, `otp`.",
    routes: tables::FACTOR,
    has_slash: false,
    entries: &[
        by_login(
            HttpMethod::Get,
            "/otp/",
            "Has the user a second factor?",
            answer("What there is.", Model::SecondFactor),
        ),
        Entry {
            description: LOGIN_OF_NOW,
            takes: PROOF,
            refusals: PROOF_REFUSED,
            ..by_login(
                HttpMethod::Post,
                "/otp/",
                "Begin to enrol an authenticator app",
                answer("What the app has to know.", Model::NewSecondFactor),
            )
        },
        Entry {
            description: LOGIN_OF_NOW,
            takes: PROOF,
            refusals: PROOF_REFUSED_OR_NONE,
            ..by_login(
                HttpMethod::Delete,
                "/otp/",
                "Remove the second factor",
                done("It is removed."),
            )
        },
        Entry {
            takes: Some(Takes::Fields(Model::Code)),
            ..by_login(
                HttpMethod::Post,
                "/otp/confirm/",
                "Confirm it by a code that the app shows",
                answer("The recovery codes.", Model::RecoveryCodes),
            )
        },
        Entry {
            description: LOGIN_OF_NOW,
            takes: PROOF,
            refusals: PROOF_REFUSED_OR_NONE,
            ..by_login(
                HttpMethod::Post,
                "/otp/recovery/",
                "New recovery codes",
                answer("The recovery codes; the old ones are gone.", Model::RecoveryCodes),
            )
        },
    ],
};

pub(super) const SINGLE: Family = Family {
    tag: "Single tokens",
    about: "Login for one token without refresh, which rides in a header of its own.",
    routes: tables::SINGLE,
    has_slash: false,
    entries: &[
        Entry {
            takes: Some(Takes::Plain(Model::Credentials)),
            ..post(
                "/",
                "Log in for one token",
                Model::Credentials,
                answer("The token.", Model::Token),
                &[Refusal::LoginRefused, Refusal::Unavailable],
            )
        },
        by_user(
            HttpMethod::Get,
            "/info/",
            "Whose credential it is",
            answer("The user.", Model::Owner),
        ),
    ],
};

pub(super) const PERSONAL: Family = Family {
    tag: "Personal tokens",
    about: "Tokens that users make for programs of theirs. A personal token itself opens none of these.",
    routes: tables::PERSONAL,
    has_slash: false,
    entries: &[
        by_login(
            HttpMethod::Get,
            "/",
            "The personal tokens of the user",
            answer("The tokens.", Model::PersonalTokens),
        ),
        Entry {
            description: LOGIN_OF_NOW,
            takes: Some(Takes::Fields(Model::NewPersonalToken)),
            refusals: PROOF_REFUSED,
            ..by_login(
                HttpMethod::Post,
                "/",
                "Make a personal token",
                Answer { status: "201", ..answer("The token.", Model::MadePersonalToken) },
            )
        },
        Entry {
            parameters: &[TOKEN_ID],
            refusals: &[Refusal::NotFound],
            ..by_login(HttpMethod::Delete, "/{id}/", "End a personal token", done("It has ended."))
        },
    ],
};

pub(super) const OAUTH: Family = Family {
    tag: "Revocation and introspection",
    about: "For any token of ours: access, refresh, sliding, single or personal.",
    routes: tables::OAUTH,
    has_slash: true,
    entries: &[
        Entry {
            description: "RFC 7009. Tokens of others may be ended by whoever may ask about them. A \
                          token that is not good is ended already.",
            takes: Some(Takes::Form(Model::TokenForm)),
            refusals: &[Refusal::RevocationRefused],
            ..by_user(
                HttpMethod::Post,
                "/revoke/",
                "End the login of a token",
                Answer { status: "200", ..done("It has ended.") },
            )
        },
        Entry {
            access: Access::Permitted,
            description: "RFC 7662. Why a token is not good is not told.",
            takes: Some(Takes::Form(Model::TokenForm)),
            ..by_user(
                HttpMethod::Post,
                "/introspect/",
                "What does a token say?",
                answer("What it says.", Model::Introspection),
            )
        },
    ],
};

pub(super) const ADMIN: Family = Family {
    tag: "Sessions of any user",
    about: "For administrators.",
    routes: tables::ADMIN,
    has_slash: false,
    entries: &[
        Entry {
            access: Access::Permitted,
            parameters: &[USER_ID, USER_TYPE],
            refusals: &[Refusal::NotFound],
            ..by_user(
                HttpMethod::Get,
                "/{user_id}/sessions/",
                "Where a user is logged in",
                answer("The sessions.", Model::Sessions),
            )
        },
        Entry {
            access: Access::Permitted,
            parameters: &[USER_ID, USER_TYPE],
            refusals: &[Refusal::NotFound],
            ..by_user(
                HttpMethod::Delete,
                "/{user_id}/sessions/",
                "Log a user out everywhere",
                done("All sessions of the user have ended."),
            )
        },
        Entry {
            access: Access::Permitted,
            parameters: &[USER_ID, SESSION_ID, USER_TYPE],
            refusals: &[Refusal::NotFound],
            ..by_user(
                HttpMethod::Delete,
                "/{user_id}/sessions/{id}/",
                "End a session of a user",
                done("It has ended."),
            )
        },
    ],
};

pub(super) const KEYS: Family = Family {
    tag: "Keys",
    about: "For services that verify tokens themselves.",
    routes: tables::KEYS,
    has_slash: false,
    entries: &[Entry {
        access: Access::Anybody,
        description: "A JWK set (RFC 7517 §5). Where tokens are signed with a shared secret it is empty.",
        ..by_user(
            HttpMethod::Get,
            "/jwks.json",
            "The public keys",
            answer("The keys.", Model::KeySet),
        )
    }],
};

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILIES: [&Family; 8] =
        [&TOKEN, &SESSION, &FACTOR, &SINGLE, &PERSONAL, &OAUTH, &ADMIN, &KEYS];

    fn name(method: &HttpMethod) -> String {
        serde_json::to_value(method).unwrap().as_str().unwrap().to_uppercase()
    }

    #[test]
    fn every_route_is_described_and_every_description_has_a_route() {
        for family in FAMILIES {
            let mut mounted = Vec::new();
            for (path, methods) in family.routes {
                // HEAD belongs to GET (RFC 9110 §9.3.2) and has no entry of its own.
                let methods = methods.allow.split(", ").filter(|method| *method != "HEAD");
                mounted.extend(methods.map(|method| (method.to_owned(), *path)));
            }
            let mut described: Vec<_> =
                family.entries.iter().map(|entry| (name(&entry.method), entry.path)).collect();
            mounted.sort();
            described.sort();
            assert_eq!(described, mounted, "{}", family.tag);
        }
    }

    #[test]
    fn every_table_of_routes_is_described() {
        let modules = concat!(env!("CARGO_MANIFEST_DIR"), "/src/routes");
        let tables = std::fs::read_dir(modules).unwrap().filter(|module| {
            let text = std::fs::read_to_string(module.as_ref().unwrap().path()).unwrap();
            text.contains("const ROUTES: Routes =")
        });
        assert_eq!(tables.count(), FAMILIES.len(), "a module of routes has no family");
    }

    #[test]
    fn every_part_of_a_path_that_varies_is_described() {
        for entry in FAMILIES.iter().flat_map(|family| family.entries) {
            let parts =
                entry.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
            let in_path = entry.parameters.iter().filter(|(_, place, _)| matches!(place, In::Path));
            let described: Vec<_> = in_path.map(|(name, ..)| *name).collect();
            assert_eq!(described, parts.collect::<Vec<_>>(), "{}", entry.path);
        }
    }
}
