//! What refresh tokens and sliding tokens are exchanged for, and how they end.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use std::time::Duration;

use super::Authority;
use crate::claims::{Facts, RawClaims, TokenKind};
use crate::clock::{CLOCKS_DIFFER, from_millis};
use crate::directory::Account;
use crate::error::{RefreshError, VerifyError};
use crate::event::AuthEvent;
use crate::rotation::{Decision, Presented, Refusal, RotationPolicy, earlier, later};
use crate::session::{Carrier, ClientInfo, RevocationReason, Session};
use crate::store::{Revoke, Rotation, Stamp, Target};
use crate::token::{Refreshed, SlidingToken};

impl Authority {
    /// Exchanges a refresh token for a new access token and, with rotation, a new refresh token.
    /// The account is loaded again: a changed role shows, an inactive user gets nothing. `client`
    /// is who presents the token, as far as is known.
    ///
    /// # Errors
    /// [`RefreshError`]. A spent token, used again past the grace, ends its session.
    pub async fn refresh(
        &self,
        token: &str,
        client: &ClientInfo,
    ) -> Result<Refreshed, RefreshError> {
        self.check_issues()?;
        let facts = self.read(token, only(TokenKind::Refresh))?;
        let begun = self.0.clock.now();
        let known_rights = self.0.revocations.rights_version(facts.session());
        // Before the rotation: one that cannot be answered would spend the token.
        let mut account = self.refreshing_account(&facts).await?;
        let policy = self.rotation_policy();
        let (mut rotation, now) = self.rotate(&facts, client, &policy).await?;
        // Of a database that was set back to a backup the row may be older than that.
        let session = &mut rotation.session;
        let may_be_older = self.rights_changed_since(session, begun);
        session.rights_version = session.rights_version.max(known_rights);
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
                if policy.has_become_too_frequent(session, now) {
                    self.emit(&AuthEvent::RefreshedTooOften {
                        principal: principal.clone(),
                        session: session_id,
                        client: session.client.clone(),
                    });
                }
                self.emit(&AuthEvent::Refreshed { principal, session: session_id, generation: to });
            }
            Decision::Keep => {
                self.note_life(session, client, now).await;
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
            Decision::Refused(refusal) => {
                if refusal == Refusal::OtherClient {
                    self.note_client(session, &session.client, client, true);
                }
                return Err(VerifyError::from(refusal).into());
            }
        }
        if let Some(before) = &rotation.client_before {
            self.note_client(session, before, client, false);
        }

