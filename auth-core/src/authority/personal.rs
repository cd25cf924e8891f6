//! Personal tokens: secrets that users make for programs of theirs.
//!
//! Each is a row like a login's, so it is listed, ended and forgotten in the same way, at once and in
//! every process. It is opaque, random, and kept as a hash (ASVS 6.2, 11.4.2).

use std::time::Duration;

use super::Authority;
use super::cookie::{MAX_ATTEMPTS, Remembered, changes_too_fast};
use crate::claims::{TokenKind, Verified};
use crate::directory::Account;
use crate::error::{Outage, PersonalTokenError, VerifyError};
use crate::event::AuthEvent;
use crate::random;
use crate::rotation::later;
use crate::session::{
    Carrier, ClientInfo, Principal, RevocationReason, SecretHash, Session, SessionId,
};
use crate::store::Revoke;
use crate::token::{CookieSecret, PersonalToken};

/// How many a user can have that live. More is a program that makes one at each run.
const MAX_EACH: usize = 100;

/// What a personal token is to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewPersonalToken {
    /// What its user calls it: 1 to [`NewPersonalToken::MAX_NAME_CHARS`] characters.
    pub name: String,
    /// What it is limited to, each a scope that its user has: then it is neither staff nor has a
    /// role, and [`Authority::load_account`] says the same. Only [`Account::attributes`] stay: claims that are
    /// made of them are not limited, nor is what a permission negates (`!HasRole("trainee")`). `None`: all that
    /// its user may do, as it changes.
    pub scopes: Option<Vec<String>>,
    /// How long it lives. `None`: as long as
    /// [`personal_token_lifetime`](crate::Settings::personal_token_lifetime) lets it, which is the most.
    pub lifetime: Option<Duration>,
}

impl NewPersonalToken {
    /// The longest name, in characters.
    pub const MAX_NAME_CHARS: usize = 100;
}

impl Authority {
    /// Makes a personal token for who asks. Its text is told this once; afterwards only its hash is known.
    /// The session is how it is listed: `label` is its name, `last_seen_at` its last use, to the minute.
    ///
    /// `by` has to be of a login here that has not ended when the token is there: neither a personal token nor a
    /// password that came with the request, nor a token of another issuer, which may be meant for less.
    /// Whoever is asked to make one should have proven a moment ago who they are, since it outlives the login
    /// ([`Fresh`](crate::permission::Fresh), [`Authority::prove_password_again`]).
    ///
    /// # Errors
    /// [`PersonalTokenError`].
    pub async fn create_personal_token(
        &self,
        by: &Verified,
        new: NewPersonalToken,
    ) -> Result<(PersonalToken, Session), PersonalTokenError> {
        if by.is_foreign() || matches!(by.kind(), TokenKind::Personal | TokenKind::Password) {
            return Err(PersonalTokenError::NoLogin);
        }
        let (token, session) = self.create_personal_token_for(by.principal(), new).await?;
        // Who asked may have been logged out since they were let in, here or elsewhere.
        self.sync().await?;
        match self.check_revocation(by.facts()) {
            Ok(()) => Ok((token, session)),
            Err(error) => {
                self.revoke(Revoke::Session(session.id), RevocationReason::Logout).await?;
                Err(match error {
                    VerifyError::Outage(outage) => outage.into(),
                    VerifyError::Stale => Outage::because("revocations are not known").into(),
                    _ => PersonalTokenError::NoLogin,
                })
            }
        }
    }

