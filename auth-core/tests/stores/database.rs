//! A PostgreSQL database of its own for each test.
#![allow(dead_code, reason = "each test file uses a part")]

use std::io::{self, Write};
use std::net::SocketAddr;

use auth_core::random;
use auth_core::store::diesel::{PgDb, PgOptions, PgStore};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;

/// A database of its own on the server of `TEST_DATABASE_URL`, dropped at the end.
pub(crate) struct TestDatabase {
    pub(crate) server: String,
    pub(crate) name: String,
    pub(crate) url: String,
}

impl TestDatabase {
    /// `None`, and a line that cannot be overlooked, where there is no server.
    pub(crate) fn create(test: &str) -> Option<Self> {
        let Ok(server) = std::env::var("TEST_DATABASE_URL") else {
            assert!(
                std::env::var_os("REQUIRE_ALL_DATABASES").is_none(),
                "REQUIRE_ALL_DATABASES is set and TEST_DATABASE_URL is not"
            );
            // Not eprintln!, which the test harness keeps for itself.
            let _ = writeln!(io::stderr(), "SKIPPED {test}: TEST_DATABASE_URL is not set");
            return None;
        };
        let name = format!("auth_core_test_{:032x}", u128::from_be_bytes(random::bytes()));
        execute(&server, &format!("CREATE DATABASE {name}"));
        let (place, query) = match server.split_once('?') {
            Some((place, query)) => (place, format!("?{query}")),
            None => (&*server, String::new()),
        };
        let authority = place.find("://").map_or(0, |at| at + 3);
        let end = place[authority..].find('/').map_or(place.len(), |at| authority + at);
        let url = format!("{}/{name}{query}", &place[..end]);
        Some(Self { server, name, url })
    }

    pub(crate) fn open(&self) -> PgDb {
        PgDb::open(&self.url, PgOptions::default()).unwrap()
    }

    pub(crate) async fn store(&self) -> PgStore {
        let store = PgStore::new(self.open());
        store.migrate().await.unwrap();
        store
    }

    /// Through a proxy on the same machine.
    pub(crate) fn url_at(&self, address: SocketAddr) -> String {
        let at = self.url.rfind('@').map_or_else(|| self.url.find("://").unwrap() + 3, |at| at + 1);
        let end = at + self.url[at..].find('/').unwrap();
        format!("{}{address}{}", &self.url[..at], &self.url[end..])
    }

    pub(crate) fn address(&self) -> String {
        let at = self.url.rfind('@').map_or_else(|| self.url.find("://").unwrap() + 3, |at| at + 1);
        let end = at + self.url[at..].find('/').unwrap();
        let host = &self.url[at..end];
        if host.contains(':') { host.to_owned() } else { format!("{host}:5432") }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        execute(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

pub(crate) fn execute(url: &str, sql: &str) {
    PgConnection::establish(url).unwrap().batch_execute(sql).unwrap();
}

macro_rules! database {
    () => {{
        let test = std::thread::current().name().unwrap_or("a test").to_owned();
        match TestDatabase::create(&test) {
            Some(database) => database,
            None => return,
        }
    }};
}
pub(crate) use database;
