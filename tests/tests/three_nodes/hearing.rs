//! How long it takes until the other nodes refuse what one has revoked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::RequestBuilder;
use tests::{Answer, Cluster, Process, TestDb, say};

use crate::credential::{Carrier, Credential, Logout};
use crate::{Nodes, Settings, create_user, in_background, pause, start, stop};

const ROUNDS: usize = 60;

/// The default of `revocation_max_staleness`: whatever happens, a node that serves knows what
/// was revoked longer ago.
const AT_THE_LATEST: Duration = Duration::from_secs(30);

/// The default of `revocation_poll_interval`.
const POLL_INTERVAL: Duration = Duration::from_millis(500);

/// Without a notification, half a second is the worst case.
pub(crate) async fn a_revocation_is_heard_by_polling_alone(db: Arc<TestDb>) {
    let settings: Settings = &[("REVOCATION_LISTEN", "false")];
    let nodes = Nodes::start(&db, [settings; 3]);
    // Several at once, since each waits for a poll, and at any moment between two.
    let delays = hear(&nodes, ROUNDS, 10, POLL_INTERVAL).await;
    say(&format!("revocations heard by polling alone: {}", distribution(delays)));
}

/// With the defaults.
pub(crate) async fn a_revocation_is_heard_by_notification(db: Arc<TestDb>) {
    let nodes = Nodes::start(&db, [&[]; 3]);
    // One at a time: nothing else keeps the nodes busy.
    let delays = hear(&nodes, ROUNDS, 1, Duration::ZERO).await;
    say(&format!("revocations heard with LISTEN/NOTIFY: {}", distribution(delays)));
}

/// Nobody polls for as long as the test takes.
pub(crate) async fn notifications_are_heard_again_after_a_crash_of_the_database(
    cluster: Arc<Cluster>,
) {
    let settings: Settings =
        &[("REVOCATION_POLL_INTERVAL", "1h"), ("REVOCATION_MAX_STALENESS", "1d")];
    let nodes = Nodes::start(cluster.db(), [settings; 3]);
    let mut delays = Vec::new();
    for _ in 0..2 {
        stop(&cluster).await;
        start(&cluster).await;
        nodes.are_ready().await;
        delays.extend(hear(&nodes, WAYS.len() * 3, 1, Duration::ZERO).await);
    }
    say(&format!("revocations heard by notification after crashes: {}", distribution(delays)));
}

/// Who or what revokes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A client logs out.
    Logout(Carrier, Logout),
    /// An administrator at the SQL prompt deactivates the user.
    Sql,
    /// An administrator at the command line does.
    Command,
}

const WAYS: [Way; 5] = [
    Way::Logout(Carrier::Cookie, Logout::Session),
    Way::Logout(Carrier::Pair, Logout::Blacklist),
    Way::Logout(Carrier::Pair, Logout::All),
    Way::Sql,
    Way::Command,
];

/// Revokes again and again, with every node in turn, so many times at once. Answers how long
/// the other nodes took to hear of it. A revocation waits for up to `spread`.
async fn hear(nodes: &Nodes, rounds: usize, lanes: usize, spread: Duration) -> Vec<Duration> {
    let lanes = (0..lanes).map(async |lane| {
        let user = a_user(&nodes.db);
        let mut delays = Vec::new();
        for round in (lane..rounds).step_by(lanes) {
            // Any numbers will do that have little to do with each other.
            let wait = spread * (round as u32 * 37 % 60) / 60;
            delays.extend(hear_one(nodes, round, &user, wait).await);
        }
        delays
    });
    let delays = join_all(lanes).await.concat();
    let by_an_administrator = rounds * 2 / WAYS.len();
    assert_eq!(delays.len(), rounds * 2 + by_an_administrator, "an administrator is no node");
    delays
}

/// A new user.
fn a_user(db: &TestDb) -> String {
    let name = format!("anna{}", db.count("users"));
    create_user(db, &name);
    name
}