    /// Makes a personal token for a user, on an administrator's word.
    ///
    /// # Errors
    /// [`PersonalTokenError`].
    pub async fn create_personal_token_for(
        &self,
        principal: &Principal,
        new: NewPersonalToken,
    ) -> Result<(PersonalToken, Session), PersonalTokenError> {
        self.check_issues()?;
        let name = new.name.trim();
        if !(1..=NewPersonalToken::MAX_NAME_CHARS).contains(&name.chars().count())
            || name.contains(char::is_control)
        {
            return Err(PersonalTokenError::Name);
        }
        let longest = self.0.settings.personal_token_lifetime;
        let lifetime = new.lifetime.unwrap_or(longest);
        if lifetime < Duration::from_secs(1) || lifetime > longest {
            return Err(PersonalTokenError::Lifetime(longest));
        }
        let account = self.find_account(principal).await?;
        let account = account.filter(|account| self.admits(account));
        let account = account.ok_or(PersonalTokenError::NoActiveAccount)?;
        let mut scopes = new.scopes;
        for scope in scopes.iter().flatten() {
            if !account.scopes.contains(scope) {
                return Err(PersonalTokenError::Scope(scope.clone()));
            }
        }
        if let Some(scopes) = &mut scopes {
            scopes.sort();
            scopes.dedup();
        }

        let secret = random::bytes::<32>();
        let now = self.0.clock.now();
        let end = later(now, lifetime);
        let session = Session {
            secret_hash: Some(SecretHash::of(&secret)),
            label: Some(name.to_owned()),
            scopes,
            ..Session::begin(principal.clone(), Carrier::Personal, now, end, end)
        };
        self.0.store.create(&session).await?;
        // As at a login: whoever deactivates the user from here on ends this one too.
        let account = self.find_settled_account(principal).await?;
        let fault = if !account.is_some_and(|account| self.admits(&account)) {
            Some(PersonalTokenError::NoActiveAccount)
        // Of several at once none sees a place that another has taken.
        } else if self.personal_tokens(principal).await?.len() > MAX_EACH {
            Some(PersonalTokenError::TooMany(MAX_EACH))
        } else {
            None
        };
        if let Some(fault) = fault {
            self.revoke(Revoke::Session(session.id), RevocationReason::Administrator).await?;
            return Err(fault);
        }
        self.emit(&AuthEvent::PersonalTokenCreated {
            principal: principal.clone(),
            session: session.id,
        });
        let text = CookieSecret::from_parts(session.id, &secret);
        let prefix = &self.0.settings.personal_token_prefix;
        Ok((PersonalToken::new(format!("{prefix}_{}", text.expose())), session))
    }

    /// The personal tokens of a principal that live, the last used first.
    ///
    /// # Errors
    /// The store is away.
    pub async fn personal_tokens(&self, principal: &Principal) -> Result<Vec<Session>, Outage> {
        let mut sessions = self.sessions(principal).await?;
        sessions.retain(|session| !session.is_login());
        Ok(sessions)
    }

    /// Ends a personal token of this principal. Whether there was one.
    ///
    /// # Errors
    /// The store is away.
    pub async fn revoke_personal_token(
        &self,
        principal: &Principal,
        id: SessionId,
        reason: RevocationReason,
    ) -> Result<bool, Outage> {
        let session = self.session(id).await?;
        let is_theirs = session
            .is_some_and(|s| s.principal == *principal && !s.is_login() && s.revoked.is_none());
        if is_theirs {
            self.revoke(Revoke::Session(id), reason).await?;
        }
        Ok(is_theirs)
    }

    /// Checks a personal token from memory: `None` when the store has to be asked
    /// ([`Authority::authenticate_personal`]). No I/O.
    pub fn authenticate_personal_from_memory(
        &self,
        token: &str,
    ) -> Option<Result<Verified, VerifyError>> {
        let remembered = self.0.personal.get(token)?;
        let lately = self.is_seen_lately(&remembered);
        lately.then(|| self.recall(&remembered, None)).flatten()
    }

