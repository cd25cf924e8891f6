//! Cookie sessions. One that this process has seen lately is authenticated from memory.

use std::sync::Arc;

use quick_cache::sync::Cache;

use super::Authority;
use crate::claims::{Facts, TokenKind, Verified, unsigned_payload};
use crate::clock::{from_millis, millis};
use crate::directory::Account;
use crate::error::{Outage, VerifyError};
use crate::event::AuthEvent;
use crate::random;
use crate::revocation::Verdict;
use crate::rotation::{Refusal, later};
use crate::session::{BindSession, Carrier, ClientInfo, SecretHash, Session};
use crate::store::Renewal;
use crate::token::CookieSecret;

/// How many sessions are remembered: some 1.5 KiB each.
const REMEMBERED: usize = 50_000;

/// Losing a race means that another request, or a change of rights, won it.
pub(super) const MAX_ATTEMPTS: usize = 4;

/// Secrets that this process has seen lately, each by the hash of its text.
pub(super) struct SecretMemory(Cache<SecretHash, Arc<Remembered>>);

pub(super) struct Remembered {
    pub(super) verified: Verified,
    pub(super) client: ClientInfo,
    /// The rights of the account are read again after the life of an access token.
    pub(super) until_millis: i64,
    pub(super) seen_at_millis: i64,
}

/// What was shown, compared with what is stored.
enum Shown {
    Current,
    /// The one before, replaced a moment ago by this one: a lost answer, or another tab.
    Previous(CookieSecret),
}

impl SecretMemory {
    pub(super) fn new() -> Self {
        Self(Cache::new(REMEMBERED))
    }

    pub(super) fn get(&self, text: &str) -> Option<Arc<Remembered>> {
        self.0.get(&SecretHash::of(text.as_bytes()))
    }

    pub(super) fn put(&self, text: &str, remembered: Remembered) {
        self.0.insert(SecretHash::of(text.as_bytes()), Arc::new(remembered));
    }

    pub(super) fn forget(&self, text: &str) {
        self.0.remove(&SecretHash::of(text.as_bytes()));
    }
}

impl Authority {
    /// Checks a session cookie from memory: `None` when the store has to be asked
    /// ([`Authority::authenticate_cookie`]). No I/O.
    pub fn authenticate_cookie_from_memory(
        &self,
        value: &str,
        client: &ClientInfo,
    ) -> Option<Result<Verified, VerifyError>> {
        let remembered = self.0.cookies.get(value)?;
        let lately = self.is_seen_lately(&remembered);
        lately.then(|| self.recall(&remembered, Some(client))).flatten()
    }

    pub(super) fn is_seen_lately(&self, remembered: &Remembered) -> bool {
        let now = self.0.clock.now_millis();
        now - remembered.seen_at_millis < millis(self.seen_interval())
    }

