//! The authority: logs in, authenticates, refreshes, revokes.

use std::collections::HashMap;
use std::fmt;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::Duration;

use foldhash::quality::RandomState;
use serde_json::{Map, Value};

use crate::cache::{TokenCache, Wanted};
use crate::claims::{Facts, RawClaims, TokenKind, Verified};
use crate::clock::{CLOCKS_DIFFER, Clock, seconds};
use crate::directory::{Account, UserDirectory};
use crate::error::{Outage, VerifyError};
use crate::event::{AuthEvent, Subscriber};
use crate::jws::{Jws, MAX_TOKEN_BYTES};
use crate::keys::{JwkSet, KeyError, KeyRing, KeyState};
use crate::otp::seal::Seals;
use crate::password::{PasswordHash, PasswordLanes};
use crate::revocation::{RevocationView, Verdict};
use crate::rotation::{Decision, Presented, Refusal, RotationPolicy, decide};
use crate::session::{
    BindSession, Carrier, ClientInfo, Principal, RevocationReason, Session, SessionId,
};
use crate::settings::{Settings, WhenStale};
use crate::store::SessionStore;

mod builder;
mod codes;
mod cookie;
mod factor;
mod login;
mod personal;
mod refresh;
mod revoke;

pub use builder::AuthorityBuilder;
pub use login::Proof;
pub use personal::NewPersonalToken;

use cookie::SecretMemory;

/// By kind of user.
type Directories = HashMap<String, Arc<dyn UserDirectory>, RandomState>;

/// Issues tokens and checks them, opens sessions and ends them.
///
/// One per process, shared by cloning. It keeps the revocations of all processes in memory:
/// somebody has to call [`Authority::sync`] at least every
/// [`revocation_poll_interval`](Settings::revocation_poll_interval), and [`Authority::prune`]
/// now and then. `actix_jwt::Auth::start` does both.
///
/// ```
/// # use auth_core::{Account, Authority, MemoryStore, Outage, Principal, Settings, UserDirectory};
/// # struct Users;
/// # #[auth_core::async_trait]
/// # impl UserDirectory for Users {
/// #     async fn find_by_login(&self, _: &str) -> Result<Option<Account>, Outage> { Ok(None) }
/// #     async fn load(&self, _: &str) -> Result<Option<Account>, Outage> { Ok(None) }
/// # }
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = Settings::with_signing_key("a secret of at least thirty-two bytes");
/// let authority =
///     Authority::builder(settings).store(MemoryStore::new()).users(Users).build()?;
/// authority.sync().await?;
///
/// let verified = authority.authenticate("eyJ…");
/// assert!(verified.is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

/// How far a check goes.
struct Checked {
    /// With a key of this ring,
    ring: u64,
    /// and until then, in milliseconds, if nothing is revoked.
    until: i64,
}

type ClaimsHook = Arc<dyn Fn(&Account, &mut Map<String, Value>) + Send + Sync>;
type RuleHook = Arc<dyn Fn(&Account) -> bool + Send + Sync>;

struct Inner {
    settings: Settings,
    clock: Clock,
    jws: Jws,
    /// Whether it was built with a key that signs.
    issues: bool,
    store: Arc<dyn SessionStore>,
    directories: Directories,
    passwords: PasswordLanes,
    /// Of the secrets of second factors.
    seals: Seals,
    revocations: RevocationView,
    tokens: Option<TokenCache>,
    cookies: SecretMemory,
    personal: SecretMemory,
    claims: Option<ClaimsHook>,
    rule: Option<RuleHook>,
    subscribers: Vec<Subscriber>,
}

impl Authority {
    /// Begins to build one.
    pub fn builder(settings: Settings) -> AuthorityBuilder {
        AuthorityBuilder::new(settings)
    }

    /// Begins to build one for a service that only verifies the access tokens of another: it has no users,
    /// and keeps no sessions. Its keys are [`verifying_key`](Settings::verifying_key), those of
    /// [`jwk_url`](Settings::jwk_url), or what [`Authority::set_keys`] is given.
    ///
    /// [`AuthorityBuilder::store`] can still name the store of the issuer, where both use one database:
    /// revocations then reach this service too. Without it a token is good until it expires.
    pub fn verifier(settings: Settings) -> AuthorityBuilder {
        AuthorityBuilder::verifier(settings)
    }

