//! What grows with the number of sessions, revocations and tokens, and how: docs/scaling.md.
//!
//!     cargo bench -p auth-core --bench scaling > docs/scaling/measured.tsv
//!     cargo bench -p auth-core --bench scaling -- 1000 10000
//!
//! PostgreSQL is measured where `TEST_DATABASE_URL` names a server. Each subject is measured in a
//! process of its own, so that what one leaves in memory is not found by the next. Memory is
//! read from /proc: Linux only, elsewhere 0.

mod common;
#[path = "scaling/databases.rs"]
mod databases;
#[allow(unused_imports, unused_macros, reason = "the tests use the rest")]
#[path = "../tests/stores/database.rs"]
mod postgres_server;
#[path = "scaling/process.rs"]
mod process;
#[path = "scaling/pruning.rs"]
mod pruning;

use std::env;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use auth_core::session::RevocationReason;
use auth_core::store::{Revoke, Stamp};
use auth_core::{
    Authority, AuthorityBuilder, ClientInfo, MemoryStore, Principal, Proof, SessionId,
    SessionStore, Settings,
};

use common::Anybody;
use databases::{Kind, Place};

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// How many refreshes are timed.
const REFRESHES: usize = 500;

const AWAY: &str = "the store is there";

fn main() {
    let arguments: Vec<_> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be built");
    if let [first, what, kind, address, size] = &*arguments
        && first == "measure"
    {
        let place = Place { kind: Kind::named(kind), address: address.clone() };
        let size = size.parse().expect("a number");
        return runtime.block_on(measure(what, &place, size));
    }
    let sizes: Vec<usize> =
        arguments.iter().map(|size| size.parse().expect("sizes are numbers")).collect();
    println!("what\tdatabase\tsize\tvalue\tunit");
    for size in if sizes.is_empty() { SIZES.to_vec() } else { sizes } {
        for what in ["revocations", "tokens"] {
            apart(what, &Place { kind: Kind::Memory, address: String::new() }, size);
        }
        for kind in [Kind::Sqlite, Kind::Postgres] {
            let Some(database) = databases::create(kind) else { continue };
            let place = database.place();
            runtime.block_on(async {
                match kind {
                    Kind::Sqlite => drop(databases::sqlite(place).await),
                    _ => drop(databases::postgres(place).await),
                }
            });
            databases::fill(place, databases::Sessions::Live, size);
            let bytes = databases::bytes_of_sessions(place) as f64;
            say("disk per session", kind, size, bytes / size as f64, "B");
            apart("start", place, size);
            apart("refresh", place, size);
            databases::fill_revocations(place, 3600, size);
            apart("start with revocations", place, size);
            databases::fill(place, databases::Sessions::Expired, size);
            apart("prune sessions", place, size);
            databases::fill_revocations(place, -3600, size);
            apart("prune revocations", place, size);
        }
    }
}

/// Measures in a process of its own.
fn apart(what: &str, place: &Place, size: usize) {
    let me = env::current_exe().expect("the program has a file");
    let status = Command::new(me)
        .args(["measure", what, place.kind.name(), &place.address, &size.to_string()])
        .status();
    assert!(status.is_ok_and(|status| status.success()), "{what}: the measuring process failed");
}

async fn measure(what: &str, place: &Place, size: usize) {
    match (what, place.kind) {
        ("revocations", _) => revocations(size).await,
        ("tokens", _) => tokens(size).await,
        (_, Kind::Sqlite) => measure_with(what, databases::sqlite(place), place, size).await,
        (_, _) => measure_with(what, databases::postgres(place), place, size).await,
    }
}

async fn measure_with<S: SessionStore + Clone>(
    what: &str,
    open: impl Future<Output = S>,
    place: &Place,
    size: usize,
) {
    match what {
        "start" | "start with revocations" => start(what, open, place.kind, size).await,
        "refresh" => refresh(open.await, place.kind, size).await,
        "prune sessions" => pruning::sessions(open.await, place, size).await,
        "prune revocations" => pruning::revocations(open.await, place.kind, size).await,
        _ => panic!("{what} is not measured"),
    }
}

