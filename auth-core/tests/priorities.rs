//! Who waits for whom where processors are short: the threads that answer requests come first.
#![cfg(target_os = "linux")]

mod common;

use std::collections::HashMap;
use std::fs;

use auth_core::store::diesel::{SqliteDb, SqliteOptions, SqliteStore};
use auth_core::{Authority, Settings};
use common::{PASSWORD, SECRET, Users};

/// The `nice` values of this process's threads, by their names.
fn nice_values() -> HashMap<String, i32> {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let stats = tasks.filter_map(|task| fs::read_to_string(task.unwrap().path().join("stat")).ok());
    let value = |stat: String| {
        // proc(5): the name in parentheses; nice is the nineteenth field, the seventeenth after it.
        let (before, after) = stat.rsplit_once(") ").unwrap();
        let name = before.split_once('(').unwrap().1.to_owned();
        (name, after.split(' ').nth(16).unwrap().parse().unwrap())
    };
    stats.map(value).collect()
}

#[tokio::test]
async fn hashing_and_writing_step_back_behind_requests() {
    let folder = tempfile::tempdir().unwrap();
    let db = SqliteDb::open(folder.path().join("db"), SqliteOptions::default()).unwrap();
    let store = SqliteStore::new(db);
    store.migrate().await.unwrap();
    let settings = Settings { password_lanes: 1, ..Settings::with_signing_key(SECRET) };
    let builder = Authority::builder(settings).store(store).users(Users::with_alice());
    let authority = builder.build().unwrap();
    authority.hash_password(PASSWORD).await.unwrap();
    authority.prune().await.unwrap();

    let values = nice_values();
    let ours = values.iter().find(|(name, _)| name.starts_with("hashing_and")).unwrap().1;
    assert_eq!(values["password-0"], (ours + 10).min(19), "{values:?}");
    assert_eq!(values["sqlite-writer"], (ours + 5).min(19), "{values:?}");
}
