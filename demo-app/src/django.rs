//! The users of a Django project, read from its database and nothing written there.
//!
//! What is read is the table of `django.contrib.auth.models.User`, or another one with its columns
//! (`AbstractUser`): `id`, `username`, `email`, `password`, `is_active`, `is_staff`, `is_superuser`,
//! `date_joined`, `last_login`. It may be a view, which can give other columns these names.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use actix_web::web;
use auth_core::Outage;
use auth_core::password::PasswordHash;
use auth_core::store::diesel::{PgDb, PgOptions, UrlError};
use chrono::NaiveDateTime;
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};

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
    /// The highest id that Django is known to have given, perhaps to a user who was deleted since:
    /// tokens may name it.
    pub last_id: i64,
    /// Why it may have given higher ones, to users who were deleted since, if it may.
    pub uncounted: Option<Uncounted>,
}

/// Why it is not known which ids Django has given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Uncounted {
    /// A view, a copy of the table, a sequence that belongs to no column.
    #[error("{0} has no sequence that counts its ids")]
    NoSequence(String),
    /// The sequence, and the role.
    #[error("the sequence may not be read (GRANT SELECT ON SEQUENCE {0} TO {1} allows it)")]
    MayNotRead(String, String),
    /// The sequence of a copy, say, that was filled without it.
    #[error("the sequence of {0} is behind the ids there: it has not counted them")]
    Behind(String),
}

/// Why there are no users to be had.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The file is not there, or may not be opened.
    #[error("{0} cannot be opened: {1}")]
    File(String, String),
    /// The file is no database, say.
    #[error("{0} cannot be read: {1}")]
    Unreadable(String, String),
    /// The server does not answer this: it may not be read, say.
    #[error("{0}")]
    Query(String),
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
    /// The table, the column, its type and those it may have.
    #[error(
        "the column {1} of {0} is of the type {2}; it has to be {3} (in a view, CAST makes it one)"
    )]
    WrongType(String, &'static str, String, &'static str),
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
    let (rows, counted, to_millis): (_, _, fn(&str) -> Option<i64>) = match from {
        DatabaseUrl::Sqlite(path) => {
            let path = path.clone();
            let read = web::block(move || from_sqlite(&path, &table)).await;
            let (rows, counted) = read.map_err(Outage::because)??;
            (rows, counted, millis_of_text)
        }
        DatabaseUrl::Postgres(url) => {
            let options = PgOptions { connections: 1, deadline: PATIENCE, ..PgOptions::default() };
            let db = PgDb::open(url.expose(), options)?;
            let (rows, counted) = db.run(move |conn| from_postgres(conn, &table)).await??;
            (rows, counted, |millis| millis.parse().ok())
        }
    };
    let mut found = DjangoUsers::default();
    for row in rows {
        let Some(id) = row.id else { return Err(SourceError::OtherIds(name)) };
        // The highest number of all is no id that another could follow.
        if id < i64::MAX {
            found.last_id = found.last_id.max(id);
        }
        found.take(id, row, to_millis);
    }
    match counted {
        Ok(last) if last < found.last_id => found.uncounted = Some(Uncounted::Behind(name)),
        Ok(last) => found.last_id = last,
        Err(uncounted) => found.uncounted = Some(uncounted),
    }
    Ok(found)
}

impl DjangoUsers {
    fn take(&mut self, id: i64, row: Row, to_millis: fn(&str) -> Option<i64>) {
        let username = String::from_utf8_lossy(&row.username).into_owned();
        let texts = [
            ("username", &row.username),
            ("e-mail address", &row.email),
            ("password hash", &row.password),
        ];
        if let Some((what, _)) = texts.iter().find(|(_, text)| str::from_utf8(text).is_err()) {
            self.refused.push(Refused { id, username, why: WhyRefused::NotUtf8(what) });
            return;
        }
        let millis = |time: &[u8]| str::from_utf8(time).ok().and_then(to_millis);
        let created_at = row.date_joined.as_deref().and_then(millis);
        let last_login_at = row.last_login.as_deref().map(millis);
        let (Some(created_at), None | Some(Some(_))) = (created_at, last_login_at) else {
            self.refused.push(Refused { id, username, why: WhyRefused::BadTime });
            return;
        };
        let [email, password] =
            [row.email, row.password].map(|text| String::from_utf8_lossy(&text).into_owned());
        let is_usable = !password.is_empty() && !password.starts_with('!');
        let hash = PasswordHash::from_stored(password);
        let is_kept = is_usable && hash.is_verifiable();
        if is_usable && !is_kept {
            self.without_password.push(id);
        }
        self.users.push(User {
            id,
            username,
            email,
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

/// Texts are bytes: in SQLite they may be no UTF-8, and then one row would spoil the others.
#[derive(QueryableByName)]
struct Row {
    /// `None` for what is not a whole number.
    #[diesel(sql_type = Nullable<BigInt>)]
    id: Option<i64>,
    #[diesel(sql_type = Binary)]
    username: Vec<u8>,
    #[diesel(sql_type = Binary)]
    email: Vec<u8>,
    #[diesel(sql_type = Binary)]
    password: Vec<u8>,
    #[diesel(sql_type = Bool)]
    is_active: bool,
    #[diesel(sql_type = Bool)]
    is_staff: bool,
    #[diesel(sql_type = Bool)]
    is_superuser: bool,
    #[diesel(sql_type = Nullable<Binary>)]
    date_joined: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Binary>)]
    last_login: Option<Vec<u8>>,
}

#[derive(QueryableByName)]
struct Column {
    #[diesel(sql_type = Text)]
    name: String,
    /// Not of SQLite, where it says little.
    #[diesel(sql_type = Text)]
    kind: String,
}

#[derive(QueryableByName)]
struct Sequence {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Bool)]
    may_read: bool,
    #[diesel(sql_type = Nullable<BigInt>)]
    last_id: Option<i64>,
}

