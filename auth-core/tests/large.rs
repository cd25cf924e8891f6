//! A great many sessions, a great many refreshes, and a great deal to prune. Apart from the other tests of the stores,
//! whose time limits they would use up.
#![cfg(any(feature = "sqlite", feature = "postgres"))]

#[cfg(feature = "postgres")]
#[path = "stores/database.rs"]
mod database;
#[path = "large/growth.rs"]
mod growth;
#[path = "large/million.rs"]
mod million;
#[path = "large/pruning.rs"]
mod pruning;
#[path = "stores/sample.rs"]
mod sample;

use std::io::{self, Write};

#[cfg(feature = "postgres")]
use tokio::sync::{Mutex, MutexGuard};

/// The tests on PostgreSQL one after the other: a long transaction in one database keeps what is
/// dead in all of them.
#[cfg(feature = "postgres")]
async fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// Writes a line for whoever runs the tests, whether they pass or fail.
fn say(line: &str) {
    // Not eprintln!, which the test harness keeps for itself.
    let _ = writeln!(io::stderr(), "{line}");
}
