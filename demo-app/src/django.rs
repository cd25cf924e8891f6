//! The users of a Django project, read from its database and nothing written there.
//!
//! What is read is the table of `django.contrib.auth.models.User`, or another one with its columns
//! (`AbstractUser`): `id`, `username`, `email`, `password`, `is_active`, `is_staff`, `is_superuser`,
//! `date_joined`, `last_login`. It may be a view, which can give other columns these names.

use std::path::Path;
use std::time::Duration;

use actix_web::web;
use auth_core::Outage;
use auth_core::password::PasswordHash;
use auth_core::store::diesel::{PgDb, PgOptions, UrlError};
use chrono::NaiveDateTime;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};

use crate::config::DatabaseUrl;
use crate::users::{Refused, User, WhyRefused};

/// The role of who is a superuser in Django.
pub const SUPERUSER: &str = "superuser";

/// How long reading may take.
const PATIENCE: Duration = Duration::from_secs(600);

const COLUMNS: [&str; 9] = [
    "id",
    "username",
    "email",
    "password",
    "is_active",
    "is_staff",
    "is_superuser",
    "date_joined",
    "last_login",
];

/// What was found.
#[derive(Debug, Default)]
pub struct DjangoUsers {
    /// The users as they would be here, with their ids.
    pub users: Vec<User>,
    /// Those with a value that cannot be taken over.
    pub refused: Vec<Refused>,
    /// The ids of users whose password is kept in a way that cannot be verified here, such as MD5. They
    /// are among `users`, without a password.
    pub without_password: Vec<i64>,
    /// The highest id that Django has given, perhaps to a user who was deleted since: tokens may
    /// name it.
    pub last_id: i64,
}

/// Why there are no users to be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file is not there, or may not be read.
    #[error("{0} cannot be opened: {1}")]
    File(String, String),
    /// The URL cannot work.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// It did not answer, or refused.
    #[error(transparent)]
    Outage(#[from] Outage),
    /// There is no such table.
    #[error(
        "there is no table {0}: is this the database of a Django project? The users of a custom \
         model are in another table (--table)"
    )]
    NoTable(String),
    /// The table is not one of users.
    #[error("the table {0} has no column {1}, which the users of Django have")]
    NoColumn(String, String),
    /// Users are numbers here.
    #[error("the ids in {0} are not whole numbers: such users cannot keep them here")]
    OtherIds(String),
}

/// Reads all users.
///
/// # Errors
/// [`SourceError`].
pub async fn read(from: &DatabaseUrl, table: &str) -> Result<DjangoUsers, SourceError> {
    let (table, name) = (table.to_owned(), table.to_owned());
    let (rows, last_id, to_millis): (_, _, fn(&str) -> Option<i64>) = match from {
        DatabaseUrl::Sqlite(path) => {
            let path = path.clone();
            let read = web::block(move || from_sqlite(&path, &table)).await;
            let (rows, last_id) = read.map_err(Outage::because)??;
            (rows, last_id, millis_of_text)
        }
        DatabaseUrl::Postgres(url) => {
            let options = PgOptions { connections: 1, deadline: PATIENCE, ..PgOptions::default() };
            let db = PgDb::open(url.expose(), options)?;
            let (rows, last_id) = db.run(move |conn| from_postgres(conn, &table)).await??;
            (rows, last_id, |millis| millis.parse().ok())
        }
    };
    let mut found = DjangoUsers { last_id: last_id.unwrap_or(0), ..DjangoUsers::default() };
    for row in rows {
        let Some(id) = row.id else { return Err(SourceError::OtherIds(name)) };
        // The highest number of all is no id that another could follow.
        if id < i64::MAX {
            found.last_id = found.last_id.max(id);
        }
        found.take(id, row, to_millis);
    }
    Ok(found)
}

