//! A store in memory: for tests, examples and single processes that may forget.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    News, Renewal, Revocation, Revoke, Revoked, Rotation, SessionStore, Stamp, Target,
    next_rights_version,
};
use crate::error::Outage;
use crate::otp::{Changed, CodePolicy, Errand, FactorChange, StoredCode, StoredFactor, StoredLink};
use crate::password::PasswordHash;
use crate::rotation::{Decision, Presented, RotationPolicy, decide, later};
use crate::session::{ClientInfo, Principal, RevocationReason, SecretHash, Session, SessionId};

/// Sessions in memory. Logins end with the process. Clones share what they hold.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    sessions: HashMap<SessionId, Session>,
    revocations: Vec<Revocation>,
    last_seq: i64,
    codes: HashMap<Errand, StoredCode>,
    links: HashMap<SecretHash, StoredLink>,
    factors: HashMap<Principal, StoredFactor>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// No verb panics between two changes, so a poisoned lock still guards whole tables.
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn live_of<'t>(&'t mut self, whose: &'t Principal) -> impl Iterator<Item = &'t mut Session> {
        let sessions = self.sessions.values_mut();
        sessions.filter(move |s| s.principal == *whose && s.revoked.is_none())
    }

    fn append(&mut self, targets: &[Target], stamp: Stamp) {
        for target in targets {
            self.last_seq += 1;
            if matches!(target, Target::Foreign(_) | Target::ForeignAccess(_)) {
                // The last one counts.
                self.revocations.retain(|old| old.target != *target);
            }
            let target = target.clone();
            self.revocations.push(Revocation { seq: self.last_seq, target, stamp });
        }
    }
}

/// Marks the sessions as ended.
fn end<'t>(sessions: impl Iterator<Item = &'t mut Session>, stamp: Stamp) -> Revoked {
    let mut ended = Vec::new();
    for session in sessions.filter(|session| session.revoked.is_none()) {
        session.revoked = Some((stamp.at, stamp.reason));
        ended.push(session.id);
    }
    let targets = ended.iter().copied().map(Target::Session).collect();
    Revoked { ended, targets }
}

#[async_trait]
impl SessionStore for MemoryStore {
    async fn create(&self, session: &Session) -> Result<(), Outage> {
        self.tables().sessions.entry(session.id).or_insert_with(|| session.clone());
        Ok(())
    }

    async fn find(&self, id: SessionId) -> Result<Option<Session>, Outage> {
        Ok(self.tables().sessions.get(&id).cloned())
    }

    async fn touch(
        &self,
        id: SessionId,
        seen_at: DateTime<Utc>,
        idle_expires_at: DateTime<Utc>,
        client: &ClientInfo,
    ) -> Result<(), Outage> {
        if let Some(session) = self.tables().sessions.get_mut(&id)
            && session.revoked.is_none()
            && session.last_seen_at < seen_at
        {
            session.last_seen_at = seen_at;
            session.idle_expires_at = idle_expires_at;
            session.client = client.clone();
        }
        Ok(())
    }

    async fn renew_secret(
        &self,
        id: SessionId,
        from: SecretHash,
        renewal: &Renewal,
    ) -> Result<bool, Outage> {
        let mut tables = self.tables();
        let session = tables.sessions.get_mut(&id);
        let session = session.filter(|s| s.revoked.is_none() && s.secret_hash == Some(from));
        let Some(session) = session else { return Ok(false) };
        session.secret_hash = Some(renewal.hash);
        session.secret_nonce = Some(renewal.nonce);
        session.generation += 1;
        session.rotated_at = renewal.at;
        Ok(true)
    }

    async fn rotate(
        &self,
        id: SessionId,
        presented: &Presented,
        now: DateTime<Utc>,
        policy: &RotationPolicy,
    ) -> Result<Option<Rotation>, Outage> {
        let mut tables = self.tables();
        let Some(session) = tables.sessions.get_mut(&id) else { return Ok(None) };
        let client = presented.client.clone().or(&session.client);
        let client_before = (client != session.client).then(|| session.client.clone());
        let decision = decide(session, presented, now, policy);
        let mut targets = Vec::new();
        match decision {
            Decision::Rotate { to, .. } => {
                session.generation = to;
                session.rotated_at = now;
                session.last_seen_at = now;
                session.idle_expires_at = later(now, policy.idle);
                session.refreshes_until = policy.paced(session.refreshes_until, now);
                session.client = client;
            }
            Decision::Reused => {
                session.revoked = Some((now, RevocationReason::Reuse));
                targets.push(Target::Session(id));
            }
            Decision::Keep | Decision::Repeat | Decision::Refused(_) => {}
        }
        let session = session.clone();
        let until = later(now, policy.revocation_lifetime);
        tables.append(&targets, Stamp { at: now, reason: RevocationReason::Reuse, until });
        Ok(Some(Rotation { decision, session, client_before }))
    }

