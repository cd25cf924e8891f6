//! Taking over users of another application, with their ids.

use std::collections::{HashMap, HashSet};
use std::fmt;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Text};

use super::schema::users;
use super::{User, UserError, Users, check_email, check_name};
use crate::db::Db;
use auth_core::Outage;

/// Rows per statement: SQLite takes 32,766 values.
const ROWS: usize = 500;

/// Users to be taken over.
#[derive(Debug, Default)]
pub struct Import {
    /// The rows, as they are to be.
    pub users: Vec<User>,
    /// Those of whom it is known already that they cannot be taken over.
    pub refused: Vec<Refused>,
    /// The highest id that was ever given there, to `users` or to somebody who was deleted: a user who is
    /// created later gets a higher one.
    pub last_id: i64,
    /// Take over the others where some are refused, unless it is because an id is taken. Otherwise nobody is.
    pub skip_refused: bool,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// What became of them.
#[derive(Debug, Default)]
pub struct Imported {
    /// The ids of those who are here now and were not before; in a dry run, of those who would be.
    pub new: Vec<i64>,
    /// How many were here already, with the same id and the same name. They stay as they are here.
    pub known: usize,
    /// Who is not taken over.
    pub refused: Vec<Refused>,
    /// Whether anything was written: not in a dry run, nor where somebody is refused and that is not
    /// to be skipped.
    pub is_done: bool,
}

/// Somebody who is not taken over.
#[derive(Debug)]
#[expect(missing_docs, reason = "the columns")]
pub struct Refused {
    pub id: i64,
    pub username: String,
    pub why: WhyRefused,
}

impl Refused {
    /// Whether tokens that were issued for them would be somebody else's here: then they cannot be skipped.
    pub fn has_taken_id(&self) -> bool {
        matches!(self.why, WhyRefused::IdTaken(_))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Escaped: a name may hold whatever a terminal does not want to see.
        write!(f, "{:?} (id {}): {}", self.username, self.id, self.why)
    }
}

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum WhyRefused {
    /// Our rules do not take the name or the address.
    #[error(transparent)]
    Rule(UserError),
    /// Tokens that name this id would be somebody else's.
    #[error("another user, {0:?}, has this id here")]
    IdTaken(String),
    /// Another id.
    #[error("another user, with the id {0}, has this name here")]
    NameTaken(i64),
    /// The id is given by a database, which counts from 1.
    #[error("an id is a positive number")]
    BadId,
    /// A time that is none.
    #[error("its date_joined or last_login is not a date and a time")]
    BadTime,
    /// A text that is none.
    #[error("its {0} is not UTF-8")]
    NotUtf8(&'static str),
    /// Who is deleted stays so.
    #[error("a user with this id was deleted here")]
    Deleted,
    /// The source has the id or the name twice.
    #[error("this id or this name is there twice")]
    Twice,
}

impl Import {
    fn ids(&self) -> Vec<i64> {
        let refused = self.refused.iter().map(|refused| refused.id);
        self.users.iter().map(|user| user.id).chain(refused).collect()
    }

    fn names(&self) -> Vec<String> {
        self.users.iter().map(|user| user.username.clone()).filter(|n| !n.contains('\0')).collect()
    }

    /// Who is new, who is known, who is refused, where `here` are the users with these ids or names, and
    /// `deleted` those who were.
    fn sort(self, here: Vec<(i64, String)>, deleted: &[Deleted]) -> (Vec<User>, Imported) {
        let deleted: HashSet<i64> =
            deleted.iter().filter_map(|it| it.user_id.parse().ok()).collect();
        let ids: HashMap<_, _> = here.iter().map(|(id, name)| (*id, name.as_str())).collect();
        let names: HashMap<_, _> = here.iter().map(|(id, name)| (name.as_str(), *id)).collect();
        let (mut seen_ids, mut seen_names) = (HashSet::new(), HashSet::new());
        let (mut new, mut known, mut refused) = (Vec::new(), 0, self.refused);
        // Who is here already is left as they are here, whatever is there by now.
        refused.retain(|refused| {
            let is_known = ids.get(&refused.id).is_some_and(|name| *name == refused.username);
            known += usize::from(is_known);
            !is_known
        });
        for refused in &mut refused {
            if let Some(name) = ids.get(&refused.id).filter(|name| **name != refused.username) {
                refused.why = WhyRefused::IdTaken((*name).to_owned());
            }
        }
        for user in self.users {
            let is_twice = !seen_ids.insert(user.id) | !seen_names.insert(user.username.clone());
            let why = match (ids.get(&user.id), names.get(user.username.as_str())) {
                _ if is_twice => Some(WhyRefused::Twice),
                (Some(name), _) if *name == user.username => {
                    known += 1;
                    continue;
                }
                (Some(name), _) => Some(WhyRefused::IdTaken((*name).to_owned())),
                (None, Some(id)) => Some(WhyRefused::NameTaken(*id)),
                (None, None) if !(1..i64::MAX).contains(&user.id) => Some(WhyRefused::BadId),
                (None, None) if deleted.contains(&user.id) => Some(WhyRefused::Deleted),
                (None, None) => check_name(&user.username)
                    .and_then(|()| check_email(&user.email))
                    .err()
                    .map(WhyRefused::Rule),
            };
            match why {
                Some(why) => refused.push(Refused { id: user.id, username: user.username, why }),
                None => new.push(user),
            }
        }
        refused.sort_by_key(|refused| refused.id);
        // To leave them out is not enough: tokens that Django issued for such an id would be somebody else's.
        let may_skip = self.skip_refused && !refused.iter().any(Refused::has_taken_id);
        let is_done = !self.dry_run && (refused.is_empty() || may_skip);
        let ids = new.iter().map(|user| user.id).collect();
        (new, Imported { new: ids, known, refused, is_done })
    }
}

/// The same for either database: diesel types a query for one.
macro_rules! import {
    ($conn:ident, $import:ident) => {{
        let mut here = Vec::new();
        for ids in $import.ids().chunks(ROWS) {
            here.extend(
                users::table
                    .filter(users::id.eq_any(ids))
                    .select((users::id, users::username))
                    .load::<(i64, String)>($conn)?,
            );
        }
        for names in $import.names().chunks(ROWS) {
            here.extend(
                users::table
                    .filter(users::username.eq_any(names))
                    .select((users::id, users::username))
                    .load::<(i64, String)>($conn)?,
            );
        }
        let deleted = diesel::sql_query(DELETED).load::<Deleted>($conn)?;
        let (new, imported) = $import.sort(here, &deleted);
        if imported.is_done {
            for rows in new.chunks(ROWS) {
                // Everybody begins active: to deactivate them has the trigger refuse the tokens that the
                // other application gave them.
                let rows: Vec<_> = rows.iter().map(row).collect();
                diesel::insert_into(users::table).values(rows).execute($conn)?;
            }
            let inactive: Vec<_> =
                new.iter().filter(|user| !user.is_active).map(|user| user.id).collect();
            for ids in inactive.chunks(ROWS) {
                diesel::update(users::table.filter(users::id.eq_any(ids)))
                    .set(users::is_active.eq(false))
                    .execute($conn)?;
            }
        }
        imported
    }};
}

/// Who was deleted here: their tokens are revoked for ever, which the triggers see to.
const DELETED: &str = "SELECT user_id FROM auth_revocations
    WHERE kind = 'foreign' AND user_type = 'user' AND reason = 'user_deleted'";

#[derive(QueryableByName)]
struct Deleted {
    #[diesel(sql_type = Text)]
    user_id: String,
}

#[derive(Insertable)]
#[diesel(table_name = users)]
struct Row<'a> {
    id: i64,
    username: &'a str,
    email: &'a str,
    password_hash: Option<&'a str>,
    is_staff: bool,
    role: Option<&'a str>,
    created_at: i64,
    last_login_at: Option<i64>,
}

fn row(user: &User) -> Row<'_> {
    Row {
        id: user.id,
        username: &user.username,
        email: &user.email,
        password_hash: user.password_hash.as_deref(),
        is_staff: user.is_staff,
        role: user.role.as_deref(),
        created_at: user.created_at,
        last_login_at: user.last_login_at,
    }
}

