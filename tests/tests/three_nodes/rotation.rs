//! Signing keys that change while everybody is at work.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tests::{Answer, Process, TestDb, eventually, say};

use crate::credential::Carrier;
use crate::traffic::Traffic;
use crate::{Nodes, Settings, create_user, in_background};

/// Of the nodes: a directory of keys that they share. The settings live as long as the test does.
fn sharing(directory: &Path) -> Settings {
    let path = directory.to_str().expect("a path of letters").to_owned();
    Vec::leak(vec![("SIGNING_KEY_DIR", &*String::leak(path)), ("ALGORITHM", "HS256")])
}

/// What `demo-app keys …` says.
async fn keys(db: &Arc<TestDb>, settings: Settings, arguments: &'static [&'static str]) -> String {
    let db = Arc::clone(db);
    let arguments = [&["keys"], arguments].concat();
    let said = in_background(move || Process::run_with(&db, settings, &arguments, "")).await;
    assert!(said.status.success(), "{said:?}");
    String::from_utf8(said.stdout).expect("text")
}

/// The name of the key that signs.
fn active(list: &str) -> String {
    let line = list.lines().find(|line| line.contains("active")).expect("a key that signs");
    line.split(' ').next().expect("a name").to_owned()
}

fn header(token: &str) -> Value {
    let header =
        base64_simd::URL_SAFE_NO_PAD.decode_to_vec(token.split('.').next().expect("a token"));
    serde_json::from_slice(&header.expect("base64url")).expect("JSON")
}

pub(crate) async fn keys_are_rotated_under_load_without_a_refusal(db: Arc<TestDb>) {
    const ALGORITHMS: [&[&str]; 4] = [
        &["rotate", "--in", "3s", "--algorithm", "EdDSA"],
        &["rotate", "--in", "3s", "--algorithm", "ES256"],
        &["rotate", "--in", "3s", "--algorithm", "RS256"],
        &["rotate", "--in", "3s"],
    ];
    let home = tempfile::tempdir().expect("a directory");
    let settings = sharing(&home.path().join("keys"));
    let nodes = Nodes::start(&db, [settings; 3]);
    let traffic = Traffic::on(&nodes);
    let script = async {
        for rotate in ALGORITHMS {
            traffic.goes_on().await;
            let before = active(&keys(&db, settings, &["list"]).await);
            let said = keys(&db, settings, rotate).await;
            let next = said.split(' ').next().expect("a name").to_owned();
            assert_ne!(next, before);
            eventually("the next key signs", async || {
                active(&keys(&db, settings, &["list"]).await) == next
            })
            .await;
            // All of them sign with it now, and have signed with the one before a moment ago.
            for node in Nodes::ALL {
                let login = Answer::to(Carrier::Pair.log_in(&nodes.alive(node), "anna")).await;
                let access = login.json()["access"].as_str().expect("a token").to_owned();
                assert_eq!(header(&access)["kid"], *next);
            }
        }
        traffic.goes_on().await;
    };
    let count = traffic.during(script).await;
    say(&format!("three nodes, four rotations: {count}"));
    assert_eq!(count.outages(), 0);
    let list = keys(&db, settings, &["list"]).await;
    assert_eq!(list.lines().filter(|line| line.contains("retired")).count(), 4, "{list}");

    // Public halves only, and of those that are still accepted.
    for node in Nodes::ALL {
        let set = nodes.alive(node).get("/.well-known/jwks.json").await;
        assert_eq!(set.header("cache-control"), Some("public, max-age=300"));
        let set = set.json();
        let published = set["keys"].as_array().expect("a list");
        let algorithms: Vec<_> = published.iter().map(|jwk| jwk["alg"].as_str()).collect();
        assert_eq!(algorithms, [Some("EdDSA"), Some("ES256"), Some("RS256"), Some("RS256")]);
        for jwk in published {
            for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
                assert!(jwk.get(private).is_none(), "{private} is published");
            }
        }
    }
}

pub(crate) async fn a_stolen_key_is_refused_by_all_nodes_within_seconds(db: Arc<TestDb>) {
    let home = tempfile::tempdir().expect("a directory");
    let settings = sharing(&home.path().join("keys"));
    let nodes = Nodes::start(&db, [settings; 3]);
    create_user(&db, "anna");
    let log_in = async |node| {
        let entrance = nodes.alive(node);
        Carrier::Pair.granted(&Answer::to(Carrier::Pair.log_in(&entrance, "anna")).await)
    };
    let stolen = log_in(0).await;
    for node in Nodes::ALL {
        nodes.me(node, &stolen).await.expect_status(200);
    }
    let kid = active(&keys(&db, settings, &["list"]).await);
    let arguments = Vec::leak(vec!["retire", &*String::leak(kid), "--now"]);
    keys(&db, settings, arguments).await;
    for node in Nodes::ALL {
        eventually("the key is refused", async || nodes.me(node, &stolen).await.status == 401)
            .await;
    }
    // Everybody can log in again, and is known everywhere.
    let renewed = log_in(1).await;
    for node in Nodes::ALL {
        nodes.me(node, &renewed).await.expect_status(200);
    }
}