    async fn revoke(&self, revoke: &Revoke, stamp: Stamp) -> Result<Revoked, Outage> {
        let mut tables = self.tables();
        let only = |target| Revoked { targets: vec![target], ..Revoked::default() };
        let revoked = match revoke {
            Revoke::Session(id) => match tables.sessions.get_mut(id) {
                Some(session) => end([session].into_iter(), stamp),
                None => only(Target::Session(*id)),
            },
            Revoke::Principal(principal) => end(tables.live_of(principal), stamp),
            Revoke::Logins(principal) => {
                end(tables.live_of(principal).filter(|session| session.is_login()), stamp)
            }
            Revoke::OtherSessions { principal, keep } => {
                let others = |session: &&mut Session| session.is_login() && session.id != *keep;
                end(tables.live_of(principal).filter(others), stamp)
            }
            Revoke::Foreign(principal) => only(Target::Foreign(principal.clone())),
            Revoke::ForeignAccess(principal) => only(Target::ForeignAccess(principal.clone())),
            Revoke::AccessTokens(principal) => {
                let change = |session: &mut Session| {
                    session.rights_version = next_rights_version(session, stamp.at);
                    Target::Rights { session: session.id, version: session.rights_version }
                };
                let targets = tables.live_of(principal).map(change).collect();
                Revoked { targets, ..Revoked::default() }
            }
        };
        tables.append(&revoked.targets, stamp);
        Ok(revoked)
    }

    async fn sessions_of(
        &self,
        principal: &Principal,
        now: DateTime<Utc>,
    ) -> Result<Vec<Session>, Outage> {
        let mut sessions: Vec<_> = self
            .tables()
            .sessions
            .values()
            .filter(|s| s.principal == *principal && s.revoked.is_none())
            .filter(|s| !s.is_over(now))
            .cloned()
            .collect();
        sessions.sort_by_key(|s| (std::cmp::Reverse(s.last_seen_at), s.id));
        Ok(sessions)
    }

    async fn revocations(&self, after: i64, now: DateTime<Utc>) -> Result<News, Outage> {
        let tables = self.tables();
        let live = tables.revocations.iter().filter(|r| r.seq > after && r.stamp.until > now);
        Ok(News { revocations: live.cloned().collect(), last_seq: tables.last_seq })
    }

    async fn request_code(
        &self,
        errand: &Errand,
        hash: &PasswordHash,
        now: DateTime<Utc>,
        policy: &CodePolicy,
    ) -> Result<Option<StoredCode>, Outage> {
        let mut tables = self.tables();
        let (code, is_new) = match tables.codes.remove(errand) {
            Some(code) => code.requested(hash.clone(), now, policy),
            None => (StoredCode::first(hash.clone(), now, policy), true),
        };
        tables.codes.insert(errand.clone(), code.clone());
        Ok(is_new.then_some(code))
    }

    async fn try_code(&self, errand: &Errand) -> Result<StoredCode, Outage> {
        let mut tables = self.tables();
        let entry = tables.codes.entry(errand.clone());
        let entry = entry.and_modify(|code| code.tries = code.tries.saturating_add(1));
        Ok(entry.or_insert_with(StoredCode::tried_for_nothing).clone())
    }

    async fn use_code(&self, errand: &Errand, hash: &PasswordHash) -> Result<bool, Outage> {
        let mut tables = self.tables();
        let is_it = tables.codes.get(errand).is_some_and(|code| code.hash == *hash);
        if is_it {
            tables.codes.remove(errand);
        }
        Ok(is_it)
    }

    async fn create_link(&self, link: &StoredLink) -> Result<(), Outage> {
        self.tables().links.entry(link.hash).or_insert_with(|| link.clone());
        Ok(())
    }

    async fn find_link(&self, hash: SecretHash) -> Result<Option<StoredLink>, Outage> {
        Ok(self.tables().links.get(&hash).cloned())
    }

    async fn use_links(
        &self,
        errand: &Errand,
        now: DateTime<Utc>,
    ) -> Result<Vec<SecretHash>, Outage> {
        let mut tables = self.tables();
        let links = tables.links.values_mut();
        let unused = links.filter(|link| link.errand == *errand && link.used_at.is_none());
        Ok(unused
            .map(|link| {
                link.used_at = Some(now);
                link.hash
            })
            .collect())
    }

    async fn find_factor(&self, principal: &Principal) -> Result<Option<StoredFactor>, Outage> {
        Ok(self.tables().factors.get(principal).cloned())
    }

    async fn change_factor(
        &self,
        principal: &Principal,
        change: &FactorChange,
    ) -> Result<Option<Changed>, Outage> {
        let mut tables = self.tables();
        let changed = change.apply(tables.factors.get(principal).cloned());
        match &changed {
            Some(Changed::To(factor)) => {
                tables.factors.insert(principal.clone(), factor.clone());
            }
            Some(Changed::Removed(_)) => {
                tables.factors.remove(principal);
            }
            None => {}
        }
        Ok(changed)
    }

    async fn prune(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, Outage> {
        let mut tables = self.tables();
        let limit = limit as usize;
        let gone: Vec<_> = tables
            .sessions
            .values()
            .filter(|session| session.is_over(before))
            .map(|session| session.id)
            .take(limit)
            .collect();
        for id in &gone {
            tables.sessions.remove(id);
        }
        let mut removed = 0;
        tables.revocations.retain(|revocation| {
            let goes = revocation.stamp.until <= before && removed < limit;
            removed += usize::from(goes);
            !goes
        });
        let mut removed = gone.len() + removed;
        removed += forget(&mut tables.codes, limit, |code| code.expires_at <= before);
        removed += forget(&mut tables.links, limit, |link| link.expires_at <= before);
        Ok(removed as u64)
    }
}

/// Removes up to `limit` of what is over.
fn forget<K, V>(rows: &mut HashMap<K, V>, limit: usize, is_over: impl Fn(&V) -> bool) -> usize {
    let mut removed = 0;
    rows.retain(|_, row| {
        let goes = removed < limit && is_over(row);
        removed += usize::from(goes);
        !goes
    });
    removed
}
