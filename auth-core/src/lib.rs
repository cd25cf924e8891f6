//! Tokens, keys, sessions, revocation, passwords and permissions: authentication without HTTP.
//!
//! A login on a device is a **session**: one row in a [`SessionStore`], whatever carries it. From
//! it follow short-lived *access tokens*, which open routes without a query, and *refresh tokens*,
//! which are spent when they are used. An [`Authority`] issues and checks all of them.
//!
//! | you want | it is |
//! |---|---|
//! | to log in, check a token, refresh, end a session | [`Authority`] |
//! | to configure it | [`Settings`], [`KeyRing`] |
//! | to give it your users | [`UserDirectory`], [`Account`] |
//! | to keep sessions | [`MemoryStore`], `store::diesel` (a feature), or your own [`SessionStore`] |
//! | to know who asks | [`Verified`]: only a check makes one |
//! | to decide what they may do | [`Permission`], with `&`, `\|` and `!` |
//! | one-time codes and links, by mail or telephone | [`otp`], [`Authority::request_code`], [`Authority::issue_link`] |
//! | a second factor | [`Authority::begin_second_factor`], [`Authority::prove_second_factor`] |
//! | to hear what happened | [`AuthEvent`] |
//! | to test it | [`ManualClock`], `conformance` (a feature) |
//!
//! For actix-web there is `actix-jwt` on top of this crate.
//!
//! # Guarantees
//!
//! * [`Authority::authenticate`] does no I/O. A revocation reaches access tokens all the same: each
//!   process keeps the live ones in memory and follows the store ([`Authority::sync`]).
//! * A refresh token works once; for some seconds more it gets the same answer again, for lost
//!   answers and several tabs; after that its use ends the session ([`rotation::decide`]).
//! * What is configured is required: an issuer, an audience, a kind, an expiry that is missing is
//!   a refused token, never a passed check.
//! * An [`Outage`] is an error of its own, never "not found" and never "anonymous".
//! * Time comes from a [`Clock`] and randomness from [`random`], so that tests set the one and
//!   every secret comes from the other.
//!
//! # Features
//!
//! `sqlite` and `postgres` add the stores over Diesel; `postgres-tls` compiles OpenSSL for TLS to
//! PostgreSQL; `testing` adds the conformance suite. None changes what the others do.
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod authority;
mod cache;
pub mod claims;
pub mod clock;
#[cfg(feature = "testing")]
pub mod conformance;
pub mod directory;
pub mod error;
pub mod event;
mod json;
mod jws;
pub mod keys;
pub mod otp;
pub mod password;
mod patience;
pub mod permission;
mod priority;
pub mod random;
pub mod revocation;
pub mod rotation;
pub mod session;
pub mod settings;
pub mod store;
pub mod token;

/// For implementing [`UserDirectory`] and [`SessionStore`].
pub use async_trait::async_trait;
pub use authority::{Authority, AuthorityBuilder, NewPersonalToken, Proof};
pub use claims::{TokenKind, Verified};
pub use clock::{Clock, ManualClock};
pub use directory::{Account, UserDirectory};
pub use error::{
    FactorError, Fault, LinkError, LoginError, Outage, PersonalTokenError, RefreshError,
    SettingsError, VerifyError,
};
pub use event::AuthEvent;
pub use jsonwebtoken::Algorithm;
pub use keys::{Key, KeyDirectory, KeyRing, KeySource};
pub use otp::Purpose;
pub use permission::Permission;
pub use session::{ClientInfo, Principal, Session, SessionId};
pub use settings::Settings;
pub use store::{MemoryStore, SessionStore};
