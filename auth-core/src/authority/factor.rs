//! The second factor: enrolling an authenticator app, and asking for its codes at login.

use std::time::Duration;

use super::Authority;
use super::login::Proof;
use crate::claims::Verified;
use crate::clock::CLOCKS_DIFFER;
use crate::directory::Account;
use crate::error::{FactorError, LoginError, Outage};
use crate::event::AuthEvent;
use crate::otp::factor::{recovery_codes, recovery_hash};
use crate::otp::{Changed, FactorChange, FactorStatus, NewFactor, StoredFactor, tidy, totp};
use crate::random;
use crate::rotation::later;
use crate::session::{ClientInfo, Method, Principal};
use crate::token::{RecoveryCode, TotpSecret};

/// How long an enrolment that was begun can be confirmed.
const ENROLMENT: Duration = Duration::from_secs(10 * 60);

impl Authority {
    /// Whether there is a second factor: `None` where nobody has begun to enrol one.
    ///
    /// # Errors
    /// The store is away.
    pub async fn second_factor(
        &self,
        principal: &Principal,
    ) -> Result<Option<FactorStatus>, Outage> {
        let factor = self.0.store.find_factor(principal).await?;
        Ok(factor.map(|factor| FactorStatus {
            confirmed_at: factor.confirmed_at,
            recovery_codes: factor.recovery.len(),
        }))
    }

    /// Whether the login of `verified` has shown the second factor, if its user has one by now. One from before
    /// the enrolment has not, and must not be enough to change it.
    ///
    /// # Errors
    /// The store is away.
    pub async fn has_shown_second_factor(&self, verified: &Verified) -> Result<bool, Outage> {
        if verified.has_method(Method::MultiFactor) {
            return Ok(true);
        }
        let factor = self.0.store.find_factor(verified.principal()).await?;
        let Some(confirmed_at) = factor.and_then(|factor| factor.confirmed_at) else {
            return Ok(true);
        };
        // A code that is sent and one of an app are no two factors, but no login by code begins without the app
        // once it is there. Clocks of nodes differ, and a login may have begun a moment before.
        let since = later(confirmed_at, CLOCKS_DIFFER);
        let is_later = verified.authenticated_at().is_some_and(|login| login >= since);
        Ok(is_later && verified.has_method(Method::OneTimeCode))
    }

    /// Begins to enrol an authenticator app: answers the secret that it has to know. Nothing is asked for at
    /// login until [`Authority::confirm_second_factor`] has seen a code of it. `None` where there is a
    /// factor that is confirmed: it has to be removed first.
    ///
    /// Whoever begins should have proved who they are a moment ago (ASVS 7.5.1).
    ///
    /// # Errors
    /// The store is away, or the authority only verifies.
    pub async fn begin_second_factor(
        &self,
        account: &Account,
    ) -> Result<Option<NewFactor>, Outage> {
        self.check_issues()?;
        let secret = random::bytes::<{ totp::SECRET_BYTES }>();
        let sealed = self.0.seals.seal(&account.principal, &secret)?;
        let enrol = FactorChange::Enrol { secret: sealed, at: self.0.clock.now() };
        if self.0.store.change_factor(&account.principal, &enrol).await?.is_none() {
            return Ok(None);
        }
        let secret = totp::to_base32(&secret);
        let issuer = self.0.settings.totp_issuer.as_deref();
        let uri = totp::uri(&secret, issuer, &account.username);
        Ok(Some(NewFactor { secret: TotpSecret::new(secret), uri }))
    }

    /// Confirms the app by a code that it shows: from now on every login needs one. Answers the recovery
    /// codes, which are shown once; each is good for one login in the place of a code.
    ///
    /// An enrolment waits for ten minutes, and as many codes are tried as at a login.
    ///
    /// The sessions that there are go on. To end the others there is
    /// [`Revoke::OtherSessions`](crate::store::Revoke) (ASVS 7.4.3 asks to offer it).
    ///
    /// # Errors
    /// [`FactorError`].
    pub async fn confirm_second_factor(
        &self,
        principal: &Principal,
        code: &str,
    ) -> Result<Vec<RecoveryCode>, FactorError> {
        self.check_issues()?;
        let (now, policy) = (self.0.clock.now(), self.code_policy());
        let attempt = FactorChange::Try { now, policy, confirmed: false };
        let tried = self.0.store.change_factor(principal, &attempt).await?;
        let is_begun = |factor: &StoredFactor| now < later(factor.created_at, ENROLMENT);
        let factor = tried.map(Changed::into_factor).filter(is_begun);
        let factor = factor.ok_or(FactorError::NotEnrolling)?;
        if !factor.admits_try(&policy) {
            return Err(FactorError::WrongCode);
        }
        let opened = self.0.seals.open(principal, &factor.secret)?;
        let step = totp::matching_step(&opened.secret, &tidy(code), now, factor.last_step);
        let step = step.ok_or(FactorError::WrongCode)?;
        let (codes, recovery) = recovery_codes();
        let confirm = FactorChange::Confirm { secret: factor.secret, step, recovery, at: now };
        // Another call was first, with the same secret or another one.
        let confirmed = self.0.store.change_factor(principal, &confirm).await?;
        confirmed.ok_or(FactorError::NotEnrolling)?;
        self.emit(&AuthEvent::SecondFactorAdded { principal: principal.clone() });
        Ok(codes)
    }

