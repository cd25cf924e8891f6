//! What the memory of revocations costs: per entry, and at every request.
//!
//!     cargo bench -p auth-core --bench revocation
//!
//! The authorities take turns, so that what the machine does meanwhile hits all alike; what
//! counts are the ratios of their medians.

mod common;

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use auth_core::session::RevocationReason;
use auth_core::store::{Revoke, Stamp};
use auth_core::{Authority, ClientInfo, MemoryStore, SessionId, SessionStore, Settings};
use common::{Anybody, medians, proof, runtime, time_of};

const SIZES: [usize; 3] = [0, 10_000, 1_000_000];
const TOKENS: usize = 1000;
const ROUNDS: usize = 41;

/// An authority that has heard of so many revocations, and access tokens that none concerns.
struct Subject {
    entries: usize,
    authority: Authority,
    tokens: Vec<String>,
    /// Of the view, in bytes: the answer of the store itself is large enough to be given back.
    memory: usize,
    synced_in: Duration,
}

impl Subject {
    async fn with(entries: usize) -> Self {
        let store = MemoryStore::new();
        let settings = Settings {
            // Each request is to be a whole check.
            token_cache_bytes: 0,
            ..Settings::with_signing_key("a secret of at least thirty-two bytes")
        };
        let build = || {
            let authority = Authority::builder(settings.clone()).store(store.clone());
            authority.users(Anybody::default()).build().expect("the settings are good")
        };
        let issuer = build();
        let mut tokens = Vec::new();
        for user in 0..TOKENS {
            let pair = issuer.start_pair(proof(user), &ClientInfo::default()).await;
            tokens.push(pair.expect("the store is there").granted.access.into_string());
        }
        let at = issuer.clock().now();
        let until = at + Duration::from_secs(3600);
        let stamp = Stamp { at, reason: RevocationReason::Logout, until };
        for _ in 0..entries {
            let revoke = Revoke::Session(SessionId::random());
            store.revoke(&revoke, stamp).await.expect("the store is there");
        }
        let authority = build();
        let (before, begun) = (resident(), Instant::now());
        authority.sync().await.expect("the store is there");
        let synced_in = begun.elapsed();
        let memory = resident().saturating_sub(before);
        Self { entries, authority, tokens, memory, synced_in }
    }

    /// Per token, in nanoseconds.
    fn authenticate(&self) -> f64 {
        let mut tokens = self.tokens.iter().cycle();
        time_of(TOKENS as u32, || {
            let token = tokens.next().expect("it never ends");
            black_box(self.authority.authenticate(black_box(token))).expect("it is good");
        })
    }
}

/// What of this process is in memory, in bytes. Linux only; elsewhere 0.
fn resident() -> usize {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn main() {
    let runtime = runtime();
    let subjects = SIZES.map(|entries| runtime.block_on(Subject::with(entries)));
    let medians = medians(ROUNDS, || subjects.each_ref().map(Subject::authenticate));
    println!(
        "{:>10}  {:>12}  {:>7}  {:>12}  {:>10}",
        "entries", "authenticate", "ratio", "per entry", "sync"
    );
    for (subject, time) in subjects.iter().zip(medians) {
        let per_entry = match subject.entries {
            0 => String::new(),
            entries => format!("{} B", subject.memory / entries),
        };
        println!(
            "{:>10}  {:>9.0} ns  {:>7.3}  {:>12}  {:>7} ms",
            subject.entries,
            time,
            time / medians[0],
            per_entry,
            subject.synced_in.as_millis(),
        );
    }
}
