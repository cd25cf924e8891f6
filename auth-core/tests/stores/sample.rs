//! Sessions to store.

use std::time::Duration;

use auth_core::rotation::RotationPolicy;
use auth_core::session::{Carrier, ClientInfo};
use auth_core::{Outage, Principal, Session, SessionId};
use chrono::{DateTime, Utc};

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
        secret_hash: None,
        created_at: now(),
        authenticated_at: Some(now()),
        last_seen_at: now(),
        idle_expires_at: now() + Duration::from_secs(3600),
        expires_at: now() + Duration::from_secs(86_400),
        methods: vec![],
        client: ClientInfo::default(),
        label: None,
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
    }
}

/// What the log would say.
pub(crate) fn cause<T: std::fmt::Debug>(answer: Result<T, Outage>) -> String {
    match answer {
        Err(Outage::Unavailable(cause)) => cause.to_string(),
        other => panic!("{other:?}"),
    }
}