/// One login, one revocation. Answers how long after its answer each of the other nodes first
/// refused the credential.
async fn hear_one(nodes: &Nodes, round: usize, user: &str, wait: Duration) -> Vec<Duration> {
    let (revoking, way) = (round % 3, WAYS[round / 3 % WAYS.len()]);
    let carrier = match way {
        Way::Logout(carrier, _) => carrier,
        Way::Sql => Carrier::Cookie,
        Way::Command => Carrier::Pair,
    };
    let node = nodes.alive(revoking);
    let credential = carrier.granted(&at_last(|| carrier.log_in(&node, user)).await);
    for node in Nodes::ALL {
        // Now the node knows the cookie, and does not ask the database at the next request.
        at_last(|| credential.me(&nodes.alive(node))).await.expect_status(200);
    }
    tokio::time::sleep(wait).await;

    let others: Vec<_> = match way {
        Way::Logout(_, logout) => {
            let answer = at_last(|| credential.log_out(logout, &node)).await;
            assert!(matches!(answer.status, 200 | 204), "{way:?}: {answer:?}");
            Nodes::ALL.filter(|node| *node != revoking).collect()
        }
        Way::Sql | Way::Command => {
            set_active(nodes, way, user, false).await;
            Nodes::ALL.collect()
        }
    };
    let revoked_at = Instant::now();
    let first_refusals =
        join_all(others.iter().map(|node| first_refusal(nodes, *node, &credential, revoked_at)));
    let heard = if others.len() < 3 {
        // The node that revoked knows when it answers: its very next answer is a refusal.
        let (delays, own) = tokio::join!(first_refusals, nodes.me(revoking, &credential));
        own.expect_status(401);
        delays
    } else {
        let delays = first_refusals.await;
        set_active(nodes, way, user, true).await;
        delays
    };
    assert!(heard.iter().all(|delay| *delay < AT_THE_LATEST), "{way:?}: {heard:?}");
    heard
}

/// An answer that is no outage. After a crash, a connection that is lost is found out by the one
/// who uses it.
async fn at_last(request: impl Fn() -> RequestBuilder) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = Answer::to(request()).await;
        if answer.status != 503 {
            return answer;
        }
        assert!(begun.elapsed() < AT_THE_LATEST, "{answer:?}");
        pause().await;
    }
}

/// Asks without a pause until the node refuses.
async fn first_refusal(
    nodes: &Nodes,
    node: usize,
    credential: &Credential,
    since: Instant,
) -> Duration {
    loop {
        let answer = nodes.me(node, credential).await;
        let delay = since.elapsed();
        if answer.status == 401 {
            return delay;
        }
        answer.expect_status(200);
        assert!(delay < AT_THE_LATEST, "node {node} does not hear of it");
    }
}

async fn set_active(nodes: &Nodes, way: Way, user: &str, active: bool) {
    let (db, user) = (Arc::clone(&nodes.db), user.to_owned());
    let done = move || match way {
        Way::Command => {
            let command = if active { "activate" } else { "deactivate" };
            let output = Process::run(&db, &[command, &user], "");
            assert!(output.status.success(), "{output:?}");
        }
        _ => {
            let sql = format!("UPDATE users SET is_active = {active} WHERE username = '{user}'");
            assert_eq!(db.execute(&sql), 1);
        }
    };
    in_background(done).await;
}

fn distribution(mut delays: Vec<Duration>) -> String {
    delays.sort();
    // The nearest rank: so many percent of all are no longer than that.
    let percentile = |percent: usize| {
        let rank = (delays.len() * percent).div_ceil(100).max(1);
        format!("p{percent} {:.1} ms", delays[rank - 1].as_secs_f64() * 1000.0)
    };
    let max = delays.last().map_or(0.0, Duration::as_secs_f64) * 1000.0;
    let parts = [percentile(50), percentile(90), percentile(99)].join(", ");
    format!("n {}, {parts}, max {max:.1} ms", delays.len())
}
