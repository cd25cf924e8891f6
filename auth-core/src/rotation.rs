//! What happens when a refresh token is presented: one pure function.
//!
//! The stores apply what [`decide`] says and nothing else. Rotation with reuse detection is
//! what RFC 9700 §4.14.2 asks of refresh tokens that are not bound to a sender.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::session::{BindSession, Carrier, ClientInfo, RevocationReason, Session};

/// The settings that a decision depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RotationPolicy {
    /// Whether a refresh answers a new refresh token.
    pub rotate: bool,
    /// Whether a spent refresh token, used again past the grace, ends its session. Without it
    /// a spent token is answered with the current one for as long as it lives.
    pub revoke_on_reuse: bool,
    /// How long the token before the current one is still answered, with the current one: a
    /// lost answer and twenty browser tabs are not theft.
    pub grace: Duration,
    /// How long a refresh token lives when it is not used.
    pub idle: Duration,
    /// How long a revocation concerns tokens that were issued before it: the longest life of
    /// a token that is accepted without asking the store, and the leeway.
    pub revocation_lifetime: Duration,
    /// What of the client a session is bound to.
    pub bind: BindSession,
    /// How much time there is between two refreshes of a busy client, on average.
    pub usual_interval: Duration,
}

impl RotationPolicy {
    /// What [`Session::refreshes_until`] becomes by a refresh: each one uses up
    /// [`RotationPolicy::usual_interval`], starting from now where there is nothing left over
    /// (the generic cell rate algorithm, in one number).
    pub fn paced(&self, refreshes_until: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        later(refreshes_until.max(now), self.usual_interval)
    }

    /// Whether the refresh at `now`, which made the session what it is, was the one with which its
    /// refreshes became more than the life of an access token explains: 30 more than there would
    /// be at the usual pace. (Those after it are no news, until there has been a rest.)
    pub fn has_become_too_frequent(&self, session: &Session, now: DateTime<Utc>) -> bool {
        let most = |refreshes| later(now, self.usual_interval.saturating_mul(refreshes));
        most(30) < session.refreshes_until && session.refreshes_until <= most(31)
    }
}

/// A refresh token that is presented, and by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// Its generation.
    pub generation: u64,
    /// By whom, as far as is known.
    pub client: ClientInfo,
}

/// What to do with a presented refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is current: make `to` the current generation.
    Rotate {
        /// The generation from now on.
        to: u64,
        /// The token was ahead of the store: the database was set back to an older state. Our
        /// signature proves that the token was issued, so the session goes on from it.
        store_was_behind: bool,
    },
    /// It is current, and rotation is off.
    Keep,
    /// It was current a moment ago: answer the current one again.
    Repeat,
    /// It was spent: end the session.
    Reused,
    /// The session takes no refresh token any more.
    Refused(Refusal),
}

/// Why a session takes no refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was ended. A revoked session never gets the grace.
    Revoked(RevocationReason),
    /// Its absolute end has come, or it was not used for too long.
    Expired,
    /// Something else than a refresh token carries it.
    WrongCarrier,
    /// It is bound to another client.
    OtherClient,
}

/// Decides about a refresh token.
pub fn decide(
    session: &Session,
    presented: &Presented,
    now: DateTime<Utc>,
    policy: &RotationPolicy,
) -> Decision {
    if let Some((_, reason)) = session.revoked {
        return Decision::Refused(Refusal::Revoked(reason));
    }
    if session.carrier != Carrier::Token {
        return Decision::Refused(Refusal::WrongCarrier);
    }
    let (current, presented, client) =
        (session.generation, presented.generation, &presented.client);
    // Of a token ahead of the store the row cannot say when it was last used; the token's own
    // expiry, checked before, does.
    let over = if presented > current { session.expires_at <= now } else { session.is_over(now) };
    if over {
        return Decision::Refused(Refusal::Expired);
    }
    let within_grace = now <= later(session.rotated_at, policy.grace);
    let was_just_current = presented.checked_add(1) == Some(current) && within_grace;
    if presented < current && policy.revoke_on_reuse && !was_just_current {
        // Whoever shows it: there are two who had it.
        return Decision::Reused;
    }
    if client.is_other_than(&session.client, policy.bind) {
        return Decision::Refused(Refusal::OtherClient);
    }
    if presented < current {
        Decision::Repeat
    } else if policy.rotate {
        let store_was_behind = presented > current;
        Decision::Rotate { to: presented.saturating_add(1), store_was_behind }
    } else {
        Decision::Keep
    }
}

