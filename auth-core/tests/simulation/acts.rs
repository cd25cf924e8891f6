//! What each act of a history does.

use auth_core::session::RevocationReason;
use auth_core::store::Revoke;

use super::claims::{foreign_token, role_name};
use super::history::{Act, Answer, Credential, Node, Place, Span, Who};
use super::invariants::Check;
use super::operation::{self, Ask};
use super::people::{Holder, Purse};
use super::profile::{Clocks, MAX_STALENESS, duration};
use super::truth::{Bearer, BearerKind, Foreign, Refresh};
use super::users::{USERS, principal};
use super::world::World;

impl World {
    pub(crate) fn act(&mut self, act: Act) -> Check {
        match act {
            Act::Wait { span, synced } => self.wait(span, synced),
            Act::Sync(node) => self.sync(node),
            Act::Login { user, gets, at } => self.log_in(user_number(user), gets, at),
            Act::ForeignLogin { user, outlives_us } => {
                self.log_in_elsewhere(user_number(user), outlives_us)
            }
            Act::Refresh { who, at, from, answer } => self.use_credential(who, at, from, answer),
            Act::RefreshInTabs { client, tabs } => {
                for tab in 0..tabs {
                    let at = Node::BOTH[usize::from(tab) % 2];
                    self.use_credential(Who::Client(client), at, Place::Home, Answer::Arrives)?;
                }
                Ok(())
            }
            Act::Show(who) => self.show_to_both(who),
            Act::Steal { from } => {
                if let Some(from) = self.people.find(Who::Client(from)) {
                    self.people.steal(from);
                }
                Ok(())
            }
            Act::Logout { who, at } => self.log_out(who, at),
            Act::Blacklist { who, at } => self.blacklist(who, at),
            Act::RevokeSession { client, at } => self.revoke_session(client, at),
            Act::RevokeOthers { client, at } => self.revoke_others(client, at),
            Act::RevokePrincipal { user, at } => {
                self.revoke_principal(user_number(user), at, RevocationReason::Administrator)
            }
            Act::ChangePassword { user, at } => {
                let (user, authority) = (user_number(user), self.node(at));
                let change = operation::change_password(authority, user);
                self.begin(at, Ask::ChangePassword { user }, change)
            }
            Act::ChangeRole { user } => {
                self.change_role(user_number(user));
                Ok(())
            }
            Act::ChangeRights { user, at } => {
                let user = user_number(user);
                self.change_role(user);
                let (tokens, why) =
                    (Revoke::AccessTokens(principal(user)), RevocationReason::RightsChanged);
                let revoke = operation::revoke(self.node(at), tokens, why);
                self.begin(at, Ask::RevokeAccessTokens, revoke)
            }
            Act::Deactivate { user, at } => {
                let user = user_number(user);
                self.set_active(user, false);
                self.revoke_principal(user, at, RevocationReason::UserInactive)
            }
            Act::Reactivate { user } => {
                self.set_active(user_number(user), true);
                Ok(())
            }
            Act::StoreFails { on, lost, verbs } => {
                self.machines.ground.fail(on, lost, verbs);
                Ok(())
            }
            Act::DirectoryFails { questions } => {
                self.machines.ground.fail_users(questions);
                Ok(())
            }
            Act::Heal => {
                self.machines.ground.heal();
                Ok(())
            }
            Act::Crash { operation } => {
                if !self.in_flight.is_empty() {
                    self.in_flight.remove(usize::from(operation) % self.in_flight.len());
                    self.sights.saw("operation crashed");
                }
                Ok(())
            }
            Act::Restart(node) => self.restart(node),
            Act::Prune(node) => {
                let prune = operation::prune(self.node(node));
                self.begin(node, Ask::Prune, prune)
            }
            Act::LookAround => {
                self.finish_all()?;
                self.look_around()
            }
        }
    }

    fn wait(&mut self, span: Span, synced: bool) -> Check {
        let millis = self.millis(span);
        self.finish_what_cannot_wait(millis)?;
        for clock in &self.machines.clocks {
            clock.advance(duration(millis));
        }
        if synced {
            self.sync(Node::A)?;
            self.sync(Node::B)?;
        }
        Ok(())
    }

    /// No operation takes a minute, which is how long a revocation is remembered beyond the last token
    /// that it concerns.
    fn finish_what_cannot_wait(&mut self, millis: i64) -> Check {
        const LONGEST: i64 = 50_000;
        while let Some(hasty) = self
            .in_flight
            .iter()
            .position(|operation| self.now(operation.node) + millis - operation.began_at > LONGEST)
        {
            self.poll(hasty)?;
        }
        Ok(())
    }