    /// The settings it was built with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Its clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Its keys.
    pub fn keys(&self) -> Arc<KeyRing> {
        self.0.jws.ring()
    }

    /// What each of its keys does now.
    pub fn key_states(&self) -> Vec<(Option<String>, KeyState)> {
        let ring = self.keys();
        let states = ring.states(self.0.clock.now(), self.0.jws.lifetime());
        states.map(|(key, state)| (key.kid().map(str::to_owned), state)).collect()
    }

    /// Replaces all keys, between two requests. What the old ones signed is refused from then on, unless
    /// they are among the new ones ([`KeyRing::also_accept`], [`KeyRing::also_sign_from`]).
    ///
    /// One that was built to verify only goes on to: what could sign is left out.
    ///
    /// # Errors
    /// Keys that do not go together, or none that signs where there was one. The old ones stay.
    pub fn set_keys(&self, keys: KeyRing) -> Result<(), KeyError> {
        keys.check()?;
        match self.issues() {
            true if !keys.can_sign() => return Err(KeyError::CannotSign),
            true => self.0.jws.replace(keys),
            false => self.0.jws.replace(keys.into_verifying()),
        }
        Ok(())
    }

    /// Whether it can issue tokens, or was built to verify those of another issuer.
    pub fn issues(&self) -> bool {
        self.0.issues
    }

    /// To be asked before anything is done that ends in a token.
    fn check_issues(&self) -> Result<(), Outage> {
        match self.issues() {
            true => Ok(()),
            false => Err(Outage::because("this authority has only keys that verify")),
        }
    }

    /// How many bytes the memory of verified tokens takes now
    /// ([`token_cache_bytes`](Settings::token_cache_bytes)).
    pub fn token_cache_bytes(&self) -> usize {
        self.0.tokens.as_ref().map_or(0, TokenCache::bytes)
    }

    /// The public halves of its keys, as `/.well-known/jwks.json` answers them (RFC 7517 §5): those
    /// that sign, will sign, or have signed tokens that can still be good. Secrets have none.
    pub fn jwks(&self) -> JwkSet {
        self.0.jws.jwks(self.0.clock.now_millis())
    }

    /// Checks a token that wants to open a route: an access token, or what
    /// [`auth_token_classes`](Settings::auth_token_classes) names. No I/O.
    ///
    /// In this order: length and shape, header, signature, claims (`nbf`, `exp`, `iss`, `aud`,
    /// kind, `jti`, user), revocation.
    ///
    /// # Errors
    /// [`VerifyError`]; never [`VerifyError::Outage`].
    pub fn authenticate(&self, token: &str) -> Result<Verified, VerifyError> {
        self.remembered(token, Wanted::Bearer, |claims| {
            let kind = claims.kind()?;
            let accepted = self.0.settings.auth_token_classes.contains(&kind);
            accepted.then_some(kind).ok_or(VerifyError::WrongType)
        })
    }

    /// Checks the one token of a login without refresh ([`Authority::start_single`]). No I/O.
    ///
    /// # Errors
    /// As [`Authority::authenticate`].
    pub fn authenticate_single(&self, token: &str) -> Result<Verified, VerifyError> {
        self.remembered(token, Wanted::Single, |claims| {
            claims.is_single().then_some(TokenKind::Single).ok_or(VerifyError::NoUser)
        })
    }

    /// Reads a token, or remembers it. Revocation is asked every time.
    fn remembered(
        &self,
        token: &str,
        wanted: Wanted,
        kind: impl FnOnce(&RawClaims<'_>) -> Result<TokenKind, VerifyError>,
    ) -> Result<Verified, VerifyError> {
        let now = self.0.clock.now_millis();
        let known = self
            .0
            .tokens
            .as_ref()
            .and_then(|tokens| tokens.get(token, wanted, self.0.jws.ring_number(), now));
        if let Some(verified) = known {
            self.check_revocation_at(verified.facts(), now)?;
            return Ok(verified);
        }
        let (facts, checked) = self.read_checked(token, now, kind)?;
        self.check_revocation_at(&facts, now)?;
        let verified = Verified::new(facts);
        if let Some(tokens) = &self.0.tokens {
            tokens.put(token, &verified, checked.ring, checked.until, now);
        }
        Ok(verified)
    }

    /// Checks a token of any kind, as a service does that was handed one. A refresh token is
    /// looked up in the store: it must be one that a refresh would take.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn verify(&self, token: &str) -> Result<Verified, VerifyError> {
        let facts = self.read(token, |claims| claims.kind())?;
        if facts.kind != TokenKind::Refresh {
            self.check_revocation(&facts)?;
        } else if self.refreshable(&facts).await?.is_none() {
            self.check_no_factor(&facts).await?;
        }
        Ok(Verified::new(facts))
    }

