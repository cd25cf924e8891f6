//! How truth changes with what is done to the store.

use auth_core::rotation::Presented as PresentedToken;
use auth_core::session::{BindSession, Carrier, ClientInfo, RevocationReason};
use auth_core::store::{Revoke, Stamp};
use auth_core::{AuthEvent, Session, SessionId};

use super::history::Node;
use super::invariants::{self, Check};
use super::knowledge::Knowledge;
use super::profile::Rotation;
use super::standing::user_of;
use super::store::Deed;
use super::truth::{Ending, Foreign, Login, Presented, Row, Truth, differs};

/// What one operation has done so far.
#[derive(Default)]
pub(crate) struct Record {
    /// The moment before which it had done nothing.
    pub(crate) since: u64,
    /// The session that it made.
    pub(crate) created: Option<usize>,
    /// What it meant to present its refresh token.
    pub(crate) presented: Option<Presented>,
    /// Whether that was worth an event about the client, and whether it was refused for it.
    pub(crate) client_news: Option<bool>,
    /// The generation that was current, and the end of the session, when it had made or refreshed
    /// it.
    pub(crate) generation: u64,
    pub(crate) session_end: Option<i64>,
    /// The sessions that it ended.
    pub(crate) ended: Vec<usize>,
    /// The sessions whose access tokens it revoked, and when.
    pub(crate) rights_revoked: Vec<(usize, u64)>,
    /// Whether an event told of a token that was used twice.
    pub(crate) reuse_told: bool,
    /// Whether an event told of another client, and whether as refused.
    pub(crate) client_told: Option<bool>,
    /// Whether the history let one of its questions fail.
    pub(crate) failed: bool,
    /// The sessions whose rows it may have changed, for whoever looks next.
    pub(crate) touched: Vec<usize>,
    read: u64,
}

impl Truth {
    /// Takes in what an operation on `node` did. `earliest` is the time on the clock that is
    /// behind.
    pub(crate) fn take_in(
        &mut self,
        deed: Deed,
        node: Node,
        earliest: i64,
        record: &mut Record,
    ) -> Check {
        let moment = self.next_moment();
        match deed {
            Deed::Created { session, new } => {
                if new {
                    invariants::a_session_lasts_as_long_as_is_set(self, &session)?;
                    let index = self.create(&session);
                    record.created = Some(index);
                    record.note_session(index, &self.sessions[index]);
                }
            }
            Deed::Rotated { id, presented, now } => {
                if let Some(index) = self.index(id) {
                    self.rotate(index, &presented, now.timestamp_millis(), record);
                    record.note_session(index, &self.sessions[index]);
                }
            }
            Deed::Touched { id, seen_at, idle_end, client } => {
                if let Some(index) = self.index(id) {
                    let (seen_at, idle_end) =
                        (seen_at.timestamp_millis(), idle_end.timestamp_millis());
                    self.sessions[index].touch(seen_at, idle_end, client);
                    record.touched.push(index);
                }
            }
            Deed::Renewed { id, at } => {
                if let Some(index) = self.index(id) {
                    let login = &mut self.sessions[index];
                    login.generation += 1;
                    login.rotated_at = at.timestamp_millis();
                    login.renewed = moment;
                    record.touched.push(index);
                }
            }
            Deed::Revoked { revoke, stamp } => self.revoke(&revoke, stamp, record),
            Deed::Told(AuthEvent::ReuseDetected { .. }) => record.reuse_told = true,
            Deed::Told(AuthEvent::ClientChanged { refused, .. }) => {
                record.client_told = Some(refused);
            }
            Deed::Told(_) => {}
            Deed::Read => record.read = moment,
            Deed::Heard { asked_at } => self.hear(node, asked_at.timestamp_millis(), record.read),
            Deed::Pruned { rows, revocations } => {
                for id in rows {
                    invariants::pruning_leaves_what_can_be_used(self, id, earliest)?;
                    if let Some(index) = self.index(id) {
                        self.sessions[index].row = Row::Pruned;
                    }
                }
                for revocation in revocations {
                    invariants::pruning_leaves_what_must_be_refused(
                        self,
                        &revocation.target,
                        earliest,
                    )?;
                }
            }
            Deed::Failed => record.failed = true,
        }
        Ok(())
    }

    /// A session that has no row yet; that of another issuer's token may never have one.
    pub(crate) fn imagine(
        &mut self,
        id: SessionId,
        user: usize,
        foreign: Option<Foreign>,
    ) -> usize {
        self.by_id.insert(id, self.sessions.len());
        self.sessions.push(Login {
            id,
            user,
            carrier: Carrier::Token,
            row: Row::Never,
            client: ClientInfo::default(),
            generation: 0,
            rotated_at: 0,
            renewed: 0,
            last_seen_at: 0,
            idle_end: i64::MAX,
            absolute_end: i64::MAX,
            ended: None,
            rights_revoked: Vec::new(),
            known: [Knowledge::default(); 2],
            handed_out: false,
            began: self.moment,
            foreign,
        });
        self.sessions.len() - 1
    }

    fn create(&mut self, session: &Session) -> usize {
        let known = self.index(session.id);
        let index =
            known.unwrap_or_else(|| self.imagine(session.id, user_of(&session.principal), None));
        let login = &mut self.sessions[index];
        login.row = if login.ended.is_some() { Row::StoredInVain } else { Row::Stored };
        login.carrier = session.carrier;
        login.client = session.client.clone();
        login.rotated_at = session.rotated_at.timestamp_millis();
        login.last_seen_at = session.last_seen_at.timestamp_millis();
        login.idle_end = session.idle_expires_at.timestamp_millis();
        login.absolute_end = session.expires_at.timestamp_millis();
        index
    }

