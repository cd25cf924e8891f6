//! What a refresh costs, with each kind of store, and what a permission.
//!
//!     cargo bench -p auth-core --bench sessions
//!
//! All take turns; what counts are the ratios of the medians. SQLite has its file in the folder for
//! temporary files: where that is no disk, a durable write costs next to nothing.

mod common;

use std::hint::black_box;
use std::time::Duration;

use auth_core::permission::{Access, Fresh, HasScope, IsAuthenticated, IsStaff, Permission};
use auth_core::rotation::{Decision, Presented, RotationPolicy, decide};
use auth_core::session::{BindSession, Session};
use auth_core::store::diesel::{SqliteDb, SqliteOptions, SqliteStore};
use auth_core::token::Login;
use auth_core::{Authority, ClientInfo, MemoryStore, SessionStore, Settings};
use common::{Anybody, medians, print_head, print_row, proof, runtime, time_of, time_of_awaited};
use tokio::task::JoinSet;

const ROUNDS: usize = 31;
/// How many clients refresh at the same time.
const AT_ONCE: usize = 64;
const HOUR: Duration = Duration::from_secs(3600);

fn main() {
    let runtime = runtime();
    let folder = tempfile::tempdir().expect("there is a folder for temporary files");
    let db = SqliteDb::open(folder.path().join("bench.db"), SqliteOptions::default());
    let on_disk = SqliteStore::new(db.expect("a file can be made"));
    runtime.block_on(on_disk.migrate()).expect("the tables can be made");

    print_head("refresh", ["memory", "decision alone", "SQLite", "SQLite, 64 at once"]);
    let mut refreshes = runtime.block_on(Refreshes::with(authority(on_disk, Anybody::default())));
    let times = medians(ROUNDS, || runtime.block_on(refreshes.times()));
    print_row("HS256", times);

    println!();
    let columns =
        ["check of the token", "known", "staff or first scope", "last of 20 scopes", "all"];
    print_head("permission", columns);
    let users = Anybody { scopes: (0..20).map(|scope| format!("scope:{scope}")).collect() };
    let somebody = runtime.block_on(Client::of(&authority(MemoryStore::new(), users)));
    runtime.block_on(somebody.authority.sync()).expect("the store is there");
    print_row("", medians(ROUNDS, || permission_times(&somebody)));
}

fn authority(store: impl SessionStore, users: Anybody) -> Authority {
    let settings = Settings {
        // The run is not kept up to date about revocations.
        revocation_max_staleness: HOUR,
        ..Settings::with_signing_key("a secret of at least thirty-two bytes")
    };
    Authority::builder(settings).store(store).users(users).build().expect("the settings are good")
}

/// One who is logged in, and refreshes with the token of the refresh before.
struct Client {
    authority: Authority,
    session: Session,
    access: String,
    refresh: String,
}

impl Client {
    async fn of(authority: &Authority) -> Self {
        let login = authority.start_pair(proof(42), &ClientInfo::default()).await;
        let Login { session, granted, .. } = login.expect("the store is there");
        let [access, refresh] = [granted.access.into_string(), granted.refresh.into_string()];
        Self { authority: authority.clone(), session, access, refresh }
    }

    async fn refresh(&mut self) {
        let refreshed = self.authority.refresh(&self.refresh, &ClientInfo::default()).await;
        let refreshed = refreshed.expect("the token is current");
        self.refresh = refreshed.refresh.expect("it is rotated").into_string();
    }
}

struct Refreshes {
    in_memory: Client,
    on_disk: Client,
    crowd: Vec<Client>,
}

impl Refreshes {
    async fn with(on_disk: Authority) -> Self {
        let mut crowd = Vec::new();
        for _ in 0..AT_ONCE {
            crowd.push(Client::of(&on_disk).await);
        }
        let in_memory = Client::of(&authority(MemoryStore::new(), Anybody::default())).await;
        Self { in_memory, on_disk: Client::of(&on_disk).await, crowd }
    }

    /// In memory, what of that is the decision, on disk one after the other, on disk many at once.
    async fn times(&mut self) -> [f64; 4] {
        let session = &self.in_memory.session;
        let presented =
            Presented { generation: session.generation, client: session.client.clone() };
        let (now, policy) = (session.created_at, policy());
        let decision = time_of(100_000, || {
            let decision = decide(black_box(session), &presented, now, &policy);
            assert!(matches!(decision, Decision::Rotate { .. }));
        });
        [
            time_of_awaited(1000, async || self.in_memory.refresh().await).await,
            decision,
            time_of_awaited(20, async || self.on_disk.refresh().await).await,
            time_of_awaited(4, async || {
                let refresh = async |mut client: Client| {
                    client.refresh().await;
                    client
                };
                let refreshing: JoinSet<_> = self.crowd.drain(..).map(refresh).collect();
                self.crowd = refreshing.join_all().await;
            })
            .await
                / AT_ONCE as f64,
        ]
    }
}

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

/// The check that comes before, of a token that was seen; what every route asks, a usual policy, a scope
/// that is found last, and all of them behind a box.
fn permission_times(Client { authority, access, .. }: &Client) -> [f64; 5] {
    let verified = authority.authenticate(access).expect("it is good");
    let clock = authority.clock();
    let access_by = Access { identity: Some(&verified), read_only: false, clock };
    let last = HasScope("scope:19");
    let usual = IsStaff | HasScope("scope:0");
    let all: Box<dyn Permission> = Box::new(IsAuthenticated & usual & last & Fresh(HOUR));
    [
        time_of(10_000, || drop(authority.authenticate(black_box(access)).expect("it is good"))),
        time_of_permission(&IsAuthenticated, &access_by),
        time_of_permission(&usual, &access_by),
        time_of_permission(&last, &access_by),
        time_of_permission(&all, &access_by),
    ]
}

fn time_of_permission(permission: &impl Permission, access: &Access<'_>) -> f64 {
    time_of(100_000, || assert!(black_box(permission).allows(black_box(access))))
}
