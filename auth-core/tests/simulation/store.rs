//! The store as the nodes see it: one set of tables, questions and answers that take their time,
//! and outages when the history says so.
//!
//! Every verb waits before and after it takes effect, so that another operation can come between
//! any two of them, and writes down what it did. The simulator reads that after every poll:
//! it is how the model knows what has happened when nobody was told.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use auth_core::otp::{
    Changed, CodePolicy, Errand, FactorChange, StoredCode, StoredFactor, StoredLink,
};
use auth_core::password::PasswordHash;
use auth_core::rotation::{Presented, RotationPolicy};
use auth_core::session::{ClientInfo, SecretHash};
use auth_core::store::{News, Renewal, Revocation, Revoke, Revoked, Rotation, Stamp};
use auth_core::{
    AuthEvent, Clock, MemoryStore, Outage, Principal, Session, SessionId, SessionStore, async_trait,
};
use chrono::{DateTime, Utc};

use super::history::{Lost, Node, Nodes};

/// What a verb of the store, or a question to the directory, did.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// `new` is false where there was a row already.
    Created {
        session: Session,
        new: bool,
    },
    Rotated {
        id: SessionId,
        presented: Presented,
        now: DateTime<Utc>,
    },
    Touched {
        id: SessionId,
        seen_at: DateTime<Utc>,
        idle_end: DateTime<Utc>,
        client: ClientInfo,
    },
    /// The secret of a cookie was replaced.
    Renewed {
        id: SessionId,
        at: DateTime<Utc>,
    },
    Revoked {
        revoke: Revoke,
        stamp: Stamp,
    },
    /// A node asked for revocations: this is when the store was read.
    Read,
    /// The answer has reached the node.
    Heard {
        asked_at: DateTime<Utc>,
    },
    Pruned {
        rows: Vec<SessionId>,
        revocations: Vec<Revocation>,
    },
    /// A node told of something.
    Told(AuthEvent),
    /// The history let it fail.
    Failed,
}

/// What all nodes share.
#[derive(Default)]
pub(crate) struct Ground {
    tables: MemoryStore,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    deeds: Vec<Deed>,
    fault: Option<Fault>,
    users_away_for: u8,
    /// Every session that was ever stored.
    created: Vec<SessionId>,
    /// The numbers of the revocations, in the order in which they became visible.
    numbers: Vec<i64>,
    last_ticket: i64,
    /// While the simulator looks around, nothing waits, fails or is written down.
    at_rest: bool,
}

struct Fault {
    on: Nodes,
    lost: Lost,
    verbs_left: u8,
}

impl Ground {
    pub(crate) fn fail(&self, on: Nodes, lost: Lost, verbs: u8) {
        self.state().fault = Some(Fault { on, lost, verbs_left: verbs });
    }

    pub(crate) fn fail_users(&self, questions: u8) {
        self.state().users_away_for = questions;
    }

    pub(crate) fn heal(&self) {
        let mut state = self.state();
        (state.fault, state.users_away_for) = (None, 0);
    }

    /// What has been done since this was last asked.
    pub(crate) fn take_deeds(&self) -> Vec<Deed> {
        std::mem::take(&mut self.state().deeds)
    }

    /// Runs `look` while nothing waits or fails.
    pub(crate) fn at_rest<T>(&self, look: impl FnOnce() -> T) -> T {
        self.state().at_rest = true;
        let seen = look();
        self.state().at_rest = false;
        seen
    }

    /// The row as it is.
    pub(crate) async fn row(&self, id: SessionId) -> Option<Session> {
        self.tables.find(id).await.expect("memory is never away")
    }

    /// What the directory asks: true when it is away.
    pub(crate) fn users_are_away(&self) -> bool {
        let mut state = self.state();
        let away = state.users_away_for > 0 && !state.at_rest;
        if away {
            state.users_away_for -= 1;
            state.deeds.push(Deed::Failed);
        }
        away
    }

