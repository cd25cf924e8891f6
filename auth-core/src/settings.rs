//! The settings, under the names of SimpleJWT in snake case, checked as a whole.
//!
//! From Rust they are fields of [`Settings`]. From a file or the environment they are set by
//! name with [`Settings::set`]; [`Settings::NAMES`] lists the names, and in the environment they
//! are written in upper case. Durations are written `90s`, `5m`, `1d 12h`, or as a number of
//! seconds; lists as an array or separated by commas.

use std::fmt;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde_json::Value;

use crate::claims::TokenKind;
use crate::clock::CLOCKS_DIFFER;
use crate::error::{Fault, SettingsError};
use crate::session::BindSession;

mod value;

use value::FromValue;

const MINUTE: Duration = Duration::from_secs(60);
const DEFAULT_TYPE_BASE: &str = "/problems/";
const DAY: Duration = Duration::from_secs(86_400);
/// More logins than any process hashes in the time that they wait.
const MAX_PASSWORD_QUEUE: usize = 65_536;
const MAX_FOREIGN_LIFETIME: Duration = Duration::from_secs(300 * 366 * 86_400);

/// A secret from the configuration. `Debug` tells nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretText(String);

impl SecretText {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<T: Into<String>> From<T> for SecretText {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(…)")
    }
}

/// What a process does when it has not heard of revocations for longer than
/// [`Settings::revocation_max_staleness`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenStale {
    /// Refuse tokens (503): a revoked one might be among them.
    Refuse,
    /// Go on accepting: what was revoked meanwhile is accepted until its token expires.
    Serve,
}

/// How errors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorDialect {
    /// As Django REST framework and SimpleJWT do.
    Drf,
    /// As `application/problem+json` (RFC 9457).
    Problem,
}

/// One of the [`Settings`], for whoever describes them.
#[derive(Clone, Copy, Debug)]
pub struct Description {
    /// Its name.
    pub name: &'static str,
    /// Its type in Rust.
    pub rust_type: &'static str,
    /// What it does, and its default, in Markdown.
    pub text: &'static str,
}

/// The claims that a service which only verifies can do without.
pub(crate) const MAY_BE_EMPTY: [&str; 2] = ["token_type_claim", "jti_claim"];

/// Settings that protect: an empty one is a variable that somebody forgot to fill, not the wish to do
/// without.
const MUST_HOLD_SOMETHING: [&str; 3] = ["audience", "issuer", "totp_encryption_keys"];

/// Settings of SimpleJWT that name a piece of code, and what they are here.
const IN_CODE: &[(&str, &str)] = &[
    ("user_authentication_rule", "`AuthorityBuilder::user_authentication_rule`"),
    ("token_user_class", "the extractor `AuthUser`"),
    ("token_obtain_serializer", "`AuthorityBuilder::claims` and `AuthBuilder::login_response`"),
    ("token_refresh_serializer", "`AuthBuilder::refresh_response`"),
    ("token_verify_serializer", "`AuthBuilder::verify_response`"),
    ("token_blacklist_serializer", "a route of the application over `Authority::blacklist`"),
    (
        "sliding_token_obtain_serializer",
        "`AuthorityBuilder::claims` and `AuthBuilder::login_response`",
    ),
    (
        "sliding_token_refresh_serializer",
        "a route of the application over `Authority::refresh_sliding`",
    ),
    ("json_encoder", "`AuthorityBuilder::claims`, whose values are those of serde_json"),
    ("on_login_success", "`AuthorityBuilder::on_event`"),
    ("on_login_failed", "`AuthorityBuilder::on_event`"),
];

