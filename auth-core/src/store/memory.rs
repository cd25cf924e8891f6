//! A store in memory: for tests, examples and single processes that may forget.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{News, Revocation, Revoke, Rotation, SessionStore, Stamp, Target};
use crate::error::Outage;
use crate::rotation::{Decision, RotationPolicy, decide, later};
use crate::session::{Principal, RevocationReason, Session, SessionId};

/// Sessions in memory. Logins end with the process. Clones share what they hold.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore(Arc<Mutex<Tables>>);

#[derive(Debug, Default)]
struct Tables {
    sessions: HashMap<SessionId, Session>,
    revocations: Vec<Revocation>,
    last_seq: i64,
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
    fn append(&mut self, target: Target, stamp: Stamp) {
        self.last_seq += 1;
        self.revocations.push(Revocation { seq: self.last_seq, target, stamp });
    }

    /// Ends the session, unless it is ended or gone.
    fn end(&mut self, id: SessionId, stamp: Stamp) -> Option<SessionId> {
        let session = self.sessions.get_mut(&id).filter(|s| s.revoked.is_none())?;
        session.revoked = Some((stamp.at, stamp.reason));
        self.append(Target::Session(id), stamp);
        Some(id)
    }

    fn end_all(
        &mut self,
        whose: &Principal,
        but: Option<SessionId>,
        stamp: Stamp,
    ) -> Vec<SessionId> {
        let theirs = self.sessions.values().filter(|s| s.principal == *whose && Some(s.id) != but);
        let ids: Vec<_> = theirs.map(|session| session.id).collect();
        ids.into_iter().filter_map(|id| self.end(id, stamp)).collect()
    }
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
    ) -> Result<(), Outage> {
        if let Some(session) = self.tables().sessions.get_mut(&id)
            && session.revoked.is_none()
            && session.last_seen_at < seen_at
        {
            session.last_seen_at = seen_at;
            session.idle_expires_at = idle_expires_at;
        }
        Ok(())
    }

    async fn rotate(
        &self,
        id: SessionId,
        presented: u64,
        now: DateTime<Utc>,
        policy: &RotationPolicy,
    ) -> Result<Option<Rotation>, Outage> {
        let mut tables = self.tables();
        let Some(session) = tables.sessions.get_mut(&id) else { return Ok(None) };
        let decision = decide(session, presented, now, policy);
        match decision {
            Decision::Rotate { to, .. } => {
                session.generation = to;
                session.rotated_at = now;
                session.last_seen_at = now;
                session.idle_expires_at = later(now, policy.idle);
            }
            Decision::Reused => {
                let until = later(now, policy.revocation_lifetime);
                tables.end(id, Stamp { at: now, reason: RevocationReason::Reuse, until });
            }
            Decision::Keep | Decision::Repeat | Decision::Refused(_) => {}
        }
        Ok(tables.sessions.get(&id).cloned().map(|session| Rotation { decision, session }))
    }

    async fn revoke(&self, revoke: &Revoke, stamp: Stamp) -> Result<Vec<SessionId>, Outage> {
        let mut tables = self.tables();
        Ok(match revoke {
            Revoke::Session(id) if tables.sessions.contains_key(id) => {
                tables.end(*id, stamp).into_iter().collect()
            }
            Revoke::Session(id) => {
                tables.append(Target::Session(*id), stamp);
                Vec::new()
            }
            Revoke::Foreign(principal) => {
                tables.append(Target::Foreign(principal.clone()), stamp);
                Vec::new()
            }
            Revoke::Principal(principal) => tables.end_all(principal, None, stamp),
            Revoke::OtherSessions { principal, keep } => {
                tables.end_all(principal, Some(*keep), stamp)
            }
        })
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
        Ok((gone.len() + removed) as u64)
    }
}
