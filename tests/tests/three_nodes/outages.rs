//! A database that crashes, and one that no longer answers.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tests::{Answer, Cluster, eventually, say};

use crate::credential::{Carrier, Credential, Logout};
use crate::traffic::Traffic;
use crate::{Nodes, PASSWORD, Settings, create_user, pause, start, stop};

const MAX_STALENESS: Duration = Duration::from_secs(5);

/// The database is away for longer than the default grace.
const REFUSES: Settings = &[("REFRESH_GRACE", "60s"), ("REVOCATION_MAX_STALENESS", "5s")];
const SERVES: Settings = &[
    ("REFRESH_GRACE", "60s"),
    ("REVOCATION_MAX_STALENESS", "5s"),
    ("REVOCATION_WHEN_STALE", "serve"),
];
const THE_ONE_THAT_SERVES: usize = 2;

/// So long after the database has gone, every node still knows enough. Far less than the
/// staleness that is allowed: a busy machine may have been late with the last poll.
const KNOWN_FOR: Duration = Duration::from_secs(2);

/// A call to the database is given up after three seconds; a busy machine may take longer.
const AT_THE_LATEST: Duration = Duration::from_secs(8);

pub(crate) async fn a_crash_of_the_database_loses_nothing_that_was_answered(cluster: Arc<Cluster>) {
    let nodes = Nodes::start(cluster.db(), [REFUSES, REFUSES, SERVES]);
    let traffic = Traffic::on(&nodes);
    let script = async {
        let (client, leaving) = two_clients(&nodes).await;
        // A crash hits what is under way at that moment: three moments.
        for _ in 0..3 {
            traffic.goes_on().await;
            stop(&cluster).await;
            start(&cluster).await;
        }
        traffic.goes_on().await;
        every_node_hears(&nodes).await;
        let gone = Instant::now();
        stop(&cluster).await;
        tokio::join!(
            what_needs_the_database_is_an_outage(&nodes, &client, &leaving),
            known_tokens_open_routes_until_too_much_may_have_been_missed(&nodes, &client, gone),
        );
        start(&cluster).await;
        recovers(&nodes, &client).await;
        traffic.goes_on().await;
    };
    let count = traffic.during(script).await;
    say(&format!("three nodes, the database crashed four times: {count}"));
}

pub(crate) async fn a_frozen_database_is_an_outage_and_loses_nothing_that_was_answered(
    cluster: Arc<Cluster>,
) {
    let nodes = Nodes::start(cluster.db(), [REFUSES, REFUSES, SERVES]);
    let traffic = Traffic::on(&nodes);
    let script = async {
        let (client, leaving) = two_clients(&nodes).await;
        traffic.goes_on().await;
        every_node_hears(&nodes).await;
        let gone = Instant::now();
        cluster.freeze();
        tokio::join!(
            what_needs_the_database_is_an_outage(&nodes, &client, &leaving),
            known_tokens_open_routes_until_too_much_may_have_been_missed(&nodes, &client, gone),
        );
        say(&format!("three nodes, the database was frozen for {:.1?}", gone.elapsed()));
        cluster.thaw();
        recovers(&nodes, &client).await;
        traffic.goes_on().await;
    };
    let count = traffic.during(script).await;
    assert!(count.slowest() < AT_THE_LATEST, "{count}");
    say(&format!("three nodes, the database frozen: {count}"));
}

/// What is revoked now. Each node has asked the database since, whatever went before.
async fn every_node_hears(nodes: &Nodes) {
    let leaving = log_in(nodes, "anna").await;
    Answer::to(leaving.log_out(Logout::Session, &nodes.alive(0))).await.expect_status(200);
    for node in Nodes::ALL {
        eventually("the node hears of a revocation", async || {
            nodes.me(node, &leaving).await.status == 401
        })
        .await;
    }
}

/// One who stays, and one who tries to leave while the database is away. (What a frozen database
/// was asked to do, it may do when it goes on, whoever has stopped waiting.)
async fn two_clients(nodes: &Nodes) -> (Credential, Credential) {
    create_user(&nodes.db, "clara");
    (log_in(nodes, "anna").await, log_in(nodes, "clara").await)
}

async fn log_in(nodes: &Nodes, user: &str) -> Credential {
    Carrier::Pair.granted(&Answer::to(Carrier::Pair.log_in(&nodes.alive(0), user)).await)
}

/// On every node and at once, so that all of it has to wait in the same queues.
async fn what_needs_the_database_is_an_outage(
    nodes: &Nodes,
    client: &Credential,
    leaving: &Credential,
) {
    let requests = Nodes::ALL.flat_map(|number| {
        let node = nodes.alive(number);
        let login = json!({ "username": "anna", "password": PASSWORD });
        let verify = json!({ "token": client.refresh_token() });
        let post = |path, body| node.request(Method::POST, path).json(body);
        [
            post("/api/token/", &login),
            post("/api/token/sliding/", &login),
            post("/api/v1/users/login", &login),
            post("/api/v1/users/login/jwt", &login),
            post("/api/token/verify/", &verify),
            client.refresh(&node),
            leaving.log_out(Logout::Blacklist, &node),
            leaving.log_out(Logout::Session, &node),
            leaving.log_out(Logout::All, &node),
            client.show(node.request(Method::GET, "/api/v1/users/sessions")),
        ]
    });
    let ready = async |node| nodes.alive(node).get("/readyz").await;
    let begun = Instant::now();
    let (answers, reports) =
        tokio::join!(join_all(requests.map(Answer::to)), join_all(Nodes::ALL.map(ready)));
    assert!(begun.elapsed() < AT_THE_LATEST, "{:?}", begun.elapsed());
    for answer in answers {
        answer.expect_outage();
    }
    for report in reports {
        assert_eq!(report.expect_status(503).json()["database"], "unavailable");
    }
}

/// Watches every node until all have been seen in the state in which they have to end up: those
/// that refuse when they may have missed too much, and the one that serves nevertheless.
async fn known_tokens_open_routes_until_too_much_may_have_been_missed(
    nodes: &Nodes,
    client: &Credential,
    gone: Instant,
) {
    let refusing = Cell::new(0);
    let watch = |node| {
        let refusing = &refusing;
        async move {
            if node == THE_ONE_THAT_SERVES {
                while refusing.get() < 2 {
                    nodes.me(node, client).await.expect_status(200);
                    pause().await;
                }
                return;
            }
            loop {
                let answer = nodes.me(node, client).await;
                if answer.status != 200 {
                    answer.expect_outage();
                    break;
                }
                pause().await;
            }
            let after = gone.elapsed();
            assert!(after > KNOWN_FOR, "node {node} refuses {after:?} after it heard the last");
            refusing.set(refusing.get() + 1);
            while refusing.get() < 2 {
                nodes.me(node, client).await.expect_outage();
                pause().await;
            }
        }
    };
    let all = join_all(Nodes::ALL.map(watch));
    let limit = MAX_STALENESS * 3;
    let watched = tokio::time::timeout(limit, all).await;
    watched.unwrap_or_else(|_| panic!("not refused within {limit:?}"));
}

async fn recovers(nodes: &Nodes, client: &Credential) {
    let begun = Instant::now();
    nodes.are_ready().await;
    say(&format!("three nodes, all ready {:.1?} after the database", begun.elapsed()));
    for node in Nodes::ALL {
        nodes.me(node, client).await.expect_status(200);
    }
}