fn say(what: &str, kind: Kind, size: usize, value: f64, unit: &str) {
    println!("{what}\t{}\t{size}\t{value:.3}\t{unit}", kind.name());
}

fn build(store: impl SessionStore, settings: Settings) -> Authority {
    let builder: AuthorityBuilder = Authority::builder(settings);
    builder.store(store).users(Anybody::default()).build().expect("the settings are good")
}

fn settings() -> Settings {
    Settings::with_signing_key("a secret of at least thirty-two bytes")
}

fn user(number: usize) -> Proof {
    Proof::vouched(Principal::new("user", number.to_string()), [])
}

/// The memory of a process that has heard of so many revocations.
async fn revocations(size: usize) {
    let store = MemoryStore::new();
    let authority = build(store.clone(), settings());
    let at = authority.clock().now();
    let until = at + Duration::from_secs(3600);
    let stamp = Stamp { at, reason: RevocationReason::Logout, until };
    for _ in 0..size {
        store.revoke(&Revoke::Session(SessionId::random()), stamp).await.expect(AWAY);
    }
    let before = process::resident();
    authority.sync().await.expect(AWAY);
    let bytes = process::resident().saturating_sub(before) as f64;
    say("memory per revocation", Kind::Memory, size, bytes / size as f64, "B");
}

/// The memory of so many verified tokens, with so much room that all but a few are remembered.
async fn tokens(size: usize) {
    let hour = Duration::from_secs(3600);
    let token_cache_bytes = size * 4096;
    let settings = Settings { access_token_lifetime: hour, token_cache_bytes, ..settings() };
    let store = MemoryStore::new();
    let issuer = build(store.clone(), Settings { token_cache_bytes: 0, ..settings.clone() });
    let client = ClientInfo::default();
    let mut pair = issuer.start_pair(user(1), &client).await.expect(AWAY).granted;
    let mut tokens = Vec::with_capacity(size);
    while tokens.len() < size {
        tokens.push(pair.access.into_string());
        let refreshed = issuer.refresh(pair.refresh.expose(), &client).await.expect("it is good");
        pair.access = refreshed.access;
        pair.refresh = refreshed.refresh.expect("refresh tokens rotate");
    }
    let before = process::resident();
    let authority = build(store, settings);
    authority.sync().await.expect(AWAY);
    for token in &tokens {
        black_box(authority.authenticate(token)).expect("it is good");
    }
    let bytes = process::resident().saturating_sub(before) as f64;
    say("memory per token", Kind::Memory, size, bytes / size as f64, "B");
    let counted = authority.token_cache_bytes() as f64;
    say("counted per token", Kind::Memory, size, counted / size as f64, "B");
}

/// A process that starts, until it accepts tokens, and its first refreshes.
async fn start<S: SessionStore>(
    what: &str,
    open: impl Future<Output = S>,
    kind: Kind,
    size: usize,
) {
    process::forget_peak();
    let (before, begun) = (process::resident(), Instant::now());
    let authority = build(open.await, settings());
    authority.sync().await.expect(AWAY);
    say(what, kind, size, begun.elapsed().as_secs_f64(), "s");
    let growth = |bytes: usize| bytes.saturating_sub(before) as f64 / 1e6;
    let (stays, peak) = (growth(process::resident()), growth(process::peak()));
    say(&format!("memory after {what}"), kind, size, stays, "MB");
    say(&format!("peak memory of {what}"), kind, size, peak, "MB");
}

/// Refreshes of logins among so many others.
async fn refresh(store: impl SessionStore, kind: Kind, size: usize) {
    let authority = build(store, settings());
    authority.sync().await.expect(AWAY);
    let client = ClientInfo::default();
    let mut refresh_tokens = Vec::new();
    for number in 0..REFRESHES {
        let login = authority.start_pair(user(number), &client).await.expect(AWAY);
        refresh_tokens.push(login.granted.refresh.into_string());
    }
    let mut times = Vec::new();
    for token in &refresh_tokens {
        let begun = Instant::now();
        authority.refresh(token, &client).await.expect("it is good");
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    say("refresh", kind, size, times[REFRESHES / 2], "ms");
}
