//! Sessions to store.
#![allow(dead_code, reason = "each test file uses a part")]

use std::time::Duration;

use auth_core::rotation::{Presented, RotationPolicy};
use auth_core::session::{BindSession, Carrier, ClientInfo};
use auth_core::{Outage, Principal, Session, SessionId};
use chrono::{DateTime, Utc};

/// What a new database lacks.
pub(crate) const MIGRATIONS: [&str; 6] = [
    "2026-11-20-000000_auth_sessions",
    "2026-11-21-000000_rights_and_pace",
    "2026-11-22-000000_one_time_codes",
    "2026-11-22-000100_second_factors",
    "2026-11-22-100000_personal_tokens",
    "2026-11-23-000000_factor_failures",
];

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_900_000_000_000).unwrap()
}

pub(crate) fn session(principal: &Principal) -> Session {
    Session {
        id: SessionId::random(),
        principal: principal.clone(),
        carrier: Carrier::Token,
        generation: 0,
        rotated_at: now(),
        refreshes_until: now(),
        rights_version: 0,
        secret_hash: None,
        secret_nonce: None,
        created_at: now(),
        authenticated_at: Some(now()),
        last_seen_at: now(),
        idle_expires_at: now() + Duration::from_secs(3600),
        expires_at: now() + Duration::from_secs(86_400),
        methods: vec![],
        client: ClientInfo::default(),
        label: None,
        scopes: None,
        revoked: None,
    }
}

pub(crate) fn policy() -> RotationPolicy {
    RotationPolicy {
        rotate: true,
        revoke_on_reuse: true,
        grace: Duration::from_secs(10),
        idle: Duration::from_secs(3600),
        revocation_lifetime: Duration::from_secs(300),
        bind: BindSession::None,
        usual_interval: Duration::from_secs(60),
    }
}

/// By nobody in particular.
pub(crate) fn presented(generation: u64) -> Presented {
    Presented { generation, client: ClientInfo::default() }
}

/// What the log would say.
pub(crate) fn cause<T: std::fmt::Debug>(answer: Result<T, Outage>) -> String {
    match answer {
        Err(Outage::Unavailable(cause)) => cause.to_string(),
        other => panic!("{other:?}"),
    }
}
