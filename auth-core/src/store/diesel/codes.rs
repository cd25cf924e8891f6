//! One-time codes and links: their rows, the SQL, and the transitions that are made of it.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::result::Error::{DeserializationError, QueryBuilderError};

use super::row::{number_to_column, without_nul};
use super::schema::{auth_codes, auth_links};
use super::statements::ROWS;
use crate::clock::from_millis;
use crate::otp::{CodePolicy, Errand, Purpose, StoredCode, StoredLink};
use crate::password::PasswordHash;
use crate::session::{Principal, SecretHash};

/// Not finding a row and then not being able to insert it means that another caller did.
const MAX_ATTEMPTS: usize = 8;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = auth_codes)]
struct CodeRow {
    code_hash: String,
    issued_at: i64,
    expires_at: i64,
    tries: i64,
    tries_until: i64,
    requests: i64,
}

impl From<&StoredCode> for CodeRow {
    fn from(code: &StoredCode) -> Self {
        Self {
            code_hash: code.hash.as_str().to_owned(),
            issued_at: code.issued_at.timestamp_millis(),
            expires_at: code.expires_at.timestamp_millis(),
            tries: number_to_column(code.tries),
            tries_until: code.tries_until.timestamp_millis(),
            requests: number_to_column(code.requests),
        }
    }
}

impl From<CodeRow> for StoredCode {
    fn from(row: CodeRow) -> Self {
        Self {
            hash: PasswordHash::from_stored(row.code_hash),
            issued_at: from_millis(row.issued_at),
            expires_at: from_millis(row.expires_at),
            tries: row.tries.cast_unsigned(),
            tries_until: from_millis(row.tries_until),
            requests: row.requests.cast_unsigned(),
        }
    }
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = auth_links)]
struct LinkRow {
    token_hash: Vec<u8>,
    purpose: String,
    user_type: String,
    user_id: String,
    subject: String,
    created_at: i64,
    expires_at: i64,
    used_at: Option<i64>,
}

impl From<&StoredLink> for LinkRow {
    fn from(link: &StoredLink) -> Self {
        Self {
            token_hash: link.hash.as_bytes().to_vec(),
            purpose: link.errand.purpose.as_str().to_owned(),
            user_type: link.errand.principal.user_type().to_owned(),
            user_id: link.errand.principal.user_id().to_owned(),
            subject: without_nul(&link.subject),
            created_at: link.created_at.timestamp_millis(),
            expires_at: link.expires_at.timestamp_millis(),
            used_at: link.used_at.map(|at| at.timestamp_millis()),
        }
    }
}

impl LinkRow {
    fn into_link(self) -> QueryResult<StoredLink> {
        Ok(StoredLink {
            hash: secret_hash(&self.token_hash)?,
            errand: Errand {
                purpose: Purpose::from_stored(self.purpose),
                principal: Principal::new(self.user_type, self.user_id),
            },
            subject: self.subject,
            created_at: from_millis(self.created_at),
            expires_at: from_millis(self.expires_at),
            used_at: self.used_at.map(from_millis),
        })
    }
}

fn secret_hash(bytes: &[u8]) -> QueryResult<SecretHash> {
    let found = bytes.len();
    bytes.try_into().map(SecretHash::from_bytes).map_err(|_| {
        DeserializationError(format!("auth_links: a hash of {found} bytes instead of 32").into())
    })
}

pub trait Codes: Connection {
    /// The outstanding code, locked.
    fn lock_code(&mut self, errand: &Errand) -> QueryResult<Option<StoredCode>>;

    /// Stores a code unless one is there. Whether none was.
    fn insert_code(&mut self, errand: &Errand, code: &StoredCode) -> QueryResult<bool>;

    fn replace_code(&mut self, errand: &Errand, code: &StoredCode) -> QueryResult<()>;

    fn try_code(&mut self, errand: &Errand) -> QueryResult<StoredCode>;

