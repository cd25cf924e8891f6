//! One-time codes and links.

use std::time::Duration;

use super::Authority;
use super::login::Proof;
use crate::directory::Account;
use crate::error::{LinkError, LoginError, Outage};
use crate::event::AuthEvent;
use crate::otp::{CodePolicy, Errand, IssuedCode, Purpose, RedeemedLink, StoredLink, tidy};
use crate::password::Verdict;
use crate::random;
use crate::rotation::later;
use crate::session::{ClientInfo, Method, Principal, SecretHash};
use crate::token::{LinkToken, OneTimeCode};

/// How long after a code no other is made.
const PAUSE: Duration = Duration::from_secs(30);

impl Authority {
    /// Makes a one-time code, for who logs in as `login`: the application sends it, in the background, and
    /// answers the same in either case. `None` where there is nothing to send: there is no such user (or no
    /// such kind of user), or they may not log in; the last code was made less than 30 seconds
    /// ago; or its tries are spent. It is the same work then: a question to the directory, a hash, a
    /// write (ASVS 6.3.8).
    ///
    /// A new code takes the place of the last one for the same purpose. The tries that were spent count on
    /// until the end of the first ([`StoredCode::requested`](crate::otp::StoredCode::requested)).
    ///
    /// Nothing here keeps somebody from asking about a thousand users: a limit by address belongs before the
    /// route.
    ///
    /// # Errors
    /// The directory or the store is away, too many are waiting to be hashed, or the authority only
    /// verifies.
    pub async fn request_code(
        &self,
        purpose: &Purpose,
        user_type: &str,
        login: &str,
        client: &ClientInfo,
    ) -> Result<Option<IssuedCode>, Outage> {
        self.check_issues()?;
        let account = match self.directory(user_type) {
            Some(directory) => directory.find_by_login(login).await?,
            None => None,
        };
        let errand = errand(purpose, account.as_ref());
        let code = OneTimeCode::new(random::digits(self.0.settings.otp_digits));
        let hash = self.0.passwords.create(code.expose()).await?;
        let now = self.0.clock.now();
        let issued = self.0.store.request_code(&errand, &hash, now, &self.code_policy()).await?;

        let account = account.filter(|account| self.admits(account));
        let issued = account.as_ref().and(issued);
        self.emit(&AuthEvent::CodeRequested {
            principal: account.as_ref().map(|account| account.principal.clone()),
            purpose: errand.purpose,
            issued: issued.is_some(),
            client: client.clone(),
        });
        Ok(account.zip(issued).map(|(account, issued)| IssuedCode {
            account,
            code,
            expires_at: issued.expires_at,
        }))
    }

