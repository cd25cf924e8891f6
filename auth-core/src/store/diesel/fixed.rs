//! Statements whose text never changes, prepared once a connection.
//!
//! Diesel prepares an `UPDATE` anew each time, because which columns are set may differ, and SQLite
//! takes longer to read a rotation than to do it. The method that says so is hidden in Diesel's documentation:
//! look here when its minor version changes.

use std::marker::PhantomData;

use diesel::backend::Backend;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};

/// A statement with one text, whatever its values. `Name` is a type of its own for each.
pub(super) struct Fixed<Q, Name> {
    statement: Q,
    name: PhantomData<Name>,
}

impl<Q, Name> Fixed<Q, Name> {
    pub(super) fn new(statement: Q) -> Self {
        Self { statement, name: PhantomData }
    }
}

impl<Q: Query, Name> Query for Fixed<Q, Name> {
    type SqlType = Q::SqlType;
}

impl<Q, Name, C> RunQueryDsl<C> for Fixed<Q, Name> {}

impl<Q, Name: 'static> QueryId for Fixed<Q, Name> {
    type QueryId = Name;

    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<Q: QueryFragment<DB>, Name, DB: Backend> QueryFragment<DB> for Fixed<Q, Name> {
    fn walk_ast<'b>(&'b self, pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.statement.walk_ast(pass)
    }

    fn is_safe_to_cache_prepared(&self, _: &DB) -> QueryResult<bool> {
        Ok(true)
    }
}

/// A statement without values and without an answer.
#[cfg(feature = "sqlite")]
#[derive(Clone, Copy)]
pub(super) struct Command(pub(super) &'static str);

#[cfg(feature = "sqlite")]
impl QueryId for Command {
    type QueryId = ();

    // Its text tells.
    const HAS_STATIC_QUERY_ID: bool = false;
}

#[cfg(feature = "sqlite")]
impl<DB: Backend> QueryFragment<DB> for Command {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        pass.push_sql(self.0);
        Ok(())
    }
}

#[cfg(feature = "sqlite")]
impl<C> RunQueryDsl<C> for Command {}