impl DjangoUsers {
    fn take(&mut self, id: i64, row: Row, to_millis: fn(&str) -> Option<i64>) {
        let created_at = row.date_joined.as_deref().and_then(to_millis);
        let last_login_at = row.last_login.as_deref().map(to_millis);
        let (Some(created_at), None | Some(Some(_))) = (created_at, last_login_at) else {
            self.refused.push(Refused { id, username: row.username, why: WhyRefused::BadTime });
            return;
        };
        let is_usable = !row.password.is_empty() && !row.password.starts_with('!');
        let hash = PasswordHash::from_stored(row.password);
        let is_kept = is_usable && hash.is_verifiable();
        if is_usable && !is_kept {
            self.without_password.push(id);
        }
        self.users.push(User {
            id,
            username: row.username,
            email: row.email,
            password_hash: is_kept.then(|| hash.as_str().to_owned()),
            is_active: row.is_active,
            is_staff: row.is_staff || row.is_superuser,
            role: row.is_superuser.then(|| SUPERUSER.to_owned()),
            scopes: String::new(),
            created_at,
            last_login_at: last_login_at.flatten(),
        });
    }
}

#[derive(QueryableByName)]
struct Row {
    /// `None` for what is not a whole number.
    #[diesel(sql_type = Nullable<BigInt>)]
    id: Option<i64>,
    #[diesel(sql_type = Text)]
    username: String,
    #[diesel(sql_type = Text)]
    email: String,
    #[diesel(sql_type = Text)]
    password: String,
    #[diesel(sql_type = Bool)]
    is_active: bool,
    #[diesel(sql_type = Bool)]
    is_staff: bool,
    #[diesel(sql_type = Bool)]
    is_superuser: bool,
    #[diesel(sql_type = Nullable<Text>)]
    date_joined: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    last_login: Option<String>,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct LastId {
    #[diesel(sql_type = Nullable<BigInt>)]
    last_id: Option<i64>,
}

/// The rows, and the last number of the sequence, where there is one.
type Read = Result<(Vec<Row>, Option<i64>), SourceError>;

fn from_sqlite(path: &Path, table: &str) -> Read {
    let fault = |problem: String| SourceError::File(path.display().to_string(), problem);
    std::fs::File::open(path).map_err(|error| fault(error.to_string()))?;
    let path = path.to_str().ok_or_else(|| fault("its path is not Unicode".into()))?;
    // Opened in another way, SQLite would tidy up the file when it is closed.
    let uri = format!("file:{}?mode=ro", in_uri(path));
    let mut conn = SqliteConnection::establish(&uri).map_err(|error| fault(error.to_string()))?;
    conn.batch_execute("PRAGMA busy_timeout = 10000").map_err(|error| fault(error.to_string()))?;
    // All questions see the same state.
    let answer = conn.transaction(|conn| {
        let columns = diesel::sql_query("SELECT name FROM pragma_table_info(?)")
            .bind::<Text, _>(table)
            .load::<Column>(conn)?;
        if let Err(error) = check(table, &columns) {
            return Ok(Err(error));
        }
        let rows = diesel::sql_query(format!(
            "SELECT CASE typeof(id) WHEN 'integer' THEN id END AS id,
                CAST(coalesce(username, '') AS TEXT) AS username,
                CAST(coalesce(email, '') AS TEXT) AS email,
                CAST(coalesce(password, '') AS TEXT) AS password,
                coalesce(is_active, 0) <> 0 AS is_active,
                coalesce(is_staff, 0) <> 0 AS is_staff,
                coalesce(is_superuser, 0) <> 0 AS is_superuser,
                CAST(date_joined AS TEXT) AS date_joined,
                CAST(last_login AS TEXT) AS last_login
            FROM {} ORDER BY id",
            quoted(table)
        ));
        let rows = rows.load::<Row>(conn)?;
        let sequences = "SELECT name FROM sqlite_schema WHERE name = 'sqlite_sequence'";
        if diesel::sql_query(sequences).load::<Column>(conn)?.is_empty() {
            return Ok(Ok((rows, None)));
        }
        let last_id = "SELECT max(seq) AS last_id FROM sqlite_sequence \
                       WHERE lower(name) = lower(?)";
        let last_id = diesel::sql_query(last_id).bind::<Text, _>(table);
        Ok(Ok((rows, last_id.get_result::<LastId>(conn)?.last_id)))
    });
    answer.unwrap_or_else(|error: diesel::result::Error| Err(fault(error.to_string())))
}

fn from_postgres(conn: &mut PgConnection, table: &str) -> QueryResult<Read> {
    let name = match table.split_once('.') {
        Some((schema, table)) => format!("{}.{}", quoted(schema), quoted(table)),
        None => quoted(table),
    };
    // All questions see the same state, and nothing can be written.
    conn.build_transaction().read_only().repeatable_read().run(|conn| {
        let columns = "SELECT attname::text AS name FROM pg_attribute
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
        let columns = diesel::sql_query(columns).bind::<Text, _>(&name).load::<Column>(conn)?;
        if let Err(error) = check(table, &columns) {
            return Ok(Err(error));
        }
        let whole = "SELECT attname::text AS name FROM pg_attribute
            WHERE attrelid = to_regclass($1) AND attname = 'id'
                AND atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype)";
        let whole = diesel::sql_query(whole).bind::<Text, _>(&name).load::<Column>(conn)?;
        if whole.is_empty() {
            return Ok(Err(SourceError::OtherIds(table.to_owned())));
        }
        let millis = |column| {
            format!(
                "CASE WHEN isfinite({column})
                    THEN floor(extract(epoch FROM {column}) * 1000)::bigint::text
                    WHEN {column} IS NOT NULL THEN 'never' END AS {column}"
            )
        };
        let rows = diesel::sql_query(format!(
            "SELECT id::bigint AS id,
                coalesce(username::text, '') AS username,
                coalesce(email::text, '') AS email,
                coalesce(password::text, '') AS password,
                coalesce(is_active, FALSE) AS is_active,
                coalesce(is_staff, FALSE) AS is_staff,
                coalesce(is_superuser, FALSE) AS is_superuser,
                {}, {}
            FROM {name} ORDER BY id",
            millis("date_joined"),
            millis("last_login")
        ));
        let rows = rows.load::<Row>(conn)?;
        // A view has none, and a role may be allowed to read the table only.
        let last_id = "SELECT CASE WHEN has_sequence_privilege(sequence, 'SELECT, USAGE')
                THEN pg_sequence_last_value(sequence::regclass) END AS last_id
            FROM pg_get_serial_sequence($1, 'id') AS sequence";
        let last_id = diesel::sql_query(last_id).bind::<Text, _>(&name);
        Ok(Ok((rows, last_id.get_result::<LastId>(conn)?.last_id)))
    })
}

