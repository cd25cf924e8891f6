//! What must be true of the tokens that are handed out, and of those that are shown.

use auth_core::Verified;

use super::{Check, hold};
use crate::simulation::claims::{Claims, role_number};
use crate::simulation::deeds::Record;
use crate::simulation::history::Node;
use crate::simulation::knowledge::Due;
use crate::simulation::operation::{Failure, Operation};
use crate::simulation::profile::Rotation;
use crate::simulation::standing::User;
use crate::simulation::truth::{Bearer, Login, Refresh, Truth};

/// (1) When the grace is over, a session has one refresh token that works, and no other.
pub(crate) fn one_refresh_token_works(
    truth: &Truth,
    session: usize,
    works: usize,
    now: i64,
) -> Check {
    let login = &truth.sessions[session];
    let at_most = match truth.profile.rotation {
        Rotation::On if truth.in_grace(login, now) => 2,
        Rotation::On | Rotation::Off => 1,
        Rotation::SpentTokensLiveOn => usize::MAX,
    };
    hold!(one_refresh_token_works: works <= at_most,
        "{works} refresh tokens of session {} work", login.id);
    Ok(())
}

/// (1, 2) A refresh token works while it is good, and no longer.
pub(crate) fn a_refresh_token_works_while_it_is_good(
    truth: &Truth,
    token: &Refresh,
    now: i64,
    failure: Option<&Failure>,
) -> Check {
    let presented = truth.present(token.session, token.generation, None, now);
    let good = presented.is_good() && !truth.has_expired(token.expires_at, now);
    hold!(a_refresh_token_works_while_it_is_good: good == failure.is_none(),
        "generation {} of session number {}, which is {presented:?}, got {failure:?}",
        token.generation, token.session);
    Ok(())
}

/// (4) What is revoked, has expired or cannot be judged is refused.
pub(crate) fn nothing_dead_is_accepted(
    bearer: &Bearer,
    node: Node,
    due: Due,
    accepted: bool,
) -> Check {
    if let Due::Refused(why) = due {
        hold!(nothing_dead_is_accepted: !accepted,
            "{node:?} accepted a token of session number {}; due was: {why}", bearer.session);
    }
    Ok(())
}

/// (7) What lives is accepted.
pub(crate) fn nothing_alive_is_refused(
    bearer: &Bearer,
    node: Node,
    due: Due,
    failure: Option<&Failure>,
) -> Check {
    hold!(nothing_alive_is_refused: due != Due::Accepted || failure.is_none(),
        "{node:?} refused a token of session number {}: {failure:?}", bearer.session);
    Ok(())
}

/// (5) A token names the session that it was made for, and does not outlive it.
pub(crate) fn a_token_belongs_to_its_session(
    login: &Login,
    claims: &Claims,
    record: &Record,
) -> Check {
    // A sliding token was exchanged without writing down the end.
    let end = record.session_end.unwrap_or_else(|| login.end());
    hold!(a_token_belongs_to_its_session: claims.sid == login.id.to_string(),
        "a token names session {} instead of {}", claims.sid, login.id);
    hold!(a_token_belongs_to_its_session: claims.exp * 1000 <= end,
        "a token expires at {}, its session {} ends at {end}", claims.exp, login.id);
    Ok(())
}

/// (2) A refresh answers the token that is current from then on.
pub(crate) fn a_refresh_token_is_the_current_one(record: &Record, claims: &Claims) -> Check {
    hold!(a_refresh_token_is_the_current_one: claims.generation == Some(record.generation),
        "the current generation is {}, the answer has {:?}", record.generation, claims.generation);
    Ok(())
}

/// (2) Who asks twice gets the same answer twice.
pub(crate) fn an_answer_is_repeated(before: &str, again: &str) -> Check {
    hold!(an_answer_is_repeated: before == again, "one generation has two refresh tokens");
    Ok(())
}

/// (8) A token says the rights that the user had while it was made, as an active one.
pub(crate) fn rights_are_those_of_the_user(user: &User, since: u64, role: u32) -> Check {
    let roles: Vec<_> = user.since(since).filter(|s| s.active).map(|s| s.role).collect();
    hold!(rights_are_those_of_the_user: roles.contains(&role),
        "a token has the role {role}; as an active user they had {roles:?}");
    Ok(())
}

/// (8) A cookie has the rights of today where the node has heard of a change, and those of the life
/// of an access token ago at the most where it has not.
pub(crate) fn a_cookie_has_the_rights_of_today(
    truth: &Truth,
    cookie: usize,
    node: Node,
    began_at: i64,
    verified: &Verified,
) -> Check {
    let login = &truth.sessions[truth.cookies[cookie].session];
    let role = role_number(verified.role());
    let known = login.known[node.index()].of_rights;
    hold!(a_cookie_has_the_rights_of_today: truth.shows_rights_since(Some(role), login, known),
        "the cookie of session {} has the role {role} from before a change that {node:?} knows",
        login.id);
    let of_late = began_at - truth.lifetimes.access - truth.profile.skew();
    let mut standings = truth.users[login.user].since_millis(of_late);
    hold!(a_cookie_has_the_rights_of_today: standings.any(|standing| standing.role == role),
        "the cookie of session {} has the role {role}, which is long gone", login.id);
    Ok(())
}

/// (8) After a change of rights that the node has heard of, a cookie is due to be replaced.
pub(crate) fn changed_rights_need_a_new_cookie(
    truth: &Truth,
    session: usize,
    operation: &Operation,
    is_due: bool,
) -> Check {
    let login = &truth.sessions[session];
    let known = login.known[operation.node.index()].of_rights;
    let must_be_due = login.renewed < known && known < operation.record.since;
    hold!(changed_rights_need_a_new_cookie: is_due || !must_be_due,
        "the rights of session {} have changed, and its cookie stays", login.id);
    Ok(())
}

/// (2, 8) A cookie that is due to be replaced, or was within the grace, gets the new one; unless its
/// session has ended meanwhile, or it was replaced too long ago.
pub(crate) fn an_old_cookie_gets_the_new_one(truth: &Truth, cookie: usize, now: i64) -> Check {
    let cookie = &truth.cookies[cookie];
    let login = &truth.sessions[cookie.session];
    let excused = login.ended.is_some() || !login.has_row() || truth.is_replaced(cookie, now);
    hold!(an_old_cookie_gets_the_new_one: excused,
        "the cookie of session {} is due to be replaced, and is not", login.id);
    Ok(())
}