pub(crate) fn later(time: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(by)
        .ok()
        .and_then(|by| time.checked_add_signed(by))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

pub(crate) fn earlier(time: DateTime<Utc>, by: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(by)
        .ok()
        .and_then(|by| time.checked_sub_signed(by))
        .unwrap_or(DateTime::<Utc>::MIN_UTC)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::from_millis;
    use crate::session::{Principal, SessionId};

    const HOUR: Duration = Duration::from_secs(3600);

    fn policy() -> RotationPolicy {
        RotationPolicy {
            rotate: true,
            revoke_on_reuse: true,
            grace: Duration::from_secs(10),
            idle: 24 * HOUR,
            revocation_lifetime: HOUR,
            bind: BindSession::None,
            usual_interval: Duration::from_secs(60),
        }
    }

    fn present(
        session: &Session,
        generation: u64,
        now: DateTime<Utc>,
        policy: &RotationPolicy,
    ) -> Decision {
        decide(session, &Presented { generation, client: ClientInfo::default() }, now, policy)
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        from_millis(1_800_000_000_000 + seconds * 1000)
    }

    fn session(generation: u64) -> Session {
        Session {
            id: SessionId::from_bytes([7; 16]),
            principal: Principal::new("user", "1"),
            carrier: Carrier::Token,
            generation,
            rotated_at: at(0),
            refreshes_until: at(0),
            rights_version: 0,
            secret_hash: None,
            secret_nonce: None,
            created_at: at(-100),
            authenticated_at: Some(at(-100)),
            last_seen_at: at(0),
            idle_expires_at: at(86_400),
            expires_at: at(30 * 86_400),
            methods: vec![],
            client: ClientInfo::default(),
            label: None,
            scopes: None,
            revoked: None,
        }
    }

    #[test]
    fn the_current_token_rotates() {
        let rotate = Decision::Rotate { to: 4, store_was_behind: false };
        assert_eq!(present(&session(3), 3, at(5), &policy()), rotate);
        let keep = RotationPolicy { rotate: false, ..policy() };
        assert_eq!(present(&session(3), 3, at(5), &keep), Decision::Keep);
    }

    #[test]
    fn the_one_before_repeats_until_the_grace_ends_and_then_is_theft() {
        assert_eq!(present(&session(3), 2, at(10), &policy()), Decision::Repeat);
        let just_after = at(10) + TimeDelta::milliseconds(1);
        assert_eq!(present(&session(3), 2, just_after, &policy()), Decision::Reused);
        let none = RotationPolicy { grace: Duration::ZERO, ..policy() };
        assert_eq!(present(&session(3), 2, just_after, &none), Decision::Reused);
    }

    #[test]
    fn an_older_one_is_theft_even_inside_the_grace() {
        assert_eq!(present(&session(3), 1, at(1), &policy()), Decision::Reused);
    }

    #[test]
    fn spent_tokens_live_on_where_reuse_is_allowed() {
        let lax = RotationPolicy { revoke_on_reuse: false, ..policy() };
        assert_eq!(present(&session(9), 1, at(5000), &lax), Decision::Repeat);
    }

    #[test]
    fn another_client_is_refused_where_the_session_is_bound_and_a_thief_is_a_thief_anywhere() {
        let client = |ip| ClientInfo::new(Some(ip), None);
        let bound = RotationPolicy { bind: BindSession::Network, ..policy() };
        let session = Session { client: client("192.0.2.7"), ..session(3) };
        let from = |ip, generation| {
            decide(&session, &Presented { generation, client: client(ip) }, at(5), &bound)
        };
        let refused = Decision::Refused(Refusal::OtherClient);
        assert_eq!(from("192.0.2.9", 3), Decision::Rotate { to: 4, store_was_behind: false });
        assert_eq!(from("198.51.100.1", 3), refused);
        assert_eq!(from("198.51.100.1", 2), refused);
        assert_eq!(from("198.51.100.1", 1), Decision::Reused);
    }

    #[test]
    fn refreshes_are_too_frequent_when_they_are_far_ahead_of_the_usual_pace_and_once() {
        let alarms = |interval: i64, refreshes: i64| {
            let mut session = session(0);
            let mut alarms = Vec::new();
            for refresh in 1..=refreshes {
                let now = at(refresh * interval);
                session.refreshes_until = policy().paced(session.refreshes_until, now);
                if policy().has_become_too_frequent(&session, now) {
                    alarms.push(refresh);
                }
            }
            alarms
        };
        assert!(alarms(60, 1000).is_empty());
        assert!(alarms(59, 1000).is_empty());
        assert_eq!(alarms(1, 1000), [31]);
    }

    #[test]
    fn a_token_ahead_of_a_restored_database_goes_on() {
        let ahead = Decision::Rotate { to: 9, store_was_behind: true };
        assert_eq!(present(&session(3), 8, at(5), &policy()), ahead);
        assert_eq!(present(&session(3), 8, at(2 * 86_400), &policy()), ahead, "idle is unknown");
    }

    #[test]
    fn a_dead_session_takes_nothing_not_even_inside_the_grace() {
        let revoked = Session { revoked: Some((at(1), RevocationReason::Logout)), ..session(3) };
        let refused = Decision::Refused(Refusal::Revoked(RevocationReason::Logout));
        let cookie = Session { carrier: Carrier::Cookie, ..session(3) };
        let over = Session { expires_at: at(5), ..session(3) };
        for presented in 0..6 {
            assert_eq!(present(&revoked, presented, at(2), &policy()), refused);
            let wrong = Decision::Refused(Refusal::WrongCarrier);
            assert_eq!(present(&cookie, presented, at(2), &policy()), wrong);
            let expired = Decision::Refused(Refusal::Expired);
            assert_eq!(present(&over, presented, at(5), &policy()), expired);
        }
        let idle = present(&session(3), 3, at(86_400), &policy());
        assert_eq!(idle, Decision::Refused(Refusal::Expired));
    }

    proptest! {
        /// The stores' conditional statement matches exactly the rows that rotate plainly.
        #[test]
        fn the_statement_of_the_stores_says_the_same_as_the_decision(
            generation in 0u64..5, presented in 0u64..5, now in -200_000i64..200_000,
            expires in -200_000i64..200_000, idle in -200_000i64..200_000, revoked: bool,
        ) {
            let revoked = revoked.then_some((at(0), RevocationReason::Logout));
            let (expires_at, idle_expires_at) = (at(expires), at(idle));
            let session = Session { expires_at, idle_expires_at, revoked, ..session(generation) };
            let matches = session.revoked.is_none()
                && session.generation == presented
                && session.expires_at > at(now)
                && session.idle_expires_at > at(now);
            let plain = Decision::Rotate { to: presented + 1, store_was_behind: false };
            prop_assert_eq!(matches, present(&session, presented, at(now), &policy()) == plain);
        }
    }
}
