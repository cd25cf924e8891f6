//! What refresh tokens and sliding tokens are exchanged for, and how they end.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::Authority;
use crate::claims::{Facts, RawClaims, TokenKind};
use crate::directory::Account;
use crate::error::{RefreshError, VerifyError};
use crate::event::AuthEvent;
use crate::rotation::{Decision, later};
use crate::session::{Carrier, RevocationReason, Session};
use crate::store::{Revoke, Rotation, Stamp, Target};
use crate::token::{Refreshed, SlidingToken};

impl Authority {
    /// Exchanges a refresh token for a new access token and, with rotation, a new refresh token.
    /// The account is loaded again: a changed role shows, an inactive user gets nothing.
    ///
    /// # Errors
    /// [`RefreshError`]. A spent token, used again past the grace, ends its session.
    pub async fn refresh(&self, token: &str) -> Result<Refreshed, RefreshError> {
        let facts = self.read(token, only(TokenKind::Refresh))?;
        let account = self.refreshing_account(&facts).await?;
        let rotation = self.rotate(&facts).await?;
        let session = &rotation.session;
        let session_id = session.id;
        let principal = session.principal.clone();

        match rotation.decision {
            Decision::Rotate { to, store_was_behind } => {
                if store_was_behind {
                    let presented = facts.generation.unwrap_or_default();
                    let principal = principal.clone();
                    self.emit(&AuthEvent::StoreWasBehind {
                        principal,
                        session: session_id,
                        presented,
                    });
                }
                self.emit(&AuthEvent::Refreshed { principal, session: session_id, generation: to });
            }
            Decision::Keep => {
                let generation = session.generation;
                self.emit(&AuthEvent::Refreshed { principal, session: session_id, generation });
            }
            Decision::Repeat => {
                self.emit(&AuthEvent::RefreshRepeated { principal, session: session_id });
            }
            Decision::Reused => {
                self.note_reuse(&facts, session);
                return Err(VerifyError::Revoked(RevocationReason::Reuse).into());
            }
            Decision::Refused(refusal) => return Err(VerifyError::from(refusal).into()),
        }

        let rotates = self.0.settings.rotate_refresh_tokens;
        Ok(Refreshed {
            access: self.access_token(session, &account)?,
            refresh: rotates.then(|| self.refresh_token(session)).transpose()?,
            refresh_expires_at: self.refresh_expiry(session),
            account,
        })
    }

    /// Exchanges a sliding token for a later one.
    ///
    /// # Errors
    /// [`RefreshError`]; [`VerifyError::Expired`] also when the time for exchanging is over.
    pub async fn refresh_sliding(&self, token: &str) -> Result<SlidingToken, RefreshError> {
        let facts = self.read(token, only(TokenKind::Sliding))?;
        let now = self.0.clock.now();
        match facts.refresh_expires_at {
            None => return Err(VerifyError::Invalid("no end of refresh").into()),
            Some(end) if end <= now.timestamp() => return Err(VerifyError::Expired.into()),
            Some(_) => {}
        }
        let account = self.refreshing_account(&facts).await?;
        let session = self.0.store.find(facts.session).await?;
        let session = session
            .filter(|s| s.principal == facts.principal && s.carrier == Carrier::Single)
            .ok_or(VerifyError::Invalid("unknown session"))?;
        if let Some((_, reason)) = session.revoked {
            return Err(VerifyError::Revoked(reason).into());
        }
        if session.expires_at <= now {
            return Err(VerifyError::Expired.into());
        }
        self.0.store.touch(session.id, now).await?;
        Ok(self.sliding_token(&session, &account)?)
    }

    /// Ends the session of a refresh token: a logout by token (RFC 7009).
    ///
    /// # Errors
    /// [`VerifyError::Revoked`] for one that has ended before, and for a spent token, whose
    /// session ends all the same.
    pub async fn blacklist(&self, token: &str) -> Result<(), VerifyError> {
        let facts = self.read(token, only(TokenKind::Refresh))?;
        match self.refreshable(&facts).await {
            Ok(None) => {
                self.revoke(Revoke::Session(facts.session), RevocationReason::Logout).await?;
                Ok(())
            }
            Ok(Some(session)) => {
                let revoke = Revoke::Session(session.id);
                let ended = self.revoke(revoke, RevocationReason::Logout).await?;
                // Two at once: the other was first.
                let first = !ended.is_empty();
                first.then_some(()).ok_or(VerifyError::Revoked(RevocationReason::Logout))
            }
            Err(VerifyError::Revoked(RevocationReason::Reuse)) => {
                self.revoke(Revoke::Session(facts.session), RevocationReason::Reuse).await?;
                Err(VerifyError::Revoked(RevocationReason::Reuse))
            }
            Err(error) => Err(error),
        }
    }

    async fn refreshing_account(&self, facts: &Facts) -> Result<Account, RefreshError> {
        self.find_account(&facts.principal)
            .await?
            .filter(|account| self.admits(account))
            .ok_or(RefreshError::NoActiveAccount)
    }

    async fn rotate(&self, facts: &Facts) -> Result<Rotation, VerifyError> {
        if !facts.has_session {
            return Err(VerifyError::Invalid("a refresh token of another issuer"));
        }
        let presented = facts.generation.ok_or(VerifyError::Invalid("gen"))?;
        let policy = self.rotation_policy();
        let now = self.0.clock.now();
        let rotation = self.0.store.rotate(facts.session, presented, now, &policy).await?;
        rotation
            .filter(|rotation| rotation.session.principal == facts.principal)
            .ok_or(VerifyError::Invalid("unknown session"))
    }

    /// The store has ended the session: this process refuses its access tokens from now on.
    fn note_reuse(&self, facts: &Facts, session: &Session) {
        let at = session.revoked.map_or_else(|| self.0.clock.now(), |(at, _)| at);
        let until = later(at, self.revocation_lifetime());
        let stamp = Stamp { at, reason: RevocationReason::Reuse, until };
        self.0.revocations.enter(Target::Session(session.id), &stamp);
        self.emit(&AuthEvent::ReuseDetected {
            principal: session.principal.clone(),
            session: session.id,
            presented: facts.generation.unwrap_or_default(),
            current: session.generation,
        });
    }

    /// The end of a session's current refresh token.
    pub(super) fn refresh_expiry(&self, session: &Session) -> DateTime<Utc> {
        later(session.rotated_at, self.0.settings.refresh_token_lifetime).min(session.expires_at)
    }

    pub(super) fn custom_claims(&self, account: &Account) -> Map<String, Value> {
        let mut claims = Map::new();
        if let Some(add) = &self.0.claims {
            add(account, &mut claims);
        }
        claims
    }
}

fn only(kind: TokenKind) -> impl FnOnce(&RawClaims<'_>) -> Result<TokenKind, VerifyError> {
    move |claims| if claims.kind()? == kind { Ok(kind) } else { Err(VerifyError::WrongType) }
}