    fn use_code(&mut self, errand: &Errand, hash: &PasswordHash) -> QueryResult<bool>;

    fn create_link(&mut self, link: &StoredLink) -> QueryResult<()>;

    fn find_link(&mut self, hash: SecretHash) -> QueryResult<Option<StoredLink>>;

    fn use_links(&mut self, errand: &Errand, now: DateTime<Utc>) -> QueryResult<Vec<SecretHash>>;

    /// Deletes up to `limit` codes that were over `before`.
    fn delete_codes(&mut self, before: DateTime<Utc>, limit: i64) -> QueryResult<usize>;

    /// Deletes up to `limit` links that were over `before`.
    fn delete_links(&mut self, before: DateTime<Utc>, limit: i64) -> QueryResult<usize>;
}

#[diesel::dsl::auto_type(no_type_alias)]
fn code_of<'a>(errand: &'a Errand) -> _ {
    let purpose: &'a str = errand.purpose.as_str();
    let user_type: &'a str = errand.principal.user_type();
    let user_id: &'a str = errand.principal.user_id();
    auth_codes::table
        .filter(auth_codes::purpose.eq(purpose))
        .filter(auth_codes::user_type.eq(user_type))
        .filter(auth_codes::user_id.eq(user_id))
}

#[diesel::dsl::auto_type(no_type_alias)]
fn key_of<'a>(errand: &'a Errand) -> _ {
    let purpose: &'a str = errand.purpose.as_str();
    let user_type: &'a str = errand.principal.user_type();
    let user_id: &'a str = errand.principal.user_id();
    (
        auth_codes::purpose.eq(purpose),
        auth_codes::user_type.eq(user_type),
        auth_codes::user_id.eq(user_id),
    )
}

