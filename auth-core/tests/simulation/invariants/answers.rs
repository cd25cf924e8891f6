//! What must be true of the answers of operations.
//!
//! What happens while an operation is in flight may show in its answer or not. So an answer must
//! fit something that was true between its beginning and its end.

use super::{Check, Violation, hold};
use crate::simulation::deeds::Record;
use crate::simulation::history::Node;
use crate::simulation::judge::Source;
use crate::simulation::operation::{Answered, Ask, Failure, Granted, Operation};
use crate::simulation::truth::{Login, Presented, Truth};

/// (6) An outage is answered where the history made one and nowhere else, and one that the history
/// made never says something about the one who asks.
pub(crate) fn an_outage_is_an_outage_and_nothing_else(
    operation: &Operation,
    answered: &Answered,
) -> Check {
    let failed = operation.record.failed;
    match answered {
        Ok(_) => {}
        Err(Failure::Outage) => {
            hold!(an_outage_is_an_outage_and_nothing_else: failed, "an outage out of nothing");
        }
        // A cookie may be judged from memory while the store is away.
        Err(Failure::Revoked(_) | Failure::Stale) if operation.ask.shows_a_cookie() => {}
        Err(failure) => {
            hold!(an_outage_is_an_outage_and_nothing_else: !failed,
                "an outage was answered as {failure:?}");
        }
    }
    Ok(())
}

/// (6) Nothing waits for something that never comes: an operation takes a few steps of the store.
pub(crate) fn an_operation_comes_to_its_end(operation: &Operation) -> Check {
    const MOST: u32 = 100;
    hold!(an_operation_comes_to_its_end: operation.polls < MOST,
        "{:?} is still going on after {MOST} polls", operation.ask);
    Ok(())
}

/// (6) Asking for revocations, revoking and pruning fail by outages only.
pub(crate) fn nothing_but_an_outage_stops_it(answered: &Answered) -> Check {
    hold!(nothing_but_an_outage_stops_it: matches!(answered, Ok(Granted::Done)),
        "{answered:?}");
    Ok(())
}

/// Who logs in gets a session of their own.
pub(crate) fn a_login_has_a_session(record: &Record) -> Result<usize, Violation> {
    hold!(a_login_has_a_session: record.created.is_some(), "a login that stored no session");
    Ok(record.created.unwrap_or_default())
}

/// (8) Who is turned away was inactive, and is left without a session.
pub(crate) fn only_an_inactive_user_is_turned_away(
    truth: &Truth,
    user: usize,
    record: &Record,
    failure: &Failure,
) -> Check {
    hold!(only_an_inactive_user_is_turned_away: *failure == Failure::NoActiveAccount,
        "a login was refused: {failure:?}");
    hold!(only_an_inactive_user_is_turned_away: truth.users[user].was_inactive_since(record.since),
        "an active user was turned away");
    let session = record.created.map(|created| &truth.sessions[created]);
    hold!(only_an_inactive_user_is_turned_away: session.is_none_or(|s| s.ended.is_some()),
        "who was turned away still has a session");
    Ok(())
}

/// (2) Who presents the refresh token that is current, or was within the grace, gets an answer:
/// also when the last answer was lost, a process died, or many tabs asked at once.
pub(crate) fn an_honest_client_is_never_locked_out(
    truth: &Truth,
    token: usize,
    operation: &Operation,
    failure: &Failure,
    now: i64,
) -> Check {
    let token = &truth.refreshes[token];
    let login = &truth.sessions[token.session];
    let presented = operation.record.presented;
    let foreign = token.is_foreign;
    let justified = match failure {
        Failure::Expired => {
            presented == Some(Presented::Over)
                || truth.has_expired(token.expires_at, operation.began_at)
        }
        Failure::NoActiveAccount => {
            truth.users[login.user].was_inactive_since(operation.record.since)
        }
        Failure::Revoked(reason) => match presented {
            Some(Presented::Ended(why)) => why == *reason,
            Some(Presented::Spent) => true,
            _ => foreign && login.is_revoked_as_foreign(),
        },
        Failure::Invalid(_) => {
            matches!(presented, Some(Presented::Unknown | Presented::Bound))
                || (foreign && truth.outlives_us(token, operation.began_at))
        }
        // Whether it is known well enough is asked before the token becomes a session.
        Failure::Stale => {
            let (node, began_at) = (operation.node, operation.began_at);
            foreign && (truth.must_refuse_all(node, began_at) || now > began_at)
        }
        Failure::Outage => operation.record.failed,
    };
    hold!(an_honest_client_is_never_locked_out: justified,
        "generation {} of session {}, which is {presented:?}, was refused: {failure:?}",
        token.generation, login.id);
    Ok(())
}

