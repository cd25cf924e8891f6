//! The settings of a history: a few of everything that changes what is right.

use std::time::Duration;

use auth_core::session::BindSession;
use auth_core::settings::WhenStale;
use auth_core::{Settings, TokenKind};
use proptest::prelude::*;

pub(crate) const SECRET: &str = "an honest secret of more than thirty-two bytes";

#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    pub(crate) grace_seconds: i64,
    pub(crate) rotation: Rotation,
    pub(crate) lengths: Lengths,
    pub(crate) when_stale: WhenStale,
    pub(crate) clocks: Clocks,
    pub(crate) bind: BindSession,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rotation {
    On,
    /// `blacklist_after_rotation` is off.
    SpentTokensLiveOn,
    Off,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lengths {
    /// Those of the defaults.
    Usual,
    /// Minutes, so that a history sees many ends.
    Short,
    /// Access tokens that live longer than the refresh token and than a cookie's idle time.
    LongAccess,
}

/// The two clocks, and how much disagreement is forgiven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clocks {
    Agree,
    /// B's is two seconds ahead; the leeway is five.
    Disagree,
}

/// All in milliseconds.
pub(crate) struct Lifetimes {
    pub(crate) access: i64,
    pub(crate) refresh: i64,
    pub(crate) sliding: i64,
    pub(crate) slides_for: i64,
    pub(crate) single: i64,
    pub(crate) idle: i64,
    pub(crate) session: i64,
}

/// In milliseconds: `revocation_max_staleness`.
pub(crate) const MAX_STALENESS: i64 = 30_000;

impl Profile {
    pub(crate) fn any() -> impl Strategy<Value = Self> {
        let grace = prop_oneof![2 => Just(10), 1 => Just(0), 1 => Just(60)];
        let rotation = prop_oneof![
            4 => Just(Rotation::On),
            1 => Just(Rotation::SpentTokensLiveOn),
            1 => Just(Rotation::Off),
        ];
        let lengths =
            prop_oneof![Just(Lengths::Usual), Just(Lengths::Short), Just(Lengths::LongAccess)];
        let when_stale = prop_oneof![3 => Just(WhenStale::Refuse), 1 => Just(WhenStale::Serve)];
        let clocks = prop_oneof![3 => Just(Clocks::Agree), 1 => Just(Clocks::Disagree)];
        let bind = prop_oneof![
            3 => Just(BindSession::None),
            1 => Just(BindSession::Address),
            1 => Just(BindSession::Network),
            1 => Just(BindSession::UserAgent),
        ];
        (grace, rotation, lengths, when_stale, clocks, bind).prop_map(
            |(grace_seconds, rotation, lengths, when_stale, clocks, bind)| Self {
                grace_seconds,
                rotation,
                lengths,
                when_stale,
                clocks,
                bind,
            },
        )
    }

    pub(crate) fn lifetimes(&self) -> Lifetimes {
        const MINUTE: i64 = 60_000;
        const DAY: i64 = 24 * 60 * MINUTE;
        match self.lengths {
            Lengths::Usual => Lifetimes {
                access: 5 * MINUTE,
                refresh: DAY,
                sliding: 5 * MINUTE,
                slides_for: DAY,
                single: DAY,
                idle: DAY,
                session: 3 * DAY / 2,
            },
            Lengths::Short => Lifetimes {
                access: MINUTE,
                refresh: 10 * MINUTE,
                sliding: MINUTE,
                slides_for: 10 * MINUTE,
                single: MINUTE,
                idle: 5 * MINUTE,
                session: 15 * MINUTE,
            },
            Lengths::LongAccess => Lifetimes {
                access: 60 * MINUTE,
                refresh: 40 * MINUTE,
                sliding: 10 * MINUTE,
                slides_for: 60 * MINUTE,
                single: 60 * MINUTE,
                idle: 2 * MINUTE,
                session: 60 * MINUTE,
            },
        }
    }

    /// In milliseconds.
    pub(crate) fn grace(&self) -> i64 {
        self.grace_seconds * 1000
    }

    /// How long after its end a token is still accepted, in seconds.
    pub(crate) fn leeway_seconds(&self) -> i64 {
        match self.clocks {
            Clocks::Agree => 0,
            Clocks::Disagree => 5,
        }
    }

    /// How far B's clock is ahead of A's, in milliseconds.
    pub(crate) fn skew(&self) -> i64 {
        match self.clocks {
            Clocks::Agree => 0,
            Clocks::Disagree => 2_000,
        }
    }

    pub(crate) fn settings(&self) -> Settings {
        let lifetimes = self.lifetimes();
        Settings {
            access_token_lifetime: duration(lifetimes.access),
            refresh_token_lifetime: duration(lifetimes.refresh),
            sliding_token_lifetime: duration(lifetimes.sliding),
            sliding_token_refresh_lifetime: duration(lifetimes.slides_for),
            single_token_lifetime: duration(lifetimes.single),
            session_lifetime: Some(duration(lifetimes.session)),
            session_idle_timeout: duration(lifetimes.idle),
            rotate_refresh_tokens: self.rotation != Rotation::Off,
            blacklist_after_rotation: Some(self.rotation == Rotation::On),
            refresh_grace: duration(self.grace()),
            leeway: duration(self.leeway_seconds() * 1000),
            revocation_max_staleness: duration(MAX_STALENESS),
            revocation_when_stale: self.when_stale,
            auth_token_classes: vec![TokenKind::Access, TokenKind::Sliding],
            bind_session: self.bind,
            password_lanes: 1,
            // Two nodes a history: small ones are soon made.
            token_cache_bytes: 1 << 16,
            ..Settings::with_signing_key(SECRET)
        }
    }
}

pub(crate) fn duration(millis: i64) -> Duration {
    Duration::from_millis(millis.unsigned_abs())
}