    fn rotate(&mut self, index: usize, token: &PresentedToken, now: i64, record: &mut Record) {
        let presented = self.present(index, token.generation, Some(&token.client), now);
        let (moment, idle) = (self.moment, self.lifetimes.refresh);
        let rotates = self.profile.rotation != Rotation::Off;
        let login = &mut self.sessions[index];
        let client = known_client(&token.client, &login.client);
        record.presented = Some(presented);
        record.client_news = match presented {
            Presented::Bound => Some(true),
            Presented::Current | Presented::Again => {
                let differs = |binding| differs(&client, &login.client, binding);
                let is_news = differs(BindSession::Network) || differs(BindSession::UserAgent);
                is_news.then_some(false)
            }
            _ => None,
        };
        match presented {
            Presented::Current if rotates => {
                login.generation += 1;
                login.rotated_at = now;
                login.last_seen_at = now;
                login.idle_end = now + idle;
                login.client = client;
            }
            Presented::Spent => {
                login.ended = Some(Ending { reason: RevocationReason::Reuse, moment });
                record.ended.push(index);
            }
            _ => {}
        }
    }

    fn revoke(&mut self, revoke: &Revoke, stamp: Stamp, record: &mut Record) {
        let moment = self.moment;
        if let Revoke::Foreign(principal) | Revoke::ForeignAccess(principal) = revoke {
            let user = &mut self.users[user_of(principal)];
            let at = Some(stamp.at.timestamp_millis());
            user.foreign_revoked_at = user.foreign_revoked_at.max(at);
        }
        for (index, login) in self.sessions.iter_mut().enumerate() {
            if !login.is_concerned(revoke, stamp) {
                continue;
            }
            match revoke {
                Revoke::AccessTokens(_) | Revoke::ForeignAccess(_) => {
                    login.rights_revoked.push(moment);
                    record.rights_revoked.push((index, moment));
                }
                _ => {
                    if let (Revoke::Foreign(_), Some(foreign)) = (revoke, &mut login.foreign) {
                        foreign.revoked.get_or_insert(moment);
                    }
                    if login.end_by(revoke, stamp.reason, moment) {
                        record.ended.push(index);
                        record.touched.push(index);
                    }
                }
            }
        }
    }
}

/// The client; what is not known of it as before.
fn known_client(now: &ClientInfo, before: &ClientInfo) -> ClientInfo {
    let (now, before) = (now.clone(), before.clone());
    ClientInfo { ip: now.ip.or(before.ip), user_agent: now.user_agent.or(before.user_agent) }
}

impl Login {
    fn touch(&mut self, seen_at: i64, idle_end: i64, client: ClientInfo) {
        if self.ended.is_none() && self.last_seen_at < seen_at {
            (self.last_seen_at, self.idle_end, self.client) = (seen_at, idle_end, client);
        }
    }

    /// Whether the revocation is about this session or its tokens. Of another issuer's token only
    /// its time tells whether it was there before.
    fn is_concerned(&self, revoke: &Revoke, stamp: Stamp) -> bool {
        let at = stamp.at.timestamp_millis();
        let foreign = self.foreign.filter(|foreign| foreign.issued_at <= at);
        match revoke {
            Revoke::Session(id) => self.id == *id,
            Revoke::Principal(principal) | Revoke::Logins(principal) => {
                self.user == user_of(principal)
            }
            Revoke::OtherSessions { principal, keep } => {
                self.user == user_of(principal) && self.id != *keep
            }
            Revoke::Foreign(principal) => self.user == user_of(principal) && foreign.is_some(),
            Revoke::AccessTokens(principal) => {
                self.user == user_of(principal) && self.ended.is_none() && self.is_ours()
            }
            Revoke::ForeignAccess(principal) => {
                self.user == user_of(principal)
                    && foreign.is_some_and(|foreign| foreign.opens_routes)
            }
        }
    }

    /// Ends it, where this revocation ends what it concerns; answers whether it did. The session
    /// that a token of another issuer has become is ended with the user's others; the token of
    /// one that has no row is a session itself.
    fn end_by(&mut self, revoke: &Revoke, reason: RevocationReason, moment: u64) -> bool {
        let ends = match revoke {
            Revoke::Session(_) => true,
            Revoke::Foreign(_) => !self.is_ours(),
            _ => self.is_ours(),
        };
        match self.ended {
            Some(ending) if ends && self.row == Row::StoredInVain => {
                self.row = Row::Stored;
                self.ended = Some(Ending { reason, ..ending });
                true
            }
            None if ends => {
                self.ended = Some(Ending { reason, moment });
                true
            }
            _ => false,
        }
    }

    /// Whether it is a session of ours, also one whose row is gone while its last token lives.
    fn is_ours(&self) -> bool {
        self.row != Row::Never
    }
}

impl Record {
    pub(crate) fn since(moment: u64) -> Self {
        Self { since: moment, ..Self::default() }
    }

    fn note_session(&mut self, index: usize, login: &Login) {
        self.touched.push(index);
        self.generation = login.generation;
        self.session_end = Some(login.end());
    }
}