macro_rules! settings {
    ($($(#[doc = $doc:literal])* $name:ident: $type:ty = $default:expr;)*) => {
        /// Everything that can be set. The defaults are good for production; only
        /// [`signing_key`](Settings::signing_key) has none.
        ///
        /// ```
        /// use std::time::Duration;
        /// use auth_core::Settings;
        ///
        /// let settings = Settings {
        ///     signing_key: Some("a secret of at least thirty-two bytes".into()),
        ///     access_token_lifetime: Duration::from_secs(30 * 60),
        ///     ..Settings::default()
        /// };
        /// ```
        #[derive(Clone, Debug)]
        pub struct Settings {
            $($(#[doc = $doc])* pub $name: $type,)*
        }

        impl Default for Settings {
            fn default() -> Self {
                Self { $($name: $default,)* }
            }
        }

        impl Settings {
            /// The names of all settings.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            /// What each setting does, in the order of [`Settings::NAMES`].
            pub const DESCRIPTIONS: &'static [Description] = &[$(Description {
                name: stringify!($name),
                rust_type: stringify!($type),
                text: concat!($($doc, "\n",)*),
            }),*];

            /// Sets one setting by its name (in lower case), from a text or a JSON value.
            ///
            /// # Errors
            /// An unknown name, or a value that the setting cannot take. The fault never
            /// repeats the value.
            pub fn set(&mut self, name: &str, value: &Value) -> Result<(), Fault> {
                if MUST_HOLD_SOMETHING.contains(&name) && holds_nothing(value) {
                    return Err(Fault::new(name, "must not be empty: leave it out"));
                }
                match name {
                    $(stringify!($name) => {
                        self.$name = FromValue::from_value(value)
                            .map_err(|problem| Fault::new(name, problem))?;
                    })*
                    _ => return Err(unknown(name)),
                }
                Ok(())
            }
        }
    };
}

/// Headers that browsers, proxies, HTTP itself or our own checks read.
const OTHER_HEADERS: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "cache-control",
    "connection",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "cookie",
    "date",
    "expect",
    "forwarded",
    "from",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "keep-alive",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
    "www-authenticate",
    "x-csrftoken",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-real-ip",
    "x-request-id",
    "x-requested-with",
];

fn means_something_else(header: &str) -> bool {
    let header = header.to_ascii_lowercase();
    OTHER_HEADERS.contains(&header.as_str())
        || header.starts_with("sec-")
        || header.starts_with("access-control-")
}

/// Whether it is a text without words, or a list of such.
fn holds_nothing(value: &Value) -> bool {
    match value {
        Value::String(text) => text.split(',').all(|item| item.trim().is_empty()),
        Value::Array(items) => items.iter().all(holds_nothing),
        _ => false,
    }
}

fn unknown(name: &str) -> Fault {
    match IN_CODE.iter().find(|(known, _)| *known == name) {
        Some((_, instead)) => {
            Fault::new(name, format!("is a piece of code, which no text can name: see {instead}"))
        }
        None => Fault::new(name, "there is no such setting"),
    }
}