    fn millis(&self, span: Span) -> i64 {
        match span {
            Span::Millis(millis) => millis.into(),
            Span::Grace => self.truth.profile.grace(),
            Span::PastGrace => self.truth.profile.grace() + 1,
            Span::Staleness => MAX_STALENESS,
            Span::PastStaleness => MAX_STALENESS + 1,
            Span::AccessLifetime => self.truth.lifetimes.access,
            Span::ToTheEndOf { client, past } => {
                let Some(holder) = self.people.find(Who::Client(client)) else { return 0 };
                let Some(session) = self.people.purse(holder).session(&self.truth) else {
                    return 0;
                };
                let end = self.truth.sessions[session].end();
                // The session of another issuer's token has no end before it is adopted.
                let left = end.saturating_sub(self.now(Node::A));
                if left > self.truth.lifetimes.session {
                    0
                } else {
                    (left - i64::from(!past)).max(0)
                }
            }
            Span::Hours(hours) => i64::from(hours) * 3_600_000,
        }
    }

    pub(crate) fn sync(&mut self, node: Node) -> Check {
        let sync = operation::sync(self.node(node));
        self.begin(node, Ask::Sync, sync)
    }

    pub(crate) fn restart(&mut self, node: Node) -> Check {
        self.in_flight.retain(|operation| operation.node != node);
        self.nodes[node.index()] = self.machines.start(node);
        self.truth.forget(node);
        self.sync(node)
    }

    fn log_in(&mut self, user: usize, gets: Credential, at: Node) -> Check {
        let login = operation::log_in(self.node(at), user, gets);
        self.begin(at, Ask::Login { user }, login)
    }

    /// The user gets an access and a refresh token of another issuer. Its clock is ours, and it
    /// writes whole seconds: what was revoked within the same one cannot be told apart.
    fn log_in_elsewhere(&mut self, user: usize, outlives_us: bool) -> Check {
        const ACCESS: i64 = 300;
        const LONG_ACCESS: i64 = 2 * 86_400;
        let issued_at = self.now(Node::A).div_euclid(1000);
        let revoked_at = self.truth.users[user].foreign_revoked_at;
        let is_doubtful = revoked_at.is_some_and(|at| issued_at * 1000 <= at);
        if is_doubtful || self.truth.profile.clocks == Clocks::Disagree {
            return Ok(());
        }
        let refresh = self.truth.lifetimes.refresh / 1000;
        let (access, refresh) =
            if outlives_us { (LONG_ACCESS, 2 * refresh) } else { (ACCESS, refresh) };
        let truth = &mut self.truth;
        let mut issue = |kind, lifetime: i64| {
            let (serial, expires_at) = (truth.sessions.len(), issued_at + lifetime);
            let (text, id) = foreign_token(kind, &principal(user), issued_at, expires_at, serial);
            let opens_routes = kind == "access";
            let foreign = Foreign { opens_routes, issued_at: issued_at * 1000, revoked: None };
            (truth.imagine(id, user, Some(foreign)), text, expires_at)
        };
        let (session, text, expires_at) = issue("access", access);
        let (refresh_session, refresh_text, refresh_expires_at) = issue("refresh", refresh);
        let (asked, issued) = (self.truth.moment, self.truth.moment);
        self.truth.bearers.push(Bearer {
            session,
            text,
            kind: BearerKind::Access,
            expires_at,
            role: None,
            rights_version: 0,
            asked,
            issued,
        });
        let bearer = Some(self.truth.bearers.len() - 1);
        let refresh = Some(self.truth.register(Refresh {
            session: refresh_session,
            generation: 0,
            text: refresh_text,
            expires_at: refresh_expires_at,
            is_foreign: true,
        })?);
        self.people.arrive(Purse { user, refresh, bearer, cookie: None });
        Ok(())
    }