    pub(crate) async fn pause(&self) {
        if !self.state().at_rest {
            Pause::default().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds this")
    }

    pub(crate) fn note(&self, deed: Deed) {
        let mut state = self.state();
        if !state.at_rest {
            state.deeds.push(deed);
        }
    }

    fn next_loss(&self, node: Node) -> Option<Lost> {
        let mut state = self.state();
        if state.at_rest {
            return None;
        }
        let fault = state.fault.as_mut().filter(|f| f.on.contains(node) && f.verbs_left > 0)?;
        fault.verbs_left -= 1;
        let lost = fault.lost;
        state.deeds.push(Deed::Failed);
        Some(lost)
    }

    /// Databases give out numbers before the rows that have them become visible.
    fn draw_ticket(&self) -> i64 {
        let mut state = self.state();
        state.last_ticket += 1;
        state.last_ticket
    }

    /// Numbers the revocations that have just become visible.
    async fn number(&self, ticket: i64) {
        const PER_TICKET: i64 = 1000;
        let known = self.state().numbers.len() as i64;
        let all = self.tables.revocations(known, DateTime::<Utc>::MIN_UTC).await;
        let new = all.expect("memory is never away").revocations.len() as i64;
        self.state().numbers.extend((0..new).map(|i| ticket * PER_TICKET + i));
    }

    /// The revocations that still concern a token at `now`, with their numbers.
    async fn numbered(&self, now: DateTime<Utc>) -> Vec<Revocation> {
        let all = self.tables.revocations(0, now).await.expect("memory is never away");
        let state = self.state();
        let number = |r: Revocation| Revocation { seq: state.numbers[r.seq as usize - 1], ..r };
        let mut numbered: Vec<_> = all.revocations.into_iter().map(number).collect();
        numbered.sort_by_key(|revocation| revocation.seq);
        numbered
    }

    async fn rows(&self) -> Vec<SessionId> {
        let mut rows = Vec::new();
        let created = self.state().created.clone();
        for id in created {
            rows.extend(self.row(id).await.map(|session| session.id));
        }
        rows
    }
}

/// The store as one node sees it.
pub(crate) struct NodeStore {
    pub(crate) node: Node,
    pub(crate) clock: Clock,
    pub(crate) ground: Arc<Ground>,
}

impl NodeStore {
    /// Waits, lets `effect` happen, waits, answers; unless the history loses the question or
    /// the answer.
    async fn verb<T: Send>(&self, effect: impl Future<Output = T> + Send) -> Result<T, Outage> {
        self.ground.pause().await;
        let lost = self.ground.next_loss(self.node);
        if lost == Some(Lost::Question) {
            return Err(outage());
        }
        let answer = effect.await;
        self.ground.pause().await;
        if lost == Some(Lost::Answer) {
            return Err(outage());
        }
        Ok(answer)
    }

    /// A verb that appends revocations, whose numbers are drawn when it begins. A transaction takes
    /// less than the ten seconds that a follower reaches back over: one that hung for longer than
    /// half of that was begun anew.
    async fn appending<T: Send>(
        &self,
        effect: impl Future<Output = T> + Send,
    ) -> Result<T, Outage> {
        const LONGEST: i64 = 5_000;
        let (ticket, drawn_at) = (self.ground.draw_ticket(), self.clock.now_millis());
        self.verb(async {
            let answer = effect.await;
            let in_time = self.clock.now_millis() - drawn_at <= LONGEST;
            let ticket = if in_time { ticket } else { self.ground.draw_ticket() };
            self.ground.number(ticket).await;
            answer
        })
        .await
    }
}

#[async_trait]
impl SessionStore for NodeStore {
    async fn create(&self, session: &Session) -> Result<(), Outage> {
        let ground = &self.ground;
        self.verb(async {
            let new = ground.row(session.id).await.is_none();
            ground.tables.create(session).await?;
            ground.state().created.push(session.id);
            ground.note(Deed::Created { session: session.clone(), new });
            Ok(())
        })
        .await?
    }

    async fn find(&self, id: SessionId) -> Result<Option<Session>, Outage> {
        self.verb(self.ground.row(id)).await
    }

    async fn touch(
        &self,
        id: SessionId,
        seen_at: DateTime<Utc>,
        idle_end: DateTime<Utc>,
        client: &ClientInfo,
    ) -> Result<(), Outage> {
        self.verb(async {
            self.ground.note(Deed::Touched { id, seen_at, idle_end, client: client.clone() });
            self.ground.tables.touch(id, seen_at, idle_end, client).await
        })
        .await?
    }