    /// Makes new recovery codes in the place of those that are left. `None` without a factor that is
    /// confirmed.
    ///
    /// # Errors
    /// The store is away.
    pub async fn renew_recovery_codes(
        &self,
        principal: &Principal,
    ) -> Result<Option<Vec<RecoveryCode>>, Outage> {
        let Some(factor) = self.0.store.find_factor(principal).await? else { return Ok(None) };
        let (codes, recovery) = recovery_codes();
        let replace = FactorChange::ReplaceRecovery { secret: factor.secret, recovery };
        if self.0.store.change_factor(principal, &replace).await?.is_none() {
            return Ok(None);
        }
        self.emit(&AuthEvent::RecoveryCodesRenewed { principal: principal.clone() });
        Ok(Some(codes))
    }

    /// Removes the second factor, confirmed or not: logins need none any more. Answers whether there was
    /// one. For the user, who has proved a moment ago who they are; and for an administrator, when app and
    /// recovery codes are lost (ASVS 6.4.4: with as much proof as when it was enrolled).
    ///
    /// # Errors
    /// The store is away.
    pub async fn remove_second_factor(&self, principal: &Principal) -> Result<bool, Outage> {
        let removed = self.0.store.change_factor(principal, &FactorChange::Remove).await?;
        let Some(factor) = removed.map(Changed::into_factor) else { return Ok(false) };
        if factor.confirmed_at.is_some() {
            self.emit(&AuthEvent::SecondFactorRemoved { principal: principal.clone() });
        }
        Ok(true)
    }

    /// Adds the second factor to a proof that needs one ([`Proof::needs_second_factor`]): `code` is what the
    /// app shows, or a recovery code. A proof that needs none is answered as it was.
    ///
    /// A try is spent before anything is compared: at most
    /// [`otp_attempts`](crate::Settings::otp_attempts) within
    /// [`otp_lifetime`](crate::Settings::otp_lifetime), however many come at once, and then as many in twice, four
    /// times … that time, a day at most, until one is right (ASVS 6.6.3). Each code is good once (ASVS 6.5.1). A wrong code is the same error as a wrong password, and uses up
    /// the proof.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn prove_second_factor(
        &self,
        mut proof: Proof,
        code: &str,
        client: &ClientInfo,
    ) -> Result<Proof, LoginError> {
        if !proof.needs_second_factor() {
            return Ok(proof);
        }
        let principal = proof.principal().clone();
        let (now, policy) = (self.0.clock.now(), self.code_policy());
        let attempt = FactorChange::Try { now, policy, confirmed: true };
        let tried = self.0.store.change_factor(&principal, &attempt).await?;
        if let Some(factor) = tried.map(Changed::into_factor) {
            // A recovery code cannot be guessed, and is there for who is locked out.
            let may_try = factor.admits_try(&policy) || !totp::is_code(&tidy(code));
            let accepted = may_try && self.accept_second_factor(&principal, &factor, code).await?;
            if !accepted {
                let exhausted = factor.tries == policy.attempts;
                let client = client.clone();
                self.emit(&AuthEvent::SecondFactorRefused { principal, exhausted, client });
                return Err(LoginError::InvalidCredentials);
            }
            proof.add_method(Method::OneTimeCode);
            // Two of a kind are not two factors: a code by mail, say, and one of an app.
            if proof.has_method(Method::Password) {
                proof.add_method(Method::MultiFactor);
            }
            proof.set_has_shown_factor();
        }
        // Or it was removed since the password was checked.
        proof.set_needs_second_factor(false);
        Ok(proof)
    }

    /// Whether the code is right, and has not been used before.
    async fn accept_second_factor(
        &self,
        principal: &Principal,
        factor: &StoredFactor,
        code: &str,
    ) -> Result<bool, Outage> {
        let typed = tidy(code);
        let secret = factor.secret.clone();
        if totp::is_code(&typed) {
            let opened = self.0.seals.open(principal, &secret)?;
            let now = self.0.clock.now();
            let step = totp::matching_step(&opened.secret, &typed, now, factor.last_step);
            let Some(step) = step else { return Ok(false) };
            let resealed = match opened.is_current {
                true => None,
                false => Some(self.0.seals.seal(principal, &opened.secret)?),
            };
            let accept = FactorChange::Accept { secret, step, resealed };
            return Ok(self.0.store.change_factor(principal, &accept).await?.is_some());
        }
        let recover = FactorChange::Recover { secret, code: recovery_hash(&typed) };
        let recovered = self.0.store.change_factor(principal, &recover).await?;
        let Some(factor) = recovered.map(Changed::into_factor) else { return Ok(false) };
        self.emit(&AuthEvent::RecoveryCodeUsed {
            principal: principal.clone(),
            left: factor.recovery.len(),
        });
        Ok(true)
    }

    /// Whether a login of this principal needs a second factor. One look into the store.
    pub(super) async fn wants_second_factor(&self, principal: &Principal) -> Result<bool, Outage> {
        let factor = self.0.store.find_factor(principal).await?;
        Ok(factor.is_some_and(|factor| factor.confirmed_at.is_some()))
    }
}
