//! Looking for sessions that are over.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
#[cfg(feature = "postgres")]
use diesel::sql_types::{Bool, Text};

use super::row::session_id;
use super::schema::auth_sessions;
use super::statements::is_over;
use crate::session::SessionId;

/// How much one look finds, where it is not a part of the table that it reads.
pub(super) const LOOK_ROWS: i64 = 10_000;

/// How much of a PostgreSQL table one look reads: 4 MiB, which may hold some 40,000 sessions.
#[cfg(feature = "postgres")]
const LOOK_BLOCKS: i64 = 512;

/// What a look found.
pub struct Found<T> {
    pub(super) over: Vec<T>,
    /// Where the next look begins, `None` at the end of the table.
    pub(super) goes_on_from: Option<i64>,
}

/// Looking through the sessions in the order in which they lie, a part at a time: no index has to be
/// kept for it, and what an earlier look has passed is not read again.
pub trait Look {
    /// Sessions that were over `before`: a part of them, from a place on. 0 is the beginning.
    fn over_sessions(&mut self, before: DateTime<Utc>, from: i64) -> QueryResult<Found<SessionId>>;
}

#[cfg(feature = "sqlite")]
impl Look for diesel::SqliteConnection {
    fn over_sessions(&mut self, before: DateTime<Utc>, from: i64) -> QueryResult<Found<SessionId>> {
        let rowid = || diesel::dsl::sql::<BigInt>("auth_sessions.rowid");
        let rows = auth_sessions::table
            .filter(is_over(before.timestamp_millis()))
            .filter(rowid().ge(from))
            .order(rowid())
            .limit(LOOK_ROWS)
            .select((rowid(), auth_sessions::id))
            .load::<(i64, Vec<u8>)>(self)?;
        let is_last = (rows.len() as i64) < LOOK_ROWS;
        let goes_on_from = rows.last().filter(|_| !is_last).map(|(rowid, _)| rowid + 1);
        let over = rows.iter().map(|(_, id)| session_id(id)).collect::<QueryResult<_>>()?;
        Ok(Found { over, goes_on_from })
    }
}

#[cfg(feature = "postgres")]
impl Look for diesel::PgConnection {
    // Before PostgreSQL 14 each part is found by reading all.
    fn over_sessions(&mut self, before: DateTime<Utc>, from: i64) -> QueryResult<Found<SessionId>> {
        let blocks = "pg_relation_size('auth_sessions') / current_setting('block_size')::bigint";
        let blocks: i64 = diesel::select(diesel::dsl::sql::<BigInt>(blocks)).get_result(self)?;
        let to = from + LOOK_BLOCKS;
        let place = |block| format!("({block},0)");
        let is_here = diesel::dsl::sql::<Bool>("auth_sessions.ctid >= ")
            .bind::<Text, _>(place(from))
            .sql("::tid AND auth_sessions.ctid < ")
            .bind::<Text, _>(place(to))
            .sql("::tid");
        let ids = auth_sessions::table
            .filter(is_over(before.timestamp_millis()))
            .filter(is_here)
            .select(auth_sessions::id)
            .load::<Vec<u8>>(self)?;
        let over = ids.iter().map(|id| session_id(id)).collect::<QueryResult<_>>()?;
        Ok(Found { over, goes_on_from: (to < blocks).then_some(to) })
    }
}
