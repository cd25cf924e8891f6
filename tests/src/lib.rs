//! What the end-to-end tests share: an application in this process with a clock that can be set
//! ([`TestApp`]), the real binary in a process of its own ([`Process`]), a database of its own
//! for each test ([`TestDb`]), and the people who knock at the door ([`Anonymous`], [`Browser`],
//! [`ApiClient`]).
//!
//! A test is a function of the database; [`on_each_database!`] makes two tests of it:
//!
//! ```ignore
//! on_each_database! {
//!     anybody_may_ask_whether_the_server_lives,
//! }
//!
//! async fn anybody_may_ask_whether_the_server_lives(database: Database) {
//!     let app = TestApp::start(database).await;
//!     app.anonymous().get("/healthz").await.expect_status(200);
//! }
//! ```
#![forbid(unsafe_code)]

mod answer;
mod app;
#[cfg(unix)]
mod cluster;
mod database;
mod example;
mod logs;
mod personas;
mod process;
mod proxy;
pub mod texts;
pub mod token;

pub use answer::Answer;
pub use app::{NewUser, TestApp, User};
#[cfg(unix)]
pub use cluster::{Cluster, run_on_a_cluster};
pub use database::{Database, TestDb, run};
pub use example::Example;
pub use logs::Logs;
pub use personas::{Anonymous, ApiClient, Browser, Csrf};
pub use process::Process;
pub use proxy::Proxy;

use std::io::Write;
use std::time::{Duration, Instant};

/// The same route without and with the trailing slash: both answer.
pub fn with_and_without_slash(path: &str) -> [String; 2] {
    let path = path.trim_end_matches('/');
    [path.to_owned(), format!("{path}/")]
}

/// Writes a line for whoever runs the tests, whether they pass or fail.
pub fn say(line: &str) {
    // Not `eprintln!`, which the test harness would keep to itself; and in one piece, or a line of
    // the harness may come between it and its end.
    let _ = std::io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Asks again until the answer is the one that is waited for, for ten seconds at most. For what
/// happens by itself soon, such as hearing of a revocation by another process.
#[track_caller]
pub fn eventually(what: &str, mut happened: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !happened().await {
            assert!(Instant::now() < deadline, "{caller}: not within ten seconds: {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
