//! What each node must know of revocations, and what must become of a token there.

use auth_core::settings::WhenStale;

use super::history::Node;
use super::profile::MAX_STALENESS;
use super::truth::{Bearer, Login, Truth};

/// What a node must know of a session.
#[derive(Clone, Copy, Default)]
pub(crate) struct Knowledge {
    /// That it has ended.
    pub(crate) of_end: bool,
    /// The last moment that it knows of when its access tokens were revoked, 0 for none.
    pub(crate) of_rights: u64,
}

/// What must become of a token that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Accepted,
    /// With what the simulation has seen then.
    Refused(&'static str),
    /// The node need not know yet, or the token was made while the rights were revoked.
    Either,
}

impl Truth {
    /// What must become of a token that opens routes, shown to `node` at `now`.
    pub(crate) fn due(&self, bearer: &Bearer, node: Node, now: i64) -> Due {
        let login = &self.sessions[bearer.session];
        let known = login.known[node.index()];
        if self.has_expired(bearer.expires_at, now) {
            Due::Refused("token refused: expired")
        } else if login.ended.is_some() && known.of_end {
            Due::Refused("token refused: of a session that the node knows to have ended")
        } else if bearer.issued < known.of_rights {
            Due::Refused("token refused: with rights that the node knows to be revoked")
        } else if !self.shows_rights_since(bearer.role, login, known.of_rights) {
            Due::Refused("token refused: with rights from before a change that the node knows")
        } else if self.must_refuse_all(node, now) {
            Due::Refused("token refused: by a node that has not heard of revocations for too long")
        } else if login.ended.is_some() || bearer.asked < login.rights_last_revoked() {
            Due::Either
        } else {
            Due::Accepted
        }
    }

    /// Whether these were the rights of the user at this moment or later.
    pub(crate) fn shows_rights_since(&self, role: Option<u32>, login: &Login, moment: u64) -> bool {
        let mut standings = self.users[login.user].since(moment);
        moment == 0 || role.is_none_or(|role| standings.any(|standing| standing.role == role))
    }

    /// Whether `expires_at`, in seconds, has come.
    pub(crate) fn has_expired(&self, expires_at: i64, now: i64) -> bool {
        expires_at + self.profile.leeway_seconds() <= now.div_euclid(1000)
    }

    /// Whether the node knows too little of revocations to accept anything.
    pub(crate) fn must_refuse_all(&self, node: Node, now: i64) -> bool {
        let heard_at = self.heard_at[node.index()];
        let is_current = heard_at.is_some_and(|at| now - at <= MAX_STALENESS);
        self.profile.when_stale == WhenStale::Refuse && !is_current
    }

    /// The node has got the revocations that there were at the moment `read`.
    pub(crate) fn hear(&mut self, node: Node, asked_at: i64, read: u64) {
        // An answer that was overtaken takes nothing back.
        let heard_at = &mut self.heard_at[node.index()];
        *heard_at = (*heard_at).max(Some(asked_at));
        for login in &mut self.sessions {
            let known = &mut login.known[node.index()];
            known.of_end |= login.ended.is_some_and(|ending| ending.moment <= read);
            let revoked = login.rights_revoked.iter().rfind(|moment| **moment <= read);
            known.of_rights = known.of_rights.max(revoked.copied().unwrap_or_default());
        }
    }

    /// The node was told of an end by its own call.
    pub(crate) fn learn_end(&mut self, node: Node, session: usize) {
        let login = &mut self.sessions[session];
        login.known[node.index()].of_end |= login.ended.is_some();
    }

    pub(crate) fn learn_ends_of(&mut self, node: Node, user: usize) {
        for login in self.sessions.iter_mut().filter(|login| login.user == user) {
            login.known[node.index()].of_end |= login.ended.is_some();
        }
    }

    /// The node was told by its own call that access tokens had been revoked.
    pub(crate) fn learn_rights(&mut self, node: Node, session: usize, moment: u64) {
        let known = &mut self.sessions[session].known[node.index()];
        known.of_rights = known.of_rights.max(moment);
    }

    /// A new process knows nothing.
    pub(crate) fn forget(&mut self, node: Node) {
        self.heard_at[node.index()] = None;
        for login in &mut self.sessions {
            login.known[node.index()] = Knowledge::default();
        }
    }
}
