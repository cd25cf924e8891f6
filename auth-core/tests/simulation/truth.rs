//! What is true: kept from what was done to the store and what was handed out, by rules of its
//! own. The nodes' answers are compared with it; nothing here asks a node.
//!
//! Times are milliseconds on the clock of the node that acted. A *moment* numbers what happens,
//! so that "before" and "meanwhile" need no clock.

use std::collections::HashMap;

use auth_core::session::{BindSession, Carrier, RevocationReason};
use auth_core::{ClientInfo, SessionId};

use super::invariants::{self, Violation};
use super::knowledge::Knowledge;
use super::profile::{Lifetimes, Profile, Rotation};
use super::standing::User;
use super::users::USERS;

pub(crate) struct Truth {
    pub(crate) profile: Profile,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) sessions: Vec<Login>,
    pub(crate) users: Vec<User>,
    pub(crate) bearers: Vec<Bearer>,
    pub(crate) refreshes: Vec<Refresh>,
    pub(crate) cookies: Vec<Cookie>,
    pub(crate) moment: u64,
    pub(super) by_id: HashMap<SessionId, usize>,
    /// When the last answer about revocations was asked for that reached the node.
    pub(super) heard_at: [Option<i64>; 2],
}

/// A session. That of another issuer's token has no row before it is adopted.
pub(crate) struct Login {
    pub(crate) id: SessionId,
    pub(crate) user: usize,
    pub(crate) carrier: Carrier,
    pub(crate) row: Row,
    pub(crate) client: ClientInfo,
    pub(crate) generation: u64,
    pub(crate) rotated_at: i64,
    /// The moment when the secret of its cookie was last replaced.
    pub(crate) renewed: u64,
    pub(crate) last_seen_at: i64,
    pub(crate) idle_end: i64,
    pub(crate) absolute_end: i64,
    pub(crate) ended: Option<Ending>,
    /// The moments when the access tokens that there were had been revoked.
    pub(crate) rights_revoked: Vec<u64>,
    /// What the nodes must know of that.
    pub(crate) known: [Knowledge; 2],
    /// Whether anybody was given a credential of it.
    pub(crate) handed_out: bool,
    /// The moment when it began.
    pub(crate) began: u64,
    pub(crate) foreign: Option<Foreign>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Row {
    /// It is that of a token of another issuer, which has not been adopted.
    Never,
    Stored,
    /// It was stored for a token that had been revoked; whoever did so did not live to end it.
    StoredInVain,
    /// It was over, and has been removed.
    Pruned,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) reason: RevocationReason,
    pub(crate) moment: u64,
}

/// What another issuer's token is, and when such tokens of the user were revoked.
#[derive(Clone, Copy)]
pub(crate) struct Foreign {
    pub(crate) opens_routes: bool,
    /// To the second.
    pub(crate) issued_at: i64,
    pub(crate) revoked: Option<u64>,
}

/// A token that opens routes.
pub(crate) struct Bearer {
    pub(crate) session: usize,
    pub(crate) text: String,
    pub(crate) kind: BearerKind,
    /// In seconds.
    pub(crate) expires_at: i64,
    /// The rights in it; none where another issuer wrote it.
    pub(crate) role: Option<u32>,
    pub(crate) rights_version: u64,
    /// The moments when it was asked for, and when it was there.
    pub(crate) asked: u64,
    pub(crate) issued: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BearerKind {
    Access,
    Sliding,
    Single,
}

pub(crate) struct Refresh {
    pub(crate) session: usize,
    pub(crate) generation: u64,
    pub(crate) text: String,
    /// In seconds.
    pub(crate) expires_at: i64,
    pub(crate) is_foreign: bool,
}

pub(crate) struct Cookie {
    pub(crate) session: usize,
    pub(crate) generation: u64,
    pub(crate) text: String,
}

/// What it means to present a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    /// It is the current one.
    Current,
    /// It was a moment ago, or may be used again.
    Again,
    /// It was used before, and somebody else may have it.
    Spent,
    /// It is good, and bound to another client.
    Bound,
    Ended(RevocationReason),
    Over,
    Unknown,
}

impl Truth {
    pub(crate) fn new(profile: Profile, now: i64) -> Self {
        Self {
            profile,
            lifetimes: profile.lifetimes(),
            sessions: Vec::new(),
            users: std::iter::repeat_with(|| User::new(now)).take(USERS).collect(),
            bearers: Vec::new(),
            refreshes: Vec::new(),
            cookies: Vec::new(),
            moment: 0,
            by_id: HashMap::new(),
            heard_at: [None; 2],
        }
    }