settings! {
    /// How long an access token lives, but never longer than the refresh token that it came with.
    /// Default 5 minutes.
    access_token_lifetime: Duration = 5 * MINUTE;
    /// How long a refresh token lives when it is not used; with rotation each use starts
    /// anew. Default 1 day.
    refresh_token_lifetime: Duration = DAY;
    /// How long a sliding token opens routes. Default 5 minutes.
    sliding_token_lifetime: Duration = 5 * MINUTE;
    /// How long after login a sliding token can be exchanged for a later one. Default 1 day.
    sliding_token_refresh_lifetime: Duration = DAY;
    /// How long the one token of a login without refresh lives. Default 1 day.
    single_token_lifetime: Duration = DAY;
    /// How long a personal token lives at most, and where its user does not say. Default 1 year.
    personal_token_lifetime: Duration = 365 * DAY;
    /// What a personal token begins with, before an underscore: so that people, and programs that look
    /// for secrets in the wrong places, recognise it. Default `pat`.
    personal_token_prefix: String = "pat".into();
    /// How long a login lasts at most, however often it is refreshed. Default 30 days, the most
    /// that NIST SP 800-63B-4 §2.1.3 recommends, or the longest lifetime of a token where that
    /// is longer.
    session_lifetime: Option<Duration> = None;
    /// How long a token of another issuer with our key (it names no session of ours) may live.
    /// That is also how long it is remembered, in each process, that such tokens of a user were
    /// revoked; 0 refuses them all. Default 300 years: in effect any.
    foreign_token_lifetime: Duration = MAX_FOREIGN_LIFETIME;
    /// How long a cookie session lasts without a request. Default 1 day.
    session_idle_timeout: Duration = DAY;
    /// Whether a refresh answers a new refresh token and spends the old one. Default true
    /// (RFC 9700 §4.14.2; SimpleJWT: false).
    rotate_refresh_tokens: bool = true;
    /// Whether a spent refresh token is refused and its use ends the session. Without rotation
    /// nothing is ever spent, so `true` is then refused. Default: as `rotate_refresh_tokens`.
    blacklist_after_rotation: Option<bool> = None;
    /// How long the token before the current one is still answered with the current one: for
    /// lost answers and several tabs. A cookie whose secret was replaced is good for as long. 0 to 60
    /// seconds. Default 10 seconds.
    refresh_grace: Duration = Duration::from_secs(10);
    /// Whether a login is noted in the directory. Default true (SimpleJWT: false).
    update_last_login: bool = true;
    /// The algorithm of `signing_key` and `verifying_key`: HS256, HS384, HS512, RS256, RS384, RS512,
    /// PS256, PS384, PS512, ES256, ES384 or EdDSA (Ed25519). Default HS256.
    algorithm: Algorithm = Algorithm::HS256;
    /// The secret (HS256, HS384, HS512) or the private key in PEM, or either as a JWK, or a JWK set of
    /// which the first private one of `algorithm` signs and the others are accepted. Required, unless
    /// the authority is given a [`KeyRing`](crate::KeyRing), or only verifies the tokens of another
    /// issuer.
    signing_key: Option<SecretText> = None;
    /// The public key in PEM, as a JWK, or a JWK set of public keys. Beside `signing_key` it is checked that it belongs to it;
    /// alone it makes an authority that only verifies. Not for HMAC. Default none.
    verifying_key: Option<String> = None;
    /// The audience: written into every token, and required in every token. Default none.
    audience: Vec<String> = Vec::new();
    /// The issuer: written into every token, and required in every token. Default none.
    issuer: Option<String> = None;
    /// Where the keys of another issuer are fetched from, whose tokens are verified here: its JWK set, or
    /// its OpenID configuration (`…/.well-known/openid-configuration`). https. Default none.
    jwk_url: Option<String> = None;
    /// How much later than `exp`, and earlier than `nbf`, a token is still accepted, for clocks
    /// that disagree. At most 5 minutes. Default 0.
    leeway: Duration = Duration::ZERO;
    /// The words before the token in the header, the first of them also in the challenge.
    /// Matched without regard to case (RFC 9110 §11.1). Default `Bearer`.
    auth_header_types: Vec<String> = vec!["Bearer".into()];
    /// The header that carries the token; not one that means something else, such as `Cookie`.
    /// Default `Authorization`.
    auth_header_name: String = "Authorization".into();
    /// The realm of the challenge. Default `api`.
    www_authenticate_realm: String = "api".into();
    /// How errors are written: `drf`, as Django REST framework and SimpleJWT do, or `problem`, as
    /// `application/problem+json` (RFC 9457). Default `drf`.
    error_dialect: ErrorDialect = ErrorDialect::Drf;
    /// What the types of problems begin with: a URL, where the application documents them, or an absolute
    /// path. Only with `error_dialect = problem`. Default `/problems/`.
    problem_type_base: String = DEFAULT_TYPE_BASE.into();
    /// The field that identifies a user; must be what the directory identifies by. Default `id`.
    user_id_field: String = "id".into();
    /// The claim with the user's id. Default `user_id`.
    user_id_claim: String = "user_id".into();
    /// The claim with the kind of user, written where there are several kinds, or another one than `user`.
    /// Default `user_type`.
    user_type_claim: String = "user_type".into();
    /// Whether inactive users are refused at login, at refresh and when they are loaded. Default
    /// true. (Deactivating a user ends the sessions either way.)
    check_user_is_active: bool = true;
    /// The kinds of token that open routes: `access`, `sliding` or both. Default `access`.
    auth_token_classes: Vec<TokenKind> = vec![TokenKind::Access];
    /// The claim with the kind of token. Empty: tokens need not have one, and those without are access
    /// tokens; only for a service that verifies the tokens of an issuer who signs nothing else for it
    /// (RFC 8725 §3.12). Default `token_type`.
    token_type_claim: String = "token_type".into();
    /// The claim with the token's own id. Empty: tokens need not have one; only for a service that verifies
    /// the tokens of another issuer. Default `jti`.
    jti_claim: String = "jti".into();
    /// The claim of a sliding token with the end of its refresh. Default `refresh_exp`.
    sliding_token_refresh_exp_claim: String = "refresh_exp".into();
    /// What of the client a session is bound to: `none`, `address`, `network` (the first 24 bits of
    /// an IPv4 address, 48 of an IPv6 address) or `user_agent`. A refresh token or a cookie that
    /// another client shows is refused; access tokens live out their minutes, and the one token of a
    /// login without refresh is not bound. Behind a proxy the address is the proxy's, unless the
    /// application says where to find it. Default `none`.
    bind_session: BindSession = BindSession::None;
    /// Whether a change of password ends the user's sessions. Default true (SimpleJWT: false).
    check_revoke_token: bool = true;
    /// SimpleJWT's claim with a hash of the password. It has no effect here, where a change of
    /// password is a revocation, so setting it is refused. Default none.
    revoke_token_claim: Option<String> = None;
    /// How often a process asks for revocations of other processes. Default 500 ms.
    revocation_poll_interval: Duration = Duration::from_millis(500);
    /// Whether a process also listens for them, where the store can tell (PostgreSQL: `LISTEN`, one
    /// connection more). It asks at once then, and still every `revocation_poll_interval`. Default
    /// true.
    revocation_listen: bool = true;
    /// How old the last answer may be before tokens are no longer accepted. Default 30 seconds.
    revocation_max_staleness: Duration = Duration::from_secs(30);
    /// What happens then: `refuse` (503) or `serve`. Default `refuse`.
    revocation_when_stale: WhenStale = WhenStale::Refuse;
    /// How many digits a one-time code has that is sent to somebody: 6 to 10. Default 6: 20 bits, the
    /// fewest that ASVS 6.5.4 allows.
    otp_digits: usize = 6;
    /// How long such a code is good for: 30 seconds to 10 minutes (ASVS 6.5.5). Default 5 minutes.
    otp_lifetime: Duration = 5 * MINUTE;
    /// How many codes may be tried within the lifetime of one, the right one included: 1 to 20.
    /// Default 5.
    otp_attempts: usize = 5;
    /// What authenticator apps show beside the name of the user: the name of the application. Default none.
    totp_issuer: Option<String> = None;
    /// What the secrets of authenticator apps are encrypted with in the store: texts of at least 32 bytes, none of
    /// them the `signing_key`. The first encrypts, all of them decrypt; at a login a secret is encrypted anew, so an
    /// old key may go when everybody who has such an app has logged in. Who loses the keys locks those out.
    /// Default none: the secrets are kept as they are.
    totp_encryption_keys: Vec<SecretText> = Vec::new();
    /// How often expired sessions are removed. Default 10 minutes.
    prune_interval: Duration = 10 * MINUTE;
    /// How many bytes of verified tokens a process remembers, so that one that it has seen costs a look-up
    /// instead of a signature; 0 remembers none. Expiry, revocation and keys are asked every time.
    /// Default 32 MiB: some 20,000 tokens.
    token_cache_bytes: usize = 32 << 20;
    /// How many passwords are hashed at the same time, each with 19 MiB of memory. Default 0:
    /// one per processor.
    password_lanes: usize = 0;
    /// How many logins may wait for a lane. Further ones wait for a place for some tenths of a second, and
    /// are then told to come back. 1 to 65,536. Default 64.
    password_queue: usize = 64;
}

