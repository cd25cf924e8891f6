//! From a proof of who it is to a session.

use std::sync::Arc;
use std::time::Duration;

use super::Authority;
use crate::claims::{NewClaims, TokenKind, Verified};
use crate::directory::{Account, UserDirectory};
use crate::error::{LoginError, Outage};
use crate::event::AuthEvent;
use crate::password::{PasswordHash, Verdict};
use crate::random;
use crate::rotation::later;
use crate::session::{
    Carrier, ClientInfo, Method, Principal, RevocationReason, SecretHash, Session, short_hash,
};
use crate::store::Revoke;
use crate::token::{
    AccessToken, CookieSecret, Login, RefreshToken, SingleToken, SlidingToken, TokenPair,
};

/// Somebody proved who they are, a moment ago. It is used up by starting a session, which is refused while
/// [`Proof::needs_second_factor`].
#[derive(Debug)]
#[must_use]
pub struct Proof {
    principal: Principal,
    methods: Vec<Method>,
    /// The stored hash that the password matched: if it is another one by the time the session
    /// exists, the password was changed meanwhile.
    password_hash: Option<PasswordHash>,
    /// The account has a second factor, which was not shown yet.
    needs_second_factor: bool,
    /// A second factor was shown, or is not asked for.
    has_shown_factor: bool,
}

impl Proof {
    /// For a login that the application checked itself: an outside provider, say. Nothing else is asked
    /// for, whether the account has a second factor or not: the application says by `methods` what it saw.
    pub fn vouched(principal: Principal, methods: impl Into<Vec<Method>>) -> Self {
        let proof = Self::checked(principal, methods.into(), None, false);
        Self { has_shown_factor: true, ..proof }
    }

    pub(super) fn checked(
        principal: Principal,
        methods: Vec<Method>,
        password_hash: Option<PasswordHash>,
        needs_second_factor: bool,
    ) -> Self {
        Self { principal, methods, password_hash, needs_second_factor, has_shown_factor: false }
    }

    pub(super) fn has_method(&self, method: Method) -> bool {
        self.methods.contains(&method)
    }

    pub(super) fn add_method(&mut self, method: Method) {
        if !self.has_method(method) {
            self.methods.push(method);
        }
    }

    pub(super) fn set_has_shown_factor(&mut self) {
        self.has_shown_factor = true;
    }

    pub(super) fn set_needs_second_factor(&mut self, needs: bool) {
        self.needs_second_factor = needs;
    }

    /// Whether the account has a second factor that was not shown: no session is started with this proof,
    /// only with what [`Authority::prove_second_factor`] makes of it.
    pub fn needs_second_factor(&self) -> bool {
        self.needs_second_factor
    }

    /// Who it is.
    pub fn principal(&self) -> &Principal {
        &self.principal
    }
}

impl Authority {
    /// Logs in by password, with a token pair: [`Authority::prove_password`] and
    /// [`Authority::start_pair`].
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn login(
        &self,
        user_type: &str,
        login: &str,
        password: &str,
        client: &ClientInfo,
    ) -> Result<Login<TokenPair>, LoginError> {
        let proof = self.prove_password(user_type, login, password, client).await?;
        self.start_pair(proof, client).await
    }

    /// Checks a password. Where the account has a second factor, that is to be shown next:
    /// [`Authority::prove_second_factor`]. An unknown user, a wrong password and an inactive user get the same
    /// error after the same work (ASVS 6.3.8).
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn prove_password(
        &self,
        user_type: &str,
        login: &str,
        password: &str,
        client: &ClientInfo,
    ) -> Result<Proof, LoginError> {
        let (account, hash) = self.find_by_password(user_type, login, password, client).await?;
        self.password_proof(account, hash).await
    }