    pub(crate) fn index(&self, id: SessionId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    pub(crate) fn next_moment(&mut self) -> u64 {
        self.moment += 1;
        self.moment
    }

    /// What presenting the refresh token of this generation means. Where no client is given,
    /// nobody asks who it is.
    pub(crate) fn present(
        &self,
        session: usize,
        generation: u64,
        client: Option<&ClientInfo>,
        now: i64,
    ) -> Presented {
        let login = &self.sessions[session];
        if !login.has_row() {
            return Presented::Unknown;
        }
        if let Some(ending) = login.ended {
            return Presented::Ended(ending.reason);
        }
        if login.is_over(now) {
            return Presented::Over;
        }
        let behind = login.generation - generation;
        let good = match (behind, self.profile.rotation) {
            (0, _) => Presented::Current,
            (_, Rotation::SpentTokensLiveOn | Rotation::Off) => Presented::Again,
            (1, Rotation::On) if self.in_grace(login, now) => Presented::Again,
            (_, Rotation::On) => return Presented::Spent,
        };
        let bound = client.is_some_and(|client| self.is_bound_to_another(login, client));
        if bound { Presented::Bound } else { good }
    }

    /// Whether a cookie is no longer good at `now`, because its secret was replaced.
    pub(crate) fn is_replaced(&self, cookie: &Cookie, now: i64) -> bool {
        let login = &self.sessions[cookie.session];
        match login.generation - cookie.generation {
            0 => false,
            1 => !self.in_grace(login, now),
            _ => true,
        }
    }

    pub(crate) fn in_grace(&self, login: &Login, now: i64) -> bool {
        now - login.rotated_at <= self.profile.grace()
    }

    /// Whether the settings refuse what this client shows of the session. What was never known
    /// binds nobody; who tells nothing is not known to be the same.
    pub(crate) fn is_bound_to_another(&self, login: &Login, client: &ClientInfo) -> bool {
        differs(client, &login.client, self.profile.bind)
    }

    /// Whether another issuer's refresh token lives longer from `now` on than we may remember
    /// that it was spent.
    pub(crate) fn outlives_us(&self, token: &Refresh, now: i64) -> bool {
        token.expires_at > (now + self.lifetimes.refresh).div_euclid(1000)
    }

    /// Registers a refresh token that was handed out. The same one may be, again.
    pub(crate) fn register(&mut self, token: Refresh) -> Result<usize, Violation> {
        let is_same = |known: &Refresh| {
            (known.session, known.generation, known.is_foreign)
                == (token.session, token.generation, token.is_foreign)
        };
        if let Some(known) = self.refreshes.iter().position(is_same) {
            invariants::an_answer_is_repeated(&self.refreshes[known].text, &token.text)?;
            return Ok(known);
        }
        self.refreshes.push(token);
        Ok(self.refreshes.len() - 1)
    }

    /// Registers a cookie that was handed out. The same one may be, again.
    pub(crate) fn register_cookie(&mut self, cookie: Cookie) -> Result<usize, Violation> {
        let is_same = |known: &Cookie| {
            (known.session, known.generation) == (cookie.session, cookie.generation)
        };
        if let Some(known) = self.cookies.iter().position(is_same) {
            invariants::an_answer_is_repeated(&self.cookies[known].text, &cookie.text)?;
            return Ok(known);
        }
        self.sessions[cookie.session].handed_out = true;
        self.cookies.push(cookie);
        Ok(self.cookies.len() - 1)
    }
}

/// Whether this client is not the one before, in what a session may be bound to.
pub(super) fn differs(now: &ClientInfo, before: &ClientInfo, binding: BindSession) -> bool {
    let network = |client: &ClientInfo| {
        let (network, _) = client.ip.as_deref()?.rsplit_once('.')?;
        Some(network.to_owned())
    };
    let (now, before) = match binding {
        BindSession::None => return false,
        BindSession::Address => (now.ip.clone(), before.ip.clone()),
        BindSession::Network => (network(now), network(before)),
        BindSession::UserAgent => (now.user_agent.clone(), before.user_agent.clone()),
    };
    before.is_some() && now != before
}

impl Login {
    pub(crate) fn has_row(&self) -> bool {
        matches!(self.row, Row::Stored | Row::StoredInVain)
    }

    pub(crate) fn is_over(&self, now: i64) -> bool {
        self.end() <= now
    }

    /// Its end unless it is used.
    pub(crate) fn end(&self) -> i64 {
        self.idle_end.min(self.absolute_end)
    }

    pub(crate) fn ended_before(&self, moment: u64) -> bool {
        self.ended.is_some_and(|ending| ending.moment < moment)
    }

    /// Whether such tokens of the user were revoked, where this is another issuer's.
    pub(crate) fn is_revoked_as_foreign(&self) -> bool {
        self.foreign.is_some_and(|foreign| foreign.revoked.is_some() || self.ended.is_some())
    }

    pub(crate) fn was_revoked_as_foreign_before(&self, moment: u64) -> bool {
        let revoked = self.foreign.and_then(|foreign| foreign.revoked);
        revoked.is_some_and(|at| at < moment) || self.ended_before(moment)
    }

    /// The last moment when its access tokens were revoked, 0 for never.
    pub(crate) fn rights_last_revoked(&self) -> u64 {
        self.rights_revoked.last().copied().unwrap_or_default()
    }
}

impl Presented {
    pub(crate) fn is_good(self) -> bool {
        matches!(self, Self::Current | Self::Again)
    }
}