fn check(table: &str, columns: &[Column]) -> Result<(), SourceError> {
    if columns.is_empty() {
        return Err(SourceError::NoTable(table.to_owned()));
    }
    let is_there = |name: &&str| columns.iter().any(|column| column.name == *name);
    match COLUMNS.iter().find(|name| !is_there(name)) {
        Some(missing) => Err(SourceError::NoColumn(table.to_owned(), (*missing).to_owned())),
        None => Ok(()),
    }
}

/// An identifier of SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A path in a URI of SQLite (<https://www.sqlite.org/uri.html>).
fn in_uri(path: &str) -> String {
    path.replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// Django writes times into SQLite as text, in UTC: `2024-05-06 07:08:09.123456`.
fn millis_of_text(text: &str) -> Option<i64> {
    let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
    Some(time.and_utc().timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_times_of_django_in_sqlite_are_read_to_the_millisecond() {
        assert_eq!(millis_of_text("1970-01-01 00:00:01"), Some(1000));
        assert_eq!(millis_of_text("2024-05-06 07:08:09.123456"), Some(1_714_979_289_123));
        assert_eq!(millis_of_text("1969-12-31 23:59:59.999999"), Some(-1));
        for other in ["", "2024-05-06", "yesterday", "1714979289", "2024-13-06 07:08:09"] {
            assert_eq!(millis_of_text(other), None, "{other}");
        }
    }

    #[test]
    fn names_are_names_whatever_is_in_them() {
        assert_eq!(quoted(r#"a" FROM x; --"#), r#""a"" FROM x; --""#);
        assert_eq!(in_uri("/tmp/50% of #1?mode=rwc"), "/tmp/50%25 of %231%3fmode=rwc");
    }
}
