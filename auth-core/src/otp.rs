//! One-time codes and links: what somebody receives, and shows, to prove that they receive it.
//!
//! A **code** is short, so that it can be typed: some digits, for minutes, once, and few tries
//! ([`Authority::request_code`](crate::Authority::request_code)). A **link** carries 256 random bits, for hours or days
//! ([`Authority::issue_link`](crate::Authority::issue_link)). Both belong to a [`Purpose`]: what was sent to prove an address
//! resets no password. Neither is stored, only its hash.
//!
//! An authenticator app makes codes by itself: the **second factor** of an account
//! ([`Authority::begin_second_factor`](crate::Authority::begin_second_factor)). Who has one gets no session without it.
//!
//! What is said here is applied by the stores, each time as one transition.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::directory::Account;
use crate::password::PasswordHash;
use crate::rotation::later;
use crate::session::{Principal, SecretHash};
use crate::token::OneTimeCode;

pub(crate) mod factor;
pub(crate) mod seal;
pub(crate) mod totp;

pub use factor::{Changed, FactorChange, FactorStatus, NewFactor, StoredFactor};
pub use seal::SealedSecret;
pub use totp::totp_code;

/// What a code or a link is good for, and nothing else: a short word, kept in the store.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Purpose(Cow<'static, str>);

impl Purpose {
    /// To log in.
    pub const LOGIN: Self = Self::new("login");
    /// To show that an address belongs to the user.
    pub const VERIFY_ADDRESS: Self = Self::new("verify_address");
    /// To choose a new password without the old one.
    pub const RESET_PASSWORD: Self = Self::new("reset_password");

    /// One of the application.
    ///
    /// ```
    /// use auth_core::Purpose;
    ///
    /// const CLOSE_ACCOUNT: Purpose = Purpose::new("close_account");
    /// ```
    pub const fn new(word: &'static str) -> Self {
        Self(Cow::Borrowed(word))
    }

    /// From what a store keeps.
    pub fn from_stored(word: impl Into<String>) -> Self {
        Self(Cow::Owned(word.into()))
    }

    /// What a store keeps.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a code or a link proves: a purpose, and who it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Errand {
    /// What for.
    pub purpose: Purpose,
    /// Who.
    pub principal: Principal,
}

/// A code that was made: for the application to send, in the background, to an address that it knows the
/// account by. (Sending it before answering would tell by the time that there is such a user.)
#[derive(Clone, Debug)]
pub struct IssuedCode {
    /// Whose.
    pub account: Account,
    /// The code.
    pub code: OneTimeCode,
    /// Its end.
    pub expires_at: DateTime<Utc>,
}

/// A link that was used: who it was, and what it was sent to.
#[derive(Clone, Debug)]
#[must_use]
pub struct RedeemedLink {
    /// The account, loaded a moment ago.
    pub account: Account,
    /// What was given when it was issued, such as the address.
    pub subject: String,
}

/// The outstanding code of an [`Errand`]. There is one at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredCode {
    /// Its hash: argon2id with a salt, since a code has far fewer than 112 bits (ASVS 6.5.2).
    pub hash: PasswordHash,
    /// When it was made.
    pub issued_at: DateTime<Utc>,
    /// Its end.
    pub expires_at: DateTime<Utc>,
    /// How many codes were tried since the last time that `tries` began anew.
    pub tries: u64,
    /// When `tries` may begin anew: the end of the first code. Never later than `expires_at`.
    pub tries_until: DateTime<Utc>,
    /// How often a code was asked for since then. It grows with every request, so that a request that
    /// makes no code costs a write like one that does.
    pub requests: u64,
}

/// The rules, from [`Settings`](crate::Settings).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodePolicy {
    /// How long a code lives.
    pub lifetime: Duration,
    /// How many may be tried within the lifetime of the first (ASVS 6.6.3).
    pub attempts: u64,
    /// How long after a code no other is made, for the same errand: neither is a mailbox to be flooded, nor
    /// is the code that was just sent to become wrong.
    pub pause: Duration,
}

impl StoredCode {
    /// What the first try leaves behind where no code is outstanding: a code that is over since 1970, and that
    /// nothing matches. So every try is a write, and its time does not tell who has asked for a
    /// code (ASVS 6.3.8).
    pub fn tried_for_nothing() -> Self {
        let hash = PasswordHash::from_stored("");
        let long_ago = DateTime::UNIX_EPOCH;
        let (issued_at, expires_at, tries_until) = (long_ago, long_ago, long_ago);
        Self { hash, issued_at, expires_at, tries: 1, tries_until, requests: 0 }
    }

    /// The first code of an errand, or the first after a while.
    pub fn first(hash: PasswordHash, now: DateTime<Utc>, policy: &CodePolicy) -> Self {
        let expires_at = later(now, policy.lifetime);
        Self { hash, issued_at: now, expires_at, tries: 0, tries_until: expires_at, requests: 1 }
    }

