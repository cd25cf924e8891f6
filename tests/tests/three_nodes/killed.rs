//! A node that is killed and started again.

use std::sync::Arc;

use futures_util::future::join_all;
use tests::{TestDb, say};

use crate::traffic::Traffic;
use crate::{Nodes, Settings};

/// Starting again takes a moment, on a busy machine more than the ten seconds of the default grace.
/// What a node refuses in its first seconds it has read at its start, since it hears of nothing yet.
const SETTINGS: Settings =
    &[("REFRESH_GRACE", "60s"), ("REVOCATION_LISTEN", "false"), ("REVOCATION_POLL_INTERVAL", "3s")];

pub(crate) async fn a_killed_node_knows_what_was_revoked_from_its_first_answer_on(db: Arc<TestDb>) {
    let nodes = Nodes::start(&db, [SETTINGS; 3]);
    let traffic = Traffic::on(&nodes);
    let script = async {
        for node in Nodes::ALL {
            traffic.goes_on().await;
            nodes.kill(node);
            traffic.goes_on().await;
            let revoked = traffic.revoked();
            nodes.restart(node).await;
            let answers = join_all(revoked.iter().map(|credential| nodes.me(node, credential)));
            for answer in answers.await {
                answer.expect_status(401);
            }
        }
        traffic.goes_on().await;
    };
    let count = traffic.during(script).await;
    say(&format!("three nodes, each killed once: {count}"));
}
