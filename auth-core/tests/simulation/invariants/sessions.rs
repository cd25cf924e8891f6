//! What must be true of the rows of sessions, and of what is removed.

use auth_core::session::Carrier;
use auth_core::store::Target;
use auth_core::{Session, SessionId};

use super::{Check, hold};
use crate::simulation::truth::{Login, Row, Truth};

/// (5) A session gets the ends that the settings say.
pub(crate) fn a_session_lasts_as_long_as_is_set(truth: &Truth, session: &Session) -> Check {
    const SEEN_INTERVAL: i64 = 60_000;
    let lifetimes = &truth.lifetimes;
    let began = session.created_at.timestamp_millis();
    let absolute = session.expires_at.timestamp_millis() - began;
    let idle = session.idle_expires_at.timestamp_millis() - began;
    let as_set = match session.carrier {
        Carrier::Token => absolute == lifetimes.session && idle == lifetimes.refresh,
        Carrier::Single => {
            [lifetimes.single, lifetimes.slides_for].contains(&absolute) && idle >= absolute
        }
        // Nobody makes one here.
        Carrier::Personal => false,
        Carrier::Cookie => {
            let idles = lifetimes.idle..=lifetimes.idle + SEEN_INTERVAL;
            absolute == lifetimes.session && idles.contains(&idle)
        }
    };
    hold!(a_session_lasts_as_long_as_is_set: as_set,
        "a {:?} session lasts {absolute} ms, {idle} ms without use", session.carrier);
    Ok(())
}

/// (5) The absolute end of a session never moves, the end of its idle time only with its use.
pub(crate) fn the_ends_of_a_session_stand(login: &Login, row: &Session) -> Check {
    let absolute = row.expires_at.timestamp_millis();
    hold!(the_ends_of_a_session_stand: absolute == login.absolute_end,
        "the end of session {} moved from {} to {absolute}", login.id, login.absolute_end);
    let idle = row.idle_expires_at.timestamp_millis();
    hold!(the_ends_of_a_session_stand: idle == login.idle_end,
        "the idle time of session {} ends at {idle} instead of {}", login.id, login.idle_end);
    Ok(())
}

/// (1, 3) A refresh token is spent by its use, and by nothing else.
pub(crate) fn a_generation_follows_from_each_refresh(login: &Login, row: &Session) -> Check {
    hold!(a_generation_follows_from_each_refresh: row.generation == login.generation,
        "session {} is at generation {} instead of {}", login.id, row.generation, login.generation);
    Ok(())
}

/// (3, 4) A session has ended in the store if something ended it, and for that reason: no
/// revocation is lost, and none takes a session along that it does not concern.
pub(crate) fn a_session_ends_only_when_it_is_ended(login: &Login, row: &Session) -> Check {
    let ended = login.ended.map(|ending| ending.reason);
    let stored = row.revoked.map(|(_, reason)| reason);
    hold!(a_session_ends_only_when_it_is_ended: ended == stored || login.row == Row::StoredInVain,
        "session {} has ended for {ended:?}, and the store says {stored:?}", login.id);
    Ok(())
}

/// (9) A row stays until its session is over.
pub(crate) fn a_row_is_there_while_it_is_needed(login: &Login, row: Option<&Session>) -> Check {
    hold!(a_row_is_there_while_it_is_needed: row.is_some() == login.has_row(),
        "session {} should be {:?} in the store", login.id, login.row);
    Ok(())
}

/// (9) Pruning removes sessions that are over by every clock, and no others.
pub(crate) fn pruning_leaves_what_can_be_used(
    truth: &Truth,
    id: SessionId,
    earliest: i64,
) -> Check {
    let login = truth.index(id).map(|index| &truth.sessions[index]);
    hold!(pruning_leaves_what_can_be_used: login.is_none_or(|login| login.is_over(earliest)),
        "session {id} was removed before its end");
    Ok(())
}

/// (9) Pruning forgets no revocation while a token lives that it concerns.
pub(crate) fn pruning_leaves_what_must_be_refused(
    truth: &Truth,
    target: &Target,
    earliest: i64,
) -> Check {
    let (id, version) = match target {
        Target::Session(id) => (*id, u64::MAX),
        Target::Rights { session, version } => (*session, *version),
        // These are remembered for centuries.
        Target::Foreign(_) | Target::ForeignAccess(_) => return Ok(()),
    };
    let Some(session) = truth.index(id) else { return Ok(()) };
    let concerned = truth
        .bearers
        .iter()
        .filter(|bearer| bearer.session == session && bearer.rights_version < version);
    let alive = concerned.filter(|bearer| !truth.has_expired(bearer.expires_at, earliest)).count();
    hold!(pruning_leaves_what_must_be_refused: alive == 0,
        "a revocation of session {id} was forgotten while {alive} tokens live that it concerns");
    Ok(())
}

/// (4, 8) When everything of a user has been revoked, nothing that began before goes on; nothing
/// at all where the user was deactivated.
pub(crate) fn a_revocation_of_everything_spares_nothing(truth: &Truth) -> Check {
    let alive = |login: &&Login| login.handed_out && login.ended.is_none();
    for login in truth.sessions.iter().filter(alive) {
        let user = &truth.users[login.user];
        hold!(a_revocation_of_everything_spares_nothing: !user.is_shut_out(),
            "session {} of the inactive user {} goes on", login.id, login.user);
        hold!(a_revocation_of_everything_spares_nothing: login.began >= user.nothing_before(),
            "session {} of user {} was spared", login.id, login.user);
    }
    Ok(())
}
