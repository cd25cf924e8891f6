//! What happens when a refresh token is presented: one pure function.
//!
//! The stores apply what [`decide`] says and nothing else. Rotation with reuse detection is
//! what RFC 9700 §4.14.2 asks of refresh tokens that are not bound to a sender.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::session::{Carrier, RevocationReason, Session};

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
}

/// Decides about the refresh token of generation `presented`.
pub fn decide(
    session: &Session,
    presented: u64,
    now: DateTime<Utc>,
    policy: &RotationPolicy,
) -> Decision {
    if let Some((_, reason)) = session.revoked {
        return Decision::Refused(Refusal::Revoked(reason));
    }
    if session.carrier != Carrier::Token {
        return Decision::Refused(Refusal::WrongCarrier);
    }
    let current = session.generation;
    // Of a token ahead of the store the row cannot say when it was last used; the token's own
    // expiry, checked before, does.
    let over = if presented > current { session.expires_at <= now } else { session.is_over(now) };
    if over {
        return Decision::Refused(Refusal::Expired);
    }
    if presented >= current {
        return if policy.rotate {
            let store_was_behind = presented > current;
            Decision::Rotate { to: presented.saturating_add(1), store_was_behind }
        } else {
            Decision::Keep
        };
    }
    let within_grace = now <= later(session.rotated_at, policy.grace);
    if !policy.revoke_on_reuse || (presented + 1 == current && within_grace) {
        Decision::Repeat
    } else {
        Decision::Reused
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
    use crate::session::{ClientInfo, Principal, SessionId};

    const HOUR: Duration = Duration::from_secs(3600);

    fn policy() -> RotationPolicy {
        RotationPolicy {
            rotate: true,
            revoke_on_reuse: true,
            grace: Duration::from_secs(10),
            idle: 24 * HOUR,
            revocation_lifetime: HOUR,
        }
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
            secret_hash: None,
            created_at: at(-100),
            authenticated_at: Some(at(-100)),
            last_seen_at: at(0),
            idle_expires_at: at(86_400),
            expires_at: at(30 * 86_400),
            methods: vec![],
            client: ClientInfo::default(),
            label: None,
            revoked: None,
        }
    }

    #[test]
    fn the_current_token_rotates() {
        let rotate = Decision::Rotate { to: 4, store_was_behind: false };
        assert_eq!(decide(&session(3), 3, at(5), &policy()), rotate);
        let keep = RotationPolicy { rotate: false, ..policy() };
        assert_eq!(decide(&session(3), 3, at(5), &keep), Decision::Keep);
    }

    #[test]
    fn the_one_before_repeats_until_the_grace_ends_and_then_is_theft() {
        assert_eq!(decide(&session(3), 2, at(10), &policy()), Decision::Repeat);
        let just_after = at(10) + TimeDelta::milliseconds(1);
        assert_eq!(decide(&session(3), 2, just_after, &policy()), Decision::Reused);
        let none = RotationPolicy { grace: Duration::ZERO, ..policy() };
        assert_eq!(decide(&session(3), 2, just_after, &none), Decision::Reused);
    }

    #[test]
    fn an_older_one_is_theft_even_inside_the_grace() {
        assert_eq!(decide(&session(3), 1, at(1), &policy()), Decision::Reused);
    }

    #[test]
    fn spent_tokens_live_on_where_reuse_is_allowed() {
        let lax = RotationPolicy { revoke_on_reuse: false, ..policy() };
        assert_eq!(decide(&session(9), 1, at(5000), &lax), Decision::Repeat);
    }

    #[test]
    fn a_token_ahead_of_a_restored_database_goes_on() {
        let ahead = Decision::Rotate { to: 9, store_was_behind: true };
        assert_eq!(decide(&session(3), 8, at(5), &policy()), ahead);
        assert_eq!(decide(&session(3), 8, at(2 * 86_400), &policy()), ahead, "idle is unknown");
    }

    #[test]
    fn a_dead_session_takes_nothing_not_even_inside_the_grace() {
        let revoked = Session { revoked: Some((at(1), RevocationReason::Logout)), ..session(3) };
        let refused = Decision::Refused(Refusal::Revoked(RevocationReason::Logout));
        let cookie = Session { carrier: Carrier::Cookie, ..session(3) };
        let over = Session { expires_at: at(5), ..session(3) };
        for presented in 0..6 {
            assert_eq!(decide(&revoked, presented, at(2), &policy()), refused);
            let wrong = Decision::Refused(Refusal::WrongCarrier);
            assert_eq!(decide(&cookie, presented, at(2), &policy()), wrong);
            let expired = Decision::Refused(Refusal::Expired);
            assert_eq!(decide(&over, presented, at(5), &policy()), expired);
        }
        let idle = decide(&session(3), 3, at(86_400), &policy());
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
            prop_assert_eq!(matches, decide(&session, presented, at(now), &policy()) == plain);
        }
    }
}