    /// Logs in by a code of the purpose [`Purpose::LOGIN`]: for [`Authority::start_pair`] and the like, and
    /// [`Authority::prove_second_factor`] before, where the account has one. An unknown
    /// user, a wrong or expired code, one that was used, one too many and an inactive user get the same
    /// error.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn prove_code(
        &self,
        user_type: &str,
        login: &str,
        code: &str,
        client: &ClientInfo,
    ) -> Result<Proof, LoginError> {
        let account = self.redeem_code(&Purpose::LOGIN, user_type, login, code, client).await?;
        let methods = vec![Method::OneTimeCode];
        let needs_second_factor = self.wants_second_factor(&account.principal).await?;
        Ok(Proof::checked(account.principal, methods, None, needs_second_factor))
    }

    /// Uses up a code of any purpose, and answers whose it was, loaded a moment ago. Blanks and dashes in
    /// it count for nothing.
    ///
    /// A try is spent before the code is compared (at most
    /// [`otp_attempts`](crate::Settings::otp_attempts) are, however many come at once), and of several who
    /// bring the right one at once, one succeeds (ASVS 6.5.1).
    ///
    /// # Errors
    /// [`LoginError`], as for [`Authority::prove_code`]. An outage may have cost a try.
    pub async fn redeem_code(
        &self,
        purpose: &Purpose,
        user_type: &str,
        login: &str,
        code: &str,
        client: &ClientInfo,
    ) -> Result<Account, LoginError> {
        self.check_issues()?;
        let directory = self.directory(user_type).ok_or(LoginError::UnknownUserType)?;
        let account = directory.find_by_login(login).await?;
        let errand = errand(purpose, account.as_ref());
        let policy = self.code_policy();
        let outstanding = self.0.store.try_code(&errand).await?;
        // Where nobody asked for one, none is exhausted.
        let is_last = outstanding.tries == policy.attempts && outstanding.requests > 0;
        let now = self.0.clock.now();
        let hash = outstanding.admits_try(now, &policy).then_some(outstanding.hash);
        let verdict = self.0.passwords.verify(&tidy(code), hash.clone()).await?;

        let principal = account.as_ref().map(|account| account.principal.clone());
        if let (Some(account), Some(hash), Verdict::Match { .. }) = (account, hash, verdict)
            && self.admits(&account)
            && self.0.store.use_code(&errand, &hash).await?
        {
            return Ok(account);
        }
        let (purpose, client) = (errand.purpose, client.clone());
        self.emit(&match is_last {
            true => AuthEvent::CodesExhausted { principal, purpose, client },
            false => AuthEvent::CodeRefused { principal, purpose, client },
        });
        Err(LoginError::InvalidCredentials)
    }

    pub(super) fn code_policy(&self) -> CodePolicy {
        CodePolicy {
            lifetime: self.0.settings.otp_lifetime,
            attempts: self.0.settings.otp_attempts as u64,
            pause: PAUSE,
        }
    }

    /// Makes the secret of a link that the application sends to the user, as a part of a URL. It is good once, for
    /// `lifetime` and for `purpose` only, whatever happens to other links. `subject` is kept with it and
    /// answered by [`Authority::redeem_link`]: the address that it is sent to, so that it proves nothing
    /// about another one.
    ///
    /// A link to choose a new password should live for an hour at most, one to verify an address
    /// for a day or some. The page that it leads to must not load from, or link to, other sites, or send
    /// `Referrer-Policy: no-referrer`; and it should redeem by POST, since what reads mail opens links.
    ///
    /// # Errors
    /// The store is away, or the authority only verifies.
    pub async fn issue_link(
        &self,
        purpose: &Purpose,
        principal: &Principal,
        subject: &str,
        lifetime: Duration,
    ) -> Result<LinkToken, Outage> {
        self.check_issues()?;
        let now = self.0.clock.now();
        let secret = random::bytes::<32>();
        let link = StoredLink {
            hash: SecretHash::of(&secret),
            errand: Errand { purpose: purpose.clone(), principal: principal.clone() },
            subject: subject.to_owned(),
            created_at: now,
            expires_at: later(now, lifetime),
            used_at: None,
        };
        self.0.store.create_link(&link).await?;
        Ok(LinkToken::from_secret(&secret))
    }

    /// Uses up a link, and with it all others of the user for the same purpose. Of several who bring it at
    /// once, one succeeds.
    ///
    /// The account is loaded again, and `holds` is asked whether what the link was sent to (its subject) is
    /// still true of it; where it is not, the link is [`LinkError::Outdated`] and stays. Whether the
    /// account has to be active is for `holds` to say too: one whose address is not verified may not be.
    ///
    /// ```
    /// # use auth_core::{Authority, LinkError, Purpose};
    /// # async fn example(authority: Authority, token: &str) -> Result<(), LinkError> {
    /// let link = authority
    ///     .redeem_link(&Purpose::VERIFY_ADDRESS, token, |account, address| account.email == address)
    ///     .await?;
    /// // Mark `link.subject` as verified, where it is still the address of `link.account`.
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn redeem_link(
        &self,
        purpose: &Purpose,
        token: &str,
        holds: impl Fn(&Account, &str) -> bool + Send,
    ) -> Result<RedeemedLink, LinkError> {
        self.check_issues()?;
        let secret = LinkToken::parse(token).ok_or(LinkError::Invalid)?;
        let hash = SecretHash::of(&secret);
        let link = self.0.store.find_link(hash).await?;
        let link = link.filter(|link| link.errand.purpose == *purpose).ok_or(LinkError::Invalid)?;
        let now = self.0.clock.now();
        if link.used_at.is_some() {
            return Err(LinkError::Used);
        }
        if link.expires_at <= now {
            return Err(LinkError::Expired);
        }
        let account = self.find_account(&link.errand.principal).await?;
        let account = account.filter(|account| holds(account, &link.subject));
        let account = account.ok_or(LinkError::Outdated)?;
        if !self.0.store.use_links(&link.errand, now).await?.contains(&hash) {
            return Err(LinkError::Used);
        }
        let Errand { purpose, principal } = link.errand;
        self.emit(&AuthEvent::LinkRedeemed { principal, purpose });
        Ok(RedeemedLink { account, subject: link.subject })
    }

    /// Ends all links of a user for a purpose, as if they had been used: the address changed, or somebody
    /// asked for none. [`Authority::password_changed`] does it for [`Purpose::RESET_PASSWORD`].
    ///
    /// # Errors
    /// The store is away.
    pub async fn withdraw_links(
        &self,
        purpose: &Purpose,
        principal: &Principal,
    ) -> Result<(), Outage> {
        let errand = Errand { purpose: purpose.clone(), principal: principal.clone() };
        self.0.store.use_links(&errand, self.0.clock.now()).await.map(|_| ())
    }
}

/// Who does not exist has a row in the store too, one for all of them: what is asked about them costs the
/// same, and no row is made of what a stranger types.
fn errand(purpose: &Purpose, account: Option<&Account>) -> Errand {
    let nobody = || Principal::new("", "");
    let principal = account.map_or_else(nobody, |account| account.principal.clone());
    Errand { purpose: purpose.clone(), principal }
}