    async fn renew_secret(
        &self,
        id: SessionId,
        from: SecretHash,
        renewal: &Renewal,
    ) -> Result<bool, Outage> {
        self.verb(async {
            let renewed = self.ground.tables.renew_secret(id, from, renewal).await?;
            if renewed {
                self.ground.note(Deed::Renewed { id, at: renewal.at });
            }
            Ok(renewed)
        })
        .await?
    }

    async fn rotate(
        &self,
        id: SessionId,
        presented: &Presented,
        now: DateTime<Utc>,
        policy: &RotationPolicy,
    ) -> Result<Option<Rotation>, Outage> {
        self.appending(async {
            self.ground.note(Deed::Rotated { id, presented: presented.clone(), now });
            self.ground.tables.rotate(id, presented, now, policy).await
        })
        .await?
    }

    async fn revoke(&self, revoke: &Revoke, stamp: Stamp) -> Result<Revoked, Outage> {
        self.appending(async {
            self.ground.note(Deed::Revoked { revoke: revoke.clone(), stamp });
            self.ground.tables.revoke(revoke, stamp).await
        })
        .await?
    }

    async fn sessions_of(
        &self,
        principal: &Principal,
        now: DateTime<Utc>,
    ) -> Result<Vec<Session>, Outage> {
        self.verb(self.ground.tables.sessions_of(principal, now)).await?
    }

    async fn revocations(&self, after: i64, now: DateTime<Utc>) -> Result<News, Outage> {
        let news = self
            .verb(async {
                self.ground.note(Deed::Read);
                let everything = self.ground.numbered(DateTime::<Utc>::MIN_UTC).await;
                let last_seq = everything.last().map_or(0, |revocation| revocation.seq);
                let mut revocations = self.ground.numbered(now).await;
                revocations.retain(|revocation| revocation.seq > after);
                News { revocations, last_seq }
            })
            .await?;
        self.ground.note(Deed::Heard { asked_at: now });
        Ok(news)
    }

    async fn request_code(
        &self,
        errand: &Errand,
        hash: &PasswordHash,
        now: DateTime<Utc>,
        policy: &CodePolicy,
    ) -> Result<Option<StoredCode>, Outage> {
        self.verb(self.ground.tables.request_code(errand, hash, now, policy)).await?
    }

    async fn try_code(&self, errand: &Errand) -> Result<StoredCode, Outage> {
        self.verb(self.ground.tables.try_code(errand)).await?
    }

    async fn use_code(&self, errand: &Errand, hash: &PasswordHash) -> Result<bool, Outage> {
        self.verb(self.ground.tables.use_code(errand, hash)).await?
    }

    async fn create_link(&self, link: &StoredLink) -> Result<(), Outage> {
        self.verb(self.ground.tables.create_link(link)).await?
    }

    async fn find_link(&self, hash: SecretHash) -> Result<Option<StoredLink>, Outage> {
        self.verb(self.ground.tables.find_link(hash)).await?
    }

    async fn use_links(
        &self,
        errand: &Errand,
        now: DateTime<Utc>,
    ) -> Result<Vec<SecretHash>, Outage> {
        self.verb(self.ground.tables.use_links(errand, now)).await?
    }

    async fn find_factor(&self, principal: &Principal) -> Result<Option<StoredFactor>, Outage> {
        self.verb(self.ground.tables.find_factor(principal)).await?
    }

    async fn change_factor(
        &self,
        principal: &Principal,
        change: &FactorChange,
    ) -> Result<Option<Changed>, Outage> {
        self.verb(self.ground.tables.change_factor(principal, change)).await?
    }

    async fn prune(&self, before: DateTime<Utc>, limit: u32) -> Result<u64, Outage> {
        let ground = &self.ground;
        self.verb(async {
            let mut rows = ground.rows().await;
            let mut revocations = ground.numbered(DateTime::<Utc>::MIN_UTC).await;
            let removed = ground.tables.prune(before, limit).await?;
            let rows_left = ground.rows().await;
            rows.retain(|id| !rows_left.contains(id));
            let left = ground.numbered(DateTime::<Utc>::MIN_UTC).await;
            revocations.retain(|revocation| !left.contains(revocation));
            ground.note(Deed::Pruned { rows, revocations });
            Ok(removed)
        })
        .await?
    }
}

fn outage() -> Outage {
    Outage::because("the history says so")
}

/// Ready when it is asked a second time.
#[derive(Default)]
struct Pause {
    asked: bool,
}

impl Future for Pause {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match std::mem::replace(&mut self.asked, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}
