//! Every answer of a node against what is true.

use auth_core::Verified;

use super::claims::Claims;
use super::deeds::Record;
use super::history::Node;
use super::invariants::{self, Check, Violation};
use super::operation::{Answered, Ask, Failure, Granted, Operation};
use super::people::{Holder, Purse};
use super::truth::{Bearer, Cookie, Presented, Refresh};
use super::world::World;

/// Where the answer to a cookie came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Store,
    Memory,
    /// The store was asked, and away.
    MemoryInAnOutage,
}

impl World {
    /// Compares what an operation answered with what is true, and takes the answer in.
    pub(crate) fn judge(&mut self, operation: &Operation, answered: Answered) -> Check {
        invariants::an_outage_is_an_outage_and_nothing_else(operation, &answered)?;
        if matches!(answered, Err(Failure::Outage)) {
            return Ok(());
        }
        match operation.ask {
            Ask::Login { user, .. } => self.judge_login(operation, user, answered),
            Ask::Refresh { token, by, .. } => self.judge_refresh(operation, token, by, answered),
            Ask::Exchange { bearer, by, .. } => {
                self.judge_exchange(operation, bearer, by, answered)
            }
            Ask::ShowCookie { cookie, by, .. } => {
                self.judge_cookie(operation, cookie, by, answered)
            }
            Ask::RenewCookie { cookie, by } => self.judge_renewal(operation, cookie, by, answered),
            Ask::Blacklist { token } => self.judge_blacklist(operation, token, answered),
            Ask::Sync | Ask::Prune => invariants::nothing_but_an_outage_stops_it(&answered),
            Ask::Logout { .. }
            | Ask::RevokeSession { .. }
            | Ask::RevokeOthers
            | Ask::RevokePrincipal { .. }
            | Ask::RevokeAccessTokens
            | Ask::ChangePassword { .. } => {
                invariants::nothing_but_an_outage_stops_it(&answered)?;
                self.learn_of(operation);
                Ok(())
            }
        }
    }

    fn judge_login(&mut self, operation: &Operation, user: usize, answered: Answered) -> Check {
        let record = &operation.record;
        let granted = match answered {
            Ok(granted) => granted,
            Err(failure) => {
                return invariants::only_an_inactive_user_is_turned_away(
                    &self.truth,
                    user,
                    record,
                    &failure,
                );
            }
        };
        let session = invariants::a_login_has_a_session(record)?;
        let mut purse = Purse { user, ..Purse::default() };
        match granted {
            Granted::Tokens { bearer, refresh } => {
                purse.bearer = Some(self.hand_out(operation, session, bearer)?);
                purse.refresh = self.hand_out_refresh(record, session, refresh)?;
            }
            Granted::Cookie(text) => {
                let cookie = Cookie { session, generation: 0, text };
                purse.cookie = Some(self.truth.register_cookie(cookie)?);
            }
            Granted::Admitted(_) | Granted::Done => unreachable!("not what a login answers"),
        }
        self.people.arrive(purse);
        Ok(())
    }

    fn judge_refresh(
        &mut self,
        operation: &Operation,
        token: usize,
        by: Option<Holder>,
        answered: Answered,
    ) -> Check {
        let record = &operation.record;
        let session = self.truth.refreshes[token].session;
        invariants::a_token_used_twice_ends_its_session(record, &answered)?;
        invariants::another_client_is_told_of(record)?;
        if record.presented == Some(Presented::Spent) {
            self.truth.learn_end(operation.node, session);
        }
        let (truth, now) = (&self.truth, self.now(operation.node));
        match answered {
            Ok(granted) => {
                invariants::only_a_good_token_is_refreshed(truth, token, operation, now)?;
                self.take_tokens(operation, session, by, granted)
            }
            Err(failure) => invariants::an_honest_client_is_never_locked_out(
                truth, token, operation, &failure, now,
            ),
        }
    }

    fn judge_exchange(
        &mut self,
        operation: &Operation,
        bearer: usize,
        by: Option<Holder>,
        answered: Answered,
    ) -> Check {
        let Bearer { session, expires_at, .. } = self.truth.bearers[bearer];
        let (truth, now) = (&self.truth, self.now(operation.node));
        match answered {
            Ok(granted) => {
                invariants::only_a_living_session_goes_on(truth, session, operation)?;
                invariants::only_the_bound_client_is_admitted(truth, session, operation)?;
                self.take_tokens(operation, session, by, granted)
            }
            Err(Failure::Expired) if truth.has_expired(expires_at, now) => Ok(()),
            Err(failure) => {
                invariants::a_living_session_goes_on(truth, session, operation, &failure, now)
            }
        }
    }

    fn judge_cookie(
        &mut self,
        operation: &Operation,
        cookie: usize,
        by: Option<Holder>,
        answered: Answered,
    ) -> Check {
        let source = operation.source();
        let session = self.truth.cookies[cookie].session;
        let (node, began_at, since) = (operation.node, operation.began_at, operation.record.since);
        let (truth, now) = (&self.truth, self.now(node));
        match answered {
            Ok(Granted::Admitted(verified)) => {
                invariants::only_the_bound_client_is_admitted(truth, session, operation)?;
                if source == Source::Store {
                    invariants::only_a_living_session_goes_on(truth, session, operation)?;
                }
                self.check_admitted(cookie, node, source, (began_at, since), &verified)?;
                let is_due = verified.has_new_cookie();
                invariants::changed_rights_need_a_new_cookie(truth, session, operation, is_due)?;
                if is_due {
                    // The answer to the request sets it.
                    self.renew_cookie(cookie, node, by)?;
                }
                Ok(())
            }
            Ok(_) => unreachable!("not what a cookie gets"),
            Err(failure) => {
                if truth.is_replaced(&truth.cookies[cookie], now)
                    && matches!(failure, Failure::Invalid(_))
                {
                    return Ok(());
                }
                invariants::a_living_session_goes_on(truth, session, operation, &failure, now)
            }
        }
    }