#[derive(QueryableByName)]
struct LastId {
    #[diesel(sql_type = Nullable<BigInt>)]
    last_id: Option<i64>,
}

/// In SQLite, of a table that counts.
const LAST_ID: &str =
    "SELECT max(seq) AS last_id FROM sqlite_sequence WHERE lower(name) = lower(?)";

/// The rows, and the last id that was given, where that is known.
type Found = (Vec<Row>, Result<i64, Uncounted>);

fn from_sqlite(path: &Path, table: &str) -> Result<Found, SourceError> {
    let fault = |problem: String| SourceError::File(path.display().to_string(), problem);
    let path = File::open(path)
        .and_then(|_| fs::canonicalize(path))
        .map_err(|error| fault(error.to_string()))?;
    let name = path.to_str().ok_or_else(|| fault("its path is not Unicode".into()))?;
    // Opened in another way, SQLite would tidy up the file when it is closed.
    let uri = format!("file:{}?mode=ro", in_uri(name));
    // Of a file with a write-ahead log that nobody has open it would make a log even so. Nobody may
    // open it while it is read without one.
    if let Some(before) = at_rest(&path) {
        let found = from_sqlite_at(&format!("{uri}&immutable=1"), &path, table);
        if at_rest(&path) == Some(before) {
            return found;
        }
    }
    from_sqlite_at(&uri, &path, table)
}

/// When a database with a write-ahead log was last changed, if nobody has it open.
fn at_rest(path: &Path) -> Option<SystemTime> {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name).exists()
    };
    let is_at_rest = || -> io::Result<bool> {
        let mut header = [0; 20];
        File::open(path)?.read_exact(&mut header)?;
        // The versions to write and to read (<https://www.sqlite.org/fileformat2.html>).
        Ok(header[18..] == [2, 2] && !beside("-wal") && !beside("-journal"))
    };
    if !is_at_rest().unwrap_or(false) {
        return None;
    }
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

fn from_sqlite_at(uri: &str, path: &Path, table: &str) -> Result<Found, SourceError> {
    let fault = |problem: String| SourceError::File(path.display().to_string(), problem);
    let mut conn = SqliteConnection::establish(uri).map_err(|error| fault(error.to_string()))?;
    conn.batch_execute("PRAGMA busy_timeout = 10000").map_err(|error| fault(error.to_string()))?;
    // All questions see the same state.
    let answer = conn.transaction(|conn| {
        let columns = diesel::sql_query("SELECT name, '' AS kind FROM pragma_table_info(?)")
            .bind::<Text, _>(table)
            .load::<Column>(conn)?;
        if let Err(error) = check(table, &columns) {
            return Ok(Err(error));
        }
        let rows = diesel::sql_query(format!(
            "SELECT CASE typeof(id) WHEN 'integer' THEN id END AS id,
                CAST(coalesce(username, '') AS BLOB) AS username,
                CAST(coalesce(email, '') AS BLOB) AS email,
                CAST(coalesce(password, '') AS BLOB) AS password,
                coalesce(is_active, 0) <> 0 AS is_active,
                coalesce(is_staff, 0) <> 0 AS is_staff,
                coalesce(is_superuser, 0) <> 0 AS is_superuser,
                CAST(date_joined AS BLOB) AS date_joined,
                CAST(last_login AS BLOB) AS last_login
            FROM {} ORDER BY id",
            quoted(table)
        ));
        let rows = rows.load::<Row>(conn)?;
        let ask = |sql: &str, conn: &mut SqliteConnection| {
            let answer = diesel::sql_query(sql).bind::<Text, _>(table).get_result::<LastId>(conn);
            Ok::<_, Error>(answer?.last_id)
        };
        let counts = "SELECT max(id) AS last_id FROM (
            SELECT 0 AS id FROM sqlite_schema
            WHERE type = 'table' AND lower(name) = lower(?) AND sql LIKE '%AUTOINCREMENT%')";
        let last_id = match ask(counts, conn)? {
            None => None,
            // A table that counts has no row there before its first one.
            first if rows.is_empty() => ask(LAST_ID, conn)?.or(first),
            Some(_) => ask(LAST_ID, conn)?,
        };
        Ok(Ok((rows, last_id.ok_or_else(|| Uncounted::NoSequence(table.to_owned())))))
    });
    answer.unwrap_or_else(|error: Error| {
        Err(SourceError::Unreadable(path.display().to_string(), error.to_string()))
    })
}

