//! What every [`SessionStore`] must do, as a test suite that anyone can run on theirs.
//!
//! ```
//! # use std::sync::Arc;
//! use auth_core::{MemoryStore, conformance};
//!
//! # #[tokio::main]
//! # async fn main() {
//! conformance::run(Arc::new(MemoryStore::new())).await;
//! # }
//! ```
//!
//! Use a runtime with several threads, or the races are none. The store should be empty, and
//! nothing else may use it meanwhile; sessions and revocations are left behind. Times are around
//! the year 2030, whatever the clock says. Each property is a function of its own, which panics
//! when the property does not hold.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a suite fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::clock::from_millis;
use crate::random;
use crate::rotation::{Presented, RotationPolicy};
use crate::session::{
    BindSession, Carrier, ClientInfo, Method, Principal, RevocationReason, SecretHash, Session,
    SessionId,
};
use crate::store::{Revocation, Revoke, Rotation, SessionStore, Stamp, Target};

mod codes;
mod factors;
mod pruning;
mod races;
mod revoking;
mod rotating;
mod sessions;

pub use codes::*;
pub use factors::*;
pub use pruning::*;
pub use races::*;
pub use revoking::*;
pub use rotating::*;
pub use sessions::*;

/// The store under test.
pub type Store = Arc<dyn SessionStore>;

/// Checks every property, one after the other. Prints their names: the last one printed is the
/// one that failed.
///
/// # Panics
/// When a property does not hold, or the store is away.
pub async fn run(store: Store) {
    macro_rules! check {
        ($($property:ident,)*) => {
            $(
                println!("conformance: {}", stringify!($property));
                $property(&store).await;
            )*
        };
    }
    check!(
        a_session_reads_back_as_it_was_stored,
        any_text_reads_back,
        an_unknown_session_is_an_answer,
        creating_never_overwrites,
        touching_only_moves_forward,
        the_live_sessions_of_a_principal_come_last_seen_first,
        the_current_token_rotates,
        the_token_before_repeats_until_the_grace_ends,
        a_spent_token_ends_its_session,
        a_spent_token_lives_on_where_reuse_is_allowed,
        without_rotation_nothing_changes,
        a_dead_session_refuses_and_stays_as_it_is,
        a_store_that_was_set_back_catches_up,
        the_largest_generation_is_kept,
        another_client_is_told_and_noted,
        a_bound_session_refuses_another_client,
        refreshes_are_counted_against_the_usual_pace,
        ending_a_session_is_reported_once,
        a_session_without_a_row_can_be_revoked,
        ending_a_principal_ends_their_sessions_and_nobody_elses,
        foreign_tokens_are_revoked_by_their_user,
        ending_the_other_sessions_keeps_one,
        ending_the_logins_keeps_personal_tokens,
        changed_rights_are_a_version_that_grows,
        a_secret_is_renewed_once,
        revocations_come_in_order_and_until_they_expire,
        pruning_removes_what_is_over_and_nothing_else,
        pruning_is_bounded_and_comes_to_an_end,
        numbers_of_revocations_are_never_given_twice,
        simultaneous_refreshes_of_one_token_agree,
        simultaneous_refreshes_of_many_sessions_all_succeed,
        a_token_presented_ahead_by_many_rotates_once,
        simultaneous_reuse_is_noticed_once,
        simultaneous_revocations_report_a_session_once,
        a_revoked_session_never_rotates_again,
        simultaneous_changes_of_rights_all_count,
        simultaneous_renewals_of_a_secret_make_one,
        simultaneous_creations_make_one_session,
        pruning_spares_what_was_refreshed_meanwhile,
        touching_does_not_bring_back_what_is_revoked,
        a_code_is_one_at_a_time_and_keeps_its_tries,
        a_code_is_used_once,
        codes_of_other_errands_are_apart,
        links_of_an_errand_are_used_together_and_once,
        pruning_removes_codes_and_links_that_are_over,
        simultaneous_requests_make_one_code,
        simultaneous_tries_are_all_counted,
        simultaneous_uses_of_a_code_succeed_once,
        simultaneous_uses_of_links_succeed_once,
        a_factor_is_enrolled_confirmed_and_removed,
        a_factor_that_was_replaced_is_not_confirmed,
        tries_of_a_factor_count_until_one_is_right,
        a_step_and_a_recovery_code_are_accepted_once,
        factors_of_other_principals_are_apart,
        simultaneous_changes_of_a_factor_happen_one_after_the_other,
    );
}

