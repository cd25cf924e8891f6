//! Cookie sessions. One that this process has seen lately is authenticated from memory.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::Authority;
use crate::claims::{Facts, TokenKind, Verified, cookie_payload};
use crate::clock::{Clock, millis};
use crate::directory::Account;
use crate::error::{Outage, VerifyError};
use crate::rotation::later;
use crate::session::{Carrier, RevocationReason, SecretHash, Session};
use crate::token::CookieSecret;

/// How many sessions are remembered: some 1 KiB each.
const REMEMBERED: usize = 50_000;

pub(super) struct CookieMemory(Cache<SecretHash, Arc<Remembered>>);

struct Remembered {
    verified: Verified,
    /// The rights of the account are read again after the life of an access token.
    until_millis: i64,
    seen_at_millis: i64,
}

impl CookieMemory {
    pub(super) fn new() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl Authority {
    /// Checks a session cookie from memory: `None` when the store has to be asked
    /// ([`Authority::authenticate_cookie`]). No I/O.
    pub fn authenticate_cookie_from_memory(
        &self,
        value: &str,
    ) -> Option<Result<Verified, VerifyError>> {
        let remembered = self.0.cookies.0.get(&SecretHash::of(value.as_bytes()))?;
        let now = self.0.clock.now_millis();
        let seen_lately = now - remembered.seen_at_millis < millis(self.seen_interval());
        (seen_lately && remembered.is_usable(&self.0.clock))
            .then(|| self.admit(&remembered.verified))
    }

    /// Checks a session cookie, in the store where this process does not know it or has not
    /// seen it for a minute.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn authenticate_cookie(&self, value: &str) -> Result<Verified, VerifyError> {
        if let Some(known) = self.authenticate_cookie_from_memory(value) {
            return known;
        }
        let key = SecretHash::of(value.as_bytes());
        match self.look_up(value).await {
            Ok(remembered) => {
                let verified = remembered.verified.clone();
                self.0.cookies.0.insert(key, Arc::new(remembered));
                self.admit(&verified)
            }
            // The database is away, and all that was due is to note a sign of life.
            Err(VerifyError::Outage(outage)) => match self.0.cookies.0.get(&key) {
                Some(known) if known.is_usable(&self.0.clock) => self.admit(&known.verified),
                _ => Err(outage.into()),
            },
            Err(error) => {
                self.0.cookies.0.remove(&key);
                Err(error)
            }
        }
    }

    fn admit(&self, verified: &Verified) -> Result<Verified, VerifyError> {
        self.check_revocation(verified.facts())?;
        Ok(verified.clone())
    }

    async fn look_up(&self, value: &str) -> Result<Remembered, VerifyError> {
        let unknown = || VerifyError::Invalid("unknown session cookie");
        let (id, secret) = CookieSecret::parse(value).ok_or_else(unknown)?;
        let session = self.0.store.find(id).await?.ok_or_else(unknown)?;
        let shown = SecretHash::of(&secret);
        let genuine = session.secret_hash.is_some_and(|stored| stored.matches(&shown));
        if session.carrier != Carrier::Cookie || !genuine {
            return Err(unknown());
        }
        if let Some((_, reason)) = session.revoked {
            return Err(VerifyError::Revoked(reason));
        }
        let now = self.0.clock.now();
        if session.is_over(now) {
            return Err(VerifyError::Expired);
        }
        let account = self
            .find_account(&session.principal)
            .await?
            .ok_or(VerifyError::Revoked(RevocationReason::UserDeleted))?;
        if !self.admits(&account) {
            return Err(VerifyError::Revoked(RevocationReason::UserInactive));
        }
        let idle_expires_at = later(now, self.idle_lifetime(Carrier::Cookie));
        self.0.store.touch(id, now, idle_expires_at).await?;

        let until = now.timestamp_millis() + millis(self.0.settings.access_token_lifetime);
        Ok(Remembered {
            verified: self.verified_cookie(&session, &account)?,
            until_millis: until.min(session.expires_at.timestamp_millis()),
            seen_at_millis: now.timestamp_millis(),
        })
    }

    fn verified_cookie(&self, session: &Session, account: &Account) -> Result<Verified, Outage> {
        let custom = self.custom_claims(account);
        let payload =
            cookie_payload(&self.0.settings, session, account, &custom).map_err(Outage::because)?;
        let payload = String::from_utf8(payload).map_err(Outage::because)?;
        Ok(Verified::new(Facts {
            kind: TokenKind::Cookie,
            principal: session.principal.clone(),
            session: session.id,
            has_session: true,
            token_id: None,
            generation: None,
            issued_at: Some(session.created_at.timestamp()),
            expires_at: session.expires_at.timestamp(),
            refresh_expires_at: None,
            authenticated_at: session.authenticated_at.map(|at| at.timestamp()),
            methods: session.methods.clone(),
            is_staff: account.is_staff,
            role: account.role.as_deref().map(Into::into),
            scope: account.scopes.join(" ").into(),
            payload: payload.into(),
        }))
    }
}

impl Remembered {
    fn is_usable(&self, clock: &Clock) -> bool {
        clock.now_millis() < self.until_millis
    }
}