    /// Checks a session cookie, in the store where this process does not know it or has not
    /// seen it for a minute. `client` is who shows it, as far as is known.
    ///
    /// Where [`Verified::has_new_cookie`] says so, there is a new value for it.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub async fn authenticate_cookie(
        &self,
        value: &str,
        client: &ClientInfo,
    ) -> Result<Verified, VerifyError> {
        if let Some(known) = self.authenticate_cookie_from_memory(value, client) {
            return known;
        }
        for _ in 0..MAX_ATTEMPTS {
            match self.look_up(value, client).await {
                Ok(remembered) => {
                    let verified = remembered.verified.clone();
                    self.0.cookies.put(value, remembered);
                    if let Some(checked) = self.check_unsigned(&verified) {
                        return checked.map(|()| verified);
                    }
                }
                // The database is away, and all that was due is to note a sign of life.
                Err(VerifyError::Outage(outage)) => {
                    let known = self.0.cookies.get(value);
                    let known = known.and_then(|known| self.recall(&known, Some(client)));
                    return known.unwrap_or(Err(outage.into()));
                }
                Err(error) => {
                    self.0.cookies.forget(value);
                    return Err(error);
                }
            }
        }
        Err(changes_too_fast().into())
    }

    /// The value that takes the place of this one in the browser, if there is one: to be set with the
    /// answer to a request that was authenticated by it.
    ///
    /// The secret of a cookie is replaced after every change of rights
    /// ([`Revoke::AccessTokens`](crate::store::Revoke); ASVS 7.2.4). The old one is good for
    /// [`refresh_grace`](crate::Settings::refresh_grace) longer, and is answered with the same new
    /// one again: a lost answer and several tabs lock nobody out.
    ///
    /// # Errors
    /// The store is away.
    pub async fn renew_cookie(&self, value: &str) -> Result<Option<CookieSecret>, Outage> {
        let Some((id, secret)) = CookieSecret::parse(value) else { return Ok(None) };
        for _ in 0..MAX_ATTEMPTS {
            let session = self.0.store.find(id).await?;
            let session = session.filter(|s| s.carrier == Carrier::Cookie && s.revoked.is_none());
            let Some(session) = session else { return Ok(None) };
            match self.compare(&session, &secret) {
                Some(Shown::Previous(current)) => return Ok(Some(current)),
                Some(Shown::Current) if renewal_is_due(&session) => {
                    if let Some(new) = self.renew(&session, &secret).await? {
                        return Ok(Some(new));
                    }
                }
                Some(Shown::Current) | None => return Ok(None),
            }
        }
        Err(changes_too_fast())
    }

    /// What memory says; `None` where it is too old, or the rights have changed, or another client
    /// shows it, where that matters.
    pub(super) fn recall(
        &self,
        remembered: &Remembered,
        client: Option<&ClientInfo>,
    ) -> Option<Result<Verified, VerifyError>> {
        let verified = &remembered.verified;
        if self.0.clock.now_millis() >= remembered.until_millis {
            return None;
        }
        // Another client is refused, or is news.
        if let Some(client) = client {
            let known = client.clone().or(&remembered.client);
            if client.is_other_than(&remembered.client, self.0.settings.bind_session)
                || known.is_other_than(&remembered.client, BindSession::Network)
                || known.is_other_than(&remembered.client, BindSession::UserAgent)
            {
                return None;
            }
        }
        self.check_unsigned(verified).map(|checked| checked.map(|()| verified.clone()))
    }

    /// What the revocations say; `None` where the rights have changed since the store was asked.
    pub(super) fn check_unsigned(&self, verified: &Verified) -> Option<Result<(), VerifyError>> {
        match self.0.revocations.verdict(verified.facts()) {
            Verdict::Good => Some(self.check_current(self.0.clock.now_millis())),
            Verdict::Revoked(reason) => Some(Err(VerifyError::Revoked(reason))),
            Verdict::RightsChanged(_) => None,
        }
    }

    async fn look_up(&self, value: &str, client: &ClientInfo) -> Result<Remembered, VerifyError> {
        let unknown = || VerifyError::Invalid("unknown session cookie");
        let (id, secret) = CookieSecret::parse(value).ok_or_else(unknown)?;
        let mut session = self.0.store.find(id).await?.ok_or_else(unknown)?;
        if session.carrier != Carrier::Cookie {
            return Err(unknown());
        }
        let shown = self.compare(&session, &secret).ok_or_else(unknown)?;
        self.catch_up_rights(&mut session);
        if let Some((_, reason)) = session.revoked {
            return Err(VerifyError::Revoked(reason));
        }
        let now = self.0.clock.now();
        if session.is_over(now) {
            return Err(VerifyError::Expired);
        }
        if client.is_other_than(&session.client, self.0.settings.bind_session) {
            self.note_client(&session, &session.client, client, true);
            return Err(VerifyError::from(Refusal::OtherClient));
        }
        // After the session: the rights are at least as new as its version says.
        let account = self.find_admitted(&session.principal).await?;
        self.note_client(&session, &session.client, client, false);
        let client = client.clone().or(&session.client);
        let idle_expires_at = later(now, self.idle_lifetime(Carrier::Cookie));
        self.0.store.touch(id, now, idle_expires_at, &client).await?;

        let grace = self.0.settings.refresh_grace;
        let mut until = later(now, self.0.settings.access_token_lifetime)
            .min(session.expires_at)
            .min(idle_expires_at);
        let has_new_cookie = match shown {
            Shown::Current if renewal_is_due(&session) => {
                // Another process may replace it at any time.
                until = until.min(later(now, grace));
                true
            }
            Shown::Current => false,
            Shown::Previous(_) => {
                until = until.min(later(session.rotated_at, grace));
                true
            }
        };
        Ok(Remembered {
            verified: self.verified_unsigned(
                TokenKind::Cookie,
                &session,
                &account,
                has_new_cookie,
            )?,
            client,
            until_millis: until.timestamp_millis(),
            seen_at_millis: now.timestamp_millis(),
        })
    }

    /// `None` for what was never, or is no longer, the secret of the session.
    fn compare(&self, session: &Session, secret: &[u8; 32]) -> Option<Shown> {
        let stored = session.secret_hash?;
        if stored.matches(&SecretHash::of(secret)) {
            return Some(Shown::Current);
        }
        let next = renewed_secret(secret, &session.secret_nonce?);
        if !stored.matches(&SecretHash::of(&next)) {
            return None;
        }
        if self.0.clock.now() > later(session.rotated_at, self.0.settings.refresh_grace) {
            self.emit(&AuthEvent::SpentCookieShown {
                principal: session.principal.clone(),
                session: session.id,
            });
            return None;
        }
        Some(Shown::Previous(CookieSecret::from_parts(session.id, &next)))
    }

    /// Replaces the secret; `None` when somebody else has, or the session has ended.
    async fn renew(
        &self,
        session: &Session,
        secret: &[u8; 32],
    ) -> Result<Option<CookieSecret>, Outage> {
        let nonce = random::bytes();
        let new = renewed_secret(secret, &nonce);
        // Not before the version that made it due, whose clock may be ahead: or it would still be due.
        let version = i64::try_from(session.rights_version).unwrap_or(i64::MAX);
        let at = self.0.clock.now().max(from_millis(version));
        let renewal = Renewal { hash: SecretHash::of(&new), nonce, at };
        let from = SecretHash::of(secret);
        if !self.0.store.renew_secret(session.id, from, &renewal).await? {
            return Ok(None);
        }
        let old = CookieSecret::from_parts(session.id, secret);
        self.0.cookies.forget(old.expose());
        self.emit(&AuthEvent::CookieRenewed {
            principal: session.principal.clone(),
            session: session.id,
        });
        Ok(Some(CookieSecret::from_parts(session.id, &new)))
    }

    /// The proof of a credential that is no signed token.
    pub(super) fn verified_unsigned(
        &self,
        kind: TokenKind,
        session: &Session,
        account: &Account,
        has_new_cookie: bool,
    ) -> Result<Verified, Outage> {
        let custom = self.custom_claims(account);
        let names_user_type = self.has_several_kinds_of_user();
        let payload =
            unsigned_payload(&self.0.settings, kind, session, account, &custom, names_user_type);
        let payload = payload.map_err(Outage::because)?;
        let payload = String::from_utf8(payload).map_err(Outage::because)?;
        let facts = Facts::unsigned(kind, session, account, &payload, has_new_cookie);
        Ok(Verified::new(Arc::new(facts)))
    }
}

pub(super) fn changes_too_fast() -> Outage {
    Outage::because("a session changes faster than it is read")
}

/// Whether the rights have changed since the secret was made. Both are told by the store's own
/// order ([`next_rights_version`](crate::store::next_rights_version)).
fn renewal_is_due(session: &Session) -> bool {
    let made = u64::try_from(session.rotated_at.timestamp_millis()).unwrap_or(0);
    session.rights_version > made
}

/// The secret after `secret`. Who shows the old one can be answered with the new one again, although
/// neither is stored; without the nonce, which never leaves the store, the old one tells nothing.
fn renewed_secret(secret: &[u8; 32], nonce: &[u8; 16]) -> [u8; 32] {
    *SecretHash::of(&[&b"renewed"[..], secret, nonce].concat()).as_bytes()
}
