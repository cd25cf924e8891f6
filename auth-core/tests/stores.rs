//! The stores, on every database within reach.
//!
//! PostgreSQL is used when `TEST_DATABASE_URL` names a server on which databases may be created;
//! each test has one of its own. `REQUIRE_ALL_DATABASES` turns a skipped test into a failed one.
#![cfg(feature = "testing")]

use std::sync::Arc;

use auth_core::{MemoryStore, conformance};

#[cfg(feature = "postgres")]
#[path = "stores/database.rs"]
mod database;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[path = "stores/migrations.rs"]
mod migrations;
#[cfg(feature = "postgres")]
#[path = "stores/postgres.rs"]
mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
#[path = "stores/sample.rs"]
mod sample;
#[cfg(feature = "sqlite")]
#[path = "stores/sqlite.rs"]
mod sqlite;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_conforms() {
    conformance::run(Arc::new(MemoryStore::new())).await;
}