    fn judge_renewal(
        &mut self,
        operation: &Operation,
        cookie: usize,
        by: Option<Holder>,
        answered: Answered,
    ) -> Check {
        let Cookie { session, generation, .. } = self.truth.cookies[cookie];
        let Ok(Granted::Cookie(text)) = answered else {
            let now = self.now(operation.node);
            return invariants::an_old_cookie_gets_the_new_one(&self.truth, cookie, now);
        };
        let renewed = Cookie { session, generation: generation + 1, text };
        let renewed = self.truth.register_cookie(renewed)?;
        if let Some(holder) = by {
            self.people.keep_cookie(holder, renewed, &self.truth);
        }
        Ok(())
    }

    /// A cookie that was admitted, when it had been shown at this time and moment.
    pub(crate) fn check_admitted(
        &self,
        cookie: usize,
        node: Node,
        source: Source,
        shown: (i64, u64),
        verified: &Verified,
    ) -> Check {
        let (truth, now) = (&self.truth, self.now(node));
        invariants::no_dead_cookie_is_admitted(truth, cookie, source, shown)?;
        invariants::no_cookie_is_admitted_by_a_node_that_knows_better(truth, cookie, node, now)?;
        invariants::a_cookie_has_the_rights_of_today(truth, cookie, node, shown.0, verified)
    }

    fn judge_blacklist(
        &mut self,
        operation: &Operation,
        token: usize,
        answered: Answered,
    ) -> Check {
        let session = self.truth.refreshes[token].session;
        let (truth, now) = (&self.truth, self.now(operation.node));
        match answered {
            Ok(_) => invariants::a_logout_ends_the_session(&operation.record, session)?,
            Err(failure) => invariants::a_logout_is_refused_for_a_reason(
                truth, token, operation, &failure, now,
            )?,
        }
        self.learn_of(operation);
        Ok(())
    }

    /// A node that has revoked something knows it from the moment on that its call returned.
    fn learn_of(&mut self, operation: &Operation) {
        let (node, record) = (operation.node, &operation.record);
        for session in &record.ended {
            self.truth.learn_end(node, *session);
        }
        for (session, moment) in &record.rights_revoked {
            self.truth.learn_rights(node, *session, *moment);
        }
        match operation.ask {
            Ask::Logout { session } | Ask::RevokeSession { session } => {
                self.truth.learn_end(node, session);
            }
            Ask::RevokePrincipal { user } | Ask::ChangePassword { user } => {
                self.truth.users[user].all_revoked(record.since);
                self.truth.learn_ends_of(node, user);
            }
            _ => {}
        }
    }

    fn take_tokens(
        &mut self,
        operation: &Operation,
        session: usize,
        by: Option<Holder>,
        granted: Granted,
    ) -> Check {
        let Granted::Tokens { bearer, refresh } = granted else {
            unreachable!("not what a token is exchanged for");
        };
        let bearer = self.hand_out(operation, session, bearer)?;
        let refresh = self.hand_out_refresh(&operation.record, session, refresh)?;
        if let Some(holder) = by {
            self.people.keep(holder, refresh, bearer, &self.truth);
        }
        Ok(())
    }

    /// Registers a token that opens routes, and shows it to the node that made it.
    fn hand_out(
        &mut self,
        operation: &Operation,
        session: usize,
        text: String,
    ) -> Result<usize, Violation> {
        let claims = Claims::of(&text);
        let login = &mut self.truth.sessions[session];
        login.handed_out = true;
        let asked = operation.record.since;
        invariants::a_token_belongs_to_its_session(login, &claims, &operation.record)?;
        invariants::rights_are_those_of_the_user(
            &self.truth.users[login.user],
            asked,
            claims.role(),
        )?;
        self.truth.bearers.push(Bearer {
            session,
            text,
            kind: claims.kind(),
            expires_at: claims.exp,
            role: Some(claims.role()),
            rights_version: claims.rights_version,
            asked,
            issued: self.truth.moment,
        });
        let bearer = self.truth.bearers.len() - 1;
        self.show(bearer, operation.node)?;
        Ok(bearer)
    }

    fn hand_out_refresh(
        &mut self,
        record: &Record,
        session: usize,
        text: Option<String>,
    ) -> Result<Option<usize>, Violation> {
        let Some(text) = text else { return Ok(None) };
        let claims = Claims::of(&text);
        invariants::a_token_belongs_to_its_session(&self.truth.sessions[session], &claims, record)?;
        invariants::a_refresh_token_is_the_current_one(record, &claims)?;
        let (generation, expires_at) = (record.generation, claims.exp);
        let token = Refresh { session, generation, text, expires_at, is_foreign: false };
        self.truth.register(token).map(Some)
    }
}