impl Settings {
    /// The defaults, and what the environment says: each setting by its name in upper case.
    ///
    /// # Errors
    /// Everything that cannot be read, without the values. [`AuthorityBuilder::build`](crate::AuthorityBuilder::build)
    /// finds what is wrong with the whole.
    pub fn from_env() -> Result<Self, SettingsError> {
        let names = Self::NAMES.iter().copied().chain(Self::names_in_code());
        let mut settings = Self::default();
        let mut faults = Vec::new();
        for name in names {
            let variable = name.to_ascii_uppercase();
            let Some(value) = std::env::var_os(&variable) else { continue };
            let outcome = match value.to_str() {
                Some(text) => settings.set(name, &Value::from(text)),
                None => Err(Fault::new(name, "is not UTF-8")),
            };
            faults.extend(outcome.err().map(|fault| Fault::new(variable, fault.problem)));
        }
        if faults.is_empty() { Ok(settings) } else { Err(SettingsError(faults)) }
    }

    /// The names of SimpleJWT's settings that are code here: [`Settings::set`] refuses them, and says what
    /// they are.
    pub fn names_in_code() -> impl Iterator<Item = &'static str> {
        IN_CODE.iter().map(|(name, _)| *name)
    }

    /// The defaults with this signing key.
    pub fn with_signing_key(key: impl Into<SecretText>) -> Self {
        Self { signing_key: Some(key.into()), ..Self::default() }
    }

    /// Whether a spent refresh token is refused.
    pub(crate) fn revoke_on_reuse(&self) -> bool {
        self.blacklist_after_rotation.unwrap_or(self.rotate_refresh_tokens)
    }

    /// How long a login lasts at most: `session_lifetime`, or its default.
    pub fn absolute_lifetime(&self) -> Duration {
        self.session_lifetime.unwrap_or_else(|| {
            let longest = [
                30 * DAY,
                self.refresh_token_lifetime,
                self.sliding_token_refresh_lifetime,
                self.single_token_lifetime,
                self.session_idle_timeout,
                self.access_token_lifetime,
                self.sliding_token_lifetime,
            ];
            longest.into_iter().max().unwrap_or_default()
        })
    }

    /// The longest life of a token that is accepted without asking the store.
    pub(crate) fn longest_bearer_lifetime(&self) -> Duration {
        self.access_token_lifetime.max(self.sliding_token_lifetime).max(self.single_token_lifetime)
    }

    /// No token that we sign is good for longer after it was signed, on any node.
    pub fn longest_token_lifetime(&self) -> Duration {
        let slack = self.leeway + CLOCKS_DIFFER;
        self.longest_bearer_lifetime().max(self.refresh_token_lifetime) + slack
    }

    /// Everything that is wrong, whatever the keys. [`Authority`](crate::Authority) checks the
    /// keys, and calls this.
    pub fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault = |setting: &str, problem: String| faults.push(Fault::new(setting, problem));

        for (name, lifetime) in [
            ("access_token_lifetime", self.access_token_lifetime),
            ("refresh_token_lifetime", self.refresh_token_lifetime),
            ("sliding_token_lifetime", self.sliding_token_lifetime),
            ("sliding_token_refresh_lifetime", self.sliding_token_refresh_lifetime),
            ("single_token_lifetime", self.single_token_lifetime),
            ("personal_token_lifetime", self.personal_token_lifetime),
            ("session_lifetime", self.session_lifetime.unwrap_or(DAY)),
            ("session_idle_timeout", self.session_idle_timeout),
        ] {
            if lifetime < Duration::from_secs(1) || lifetime > 3650 * DAY {
                fault(name, "must be between 1 second and 10 years".into());
            } else if lifetime.subsec_nanos() != 0 {
                fault(name, "must be whole seconds: the times in a token are".into());
            }
        }
        if self.foreign_token_lifetime > MAX_FOREIGN_LIFETIME {
            fault("foreign_token_lifetime", "must be at most 300 years".into());
        }
        if self.access_token_lifetime > self.absolute_lifetime() {
            let problem = "is longer than session_lifetime, which ends every login";
            fault("access_token_lifetime", problem.into());
        }
        let defaults = Self::default();
        for (name, lifetime, default) in [
            (
                "refresh_token_lifetime",
                self.refresh_token_lifetime,
                defaults.refresh_token_lifetime,
            ),
            (
                "sliding_token_lifetime",
                self.sliding_token_lifetime,
                defaults.sliding_token_lifetime,
            ),
            (
                "sliding_token_refresh_lifetime",
                self.sliding_token_refresh_lifetime,
                defaults.sliding_token_refresh_lifetime,
            ),
            ("single_token_lifetime", self.single_token_lifetime, defaults.single_token_lifetime),
            ("session_idle_timeout", self.session_idle_timeout, defaults.session_idle_timeout),
        ] {
            // A default is cut short without a word: nobody asked for it.
            if lifetime > self.absolute_lifetime() && lifetime != default {
                fault(name, "is longer than session_lifetime, which ends every login".into());
            }
        }
        if self.sliding_token_lifetime > self.sliding_token_refresh_lifetime {
            let problem = "is longer than sliding_token_refresh_lifetime, so nothing would slide";
            fault("sliding_token_lifetime", problem.into());
        }
        if self.refresh_grace > MINUTE {
            fault("refresh_grace", "must be at most 60 seconds".into());
        }
        if self.leeway > 5 * MINUTE {
            fault("leeway", "must be at most 5 minutes".into());
        } else if self.leeway.subsec_nanos() != 0 {
            fault("leeway", "must be whole seconds".into());
        }
        if self.blacklist_after_rotation == Some(true) && !self.rotate_refresh_tokens {
            let problem = "has no effect while rotate_refresh_tokens is false";
            fault("blacklist_after_rotation", problem.into());
        }
        if self.revoke_token_claim.is_some() {
            let problem = "has no effect: a change of password is a revocation, and no token \
                           carries a hash of it; remove the setting";
            fault("revoke_token_claim", problem.into());
        }
        if self.audience.iter().any(String::is_empty) {
            fault("audience", "must not be empty".into());
        }
        if self.jwk_url.is_some() && self.issuer.is_none() {
            // RFC 8725 §3.8: the keys are those of one issuer.
            let problem = "is required with jwk_url: whose tokens its keys are for";
            fault("issuer", problem.into());
        }
        if self.issuer.as_deref() == Some("") {
            fault("issuer", "must not be empty".into());
        }
        self.check_names(&mut fault);
        for (name, interval) in [
            ("revocation_poll_interval", self.revocation_poll_interval),
            ("revocation_max_staleness", self.revocation_max_staleness),
            ("prune_interval", self.prune_interval),
        ] {
            if interval < Duration::from_millis(10) || interval > DAY {
                fault(name, "must be between 10 milliseconds and 1 day".into());
            }
        }
        if self.revocation_max_staleness < self.revocation_poll_interval.saturating_mul(2) {
            let problem = "must be at least twice revocation_poll_interval";
            fault("revocation_max_staleness", problem.into());
        }
        if !(6..=10).contains(&self.otp_digits) {
            fault("otp_digits", "must be between 6 and 10".into());
        }
        if self.otp_lifetime < MINUTE / 2 || self.otp_lifetime > 10 * MINUTE {
            fault("otp_lifetime", "must be between 30 seconds and 10 minutes".into());
        }
        if !(1..=20).contains(&self.otp_attempts) {
            fault("otp_attempts", "must be between 1 and 20".into());
        }
        if self.totp_issuer.as_deref() == Some("") {
            fault("totp_issuer", "must not be empty".into());
        }
        if self.totp_encryption_keys.iter().any(|key| key.expose().len() < 32) {
            fault("totp_encryption_keys", "must have at least 32 bytes each".into());
        } else if self.totp_encryption_keys.iter().any(|key| Some(key) == self.signing_key.as_ref())
        {
            let problem = "must not be the signing_key, which is replaced now and then";
            fault("totp_encryption_keys", problem.into());
        }
        if self.token_cache_bytes > 1 << 40 {
            fault("token_cache_bytes", "must be at most 1 TiB".into());
        }
        if self.password_lanes > 1024 {
            fault("password_lanes", "must be at most 1024".into());
        }
        if !(1..=MAX_PASSWORD_QUEUE).contains(&self.password_queue) {
            fault("password_queue", format!("must be between 1 and {MAX_PASSWORD_QUEUE}"));
        }
        faults
    }

    fn check_names(&self, fault: &mut impl FnMut(&str, String)) {
        let is_token = |word: &str| {
            // RFC 9110 §5.6.2
            !word.is_empty()
                && word
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        };
        if self.auth_header_types.is_empty() || !self.auth_header_types.iter().all(|t| is_token(t))
        {
            fault("auth_header_types", "must be one or more words such as Bearer".into());
        }
        if !is_token(&self.auth_header_name) || self.auth_header_name.starts_with("HTTP_") {
            // Django writes HTTP_X_TOKEN for the header X-Token.
            fault("auth_header_name", "must be the name of a header, such as X-Token".into());
        } else if means_something_else(&self.auth_header_name) {
            fault("auth_header_name", "is a header that means something else".into());
        }
        let prefix = &self.personal_token_prefix;
        if prefix.is_empty() || !prefix.bytes().all(|b| b.is_ascii_alphanumeric()) {
            fault("personal_token_prefix", "must be letters and digits, such as pat".into());
        }
        let base = self.problem_type_base.as_str();
        let is_uri = |b: u8| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b);
        if !base.bytes().all(is_uri) || !(base.starts_with('/') || base.contains(':')) {
            let problem =
                "must be a URL or an absolute path, such as https://example.org/problems/";
            fault("problem_type_base", problem.into());
        } else if base != DEFAULT_TYPE_BASE && self.error_dialect != ErrorDialect::Problem {
            fault("problem_type_base", "has no effect unless error_dialect is problem".into());
        }
        let plain = |b: u8| (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\';
        if !self.www_authenticate_realm.bytes().all(plain) {
            fault("www_authenticate_realm", "must be printable ASCII without quotes".into());
        }
        let accepted = [TokenKind::Access, TokenKind::Sliding];
        if self.auth_token_classes.is_empty()
            || !self.auth_token_classes.iter().all(|kind| accepted.contains(kind))
        {
            fault("auth_token_classes", "must be access, sliding or both".into());
        }

        // A claim that two things want to be called is a token that one of them misreads.
        let configurable = [
            ("user_id_claim", &self.user_id_claim),
            ("user_type_claim", &self.user_type_claim),
            ("token_type_claim", &self.token_type_claim),
            ("jti_claim", &self.jti_claim),
            ("sliding_token_refresh_exp_claim", &self.sliding_token_refresh_exp_claim),
        ];
        for (i, (name, claim)) in configurable.iter().enumerate() {
            let others = &configurable[..i];
            let taken = others.iter().any(|(_, other)| other == claim);
            if claim.is_empty() && MAY_BE_EMPTY.contains(name) {
                // Whoever builds the authority knows whether it only verifies.
            } else if claim.is_empty() {
                fault(name, "must not be empty".into());
            } else if taken
                || crate::claims::FIXED_NAMES.contains(&claim.as_str())
                || (*name != "user_id_claim" && *claim == crate::claims::SINGLE_USER_CLAIM)
            {
                fault(name, "is the name of a claim that means something else".into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(settings: &Settings) -> Vec<String> {
        settings.check().into_iter().map(|fault| fault.setting).collect()
    }

    #[test]
    fn the_defaults_have_no_fault() {
        assert_eq!(Settings::default().check(), []);
    }

    #[test]
    fn every_setting_can_be_set_by_name_from_text() {
        let mut settings = Settings::default();
        for (name, value) in [
            ("access_token_lifetime", "30m"),
            ("refresh_token_lifetime", "86400"),
            ("rotate_refresh_tokens", "False"),
            ("blacklist_after_rotation", "false"),
            ("audience", "a, b"),
            ("algorithm", "EdDSA"),
            ("auth_token_classes", "access,SlidingToken"),
            ("revocation_when_stale", "serve"),
            ("password_lanes", "2"),
        ] {
            settings.set(name, &json!(value)).unwrap();
        }
        assert_eq!(settings.access_token_lifetime, 30 * MINUTE);
        assert_eq!(settings.refresh_token_lifetime, DAY);
        assert_eq!(settings.audience, ["a", "b"]);
        assert_eq!(settings.algorithm, Algorithm::EdDSA);
        assert_eq!(settings.auth_token_classes, [TokenKind::Access, TokenKind::Sliding]);
        assert_eq!(names(&settings), [""; 0]);
        assert_eq!(
            settings.set("acess_token_lifetime", &json!("5m")).unwrap_err().setting,
            "acess_token_lifetime"
        );
    }

    #[test]
    fn a_bad_value_is_named_but_not_repeated() {
        let mut settings = Settings::default();
        for name in Settings::NAMES {
            if let Err(fault) = settings.set(name, &json!({"s3cret": true})) {
                assert_eq!(fault.setting, *name);
                assert!(!fault.to_string().contains("s3cret"));
            }
        }
    }

    #[test]
    fn an_empty_value_does_not_switch_a_protection_off() {
        for name in ["audience", "issuer", "totp_encryption_keys"] {
            for value in [json!(""), json!(" "), json!(","), json!([]), json!([""])] {
                let fault = Settings::default().set(name, &value).unwrap_err();
                assert_eq!(fault.to_string(), format!("{name}: must not be empty: leave it out"));
            }
        }
    }

    #[test]
    fn a_lifetime_that_sessions_do_not_reach_is_refused_where_somebody_asked_for_it() {
        let hour = Some(60 * MINUTE);
        assert_eq!(names(&Settings { session_lifetime: hour, ..Settings::default() }), [""; 0]);
        let settings = Settings {
            session_lifetime: hour,
            refresh_token_lifetime: 30 * DAY,
            sliding_token_lifetime: 2 * DAY,
            sliding_token_refresh_lifetime: 2 * DAY,
            single_token_lifetime: 2 * DAY,
            session_idle_timeout: 2 * DAY,
            ..Settings::default()
        };
        let expected = [
            "refresh_token_lifetime",
            "sliding_token_lifetime",
            "sliding_token_refresh_lifetime",
            "single_token_lifetime",
            "session_idle_timeout",
        ];
        assert_eq!(names(&settings), expected);
        assert_eq!(names(&Settings { session_lifetime: None, ..settings }), [""; 0]);
    }

    #[test]
    fn a_header_that_means_something_else_carries_no_token() {
        for taken in ["Content-Type", "Cookie", "host", "X-CSRFToken", "Sec-Fetch-Site"] {
            let settings = Settings { auth_header_name: taken.into(), ..Settings::default() };
            assert_eq!(names(&settings), ["auth_header_name"], "{taken}");
        }
        for free in ["authorization", "X-Token", "X-Forwarded-Authorization"] {
            let settings = Settings { auth_header_name: free.into(), ..Settings::default() };
            assert_eq!(names(&settings), [""; 0], "{free}");
        }
    }

    #[test]
    fn a_queue_that_no_process_gets_through_is_refused() {
        for (places, expected) in [(0, 1), (1, 0), (65_536, 0), (65_537, 1), (usize::MAX, 1)] {
            let settings = Settings { password_queue: places, ..Settings::default() };
            assert_eq!(settings.check().len(), expected, "{places}");
        }
    }

    #[test]
    fn settings_without_effect_or_sense_are_refused_together() {
        let settings = Settings {
            rotate_refresh_tokens: false,
            blacklist_after_rotation: Some(true),
            revoke_token_claim: Some("hash_password".into()),
            refresh_grace: Duration::from_secs(61),
            session_lifetime: Some(Duration::from_secs(1)),
            refresh_token_lifetime: Duration::ZERO,
            access_token_lifetime: Duration::from_millis(1500),
            leeway: 10 * MINUTE,
            user_id_claim: "exp".into(),
            jti_claim: "token_type".into(),
            auth_header_types: vec!["Bea rer".into()],
            auth_token_classes: vec![TokenKind::Refresh],
            otp_digits: 5,
            otp_lifetime: 11 * MINUTE,
            otp_attempts: 0,
            totp_issuer: Some(String::new()),
            totp_encryption_keys: vec!["too short".into()],
            ..Settings::default()
        };
        let names = names(&settings);
        for expected in [
            "blacklist_after_rotation",
            "revoke_token_claim",
            "refresh_grace",
            "refresh_token_lifetime",
            "access_token_lifetime",
            "leeway",
            "user_id_claim",
            "jti_claim",
            "auth_header_types",
            "auth_token_classes",
            "otp_digits",
            "otp_lifetime",
            "otp_attempts",
            "totp_issuer",
            "totp_encryption_keys",
        ] {
            assert!(names.iter().any(|name| name == expected), "{expected} in {names:?}");
        }
    }

    #[test]
    fn debug_hides_the_key() {
        let settings = Settings::with_signing_key("swordfish");
        assert!(!format!("{settings:?}").contains("swordfish"));
    }
}
