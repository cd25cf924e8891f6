//! Tokens, keys, sessions, revocation, passwords and permissions: authentication without HTTP.
#![forbid(unsafe_code)]
#![warn(missing_docs, unreachable_pub)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

mod authority;
pub mod claims;
pub mod clock;
pub mod directory;
pub mod error;
pub mod event;
mod jws;
pub mod keys;
pub mod password;
pub mod permission;
pub mod random;
pub mod revocation;
pub mod rotation;
pub mod session;
pub mod settings;
pub mod store;
pub mod token;

pub use authority::{Authority, AuthorityBuilder, Proof};
pub use claims::{TokenKind, Verified};
pub use clock::{Clock, ManualClock};
pub use directory::{Account, UserDirectory};
pub use error::{Fault, LoginError, Outage, RefreshError, SettingsError, VerifyError};
pub use event::AuthEvent;
pub use keys::{Key, KeyRing};
pub use permission::Permission;
pub use session::{ClientInfo, Principal, Session, SessionId};
pub use settings::Settings;
pub use store::{MemoryStore, SessionStore};