    /// What a request makes of this code, and whether that is a new one, with `hash`.
    ///
    /// A new code takes the place of the old one, which is good no more (ASVS 6.6.2). The tries that were spent
    /// stay spent until the end of the *first* code: to ask again must not be a way to guess
    /// more. Where none is left a new code would be good for nothing, so there is none.
    pub fn requested(
        self,
        hash: PasswordHash,
        now: DateTime<Utc>,
        policy: &CodePolicy,
    ) -> (Self, bool) {
        if self.tries_until <= now && self.paused_until(policy) <= now {
            return (Self::first(hash, now, policy), true);
        }
        let requests = self.requests.saturating_add(1);
        if now < self.paused_until(policy) || self.tries >= policy.attempts {
            return (Self { requests, ..self }, false);
        }
        let expires_at = later(now, policy.lifetime);
        let tries_until = self.tries_until.min(expires_at);
        (Self { hash, issued_at: now, expires_at, tries_until, requests, ..self }, true)
    }

    fn paused_until(&self, policy: &CodePolicy) -> DateTime<Utc> {
        later(self.issued_at, policy.pause)
    }

    /// Whether this code, with the present try among its `tries`, is to be compared with what was typed.
    pub fn admits_try(&self, now: DateTime<Utc>, policy: &CodePolicy) -> bool {
        now < self.expires_at && self.tries <= policy.attempts
    }
}

/// A code as people type it: without blanks and dashes.
pub(crate) fn tidy(typed: &str) -> String {
    typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect()
}

/// A link, as a store keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredLink {
    /// The hash of its token.
    pub hash: SecretHash,
    /// What it proves.
    pub errand: Errand,
    /// What it was sent to, such as an address.
    pub subject: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// Its end.
    pub expires_at: DateTime<Utc>,
    /// When it, or another of the same errand, was used.
    pub used_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;

    const POLICY: CodePolicy = CodePolicy {
        lifetime: Duration::from_secs(300),
        attempts: 5,
        pause: Duration::from_secs(30),
    };

    fn at(seconds: i64) -> DateTime<Utc> {
        from_millis(1_900_000_000_000 + seconds * 1000)
    }

    fn hash(text: &str) -> PasswordHash {
        PasswordHash::from_stored(text)
    }

    fn tried(code: StoredCode, times: u64) -> StoredCode {
        StoredCode { tries: code.tries + times, ..code }
    }

    #[test]
    fn within_the_pause_the_code_stays_and_then_another_takes_its_place() {
        let code = StoredCode::first(hash("a"), at(0), &POLICY);
        let (code, new) = code.requested(hash("b"), at(29), &POLICY);
        assert_eq!((new, &code.hash, code.expires_at), (false, &hash("a"), at(300)));
        let (code, new) = code.requested(hash("b"), at(30), &POLICY);
        assert_eq!((new, &code.hash, code.expires_at), (true, &hash("b"), at(330)));
        assert_eq!((code.tries_until, code.requests), (at(300), 3));
    }

    #[test]
    fn another_code_gives_no_other_tries_before_the_end_of_the_first() {
        let code = tried(StoredCode::first(hash("a"), at(0), &POLICY), 4);
        let (code, new) = code.requested(hash("b"), at(290), &POLICY);
        assert_eq!((new, code.tries), (true, 4));
        let code = tried(code, 1);
        assert!(code.admits_try(at(291), &POLICY));
        let (code, new) = tried(code, 1).requested(hash("c"), at(299), &POLICY);
        assert_eq!((new, code.tries), (false, 6));
        assert!(!code.admits_try(at(299), &POLICY));
        let (code, new) = code.requested(hash("d"), at(310), &POLICY);
        assert_eq!((new, code.tries), (false, 6), "the pause after the last one");
        let (code, new) = code.requested(hash("e"), at(320), &POLICY);
        assert_eq!((new, code.tries, code.tries_until), (true, 0, at(620)));
    }

    #[test]
    fn a_code_is_compared_until_its_end_and_until_the_tries_are_spent() {
        let code = StoredCode::first(hash("a"), at(0), &POLICY);
        assert!(tried(code.clone(), 1).admits_try(at(299), &POLICY));
        assert!(!tried(code.clone(), 1).admits_try(at(300), &POLICY));
        assert!(tried(code.clone(), 5).admits_try(at(0), &POLICY));
        assert!(!tried(code, 6).admits_try(at(0), &POLICY));
    }

    #[test]
    fn blanks_and_dashes_in_a_typed_code_are_nothing() {
        assert_eq!(tidy(" 123 456\n"), "123456");
        assert_eq!(tidy("123-456"), "123456");
        assert_eq!(tidy("12345６"), "12345６");
    }
}