macro_rules! codes {
    ($connection:ty, lock: [$($lock:tt)*], skip: [$($skip:tt)*]) => {
        impl Codes for $connection {
            fn lock_code(&mut self, errand: &Errand) -> QueryResult<Option<StoredCode>> {
                let row = code_of(errand).select(CodeRow::as_select())$($lock)*.first(self);
                Ok(row.optional()?.map(StoredCode::from))
            }

            fn insert_code(&mut self, errand: &Errand, code: &StoredCode) -> QueryResult<bool> {
                let inserted = diesel::insert_into(auth_codes::table)
                    .values((key_of(errand), CodeRow::from(code)))
                    .on_conflict_do_nothing()
                    .execute(self)?;
                Ok(inserted > 0)
            }

            fn replace_code(&mut self, errand: &Errand, code: &StoredCode) -> QueryResult<()> {
                diesel::update(code_of(errand)).set(CodeRow::from(code)).execute(self)?;
                Ok(())
            }

            fn try_code(&mut self, errand: &Errand) -> QueryResult<StoredCode> {
                let none = StoredCode::tried_for_nothing();
                let row = diesel::insert_into(auth_codes::table)
                    .values((key_of(errand), CodeRow::from(&none)))
                    .on_conflict((auth_codes::purpose, auth_codes::user_type, auth_codes::user_id))
                    .do_update()
                    .set(auth_codes::tries.eq(auth_codes::tries + 1))
                    .returning(CodeRow::as_returning())
                    .get_result(self)?;
                Ok(StoredCode::from(row))
            }

            fn use_code(&mut self, errand: &Errand, hash: &PasswordHash) -> QueryResult<bool> {
                let code = code_of(errand).filter(auth_codes::code_hash.eq(hash.as_str()));
                Ok(diesel::delete(code).execute(self)? > 0)
            }

            fn create_link(&mut self, link: &StoredLink) -> QueryResult<()> {
                diesel::insert_into(auth_links::table)
                    .values(LinkRow::from(link))
                    .on_conflict_do_nothing()
                    .execute(self)?;
                Ok(())
            }

            fn find_link(&mut self, hash: SecretHash) -> QueryResult<Option<StoredLink>> {
                auth_links::table
                    .find(&hash.as_bytes()[..])
                    .select(LinkRow::as_select())
                    .first(self)
                    .optional()?
                    .map(LinkRow::into_link)
                    .transpose()
            }

            fn use_links(
                &mut self,
                errand: &Errand,
                now: DateTime<Utc>,
            ) -> QueryResult<Vec<SecretHash>> {
                self.transaction(|conn| {
                    // In an order, so that two calls wait for each other instead of locking each
                    // other out.
                    let unused = auth_links::table
                        .filter(auth_links::user_type.eq(errand.principal.user_type()))
                        .filter(auth_links::user_id.eq(errand.principal.user_id()))
                        .filter(auth_links::purpose.eq(errand.purpose.as_str()))
                        .filter(auth_links::used_at.is_null())
                        .order(auth_links::token_hash)
                        .select(auth_links::token_hash)
                        $($lock)*
                        .load::<Vec<u8>>(conn)?;
                    for unused in unused.chunks(ROWS) {
                        let links = auth_links::table
                            .filter(auth_links::token_hash.eq_any(unused))
                            .filter(auth_links::used_at.is_null());
                        diesel::update(links)
                            .set(auth_links::used_at.eq(now.timestamp_millis()))
                            .execute(conn)?;
                    }
                    unused.iter().map(|hash| secret_hash(hash)).collect()
                })
            }

            fn delete_codes(&mut self, before: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
                self.transaction(|conn| {
                    let over = auth_codes::table
                        .filter(auth_codes::expires_at.le(before.timestamp_millis()))
                        .limit(limit)
                        .select((auth_codes::purpose, auth_codes::user_type, auth_codes::user_id))
                        $($skip)*
                        .load::<(String, String, String)>(conn)?;
                    for (purpose, user_type, user_id) in &over {
                        let code = auth_codes::table.find((purpose, user_type, user_id));
                        diesel::delete(code).execute(conn)?;
                    }
                    Ok(over.len())
                })
            }

            fn delete_links(&mut self, before: DateTime<Utc>, limit: i64) -> QueryResult<usize> {
                self.transaction(|conn| {
                    let over = auth_links::table
                        .filter(auth_links::expires_at.le(before.timestamp_millis()))
                        .limit(limit)
                        .select(auth_links::token_hash)
                        $($skip)*
                        .load::<Vec<u8>>(conn)?;
                    let links = auth_links::table.filter(auth_links::token_hash.eq_any(&over));
                    diesel::delete(links).execute(conn)
                })
            }
        }
    };
}

#[cfg(feature = "sqlite")]
codes!(diesel::SqliteConnection, lock: [], skip: []);

#[cfg(feature = "postgres")]
codes!(
    diesel::PgConnection,
    lock: [.for_update()],
    // A row that somebody holds is being changed: the next call finds it, if it is over then.
    skip: [.for_update().skip_locked()]
);

/// See [`SessionStore::request_code`](crate::SessionStore::request_code).
pub(super) fn request_code<C: Codes>(
    conn: &mut C,
    errand: &Errand,
    hash: &PasswordHash,
    now: DateTime<Utc>,
    policy: &CodePolicy,
) -> QueryResult<Option<StoredCode>> {
    conn.transaction(|conn| {
        for _ in 0..MAX_ATTEMPTS {
            if let Some(code) = conn.lock_code(errand)? {
                let (code, is_new) = code.requested(hash.clone(), now, policy);
                conn.replace_code(errand, &code)?;
                return Ok(is_new.then_some(code));
            }
            let code = StoredCode::first(hash.clone(), now, policy);
            if conn.insert_code(errand, &code)? {
                return Ok(Some(code));
            }
        }
        let (purpose, principal) = (&errand.purpose, &errand.principal);
        let problem = format!("auth_codes {purpose:?} {principal}: changes faster than it is read");
        Err(QueryBuilderError(problem.into()))
    })
}
