//! What users are and have been.

use auth_core::Principal;

use super::truth::Truth;

/// A user, with all that they have been, the latest last.
pub(crate) struct User {
    standings: Vec<Standing>,
    deactivated: Option<u64>,
    shut_out: bool,
    nothing_before: u64,
    /// When tokens of other issuers were last revoked.
    pub(crate) foreign_revoked_at: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) active: bool,
    pub(crate) role: u32,
    since: u64,
    since_millis: i64,
}

impl User {
    pub(crate) fn new(now: i64) -> Self {
        Self {
            standings: vec![Standing { active: true, role: 0, since: 0, since_millis: now }],
            deactivated: None,
            shut_out: false,
            nothing_before: 0,
            foreign_revoked_at: None,
        }
    }

    fn now(&self) -> Standing {
        *self.standings.last().expect("everybody has a standing")
    }

    /// All that the user has been from this moment on.
    pub(crate) fn since(&self, moment: u64) -> impl Iterator<Item = &Standing> {
        let current = self.standings.iter().rposition(|standing| standing.since <= moment);
        self.standings[current.unwrap_or_default()..].iter()
    }

    /// All that the user has been from this time on.
    pub(crate) fn since_millis(&self, time: i64) -> impl Iterator<Item = &Standing> {
        let current = self.standings.iter().rposition(|standing| standing.since_millis < time);
        self.standings[current.unwrap_or_default()..].iter()
    }

    pub(crate) fn was_inactive_since(&self, moment: u64) -> bool {
        self.since(moment).any(|standing| !standing.active)
    }

    /// A revocation of everything that began at `since` has returned.
    pub(crate) fn all_revoked(&mut self, since: u64) {
        self.nothing_before = self.nothing_before.max(since);
        self.shut_out |= self.deactivated.is_some_and(|deactivated| deactivated <= since);
    }

    /// Whether the user is inactive, and everything has been revoked since.
    pub(crate) fn is_shut_out(&self) -> bool {
        self.shut_out
    }

    /// Nothing that began before this moment may go on.
    pub(crate) fn nothing_before(&self) -> u64 {
        self.nothing_before
    }
}

impl Truth {
    /// Answers the new role.
    pub(crate) fn change_role(&mut self, user: usize, now: i64) -> u32 {
        let role = self.users[user].now().role + 1;
        self.change_user(user, now, |standing| standing.role = role);
        role
    }

    pub(crate) fn set_active(&mut self, user: usize, now: i64, active: bool) {
        self.change_user(user, now, |standing| standing.active = active);
        let moment = self.moment;
        let user = &mut self.users[user];
        user.deactivated = (!active).then(|| user.deactivated.unwrap_or(moment));
        user.shut_out &= !active;
    }

    fn change_user(&mut self, user: usize, now: i64, change: impl FnOnce(&mut Standing)) {
        let since = self.next_moment();
        let mut standing = Standing { since, since_millis: now, ..self.users[user].now() };
        change(&mut standing);
        self.users[user].standings.push(standing);
    }
}

/// Which of our users it is.
pub(crate) fn user_of(principal: &Principal) -> usize {
    principal.user_id().parse().expect("the ids of the simulation are numbers")
}