    /// Checks a personal token, in the store where this process does not know it or has not seen it
    /// for a minute. `client` is who shows it, as far as is known: the list shows it, nothing else.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn authenticate_personal(
        &self,
        token: &str,
        client: &ClientInfo,
    ) -> Result<Verified, VerifyError> {
        if let Some(known) = self.authenticate_personal_from_memory(token) {
            return known;
        }
        for _ in 0..MAX_ATTEMPTS {
            match self.look_up_personal(token, client).await {
                Ok(remembered) => {
                    let verified = remembered.verified.clone();
                    self.0.personal.put(token, remembered);
                    if let Some(checked) = self.check_unsigned(&verified) {
                        return checked.map(|()| verified);
                    }
                }
                // The database is away, and all that was due is to note a sign of life.
                Err(VerifyError::Outage(outage)) => {
                    let known = self.0.personal.get(token);
                    let known = known.and_then(|known| self.recall(&known, None));
                    return known.unwrap_or(Err(outage.into()));
                }
                Err(error) => {
                    self.0.personal.forget(token);
                    return Err(error);
                }
            }
        }
        Err(changes_too_fast().into())
    }

    /// Whether the text has the form of a personal token.
    pub(super) fn is_personal(&self, text: &str) -> bool {
        self.parse_personal(text).is_some()
    }

    fn parse_personal(&self, text: &str) -> Option<(SessionId, [u8; 32])> {
        let prefix = self.0.settings.personal_token_prefix.as_str();
        CookieSecret::parse(text.strip_prefix(prefix)?.strip_prefix('_')?)
    }

    async fn look_up_personal(
        &self,
        token: &str,
        client: &ClientInfo,
    ) -> Result<Remembered, VerifyError> {
        let (mut session, account) = self.find_personal(token).await?;
        self.catch_up_rights(&mut session);
        let now = self.0.clock.now();
        let client = client.clone().or(&session.client);
        self.0.store.touch(session.id, now, session.idle_expires_at, &client).await?;
        let until = later(now, self.0.settings.access_token_lifetime).min(session.expires_at);
        Ok(Remembered {
            verified: self.verified_personal(&session, &account)?,
            client,
            until_millis: until.timestamp_millis(),
            seen_at_millis: now.timestamp_millis(),
        })
    }

    /// Checks a personal token without noting that it was shown.
    pub(super) async fn inspect_personal(&self, token: &str) -> Result<Verified, VerifyError> {
        let (session, account) = self.find_personal(token).await?;
        let verified = self.verified_personal(&session, &account)?;
        self.check_revocation(verified.facts())?;
        Ok(verified)
    }

    /// The same whether or not its user may act.
    pub(super) async fn identify_personal(&self, token: &str) -> Result<Verified, VerifyError> {
        let session = self.find_personal_session(token).await?;
        let nothing_known = Account::new(session.principal.clone(), "");
        self.verified_personal(&session, &nothing_known)
    }

    async fn find_personal(&self, token: &str) -> Result<(Session, Account), VerifyError> {
        let session = self.find_personal_session(token).await?;
        // After the session: the rights are at least as new as its version says.
        let account = self.find_admitted(&session.principal).await?;
        Ok((session, account))
    }

    async fn find_personal_session(&self, token: &str) -> Result<Session, VerifyError> {
        let unknown = || VerifyError::Invalid("unknown personal token");
        let (id, secret) = self.parse_personal(token).ok_or_else(unknown)?;
        let session = self.0.store.find(id).await?.ok_or_else(unknown)?;
        let is_it = session.carrier == Carrier::Personal
            && session.secret_hash.is_some_and(|hash| hash.matches(&SecretHash::of(&secret)));
        if !is_it {
            return Err(unknown());
        }
        if let Some((_, reason)) = session.revoked {
            return Err(VerifyError::Revoked(reason));
        }
        if session.is_over(self.0.clock.now()) {
            return Err(VerifyError::Expired);
        }
        Ok(session)
    }

    fn verified_personal(
        &self,
        session: &Session,
        account: &Account,
    ) -> Result<Verified, VerifyError> {
        let limited =
            session.scopes.as_ref().map(|scopes| account.clone().limited_to(scopes.iter()));
        let account = limited.as_ref().unwrap_or(account);
        Ok(self.verified_unsigned(TokenKind::Personal, session, account, false)?)
    }
}