const AWAY: &str = "the store must not be away while the suite runs";

/// Some moment, and `seconds`.
fn at(seconds: i64) -> DateTime<Utc> {
    from_millis(1_900_000_000_000 + seconds * 1000)
}

fn millisecond() -> TimeDelta {
    TimeDelta::milliseconds(1)
}

/// Grace 10 seconds, idle for at most an hour.
fn policy() -> RotationPolicy {
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

/// Nobody else's.
fn somebody() -> Principal {
    Principal::new("user", u64::from_be_bytes(random::bytes()).to_string())
}

/// A new session at `at(0)` that lives for a day.
fn session(principal: &Principal) -> Session {
    Session {
        id: SessionId::random(),
        principal: principal.clone(),
        carrier: Carrier::Token,
        generation: 0,
        rotated_at: at(0),
        refreshes_until: at(0),
        rights_version: 0,
        secret_hash: None,
        secret_nonce: None,
        created_at: at(0),
        authenticated_at: Some(at(0)),
        last_seen_at: at(0),
        idle_expires_at: at(3600),
        expires_at: at(86_400),
        methods: vec![Method::Password],
        client: ClientInfo::default(),
        label: None,
        scopes: None,
        revoked: None,
    }
}

async fn stored(store: &Store, session: Session) -> Session {
    store.create(&session).await.expect(AWAY);
    session
}

/// A stored [`session`] of nobody else's principal.
async fn some_session(store: &Store) -> Session {
    stored(store, session(&somebody())).await
}

async fn find(store: &Store, id: SessionId) -> Option<Session> {
    store.find(id).await.expect(AWAY)
}

async fn rotate(
    store: &Store,
    id: SessionId,
    presented: u64,
    now: DateTime<Utc>,
    policy: &RotationPolicy,
) -> Option<Rotation> {
    rotate_by(store, id, presented, &ClientInfo::default(), now, policy).await
}

async fn rotate_by(
    store: &Store,
    id: SessionId,
    generation: u64,
    client: &ClientInfo,
    now: DateTime<Utc>,
    policy: &RotationPolicy,
) -> Option<Rotation> {
    let presented = Presented { generation, client: client.clone() };
    store.rotate(id, &presented, now, policy).await.expect(AWAY)
}

async fn revoke(store: &Store, what: Revoke, stamp: Stamp) -> Vec<SessionId> {
    let mut ended = store.revoke(&what, stamp).await.expect(AWAY).ended;
    ended.sort();
    ended
}

/// Valid for five minutes from `at(0)`.
fn stamp(reason: RevocationReason) -> Stamp {
    Stamp { at: at(0), reason, until: at(300) }
}

/// All revocations after `seq`, expired or not.
async fn revocations_after(store: &Store, seq: i64) -> Vec<Revocation> {
    read_after(store, seq, at(-1_000_000_000)).await
}

/// What a store answers about lower numbers, because it became visible late, is left out.
async fn read_after(store: &Store, seq: i64, now: DateTime<Utc>) -> Vec<Revocation> {
    let mut revocations = store.revocations(seq, now).await.expect(AWAY).revocations;
    revocations.retain(|revocation| revocation.seq > seq);
    revocations
}

async fn last_seq(store: &Store) -> i64 {
    store.revocations(0, at(0)).await.expect(AWAY).last_seq
}

/// What was revoked after `seq`, in an order that can be compared.
async fn targets_after(store: &Store, seq: i64) -> Vec<Target> {
    let revocations = revocations_after(store, seq).await;
    sorted(revocations.into_iter().map(|revocation| revocation.target).collect())
}

fn sorted(mut targets: Vec<Target>) -> Vec<Target> {
    targets.sort_by_key(|target| format!("{target:?}"));
    targets
}

/// Runs the futures at once, each as a task of its own.
async fn at_once<F>(calls: impl IntoIterator<Item = F>) -> Vec<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let tasks: Vec<_> = calls.into_iter().map(tokio::spawn).collect();
    let mut outcomes = Vec::with_capacity(tasks.len());
    for task in tasks {
        outcomes.push(task.await.expect("a call panicked"));
    }
    outcomes
}
