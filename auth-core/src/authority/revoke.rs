//! Ending sessions, hearing of what others ended, and clearing away.

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::Authority;
use crate::claims::{TokenKind, Verified};
use crate::error::Outage;
use crate::event::AuthEvent;
use crate::otp::Purpose;
use crate::rotation::{earlier, later};
use crate::session::{Principal, RevocationReason, Session, SessionId};
use crate::store::{Revoke, Revoked, Stamp, Target};

impl Authority {
    /// Ends the session of a verified credential: a logout.
    ///
    /// # Errors
    /// The store is away.
    pub async fn logout(&self, verified: &Verified) -> Result<(), Outage> {
        // A password that was shown with the request began nothing that could end.
        if verified.kind() == TokenKind::Password {
            return Ok(());
        }
        let until = match verified.is_foreign() {
            // It has no row that would remember.
            true => self.0.clock.now().max(later(verified.expires_at(), self.slack())),
            false => later(self.0.clock.now(), self.revocation_lifetime()),
        };
        let session = Revoke::Session(verified.session());
        self.revoke_until(session, RevocationReason::Logout, until).await.map(|_| ())
    }

    /// Ends sessions, or the access tokens of sessions. When this returns, this process accepts
    /// none of them any more; the others follow at once where the store can tell them, else within their
    /// poll interval. Answers the sessions that were ended.
    ///
    /// [`Revoke::Principal`], [`Revoke::Logins`], [`Revoke::OtherSessions`] and [`Revoke::AccessTokens`] also revoke the
    /// principal's tokens of other issuers, which might be anybody's. For [`Revoke::AccessTokens`]
    /// change the rights first.
    ///
    /// # Errors
    /// The store is away. It is then unknown whether anything was ended, and safe to do it again.
    pub async fn revoke(
        &self,
        revoke: Revoke,
        reason: RevocationReason,
    ) -> Result<Vec<SessionId>, Outage> {
        let until = |lifetime| later(self.0.clock.now(), lifetime);
        let long = until(self.0.settings.foreign_token_lifetime + self.slack());
        let short = until(self.revocation_lifetime());
        // First, and visible before the sessions are listed: somebody who makes a session of
        // a foreign token, and then sees no revocation, knows that it will be listed.
        let foreign = match &revoke {
            Revoke::Foreign(_) | Revoke::ForeignAccess(_) => {
                return self.revoke_until(revoke, reason, long).await;
            }
            Revoke::Principal(principal)
            | Revoke::Logins(principal)
            | Revoke::OtherSessions { principal, .. } => Some(Revoke::Foreign(principal.clone())),
            Revoke::AccessTokens(principal) => Some(Revoke::ForeignAccess(principal.clone())),
            // What has no row may be the token of another issuer, for as long as that lives.
            Revoke::Session(id) if self.0.store.find(*id).await?.is_none() => {
                return self.revoke_until(revoke, reason, long).await;
            }
            Revoke::Session(_) => return self.revoke_until(revoke, reason, short).await,
        };
        if let Some(foreign) = foreign.filter(|_| self.accepts_foreign()) {
            self.revoke_until(foreign, reason, long).await?;
        }
        let ended = self.revoke_until(revoke, reason, short).await?;
        // Some may have been ended by another process a moment ago: the caller is told that none
        // is left.
        self.sync().await?;
        Ok(ended)
    }

    async fn revoke_until(
        &self,
        revoke: Revoke,
        reason: RevocationReason,
        until: DateTime<Utc>,
    ) -> Result<Vec<SessionId>, Outage> {
        let stamp = Stamp { at: self.0.clock.now(), reason, until };
        let Revoked { ended, targets } = self.0.store.revoke(&revoke, stamp).await?;
        for target in &targets {
            self.0.revocations.enter(target, &stamp);
        }
        match revoke {
            // Also where another process ended it, a moment ago.
            Revoke::Session(id) => self.0.revocations.enter(&Target::Session(id), &stamp),
            Revoke::AccessTokens(principal) => {
                self.emit(&AuthEvent::AccessTokensRevoked { principal, reason });
            }
            _ => {}
        }
        if !ended.is_empty() {
            self.emit(&AuthEvent::Revoked { sessions: ended.clone(), reason });
        }
        Ok(ended)
    }

    /// To be called when a user's password has changed: ends their sessions, unless
    /// [`check_revoke_token`](crate::Settings::check_revoke_token) is off, and the links that would
    /// reset it once more.
    ///
    /// # Errors
    /// The store is away.
    pub async fn password_changed(&self, principal: Principal) -> Result<(), Outage> {
        if self.0.settings.check_revoke_token {
            let revoke = Revoke::Principal(principal.clone());
            self.revoke(revoke, RevocationReason::PasswordChanged).await?;
        }
        self.withdraw_links(&Purpose::RESET_PASSWORD, &principal).await
    }

    /// The live sessions of a principal, the last seen first.
    ///
    /// # Errors
    /// The store is away.
    pub async fn sessions(&self, principal: &Principal) -> Result<Vec<Session>, Outage> {
        self.0.store.sessions_of(principal, self.0.clock.now()).await
    }

    /// A session, dead or alive; `None` when there is none (any more).
    ///
    /// # Errors
    /// The store is away.
    pub async fn session(&self, id: SessionId) -> Result<Option<Session>, Outage> {
        self.0.store.find(id).await
    }

    /// Asks the store for the revocations of other processes.
    ///
    /// # Errors
    /// The store is away. What is known stays; past
    /// [`revocation_max_staleness`](crate::Settings::revocation_max_staleness) it is not enough.
    pub async fn sync(&self) -> Result<(), Outage> {
        if let Some(tokens) = &self.0.tokens {
            tokens.sweep(self.0.jws.ring_number(), self.0.clock.now_millis());
        }
        let view = &self.0.revocations;
        let asked_at = self.0.clock.now();
        let question = view.question(asked_at.timestamp_millis());
        let news = self.0.store.revocations(question.after, asked_at).await?;
        view.apply(news, &question);
        Ok(())
    }

    /// A number that changes whenever revocations may have been appended, so that
    /// [`Authority::sync`] is called at once. `None` where only asking now and then tells, or
    /// [`revocation_listen`](crate::Settings::revocation_listen) is off.
    pub fn nudges(&self) -> Option<watch::Receiver<u64>> {
        self.0.settings.revocation_listen.then(|| self.0.store.nudges()).flatten()
    }

    /// Removes expired sessions and revocations in small batches. Answers how many rows went.
    ///
    /// # Errors
    /// The store is away; what was removed before stays removed.
    pub async fn prune(&self) -> Result<u64, Outage> {
        const BATCH: u32 = 200;
        // Another node, whose clock is behind, may still accept the last token of a session.
        let before = earlier(self.0.clock.now(), self.slack());
        let mut total = 0;
        loop {
            let removed = self.0.store.prune(before, BATCH).await?;
            total += removed;
            if removed < u64::from(BATCH) {
                return Ok(total);
            }
        }
    }

    /// Whether this process knows the revocations of the others well enough to accept tokens.
    pub fn is_current(&self) -> bool {
        self.is_current_at(self.0.clock.now_millis())
    }

    pub(super) fn is_current_at(&self, now_millis: i64) -> bool {
        let age = self.0.revocations.age_millis(now_millis);
        u128::from(age) <= self.0.settings.revocation_max_staleness.as_millis()
    }
}
