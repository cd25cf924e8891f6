//! Tokens and secrets on their way out: newtypes whose `Debug` tells nothing.

use std::fmt;

use aws_lc_rs::hmac;
use chrono::{DateTime, Utc};

use crate::directory::Account;
use crate::session::{Session, SessionId};

macro_rules! secret_text {
    ($($(#[doc = $doc:literal])* $name:ident;)*) => { $(
        $(#[doc = $doc])*
        #[derive(Clone, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            pub(crate) fn new(text: String) -> Self {
                Self(text)
            }

            /// The text that the client is given.
            pub fn expose(&self) -> &str {
                &self.0
            }

            /// The text that the client is given.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "(…)"))
            }
        }
    )* };
}

secret_text! {
    /// A signed token that opens protected routes: short-lived, shown with every request.
    AccessToken;
    /// A signed token that gets new access tokens.
    RefreshToken;
    /// A signed token that is both: it opens routes, and is exchanged for a later one.
    SlidingToken;
    /// The one token of a login without refresh.
    SingleToken;
    /// The value of a session cookie: the session's id and its secret.
    CookieSecret;
    /// A personal token: a prefix, and what a cookie's value consists of.
    PersonalToken;
    /// A short code that proves, once, that somebody receives what is sent to them.
    OneTimeCode;
    /// The secret of a link that is good once: 256 random bits as 43 characters of base64url.
    LinkToken;
    /// The secret of an authenticator app, in base32.
    TotpSecret;
    /// The same as a URI (`otpauth://totp/…`), for a picture that an app reads.
    TotpUri;
    /// A code for the day when the authenticator app is lost: good once.
    RecoveryCode;
}

/// What a login or a refresh hands out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPair {
    /// For the next minutes.
    pub access: AccessToken,
    /// For the refresh after that.
    pub refresh: RefreshToken,
}

/// A login that succeeded: who, the new session, and what the client is given (`T` is a
/// [`TokenPair`], a [`SlidingToken`], a [`SingleToken`] or a [`CookieSecret`]).
#[derive(Clone, Debug)]
pub struct Login<T> {
    /// Who logged in.
    pub account: Account,
    /// The new session.
    pub session: Session,
    /// What the client is given.
    pub granted: T,
}

/// A refresh that succeeded.
#[derive(Clone, Debug)]
pub struct Refreshed {
    /// Whose token it was, loaded for this refresh.
    pub account: Account,
    /// Their session.
    pub session: SessionId,
    /// The new access token.
    pub access: AccessToken,
    /// The current refresh token; `None` where rotation is off and the presented one stays.
    pub refresh: Option<RefreshToken>,
    /// The end of [`Refreshed::refresh`], or of the presented token: for a cookie that carries it.
    pub refresh_expires_at: DateTime<Utc>,
}

impl CookieSecret {
    /// 16 bytes of session id, 32 bytes of secret, in base64url: 64 characters.
    pub(crate) fn from_parts(session: SessionId, secret: &[u8; 32]) -> Self {
        let mut bytes = [0; 48];
        bytes[..16].copy_from_slice(session.as_bytes());
        bytes[16..].copy_from_slice(secret);
        Self::new(base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes))
    }

    /// Reads a cookie's value: `None` when it cannot be one.
    pub(crate) fn parse(value: &str) -> Option<(SessionId, [u8; 32])> {
        if value.len() != 64 {
            return None;
        }
        let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(value).ok()?;
        let (id, secret) = bytes.split_first_chunk::<16>()?;
        Some((SessionId::from_bytes(*id), secret.try_into().ok()?))
    }
}

impl LinkToken {
    pub(crate) fn from_secret(secret: &[u8; 32]) -> Self {
        Self::new(base64_simd::URL_SAFE_NO_PAD.encode_to_string(secret))
    }

    /// Reads it from a URL: `None` when it cannot be one.
    pub(crate) fn parse(text: &str) -> Option<[u8; 32]> {
        if text.len() != 43 {
            return None;
        }
        base64_simd::URL_SAFE_NO_PAD.decode_to_vec(text).ok()?.try_into().ok()
    }
}

/// The CSRF token of a session cookie: a function of its value, so that it needs no storage and
/// changes with every login. A site that cannot read the cookie cannot know it (OWASP CSRF
/// Prevention Cheat Sheet, "Signed Double-Submit Cookie": bound to the session).
pub fn csrf_token(cookie: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, cookie.as_bytes());
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(hmac::sign(&key, b"csrf token"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_reads_back_and_debug_tells_nothing() {
        let id = SessionId::random();
        let cookie = CookieSecret::from_parts(id, &[9; 32]);
        assert_eq!(CookieSecret::parse(cookie.expose()), Some((id, [9; 32])));
        assert_eq!(CookieSecret::parse(&"!".repeat(64)), None);
        assert_eq!(CookieSecret::parse(""), None);
        assert_eq!(format!("{cookie:?}"), "CookieSecret(…)");
    }
}
