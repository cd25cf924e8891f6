//! Three processes of the real program on one PostgreSQL: what one revokes the others refuse, and
//! whatever becomes of a node or of the database, nothing that was answered is lost.
#![cfg(unix)]

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tests::{Anonymous, Answer, Cluster, Database, Process, TestDb, eventually};

mod credential;
mod hearing;
mod killed;
mod outages;
mod rotation;
mod traffic;

use credential::Credential;
use hearing::{
    a_revocation_is_heard_by_notification, a_revocation_is_heard_by_polling_alone,
    notifications_are_heard_again_after_a_crash_of_the_database,
};
use killed::a_killed_node_knows_what_was_revoked_from_its_first_answer_on;
use outages::{
    a_crash_of_the_database_loses_nothing_that_was_answered,
    a_frozen_database_is_an_outage_and_loses_nothing_that_was_answered,
};

use rotation::{
    a_stolen_key_is_refused_by_all_nodes_within_seconds,
    keys_are_rotated_under_load_without_a_refusal,
};

/// Makes a test of each function, by way of `on_postgres` or `on_a_cluster`.
macro_rules! tests {
    ($($run:ident: $($test:ident),+;)+) => { $( $(
        mod $test {
            #[test]
            fn postgres() {
                super::$run(module_path!(), super::$test);
            }
        }
    )+ )+ };
}

tests! {
    on_postgres:
        a_revocation_is_heard_by_polling_alone,
        a_revocation_is_heard_by_notification,
        a_killed_node_knows_what_was_revoked_from_its_first_answer_on,
        keys_are_rotated_under_load_without_a_refusal,
        a_stolen_key_is_refused_by_all_nodes_within_seconds;
    on_a_cluster:
        notifications_are_heard_again_after_a_crash_of_the_database,
        a_crash_of_the_database_loses_nothing_that_was_answered,
        a_frozen_database_is_an_outage_and_loses_nothing_that_was_answered;
}

/// Three nodes and what they are asked are enough for a machine: one test after the other, so that
/// what a test measures is its own.
static ALONE: Mutex<()> = Mutex::new(());

fn on_postgres<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Arc<TestDb>) -> F) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    tests::run(name, Database::Postgres, |database| test(Arc::new(TestDb::create(database))));
}

fn on_a_cluster<F: Future<Output = ()>>(name: &str, test: impl FnOnce(Arc<Cluster>) -> F) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    tests::run_on_a_cluster(name, |cluster| test(Arc::new(cluster)));
}

/// Settings, by the names that they have in the environment.
type Settings = &'static [(&'static str, &'static str)];

/// The password of everybody.
const PASSWORD: &str = "long enough";

/// Creates somebody who can log in with [`PASSWORD`].
fn create_user(db: &TestDb, name: &str) {
    let created =
        Process::run(db, &["create-user", name, "--password-stdin"], &format!("{PASSWORD}\n"));
    assert!(created.status.success(), "{created:?}");
}

/// Three servers on one database. A number counts round: node 3 is node 0.
struct Nodes {
    db: Arc<TestDb>,
    settings: [Settings; 3],
    /// `None` while one is killed.
    processes: RefCell<[Option<Process>; 3]>,
}

impl Nodes {
    const ALL: std::ops::Range<usize> = 0..3;

    fn start(db: &Arc<TestDb>, settings: [Settings; 3]) -> Self {
        let processes = settings.map(|settings| Some(Process::serve(db, settings)));
        Self { db: Arc::clone(db), settings, processes: RefCell::new(processes) }
    }

    /// Where a node is asked, unless it is killed.
    fn at(&self, node: usize) -> Option<Anonymous> {
        self.processes.borrow()[node % 3].as_ref().map(|process| process.anonymous().clone())
    }

    /// Where a node is asked that lives.
    fn alive(&self, node: usize) -> Anonymous {
        self.at(node).expect("the node lives")
    }

    /// Asks a node who somebody is: the protected route.
    async fn me(&self, node: usize, credential: &Credential) -> Answer {
        Answer::to(credential.me(&self.alive(node))).await
    }

    /// Waits until all of them say so.
    async fn are_ready(&self) {
        for node in Self::ALL {
            let node = self.alive(node);
            eventually("the node is ready", async || node.get("/readyz").await.status == 200).await;
        }
    }

    fn kill(&self, node: usize) {
        let killed = self.processes.borrow_mut()[node % 3].take();
        killed.expect("the node lives").kill();
    }

    async fn restart(&self, node: usize) {
        let (db, settings) = (Arc::clone(&self.db), self.settings[node % 3]);
        let started = in_background(move || Process::serve(&db, settings)).await;
        self.processes.borrow_mut()[node % 3] = Some(started);
    }
}

/// Stops the database as a crash does.
async fn stop(cluster: &Arc<Cluster>) {
    let cluster = Arc::clone(cluster);
    in_background(move || cluster.stop_immediate()).await;
}

/// Starts it again.
async fn start(cluster: &Arc<Cluster>) {
    let cluster = Arc::clone(cluster);
    in_background(move || cluster.start()).await;
}

/// Runs what blocks while the rest of the test goes on.
async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("the work does not panic")
}

/// A moment between two attempts.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(20)).await;
}