impl Users {
    /// Takes users over, all in one transaction. Who is here already is left alone, and who was deleted
    /// here is refused.
    ///
    /// Meanwhile nobody else writes users, nor anything else on SQLite: what a server that runs has to
    /// write there is an outage when its patience ends.
    ///
    /// # Errors
    /// The database is away, or took longer than its handle allows
    /// ([`Db::open_for_long`]). Then nobody was taken over, unless the answer alone was lost; it is
    /// safe to do it again.
    pub async fn import(&self, import: Import) -> Result<Imported, Outage> {
        let last_id = import.last_id;
        match &self.db {
            Db::Sqlite(db) => {
                let work = move |conn: &mut SqliteConnection| {
                    let imported = import!(conn, import);
                    if imported.is_done {
                        continue_sqlite_after(conn, last_id)?;
                    }
                    Ok(imported)
                };
                db.write(work).await
            }
            Db::Postgres(db) => {
                let work = move |conn: &mut PgConnection| {
                    conn.transaction(|conn| {
                        // Nobody takes an id while the sequence is moved.
                        let lock = "LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE";
                        diesel::sql_query(lock).execute(conn)?;
                        let imported = import!(conn, import);
                        if imported.is_done {
                            continue_postgres_after(conn, last_id)?;
                        }
                        Ok(imported)
                    })
                };
                db.run(work).await
            }
        }
    }
}

/// Lets the next user get a higher id than any that was imported, or given where they come from. (What
/// is inserted with an id is counted by SQLite itself.)
fn continue_sqlite_after(conn: &mut SqliteConnection, last_id: i64) -> QueryResult<()> {
    if last_id < 1 {
        return Ok(());
    }
    let moved = "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'users'";
    if diesel::sql_query(moved).bind::<BigInt, _>(last_id).execute(conn)? == 0 {
        let first = "INSERT INTO sqlite_sequence (name, seq) VALUES ('users', ?)";
        diesel::sql_query(first).bind::<BigInt, _>(last_id).execute(conn)?;
    }
    Ok(())
}

fn continue_postgres_after(conn: &mut PgConnection, last_id: i64) -> QueryResult<()> {
    if last_id < 1 {
        return Ok(());
    }
    let moved = "SELECT setval(sequence, greatest(
            $1, (SELECT max(id) FROM users), pg_sequence_last_value(sequence)))
        FROM (SELECT pg_get_serial_sequence('users', 'id')::regclass AS sequence) AS of_users";
    diesel::sql_query(moved).bind::<BigInt, _>(last_id).execute(conn)?;
    Ok(())
}