fn from_postgres(conn: &mut PgConnection, table: &str) -> QueryResult<Result<Found, SourceError>> {
    let name = match table.split_once('.') {
        Some((schema, table)) => format!("{}.{}", quoted(schema), quoted(table)),
        None => quoted(table),
    };
    // All questions see the same state, and nothing can be written.
    let answer = conn.build_transaction().read_only().repeatable_read().run(|conn| {
        let columns = "SELECT attname::text AS name,
                format_type(coalesce(nullif(typbasetype, 0), pg_type.oid), NULL) AS kind
            FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
            WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped";
        let columns = diesel::sql_query(columns).bind::<Text, _>(&name).load::<Column>(conn)?;
        if let Err(error) = check(table, &columns).and_then(|()| check_types(table, &columns)) {
            return Ok(Err(error));
        }
        let millis = |column| {
            format!(
                "convert_to(CASE WHEN isfinite({column})
                    THEN floor(extract(epoch FROM {column}) * 1000)::bigint::text
                    WHEN {column} IS NOT NULL THEN 'never' END, 'UTF8') AS {column}"
            )
        };
        let text = |column| format!("convert_to(coalesce({column}::text, ''), 'UTF8') AS {column}");
        let rows = diesel::sql_query(format!(
            "SELECT id::bigint AS id, {}, {}, {},
                coalesce(is_active, FALSE) AS is_active,
                coalesce(is_staff, FALSE) AS is_staff,
                coalesce(is_superuser, FALSE) AS is_superuser,
                {}, {}
            FROM {name} ORDER BY id",
            text("username"),
            text("email"),
            text("password"),
            millis("date_joined"),
            millis("last_login")
        ));
        let rows = rows.load::<Row>(conn)?;
        let sequence = "SELECT sequence AS name, quote_ident(current_user) AS role, may_read,
                CASE WHEN may_read THEN pg_sequence_last_value(sequence::regclass) END AS last_id
            FROM pg_get_serial_sequence($1, 'id') AS sequence,
                has_sequence_privilege(sequence, 'SELECT, USAGE') AS may_read
            WHERE sequence IS NOT NULL";
        let sequence = diesel::sql_query(sequence).bind::<Text, _>(&name);
        let counted = match sequence.get_result::<Sequence>(conn).optional()? {
            None => Err(Uncounted::NoSequence(table.to_owned())),
            Some(Sequence { may_read: true, last_id, .. }) => Ok(last_id.unwrap_or(0)),
            Some(Sequence { name, role, .. }) => Err(Uncounted::MayNotRead(name, role)),
        };
        Ok(Ok((rows, counted)))
    });
    match answer {
        // It is there, and says no.
        Err(Error::DatabaseError(kind, why)) if !is_away(&kind) => {
            Ok(Err(SourceError::Query(why.message().to_owned())))
        }
        answer => answer,
    }
}

fn is_away(kind: &DatabaseErrorKind) -> bool {
    matches!(kind, DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand)
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

/// What PostgreSQL would say of them names no column. (The others may be of any type.)
fn check_types(table: &str, columns: &[Column]) -> Result<(), SourceError> {
    for column in columns {
        let Some(name) = COLUMNS.into_iter().find(|name| *name == column.name) else { continue };
        let kind = column.kind.as_str();
        let (is_right, wanted) = match name {
            "id" if !matches!(kind, "smallint" | "integer" | "bigint") => {
                return Err(SourceError::OtherIds(table.to_owned()));
            }
            "is_active" | "is_staff" | "is_superuser" => (kind == "boolean", "boolean"),
            "date_joined" | "last_login" => {
                let is_time = kind == "date" || kind.starts_with("timestamp ");
                (is_time, "timestamp with time zone")
            }
            _ => continue,
        };
        if !is_right {
            let kind = kind.to_owned();
            return Err(SourceError::WrongType(table.to_owned(), name, kind, wanted));
        }
    }
    Ok(())
}

/// An identifier of SQL.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A path in a URI of SQLite (<https://www.sqlite.org/uri.html>).
fn in_uri(path: &str) -> String {
    path.replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// Django writes times into SQLite as text, in UTC with `USE_TZ`: `2024-05-06 07:08:09.123456`.
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
