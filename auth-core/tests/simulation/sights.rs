//! What was seen on the way: a simulation that never meets theft or an outage proves nothing.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use super::operation::{Answered, Ask, Failure, Granted, Operation};
use super::truth::Presented;

/// What ten thousand histories meet, each many times.
const EXPECTED: &[&str] = &[
    "login",
    "login turned away",
    "refresh",
    "refresh repeated",
    "refresh token used twice",
    "refresh token bound to another client",
    "refresh token of an ended session",
    "refresh token of a session that is over",
    "refresh token of another issuer",
    "refresh by an inactive user",
    "sliding token exchanged",
    "cookie admitted",
    "cookie renewed",
    "old cookie refused",
    "outage",
    "operation crashed",
    "row pruned",
    "revocation pruned",
    "token refused: expired",
    "token refused: of a session that the node knows to have ended",
    "token refused: with rights that the node knows to be revoked",
    "token refused: by a node that has not heard of revocations for too long",
    "token shown while it need not be known whether it is good",
];

#[derive(Default)]
pub(crate) struct Sights(RefCell<BTreeMap<&'static str, u64>>);

impl Sights {
    pub(crate) fn saw(&self, what: &'static str) {
        *self.0.borrow_mut().entry(what).or_default() += 1;
    }

    pub(crate) fn add(&self, others: &Self) {
        for (what, times) in others.0.borrow().iter() {
            *self.0.borrow_mut().entry(what).or_default() += times;
        }
    }

    /// What should have been met, and was not.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let seen = self.0.borrow();
        EXPECTED.iter().copied().filter(|what| !seen.contains_key(what)).collect()
    }

    /// Notes what an operation came to.
    pub(crate) fn note(&self, operation: &Operation, answered: &Answered) {
        let record = &operation.record;
        if let Some(presented) = record.presented {
            self.saw(match presented {
                Presented::Current => "refresh",
                Presented::Again => "refresh repeated",
                Presented::Spent => "refresh token used twice",
                Presented::Bound => "refresh token bound to another client",
                Presented::Ended(_) => "refresh token of an ended session",
                Presented::Over => "refresh token of a session that is over",
                Presented::Unknown => "refresh token of an unknown session",
            });
            if record.created.is_some() {
                self.saw("refresh token of another issuer");
            }
        }
        self.saw(match (&operation.ask, answered) {
            (_, Err(Failure::Outage)) => "outage",
            (Ask::Login { .. }, Ok(_)) => "login",
            (Ask::Login { .. }, Err(_)) => "login turned away",
            (Ask::Refresh { .. }, Err(Failure::NoActiveAccount)) => "refresh by an inactive user",
            (Ask::Exchange { .. }, Ok(_)) => "sliding token exchanged",
            (Ask::ShowCookie { .. }, Ok(_)) => "cookie admitted",
            (Ask::ShowCookie { .. }, Err(Failure::Invalid(_))) => "old cookie refused",
            (Ask::RenewCookie { .. }, Ok(Granted::Cookie(_))) => "cookie renewed",
            _ => return,
        });
    }
}

impl fmt::Display for Sights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, times) in self.0.borrow().iter() {
            writeln!(f, "{times:12} {what}")?;
        }
        Ok(())
    }
}