/// (3, 4) Nothing is given for a refresh token that is not good.
pub(crate) fn only_a_good_token_is_refreshed(
    truth: &Truth,
    token: usize,
    operation: &Operation,
    now: i64,
) -> Check {
    let token = &truth.refreshes[token];
    let login = &truth.sessions[token.session];
    let presented = operation.record.presented;
    hold!(only_a_good_token_is_refreshed: presented.is_some_and(Presented::is_good),
        "generation {} of session {} is {presented:?}, and was refreshed", token.generation, login.id);
    hold!(only_a_good_token_is_refreshed: !truth.has_expired(token.expires_at, operation.began_at),
        "generation {} of session {} has expired, and was refreshed", token.generation, login.id);
    if token.is_foreign {
        let since = operation.record.since;
        hold!(only_a_good_token_is_refreshed: !login.was_revoked_as_foreign_before(since),
            "a token of another issuer was revoked, and was refreshed");
        hold!(only_a_good_token_is_refreshed: !truth.outlives_us(token, now),
            "a token of another issuer that outlives our memory was taken");
    }
    Ok(())
}

/// (3) A refresh token that is used again past the grace ends its session, and an event tells.
pub(crate) fn a_token_used_twice_ends_its_session(record: &Record, answered: &Answered) -> Check {
    let is_theft = record.presented == Some(Presented::Spent);
    hold!(a_token_used_twice_ends_its_session: !is_theft || answered.is_err(),
        "a spent token got {answered:?}");
    hold!(a_token_used_twice_ends_its_session: is_theft == record.reuse_told,
        "theft is {is_theft}, and the event was told: {}", record.reuse_told);
    Ok(())
}

/// An event tells of a refresh token that another network or agent presents.
pub(crate) fn another_client_is_told_of(record: &Record) -> Check {
    hold!(another_client_is_told_of: record.client_news == record.client_told,
        "should be told, and as refused: {:?}; is: {:?}", record.client_news, record.client_told);
    Ok(())
}

/// (7) A session that is alive takes its sliding token or its cookie.
pub(crate) fn a_living_session_goes_on(
    truth: &Truth,
    session: usize,
    operation: &Operation,
    failure: &Failure,
    now: i64,
) -> Check {
    let login = &truth.sessions[session];
    let inactive = truth.users[login.user].was_inactive_since(operation.record.since);
    let justified = match failure {
        // Another request may have moved the end of its idle time since.
        Failure::Expired => login.is_over(now) || operation.first_end <= now,
        Failure::Revoked(_) => inactive || login.ended.is_some(),
        Failure::NoActiveAccount => inactive,
        Failure::Invalid(_) => !login.has_row() || is_bound_to_another(truth, login, operation),
        Failure::Stale => {
            operation.ask.shows_a_cookie() && truth.must_refuse_all(operation.node, now)
        }
        Failure::Outage => operation.record.failed,
    };
    hold!(a_living_session_goes_on: justified, "session {} was refused: {failure:?}", login.id);
    Ok(())
}

/// (4) A session that had ended when it was asked for gives nothing.
pub(crate) fn only_a_living_session_goes_on(
    truth: &Truth,
    session: usize,
    operation: &Operation,
) -> Check {
    let login = &truth.sessions[session];
    hold!(only_a_living_session_goes_on: !login.ended_before(operation.record.since),
        "session {} had ended, and went on", login.id);
    hold!(only_a_living_session_goes_on: !login.is_over(operation.began_at),
        "session {} was over, and went on", login.id);
    Ok(())
}

/// (4) Another client than the one that a session is bound to gets nothing for what it shows.
pub(crate) fn only_the_bound_client_is_admitted(
    truth: &Truth,
    session: usize,
    operation: &Operation,
) -> Check {
    let login = &truth.sessions[session];
    hold!(only_the_bound_client_is_admitted: !is_bound_to_another(truth, login, operation),
        "session {} is bound to another client, and went on", login.id);
    Ok(())
}

