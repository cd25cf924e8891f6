//! What is kept of a credential that was checked: in one allocation with its payload, so that checking a
//! token makes no other.

use std::any::Any;
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use arrayvec::ArrayString;
use serde::de::DeserializeOwned;
use smallvec::SmallVec;

use super::{DEFAULT_USER_TYPE, TokenKind};
use crate::clock::seconds;
use crate::directory::Account;
use crate::error::VerifyError;
use crate::session::{Method, Principal, Session, SessionId};
use crate::settings::Settings;

/// How long a payload is usually at the most.
const SHORT_BYTES: usize = 512;

pub(crate) type Methods = SmallVec<[Method; 4]>;

pub(crate) struct Facts {
    pub(crate) kind: TokenKind,
    pub(super) user_type: Option<Part>,
    pub(super) user_id: Part,
    /// `None` for a token that names no session of ours.
    pub(super) own_session: Option<SessionId>,
    pub(super) token_id: Option<Part>,
    pub(crate) generation: Option<u64>,
    /// The [`Session::rights_version`](crate::Session) that it was issued with.
    pub(crate) rights_version: u64,
    pub(crate) issued_at: Option<i64>,
    pub(crate) expires_at: i64,
    pub(crate) refresh_expires_at: Option<i64>,
    pub(crate) authenticated_at: Option<i64>,
    pub(crate) methods: Methods,
    pub(crate) is_staff: bool,
    pub(super) role: Option<Part>,
    pub(super) scope: Option<Part>,
    pub(crate) has_new_cookie: bool,
    /// Its scopes are all that it may do, whatever its user may.
    pub(crate) is_limited: bool,
    pub(super) payload: Payload,
    /// Made when they are first asked for.
    pub(super) principal: OnceLock<Principal>,
    pub(super) foreign_session: OnceLock<SessionId>,
    pub(super) claims: OnceLock<Arc<dyn Any + Send + Sync>>,
}

/// A text of the payload: where it stands there or, where it is written with escapes, itself.
pub(crate) enum Part {
    At(u16, u16),
    Own(Box<str>),
}

impl Part {
    /// `text` was read from `payload`, which is the one that the facts will have.
    pub(super) fn of(text: Cow<'_, str>, payload: &str) -> Self {
        let start = (text.as_ptr() as usize).wrapping_sub(payload.as_ptr() as usize);
        let stands_there = payload.get(start..start.wrapping_add(text.len())) == Some(&*text);
        match (u16::try_from(start), u16::try_from(text.len())) {
            (Ok(start), Ok(len)) if stands_there => Self::At(start, len),
            _ => Self::Own(text.into()),
        }
    }
}

/// The claims as they were signed: within the facts where they are short.
#[derive(Default)]
pub(super) struct Payload {
    short: ArrayString<SHORT_BYTES>,
    long: Option<Box<str>>,
}

impl Payload {
    /// To be called once, and where it is: copying it about costs more than filling it.
    pub(super) fn fill(&mut self, text: &str) {
        if self.short.try_push_str(text).is_err() {
            self.long = Some(text.into());
        }
    }
}

impl Deref for Payload {
    type Target = str;

    fn deref(&self) -> &str {
        self.long.as_deref().unwrap_or(&self.short)
    }
}

impl Facts {
    /// Of a credential that is no signed token; its payload is what an access token would say.
    pub(crate) fn unsigned(
        kind: TokenKind,
        session: &Session,
        account: &Account,
        payload: &str,
        has_new_cookie: bool,
    ) -> Self {
        let own = |text: &str| Part::Own(text.into());
        let mut filled = Payload::default();
        filled.fill(payload);
        Self {
            kind,
            user_type: Some(own(session.principal.user_type())),
            user_id: own(session.principal.user_id()),
            own_session: Some(session.id),
            token_id: None,
            generation: None,
            rights_version: session.rights_version,
            issued_at: Some(session.created_at.timestamp()),
            expires_at: session.expires_at.timestamp(),
            refresh_expires_at: None,
            authenticated_at: session.authenticated_at.map(|at| at.timestamp()),
            methods: session.methods.iter().copied().collect(),
            is_staff: account.is_staff,
            role: account.role.as_deref().map(own),
            scope: Some(own(&account.scopes.join(" "))),
            has_new_cookie,
            is_limited: session.scopes.is_some(),
            payload: filled,
            principal: session.principal.clone().into(),
            foreign_session: OnceLock::new(),
            claims: OnceLock::new(),
        }
    }

    fn text<'a>(&'a self, part: &'a Part) -> &'a str {
        match part {
            Part::At(start, len) => {
                let start = usize::from(*start);
                self.payload.get(start..start + usize::from(*len)).unwrap_or_default()
            }
            Part::Own(text) => text,
        }
    }

    pub(crate) fn payload(&self) -> &str {
        &self.payload
    }

    pub(super) fn shared_claims<T>(&self) -> Result<Arc<T>, serde_json::Error>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        if let Some(known) = self.claims.get()
            && let Ok(known) = Arc::clone(known).downcast()
        {
            return Ok(known);
        }
        let claims = Arc::new(serde_json::from_str::<T>(&self.payload)?);
        // What was asked for first stays.
        let _ = self.claims.set(claims.clone());
        Ok(claims)
    }

    pub(crate) fn user_type(&self) -> &str {
        self.user_type.as_ref().map_or(DEFAULT_USER_TYPE, |part| self.text(part))
    }

    pub(crate) fn user_id(&self) -> &str {
        self.text(&self.user_id)
    }

    pub(crate) fn principal(&self) -> &Principal {
        self.principal.get_or_init(|| Principal::new(self.user_type(), self.user_id()))
    }

    pub(crate) fn token_id(&self) -> Option<&str> {
        self.token_id.as_ref().map(|part| self.text(part))
    }

    pub(crate) fn role(&self) -> Option<&str> {
        self.role.as_ref().map(|part| self.text(part))
    }

    pub(crate) fn scope(&self) -> &str {
        self.scope.as_ref().map_or("", |part| self.text(part))
    }

    /// Whether it names a session of ours.
    pub(crate) fn has_session(&self) -> bool {
        self.own_session.is_some()
    }

    pub(crate) fn session(&self) -> SessionId {
        self.own_session.unwrap_or_else(|| {
            *self.foreign_session.get_or_init(|| {
                let token = self.token_id().unwrap_or(&self.payload);
                SessionId::of_foreign_token(self.principal(), token)
            })
        })
    }

    /// The generation of a refresh token. Another issuer's token is the first of its session.
    pub(crate) fn presented_generation(&self) -> Result<u64, VerifyError> {
        match (self.has_session(), self.generation) {
            (true, generation) => generation.ok_or(VerifyError::Invalid("gen")),
            (false, _) => Ok(0),
        }
    }

    /// When `exp` has passed, as [`RawClaims::check_validity`](super::RawClaims) judges it: in
    /// milliseconds.
    pub(crate) fn good_until_millis(&self, settings: &Settings) -> i64 {
        self.expires_at.saturating_add(seconds(settings.leeway)).saturating_mul(1000)
    }
}