    /// Refreshes or exchanges a token, or shows a cookie: what somebody has.
    pub(crate) fn use_credential(
        &mut self,
        who: Who,
        at: Node,
        from: Place,
        answer: Answer,
    ) -> Check {
        let Some(holder) = self.people.find(who) else { return Ok(()) };
        let by = (answer == Answer::Arrives).then_some(holder);
        let (node, client) = (self.node(at), from.client());
        let purse = self.people.purse(holder);
        let slides = |bearer: &usize| self.truth.bearers[*bearer].kind == BearerKind::Sliding;
        if let Some(token) = purse.refresh {
            let text = self.truth.refreshes[token].text.clone();
            let ask = Ask::Refresh { token, by, from };
            self.begin(at, ask, operation::refresh(node, text, client))
        } else if let Some(cookie) = purse.cookie {
            let text = self.truth.cookies[cookie].text.clone();
            let ask = Ask::ShowCookie { cookie, by, from };
            self.begin(at, ask, operation::show_cookie(node, text, client))
        } else if let Some(bearer) = purse.bearer.filter(slides) {
            let text = self.truth.bearers[bearer].text.clone();
            let ask = Ask::Exchange { bearer, by, from };
            self.begin(at, ask, operation::exchange(node, text, client))
        } else {
            Ok(())
        }
    }

    pub(crate) fn renew_cookie(&mut self, cookie: usize, at: Node, by: Option<Holder>) -> Check {
        let text = self.truth.cookies[cookie].text.clone();
        let renew = operation::renew_cookie(self.node(at), text);
        self.begin(at, Ask::RenewCookie { cookie, by }, renew)
    }

    /// Shows what opens routes, without asking the store.
    fn show_to_both(&mut self, who: Who) -> Check {
        let Some(holder) = self.people.find(who) else { return Ok(()) };
        let purse = self.people.purse(holder);
        for node in Node::BOTH {
            if let Some(bearer) = purse.bearer {
                self.show(bearer, node)?;
            }
            if let Some(cookie) = purse.cookie {
                self.show_from_memory(cookie, node)?;
            }
        }
        Ok(())
    }

    fn log_out(&mut self, who: Who, at: Node) -> Check {
        let Some(holder) = self.people.find(who) else { return Ok(()) };
        let purse = self.people.purse(holder);
        let Some(session) = purse.session(&self.truth) else { return Ok(()) };
        // A logout is a request like others: who is not let in cannot make it.
        let Some(verified) = self.verified(purse, at) else { return Ok(()) };
        let log_out = operation::log_out(self.node(at), verified);
        self.begin(at, Ask::Logout { session }, log_out)
    }

    fn blacklist(&mut self, who: Who, at: Node) -> Check {
        let holder = self.people.find(who);
        let token = holder.and_then(|holder| self.people.purse(holder).refresh);
        let Some(token) = token else { return Ok(()) };
        let text = self.truth.refreshes[token].text.clone();
        self.begin(at, Ask::Blacklist { token }, operation::blacklist(self.node(at), text))
    }

    fn revoke_session(&mut self, client: u8, at: Node) -> Check {
        let Some((_, session)) = self.client_session(client) else { return Ok(()) };
        let login = &self.truth.sessions[session];
        let id = login.id;
        let why = RevocationReason::Administrator;
        let revoke = operation::revoke(self.node(at), Revoke::Session(id), why);
        self.begin(at, Ask::RevokeSession { session }, revoke)
    }

    fn revoke_others(&mut self, client: u8, at: Node) -> Check {
        let Some((purse, session)) = self.client_session(client) else { return Ok(()) };
        let keep = self.truth.sessions[session].id;
        let others = Revoke::OtherSessions { principal: principal(purse.user), keep };
        let revoke = operation::revoke(self.node(at), others, RevocationReason::Logout);
        self.begin(at, Ask::RevokeOthers, revoke)
    }

    fn revoke_principal(&mut self, user: usize, at: Node, why: RevocationReason) -> Check {
        let revoke = operation::revoke(self.node(at), Revoke::Principal(principal(user)), why);
        self.begin(at, Ask::RevokePrincipal { user }, revoke)
    }

    fn client_session(&self, client: u8) -> Option<(Purse, usize)> {
        let purse = self.people.purse(self.people.find(Who::Client(client))?);
        Some((purse, purse.session(&self.truth)?))
    }

    fn change_role(&mut self, user: usize) {
        let role = role_name(self.truth.change_role(user, self.now(Node::A)));
        self.machines.users.change(user, |account| account.role = role);
    }

    fn set_active(&mut self, user: usize, active: bool) {
        self.truth.set_active(user, self.now(Node::A), active);
        self.machines.users.change(user, |account| account.is_active = active);
    }

    fn node(&self, node: Node) -> auth_core::Authority {
        self.nodes[node.index()].clone()
    }
}

fn user_number(drawn: u8) -> usize {
    usize::from(drawn) % USERS
}
