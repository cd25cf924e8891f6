//! Looking at everything while nothing happens, and the end of every history.

use auth_core::Verified;

use super::history::{Answer, Node, Place, Who};
use super::invariants::{self, Check};
use super::judge::Source;
use super::operation::{Failure, now};
use super::people::Purse;
use super::world::{World, shown_to};

impl World {
    /// Looks at everything that there is, without changing anything.
    pub(crate) fn look_around(&self) -> Check {
        for session in 0..self.truth.sessions.len() {
            self.check_row(session)?;
            self.look_at_refresh_tokens(session, Node::BOTH[session % 2])?;
        }
        for bearer in 0..self.truth.bearers.len() {
            self.show(bearer, Node::A)?;
            // Whether a token has expired is no question of what a node knows.
            let expires_at = self.truth.bearers[bearer].expires_at;
            if !self.truth.has_expired(expires_at, self.now(Node::B)) {
                self.show(bearer, Node::B)?;
            }
        }
        for cookie in 0..self.truth.cookies.len() {
            self.show_from_memory(cookie, Node::A)?;
            self.show_from_memory(cookie, Node::B)?;
        }
        Ok(())
    }

    /// Asks a node which of the refresh tokens that a session ever had it would take.
    fn look_at_refresh_tokens(&self, session: usize, node: Node) -> Check {
        let mut working = 0;
        for token in self.truth.refreshes.iter().filter(|token| token.session == session) {
            let authority = &self.nodes[node.index()];
            let verified = self.machines.ground.at_rest(|| now(authority.verify(&token.text)));
            let failure = verified.err().map(Failure::from);
            working += usize::from(failure.is_none());
            if !token.is_foreign {
                invariants::a_refresh_token_works_while_it_is_good(
                    &self.truth,
                    token,
                    self.now(node),
                    failure.as_ref(),
                )?;
            }
        }
        invariants::one_refresh_token_works(&self.truth, session, working, self.now(node))
    }

    /// Shows a cookie to a node that may remember it.
    pub(crate) fn show_from_memory(&self, cookie: usize, node: Node) -> Check {
        let (authority, now) = (&self.nodes[node.index()], self.now(node));
        let (text, client) = (&self.truth.cookies[cookie].text, Place::Home.client());
        match authority.authenticate_cookie_from_memory(text, &client) {
            None => Ok(()),
            Some(Ok(verified)) => {
                let shown = (now, self.truth.moment);
                self.check_admitted(cookie, node, Source::Memory, shown, &verified)
            }
            Some(Err(error)) => invariants::a_remembered_cookie_is_refused_for_a_reason(
                &self.truth,
                cookie,
                node,
                now,
                &error.into(),
            ),
        }
    }

    /// What a request of somebody with this purse carries after the check, if it passes.
    pub(crate) fn verified(&self, purse: Purse, at: Node) -> Option<Verified> {
        let authority = &self.nodes[at.index()];
        if let Some(bearer) = purse.bearer {
            return shown_to(authority, &self.truth.bearers[bearer]).ok();
        }
        let cookie = &self.truth.cookies[purse.cookie?].text;
        authority.authenticate_cookie_from_memory(cookie, &Place::Home.client())?.ok()
    }

    /// The end of a history: all outages end, A hears of everything, and B is a new process that
    /// knows what the store knows. Now everything must be as it ought to be, and every honest
    /// client who should can go on.
    pub(crate) fn conclude(&mut self) -> Check {
        self.note(|_| "the end: outages end, A syncs, B restarts".into());
        self.machines.ground.heal();
        self.finish_all()?;
        self.sync(Node::A)?;
        self.restart(Node::B)?;
        self.finish_all()?;
        self.look_around()?;
        for client in 0..self.people.clients() {
            let who = Who::Client(client as u8);
            self.use_credential(who, Node::BOTH[client % 2], Place::Home, Answer::Arrives)?;
        }
        self.finish_all()
    }
}