        if !facts.has_session() {
            let settled = self.find_settled_account(facts.principal()).await?;
            let admitted = settled.filter(|account| self.admits(account));
            account = admitted.ok_or(RefreshError::NoActiveAccount)?;
        } else if may_be_older {
            account = self.refreshing_account(&facts).await?;
        }
        let rotates = self.0.settings.rotate_refresh_tokens;
        Ok(Refreshed {
            access: self.access_token(session, &account)?,
            refresh: rotates.then(|| self.refresh_token(session)).transpose()?,
            refresh_expires_at: session.ends_at(),
            session: session_id,
            account,
        })
    }

    /// Exchanges a sliding token for a later one.
    ///
    /// # Errors
    /// [`RefreshError`]; [`VerifyError::Expired`] also when the time for exchanging is over.
    pub async fn refresh_sliding(
        &self,
        token: &str,
        client: &ClientInfo,
    ) -> Result<SlidingToken, RefreshError> {
        self.check_issues()?;
        let facts = self.read(token, only(TokenKind::Sliding))?;
        let now = self.0.clock.now();
        match facts.refresh_expires_at {
            None => return Err(VerifyError::Invalid("no end of refresh").into()),
            Some(end) if end <= earlier(now, self.0.settings.leeway).timestamp() => {
                return Err(VerifyError::Expired.into());
            }
            Some(_) => {}
        }
        let mut account = self.refreshing_account(&facts).await?;
        if !facts.has_session() {
            self.adopt(&facts).await?;
            let settled = self.find_settled_account(facts.principal()).await?;
            let admitted = settled.filter(|account| self.admits(account));
            account = admitted.ok_or(RefreshError::NoActiveAccount)?;
        }
        let session = self.0.store.find(facts.session()).await?;
        let mut session = session
            .filter(|s| s.principal == *facts.principal() && s.carrier == Carrier::Single)
            .ok_or(VerifyError::Invalid("unknown session"))?;
        if let Some((_, reason)) = session.revoked {
            return Err(VerifyError::Revoked(reason).into());
        }
        if session.is_over(now) {
            return Err(VerifyError::Expired.into());
        }
        if client.is_other_than(&session.client, self.0.settings.bind_session) {
            self.note_client(&session, &session.client, client, true);
            return Err(VerifyError::from(Refusal::OtherClient).into());
        }
        let stored = session.rights_version;
        self.catch_up_rights(&mut session);
        if session.rights_version != stored || self.rights_changed_since(&session, now) {
            account = self.refreshing_account(&facts).await?;
        }
        self.note_client(&session, &session.client, client, false);
        let client = client.clone().or(&session.client);
        self.0.store.touch(session.id, now, session.idle_expires_at, &client).await?;
        Ok(self.sliding_token(&session, &account)?)
    }

    /// Ends the session of a refresh token: a logout by token (RFC 7009).
    ///
    /// # Errors
    /// [`VerifyError::Revoked`] for one that has ended before, and for a spent token, whose
    /// session ends all the same.
    pub async fn blacklist(&self, token: &str) -> Result<(), VerifyError> {
        let facts = self.read(token, only(TokenKind::Refresh))?;
        let revoke = Revoke::Session(facts.session());
        match self.refreshable(&facts).await {
            Ok(known) => {
                if known.is_none() {
                    self.adopt(&facts).await?;
                }
                let ended = self.revoke(revoke, RevocationReason::Logout).await?;
                // Two at once: the other was first.
                let first = !ended.is_empty();
                first.then_some(()).ok_or(VerifyError::Revoked(RevocationReason::Logout))
            }
            Err(VerifyError::Revoked(RevocationReason::Reuse)) => {
                self.revoke(revoke, RevocationReason::Reuse).await?;
                Err(VerifyError::Revoked(RevocationReason::Reuse))
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a session of a refresh token or a sliding token that another issuer with our key wrote, such as
    /// SimpleJWT before the move: from its first use it is like ours. Does nothing for one that
    /// has a session.
    async fn adopt(&self, facts: &Facts) -> Result<(), VerifyError> {
        self.check_adoptable(facts)?;
        self.check_no_factor(facts).await?;
        let now = self.0.clock.now();
        let settings = &self.0.settings;
        let absolute = later(now, settings.absolute_lifetime());
        let (carrier, expires_at) = match facts.refresh_expires_at {
            Some(end) if facts.kind == TokenKind::Sliding => {
                (Carrier::Single, absolute.min(from_millis(end.saturating_mul(1000))))
            }
            _ => (Carrier::Token, absolute),
        };
        let idle_expires_at = later(now, self.idle_lifetime(carrier));
        let principal = facts.principal().clone();
        // The token says when it was issued, not when its user logged in.
        let session = Session {
            id: facts.session(),
            ..Session::begin(principal, carrier, now, idle_expires_at, expires_at)
        };
        self.0.store.create(&session).await?;

        // Now that the session can be found, whoever revokes the user ends it; what was revoked
        // before, the store tells.
        self.sync().await?;
        if let Err(error) = self.check_revocation(facts) {
            let reason = RevocationReason::Administrator;
            self.revoke(Revoke::Session(session.id), reason).await?;
            return Err(error);
        }
        Ok(())
    }

    /// Whoever issued a token that is to become a session asked for no second factor of ours.
    pub(super) async fn check_no_factor(&self, facts: &Facts) -> Result<(), VerifyError> {
        match self.wants_second_factor(facts.principal()).await? {
            true => Err(VerifyError::Invalid("its user has a second factor here")),
            false => Ok(()),
        }
    }

    pub(super) fn check_adoptable(&self, facts: &Facts) -> Result<(), VerifyError> {
        self.check_revocation(facts)?;
        // The row is what remembers that the token was spent. It is kept until the session would end, so one
        // that outlives it could come back.
        let is_within =
            |end: i64, lifetime: Duration| end <= later(self.0.clock.now(), lifetime).timestamp();
        let settings = &self.0.settings;
        let absolute = settings.absolute_lifetime();
        match facts.refresh_expires_at {
            Some(end) if facts.kind == TokenKind::Sliding => {
                let fault = "lives, or is exchanged, for longer than sliding tokens are here";
                // Its issuer's clock may be ahead: the row is kept until its own end, and once there is a row
                // its revocation is remembered for as long as ours live, and that much longer.
                let ahead = |lifetime| lifetime + CLOCKS_DIFFER;
                let lifetime = ahead(settings.sliding_token_refresh_lifetime).min(absolute);
                let opens_for = ahead(settings.sliding_token_lifetime);
                (is_within(end, lifetime) && is_within(facts.expires_at, opens_for))
                    .then_some(())
                    .ok_or(VerifyError::Invalid(fault))
            }
            _ => {
                let fault = "lives longer than refresh_token_lifetime or session_lifetime";
                let lifetime = settings.refresh_token_lifetime.min(absolute);
                is_within(facts.expires_at, lifetime)
                    .then_some(())
                    .ok_or(VerifyError::Invalid(fault))
            }
        }
    }

    async fn refreshing_account(&self, facts: &Facts) -> Result<Account, RefreshError> {
        self.find_account(facts.principal())
            .await?
            .filter(|account| self.admits(account))
            .ok_or(RefreshError::NoActiveAccount)
    }

    async fn rotate(
        &self,
        facts: &Facts,
        client: &ClientInfo,
        policy: &RotationPolicy,
    ) -> Result<(Rotation, DateTime<Utc>), VerifyError> {
        if !facts.has_session() {
            self.adopt(facts).await?;
        }
        let generation = facts.presented_generation()?;
        let presented = Presented { generation, client: client.clone() };
        let now = self.0.clock.now();
        let rotation = self.0.store.rotate(facts.session(), &presented, now, policy).await?;
        rotation
            .filter(|rotation| rotation.session.principal == *facts.principal())
            .map(|rotation| (rotation, now))
            .ok_or(VerifyError::Invalid("unknown session"))
    }

    /// A refresh that changes nothing in the store is a sign of life all the same.
    async fn note_life(&self, session: &Session, client: &ClientInfo, now: DateTime<Utc>) {
        let client = client.clone().or(&session.client);
        let is_known = client == session.client;
        if is_known && now < later(session.last_seen_at, self.seen_interval()) {
            return;
        }
        let touched = self.0.store.touch(session.id, now, session.idle_expires_at, &client).await;
        if let Err(outage) = touched {
            // Worth a line, not worth refusing what has been decided.
            tracing::warn!(error = %outage, "a sign of life could not be noted");
        }
    }

    /// Whether an account that was loaded at `begun` may show older rights than the session's
    /// version promises. The version tells the time of the change by another node's clock.
    fn rights_changed_since(&self, session: &Session, begun: DateTime<Utc>) -> bool {
        let lately = earlier(begun, self.slack()).timestamp_millis();
        session.rights_version >= lately.max(1).cast_unsigned()
    }

    /// The store has ended the session: this process refuses its access tokens from now on.
    fn note_reuse(&self, facts: &Facts, session: &Session) {
        let at = session.revoked.map_or_else(|| self.0.clock.now(), |(at, _)| at);
        let until = later(at, self.revocation_lifetime());
        let stamp = Stamp { at, reason: RevocationReason::Reuse, until };
        self.0.revocations.enter(&Target::Session(session.id), &stamp);
        self.emit(&AuthEvent::ReuseDetected {
            principal: session.principal.clone(),
            session: session.id,
            presented: facts.generation.unwrap_or_default(),
            current: session.generation,
        });
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