    /// What any token of ours says, for a service that was handed one and has to know more than whether
    /// it is good (RFC 7662): a signed token of any kind, as [`Authority::verify`] checks it, the one
    /// token of a login without refresh, or a personal token. Its user is looked up.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn introspect(&self, token: &str) -> Result<Verified, VerifyError> {
        if self.is_personal(token) {
            return self.inspect_personal(token).await;
        }
        let verified = match self.verify(token).await {
            Err(VerifyError::NoType) => self.authenticate_single(token)?,
            verified => verified?,
        };
        if self.issues() {
            self.load_account(&verified).await?;
        }
        Ok(verified)
    }

    /// The same where something other than its end keeps it from opening anything: its user is inactive or
    /// gone, has a second factor or other rights by now. For who ends it
    /// ([`Authority::logout`]): it must not come back to life.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn identify(&self, token: &str) -> Result<Verified, VerifyError> {
        if self.is_personal(token) {
            return self.identify_personal(token).await;
        }
        let facts = self.read(token, |claims| match claims.kind() {
            Err(VerifyError::NoType) if claims.is_single() => Ok(TokenKind::Single),
            kind => kind,
        })?;
        if facts.kind == TokenKind::Refresh {
            self.refreshable(&facts).await?;
        } else if let Verdict::Revoked(reason) = self.0.revocations.verdict(&facts) {
            return Err(VerifyError::Revoked(reason));
        } else {
            self.check_current(self.0.clock.now_millis())?;
        }
        Ok(Verified::new(facts))
    }

    /// The session that a refresh token names, where the token itself is good: its signature, its times
    /// and its kind. Whether the session would take it, only a refresh tells. No I/O.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn session_of_refresh_token(&self, token: &str) -> Result<SessionId, VerifyError> {
        let facts = self.read(token, |claims| match claims.kind()? {
            TokenKind::Refresh => Ok(TokenKind::Refresh),
            _ => Err(VerifyError::WrongType),
        })?;
        Ok(facts.session())
    }

    /// The session of a refresh token that a refresh would take; `None` for one of another issuer
    /// that has not been shown here before.
    async fn refreshable(&self, facts: &Facts) -> Result<Option<Session>, VerifyError> {
        let generation = facts.presented_generation()?;
        let Some(session) = self.0.store.find(facts.session()).await? else {
            return match facts.has_session() {
                true => Err(VerifyError::Invalid("unknown session")),
                false => self.check_adoptable(facts).map(|()| None),
            };
        };
        if session.principal != *facts.principal() {
            return Err(VerifyError::Invalid("the session of somebody else"));
        }
        // Who asks need not be who holds it.
        let presented = Presented { generation, client: ClientInfo::default() };
        let policy = RotationPolicy { bind: BindSession::None, ..self.rotation_policy() };
        match decide(&session, &presented, self.0.clock.now(), &policy) {
            Decision::Rotate { .. } | Decision::Keep | Decision::Repeat => Ok(Some(session)),
            Decision::Reused => Err(VerifyError::Revoked(RevocationReason::Reuse)),
            Decision::Refused(refusal) => Err(refusal.into()),
        }
    }

    /// The user of a verified credential, loaded from the directory. Of a personal token that is limited to
    /// scopes the account has these at most, and no other right.
    ///
    /// # Errors
    /// [`VerifyError::Revoked`] with [`RevocationReason::UserDeleted`] or
    /// [`RevocationReason::UserInactive`], or an outage.
    pub async fn load_account(&self, verified: &Verified) -> Result<Account, VerifyError> {
        let account = self
            .find_account(verified.principal())
            .await?
            .ok_or(VerifyError::Revoked(RevocationReason::UserDeleted))?;
        if self.0.settings.check_user_is_active && !account.is_active {
            return Err(VerifyError::Revoked(RevocationReason::UserInactive));
        }
        Ok(match verified.facts().is_limited {
            true => account.limited_to(verified.scopes()),
            false => account,
        })
    }

    /// Hashes a new password, in the lane that logins use.
    ///
    /// # Errors
    /// [`Outage::Busy`] when too many are waiting.
    pub async fn hash_password(&self, password: &str) -> Result<PasswordHash, Outage> {
        self.0.passwords.create(password).await
    }

    /// Length, shape, signature, claims: everything but revocation.
    fn read(
        &self,
        token: &str,
        kind: impl FnOnce(&RawClaims<'_>) -> Result<TokenKind, VerifyError>,
    ) -> Result<Arc<Facts>, VerifyError> {
        self.read_checked(token, self.0.clock.now_millis(), kind).map(|(facts, _)| facts)
    }

    fn read_checked(
        &self,
        token: &str,
        now: i64,
        kind: impl FnOnce(&RawClaims<'_>) -> Result<TokenKind, VerifyError>,
    ) -> Result<(Arc<Facts>, Checked), VerifyError> {
        let mut room = [const { MaybeUninit::uninit() }; MAX_TOKEN_BYTES];
        let signed = self.0.jws.verify(token, now, &mut room)?;
        let mut claims = RawClaims::default();
        claims.parse(&signed, &self.0.settings)?;
        claims.check_validity(&self.0.settings, now.div_euclid(1000))?;
        let kind = kind(&claims)?;
        let facts = claims.into_facts(kind, signed.payload)?;
        if !facts.has_session() {
            self.check_foreign(&facts, now)?;
        }
        if !self.0.directories.contains_key(facts.user_type()) {
            return Err(VerifyError::Invalid("unknown kind of user"));
        }
        let until = facts.good_until_millis(&self.0.settings).min(signed.key_ends);
        Ok((facts, Checked { ring: signed.ring, until }))
    }

    /// A token of another issuer lives within our limits, or it could outlive the memory of its
    /// revocation, and was not issued in the future, or it would escape one.
    fn check_foreign(&self, facts: &Facts, now: i64) -> Result<(), VerifyError> {
        if !self.accepts_foreign() {
            return Err(VerifyError::Invalid("a token of another issuer"));
        }
        let now = now.div_euclid(1000);
        let begins = facts.issued_at.unwrap_or(now);
        if begins > now.saturating_add(seconds(self.slack())) {
            return Err(VerifyError::Invalid("issued in the future"));
        }
        let longest = seconds(self.0.settings.foreign_token_lifetime);
        if facts.expires_at.saturating_sub(begins) > longest {
            return Err(VerifyError::Invalid("lives longer than foreign_token_lifetime"));
        }
        Ok(())
    }

    fn accepts_foreign(&self) -> bool {
        !self.0.settings.foreign_token_lifetime.is_zero()
    }

    fn check_revocation(&self, facts: &Facts) -> Result<(), VerifyError> {
        self.check_revocation_at(facts, self.0.clock.now_millis())
    }

    fn check_revocation_at(&self, facts: &Facts, now: i64) -> Result<(), VerifyError> {
        match self.0.revocations.verdict(facts) {
            Verdict::Good => self.check_current(now),
            Verdict::Revoked(reason) | Verdict::RightsChanged(reason) => {
                Err(VerifyError::Revoked(reason))
            }
        }
    }

    /// Whether what this process has heard of revocations can be relied upon.
    fn check_current(&self, now: i64) -> Result<(), VerifyError> {
        if self.0.settings.revocation_when_stale == WhenStale::Refuse && !self.is_current_at(now) {
            return Err(VerifyError::Stale);
        }
        Ok(())
    }

    /// Then every token says which kind its user is of.
    fn has_several_kinds_of_user(&self) -> bool {
        self.0.directories.len() > 1
    }

    fn directory(&self, user_type: &str) -> Option<&Arc<dyn UserDirectory>> {
        self.0.directories.get(user_type)
    }

    /// The account, active or not.
    async fn find_account(&self, principal: &Principal) -> Result<Option<Account>, Outage> {
        match self.directory(principal.user_type()) {
            Some(directory) => directory.load(principal.user_id()).await,
            None => Ok(None),
        }
    }

    /// The account of somebody who may log in.
    async fn find_admitted(&self, principal: &Principal) -> Result<Account, VerifyError> {
        let account = self.find_account(principal).await?;
        let account = account.ok_or(VerifyError::Revoked(RevocationReason::UserDeleted))?;
        match self.admits(&account) {
            true => Ok(account),
            false => Err(VerifyError::Revoked(RevocationReason::UserInactive)),
        }
    }

    /// As [`Self::find_account`], for a session that was stored a moment ago.
    async fn find_settled_account(&self, principal: &Principal) -> Result<Option<Account>, Outage> {
        match self.directory(principal.user_type()) {
            Some(directory) => directory.load_settled(principal.user_id()).await,
            None => Ok(None),
        }
    }

    /// Whether this account may log in and refresh.
    fn admits(&self, account: &Account) -> bool {
        match &self.0.rule {
            Some(rule) => rule(account),
            None => account.is_active || !self.0.settings.check_user_is_active,
        }
    }

    fn rotation_policy(&self) -> RotationPolicy {
        let settings = &self.0.settings;
        RotationPolicy {
            rotate: settings.rotate_refresh_tokens,
            revoke_on_reuse: settings.revoke_on_reuse(),
            grace: settings.refresh_grace,
            idle: settings.refresh_token_lifetime,
            revocation_lifetime: self.revocation_lifetime(),
            bind: settings.bind_session,
            // A client that waits for its access token to expire needs a quarter of that.
            usual_interval: settings.access_token_lifetime / 4,
        }
    }

    /// How long a revocation can concern a token: the longest life of one that is accepted
    /// without asking the store, and a minute for clocks that disagree.
    fn revocation_lifetime(&self) -> Duration {
        let settings = &self.0.settings;
        settings.longest_bearer_lifetime() + self.slack()
    }

    /// For clocks that disagree: between nodes, and between those and a token's reader.
    fn slack(&self) -> Duration {
        self.0.settings.leeway + CLOCKS_DIFFER
    }

    /// How long a session lasts when nothing more is heard of it.
    fn idle_lifetime(&self, carrier: Carrier) -> Duration {
        let settings = &self.0.settings;
        match carrier {
            Carrier::Token => settings.refresh_token_lifetime,
            Carrier::Single => settings.absolute_lifetime(),
            Carrier::Personal => settings.personal_token_lifetime,
            // What happened since `last_seen_at` was last written counts for the user.
            Carrier::Cookie => settings.session_idle_timeout + self.seen_interval(),
        }
    }

    /// `last_seen_at` is written at most this often.
    fn seen_interval(&self) -> Duration {
        (self.0.settings.session_idle_timeout / 2).min(Duration::from_secs(60))
    }

    /// Tells of a session that was shown by `now` after it had been shown by `before`. Addresses
    /// within a network come and go.
    fn note_client(&self, session: &Session, before: &ClientInfo, now: &ClientInfo, refused: bool) {
        let known = now.clone().or(before);
        let is_other = |binding| known.is_other_than(before, binding);
        if refused || is_other(BindSession::Network) || is_other(BindSession::UserAgent) {
            self.emit(&AuthEvent::ClientChanged {
                principal: session.principal.clone(),
                session: session.id,
                before: before.clone(),
                now: now.clone(),
                refused,
            });
        }
    }

    /// Where the database was set back to a backup, its row may have an older version of the rights than
    /// this process has heard of. To be called before the account is read, so that what is read
    /// is at least as new as the version says.
    fn catch_up_rights(&self, session: &mut Session) {
        let known = self.0.revocations.rights_version(session.id);
        session.rights_version = session.rights_version.max(known);
    }

    fn emit(&self, event: &AuthEvent) {
        for subscriber in &self.0.subscribers {
            subscriber(event);
        }
    }
}

impl From<Refusal> for VerifyError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Revoked(reason) => Self::Revoked(reason),
            Refusal::Expired => Self::Expired,
            Refusal::WrongCarrier => Self::Invalid("not a session of refresh tokens"),
            Refusal::OtherClient => Self::Invalid("bound to another client"),
        }
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}