fn is_bound_to_another(truth: &Truth, login: &Login, operation: &Operation) -> bool {
    let place = match operation.ask {
        Ask::Refresh { from, .. } | Ask::Exchange { from, .. } | Ask::ShowCookie { from, .. } => {
            from
        }
        _ => return false,
    };
    truth.is_bound_to_another(login, &place.client())
}

/// (4, 5) A cookie is admitted neither past its end nor past its replacement; it was shown at this
/// time and moment.
pub(crate) fn no_dead_cookie_is_admitted(
    truth: &Truth,
    cookie: usize,
    source: Source,
    (shown_at, shown): (i64, u64),
) -> Check {
    let cookie = &truth.cookies[cookie];
    let login = &truth.sessions[cookie.session];
    // One that was ended gives no signs of life any more, also where the node need not know.
    let over = login.is_over(shown_at) && login.ended.is_none();
    hold!(no_dead_cookie_is_admitted: !over,
        "the cookie of session {} was admitted past its end", login.id);
    // A node that remembers the cookie knows of the replacement when it hears of the change of
    // rights that was its reason.
    let replaced =
        source == Source::Store && truth.is_replaced(cookie, shown_at) && login.renewed < shown;
    hold!(no_dead_cookie_is_admitted: !replaced,
        "a cookie of session {} was admitted past its replacement", login.id);
    Ok(())
}

/// (4) A cookie is not admitted, also from memory, by a node that knows of its revocation or knows
/// too little.
pub(crate) fn no_cookie_is_admitted_by_a_node_that_knows_better(
    truth: &Truth,
    cookie: usize,
    node: Node,
    now: i64,
) -> Check {
    let login = &truth.sessions[truth.cookies[cookie].session];
    let knows = login.ended.is_some() && login.known[node.index()].of_end;
    hold!(no_cookie_is_admitted_by_a_node_that_knows_better: !knows,
        "{node:?} admitted the cookie of session {}, which it knows to have ended", login.id);
    hold!(no_cookie_is_admitted_by_a_node_that_knows_better: !truth.must_refuse_all(node, now),
        "{node:?} admitted a cookie, and has not heard of revocations for too long");
    Ok(())
}

/// (7) A node refuses a cookie that it remembers when it knows that the session has ended, or too
/// little.
pub(crate) fn a_remembered_cookie_is_refused_for_a_reason(
    truth: &Truth,
    cookie: usize,
    node: Node,
    now: i64,
    failure: &Failure,
) -> Check {
    let login = &truth.sessions[truth.cookies[cookie].session];
    let justified = match failure {
        Failure::Revoked(_) => login.ended.is_some(),
        Failure::Stale => truth.must_refuse_all(node, now),
        _ => false,
    };
    hold!(a_remembered_cookie_is_refused_for_a_reason: justified,
        "{node:?} refused the cookie of session {}: {failure:?}", login.id);
    Ok(())
}

/// A logout by token ends the session of the token.
pub(crate) fn a_logout_ends_the_session(record: &Record, session: usize) -> Check {
    hold!(a_logout_ends_the_session: record.ended.contains(&session),
        "a logout that ended nothing was confirmed");
    Ok(())
}

/// A logout by token is refused for one that would not be refreshed either.
pub(crate) fn a_logout_is_refused_for_a_reason(
    truth: &Truth,
    token: usize,
    operation: &Operation,
    failure: &Failure,
    now: i64,
) -> Check {
    let token = &truth.refreshes[token];
    let login = &truth.sessions[token.session];
    let justified = match failure {
        Failure::Expired => {
            truth.has_expired(token.expires_at, now)
                || login.is_over(now)
                || operation.first_end <= now
        }
        Failure::Revoked(_) => login.ended.is_some() || login.is_revoked_as_foreign(),
        Failure::Invalid(_) => {
            !login.has_row() || (token.is_foreign && truth.outlives_us(token, operation.began_at))
        }
        Failure::Stale => token.is_foreign,
        Failure::NoActiveAccount => false,
        Failure::Outage => operation.record.failed,
    };
    hold!(a_logout_is_refused_for_a_reason: justified,
        "a logout of session {} was refused: {failure:?}", login.id);
    Ok(())
}