    /// Checks a login and a password that came with the request itself (RFC 7617). No session begins. For an
    /// account with a second factor, which cannot come along, this is no way in.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn authenticate_password(
        &self,
        user_type: &str,
        login: &str,
        password: &str,
        client: &ClientInfo,
    ) -> Result<Verified, LoginError> {
        let (account, hash) = self.find_by_password(user_type, login, password, client).await?;
        if self.wants_second_factor(&account.principal).await? {
            return Err(LoginError::SecondFactorRequired);
        }
        // There is no session that whoever locks the user out meanwhile would end, and to hash took a while.
        let account = self.find_account(&account.principal).await?;
        let is_same = |account: &Account| self.admits(account) && account.password_hash == hash;
        let account = account.filter(is_same).ok_or(LoginError::InvalidCredentials)?;
        let now = self.0.clock.now();
        let session = Session {
            authenticated_at: Some(now),
            methods: vec![Method::Password],
            ..Session::begin(account.principal.clone(), Carrier::Single, now, now, now)
        };
        Ok(self.verified_unsigned(TokenKind::Password, &session, &account, false)?)
    }

    /// The account, and the stored hash that the password matched.
    async fn find_by_password(
        &self,
        user_type: &str,
        login: &str,
        password: &str,
        client: &ClientInfo,
    ) -> Result<(Account, Option<PasswordHash>), LoginError> {
        self.check_issues()?;
        let directory = self.directory(user_type).ok_or(LoginError::UnknownUserType)?;
        let account = directory.find_by_login(login).await?;
        self.check_password(directory, account, password, client).await
    }

    /// Checks the password of who is logged in already, before something that a stolen session alone must not
    /// be able to do (ASVS 7.5.1). As with a login, the account's second factor is needed as well.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn prove_password_again(
        &self,
        principal: &Principal,
        password: &str,
        client: &ClientInfo,
    ) -> Result<Proof, LoginError> {
        self.check_issues()?;
        let directory = self.directory(principal.user_type());
        let directory = directory.ok_or(LoginError::UnknownUserType)?;
        let account = directory.load(principal.user_id()).await?;
        let (account, hash) = self.check_password(directory, account, password, client).await?;
        self.password_proof(account, hash).await
    }

    async fn password_proof(
        &self,
        account: Account,
        password_hash: Option<PasswordHash>,
    ) -> Result<Proof, LoginError> {
        let needs_second_factor = self.wants_second_factor(&account.principal).await?;
        let methods = vec![Method::Password];
        Ok(Proof::checked(account.principal, methods, password_hash, needs_second_factor))
    }

    async fn check_password(
        &self,
        directory: &Arc<dyn UserDirectory>,
        account: Option<Account>,
        password: &str,
        client: &ClientInfo,
    ) -> Result<(Account, Option<PasswordHash>), LoginError> {
        let stored = account.as_ref().and_then(|account| account.password_hash.clone());
        let verdict = self.0.passwords.verify(password, stored.clone()).await?;

        match (account, verdict) {
            (Some(account), Verdict::Match { upgrade }) if self.admits(&account) => {
                let password_hash = match (stored, upgrade) {
                    (Some(old), Some(new)) => {
                        self.upgrade(directory, &account, password, old, new).await?
                    }
                    (stored, _) => stored,
                };
                Ok((account, password_hash))
            }
            (account, _) => {
                let principal = account.map(|account| account.principal);
                self.emit(&AuthEvent::LoginFailed { principal, client: client.clone() });
                Err(LoginError::InvalidCredentials)
            }
        }
    }

    /// Replaces a hash that is weaker than today's. Answers the one that is stored afterwards and
    /// that the password matches: of several logins at once, one replaces it.
    async fn upgrade(
        &self,
        directory: &Arc<dyn UserDirectory>,
        account: &Account,
        password: &str,
        old: PasswordHash,
        new: PasswordHash,
    ) -> Result<Option<PasswordHash>, LoginError> {
        let user_id = account.principal.user_id();
        directory.upgrade_password_hash(user_id, &old, &new).await?;
        let stored = directory.load(user_id).await?.and_then(|account| account.password_hash);
        if stored.as_ref() == Some(&new) {
            self.emit(&AuthEvent::PasswordRehashed { principal: account.principal.clone() });
            return Ok(stored);
        }
        if stored.as_ref() == Some(&old) {
            return Ok(stored);
        }
        match self.0.passwords.verify(password, stored.clone()).await? {
            Verdict::Match { .. } => Ok(stored),
            Verdict::Mismatch => Err(LoginError::InvalidCredentials),
        }
    }

    /// Starts a session with an access and a refresh token.
    ///
    /// # Errors
    /// [`LoginError`]: the account may have changed since the proof, or have a second factor that is not in it.
    pub async fn start_pair(
        &self,
        proof: Proof,
        client: &ClientInfo,
    ) -> Result<Login<TokenPair>, LoginError> {
        let lifetime = self.0.settings.absolute_lifetime();
        let (account, session) = self.open(proof, Carrier::Token, lifetime, None, client).await?;
        let access = self.access_token(&session, &account)?;
        let refresh = self.refresh_token(&session)?;
        Ok(Login { account, session, granted: TokenPair { access, refresh } })
    }

    /// Starts a session with a sliding token.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn start_sliding(
        &self,
        proof: Proof,
        client: &ClientInfo,
    ) -> Result<Login<SlidingToken>, LoginError> {
        let lifetime = self.0.settings.sliding_token_refresh_lifetime;
        let (account, session) = self.open(proof, Carrier::Single, lifetime, None, client).await?;
        let granted = self.sliding_token(&session, &account)?;
        Ok(Login { account, session, granted })
    }

    /// Starts a session with one token and no refresh.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn start_single(
        &self,
        proof: Proof,
        client: &ClientInfo,
    ) -> Result<Login<SingleToken>, LoginError> {
        let lifetime = self.0.settings.single_token_lifetime;
        let (account, session) = self.open(proof, Carrier::Single, lifetime, None, client).await?;
        let granted = self.sign(NewClaims {
            kind: TokenKind::Single,
            token_id: random::bytes(),
            issued_at: session.created_at.timestamp(),
            expires_at: session.expires_at.timestamp(),
            refresh_expires_at: None,
            generation: None,
            session: &session,
            names_user_type: self.has_several_kinds_of_user(),
            profile: Some((&account, &self.custom_claims(&account))),
        })?;
        Ok(Login { account, session, granted: SingleToken::new(granted) })
    }

    /// Starts a session that a cookie carries.
    ///
    /// # Errors
    /// [`LoginError`].
    pub async fn start_cookie(
        &self,
        proof: Proof,
        client: &ClientInfo,
    ) -> Result<Login<CookieSecret>, LoginError> {
        let lifetime = self.0.settings.absolute_lifetime();
        let secret = random::bytes::<32>();
        let hash = Some(SecretHash::of(&secret));
        let (account, session) = self.open(proof, Carrier::Cookie, lifetime, hash, client).await?;
        let granted = CookieSecret::from_parts(session.id, &secret);
        Ok(Login { account, session, granted })
    }

    async fn open(
        &self,
        proof: Proof,
        carrier: Carrier,
        lifetime: Duration,
        secret_hash: Option<SecretHash>,
        client: &ClientInfo,
    ) -> Result<(Account, Session), LoginError> {
        self.check_issues()?;
        if proof.needs_second_factor {
            return Err(LoginError::SecondFactorRequired);
        }
        let now = self.0.clock.now();
        let idle_expires_at = later(now, self.idle_lifetime(carrier));
        let expires_at = later(now, lifetime.min(self.0.settings.absolute_lifetime()));
        let session = Session {
            secret_hash,
            authenticated_at: Some(now),
            methods: proof.methods,
            client: client.clone(),
            ..Session::begin(proof.principal, carrier, now, idle_expires_at, expires_at)
        };
        self.0.store.create(&session).await?;

        // The account is read again now that the session can be found: whoever deactivates the
        // user or changes the password from here on revokes this session too, and what happened
        // before shows in the account.
        let account = self.find_settled_account(&session.principal).await?;
        let unchanged = |account: &Account| {
            proof.password_hash.is_none() || account.password_hash == proof.password_hash
        };
        let account = account.filter(|account| self.admits(account) && unchanged(account));
        let Some(account) = account else {
            self.revoke(Revoke::Session(session.id), RevocationReason::Administrator).await?;
            let principal = Some(session.principal);
            self.emit(&AuthEvent::LoginFailed { principal, client: client.clone() });
            return Err(LoginError::InvalidCredentials);
        };
        // One that was enrolled since the proof was made.
        if !proof.has_shown_factor && self.wants_second_factor(&session.principal).await? {
            self.revoke(Revoke::Session(session.id), RevocationReason::Administrator).await?;
            return Err(LoginError::SecondFactorRequired);
        }

        if self.0.settings.update_last_login
            && let Some(directory) = self.directory(session.principal.user_type())
            && let Err(outage) = directory.record_login(session.principal.user_id(), now).await
        {
            // Worth a line, not worth refusing a login that has happened.
            tracing::warn!(error = %outage, "the time of a login could not be noted");
        }
        self.emit(&AuthEvent::LoginSucceeded {
            principal: session.principal.clone(),
            session: session.id,
            client: client.clone(),
        });
        Ok((account, session))
    }

    pub(super) fn access_token(
        &self,
        session: &Session,
        account: &Account,
    ) -> Result<AccessToken, Outage> {
        let now = self.0.clock.now();
        // No token outlives its session, whose row is what revokes it.
        let expires_at = later(now, self.0.settings.access_token_lifetime).min(session.ends_at());
        let token = self.sign(NewClaims {
            kind: TokenKind::Access,
            token_id: random::bytes(),
            issued_at: now.timestamp(),
            expires_at: expires_at.timestamp(),
            refresh_expires_at: None,
            generation: None,
            session,
            names_user_type: self.has_several_kinds_of_user(),
            profile: Some((account, &self.custom_claims(account))),
        })?;
        Ok(AccessToken::new(token))
    }

    /// The refresh token of the session's current generation: a function of the row, so that
    /// it can be answered again without having been stored.
    pub(super) fn refresh_token(&self, session: &Session) -> Result<RefreshToken, Outage> {
        let generation = session.generation;
        let token = self.sign(NewClaims {
            kind: TokenKind::Refresh,
            token_id: short_hash(&[b"refresh", session.id.as_bytes(), &generation.to_be_bytes()]),
            issued_at: session.rotated_at.timestamp(),
            expires_at: session.ends_at().timestamp(),
            refresh_expires_at: None,
            generation: Some(generation),
            session,
            names_user_type: self.has_several_kinds_of_user(),
            profile: None,
        })?;
        Ok(RefreshToken::new(token))
    }

    /// A sliding token from now, for as long as the session allows.
    pub(super) fn sliding_token(
        &self,
        session: &Session,
        account: &Account,
    ) -> Result<SlidingToken, Outage> {
        let now = self.0.clock.now();
        let expires_at = later(now, self.0.settings.sliding_token_lifetime).min(session.expires_at);
        let token = self.sign(NewClaims {
            kind: TokenKind::Sliding,
            token_id: random::bytes(),
            issued_at: now.timestamp(),
            expires_at: expires_at.timestamp(),
            refresh_expires_at: Some(session.expires_at.timestamp()),
            generation: None,
            session,
            names_user_type: self.has_several_kinds_of_user(),
            profile: Some((account, &self.custom_claims(account))),
        })?;
        Ok(SlidingToken::new(token))
    }

    fn sign(&self, claims: NewClaims<'_>) -> Result<String, Outage> {
        let payload = claims.to_json(&self.0.settings).map_err(Outage::because)?;
        let signed = self.0.jws.sign(&payload, self.0.clock.now_millis());
        signed.ok_or_else(|| Outage::because("there is no key that can sign"))
    }
}
