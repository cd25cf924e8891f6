//! Second factors: their rows, the SQL, and the transition that is made of it.

use diesel::prelude::*;
use diesel::result::Error::{DeserializationError, QueryBuilderError};

use super::row::number_to_column;
use super::schema::auth_factors;
use crate::clock::from_millis;
use crate::otp::{Changed, FactorChange, SealedSecret, StoredFactor};
use crate::session::{Principal, SecretHash};

/// Not finding a row and then not being able to insert it means that another caller did.
const MAX_ATTEMPTS: usize = 8;

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = auth_factors, treat_none_as_null = true)]
struct FactorRow {
    secret: Vec<u8>,
    created_at: i64,
    confirmed_at: Option<i64>,
    last_step: i64,
    tries: i64,
    tries_until: i64,
    recovery_hashes: Vec<u8>,
    failures: i64,
}

impl From<&StoredFactor> for FactorRow {
    fn from(factor: &StoredFactor) -> Self {
        Self {
            secret: factor.secret.as_bytes().to_vec(),
            created_at: factor.created_at.timestamp_millis(),
            confirmed_at: factor.confirmed_at.map(|at| at.timestamp_millis()),
            last_step: factor.last_step,
            tries: number_to_column(factor.tries),
            tries_until: factor.tries_until.timestamp_millis(),
            recovery_hashes: factor.recovery.iter().flat_map(|hash| *hash.as_bytes()).collect(),
            failures: number_to_column(factor.failures),
        }
    }
}

impl FactorRow {
    fn into_factor(self) -> QueryResult<StoredFactor> {
        let (hashes, rest) = self.recovery_hashes.as_chunks();
        if !rest.is_empty() {
            let problem = "auth_factors: recovery_hashes of other than 32 bytes each";
            return Err(DeserializationError(problem.into()));
        }
        Ok(StoredFactor {
            secret: SealedSecret::from_bytes(self.secret),
            created_at: from_millis(self.created_at),
            confirmed_at: self.confirmed_at.map(from_millis),
            last_step: self.last_step,
            tries: self.tries.cast_unsigned(),
            tries_until: from_millis(self.tries_until),
            failures: self.failures.cast_unsigned(),
            recovery: hashes.iter().copied().map(SecretHash::from_bytes).collect(),
        })
    }
}

pub trait Factors: Connection {
    fn find_factor(&mut self, principal: &Principal) -> QueryResult<Option<StoredFactor>>;

    /// The same, locked.
    fn lock_factor(&mut self, principal: &Principal) -> QueryResult<Option<StoredFactor>>;

    /// Stores a factor unless one is there. Whether none was.
    fn insert_factor(&mut self, principal: &Principal, factor: &StoredFactor) -> QueryResult<bool>;

    fn replace_factor(&mut self, principal: &Principal, factor: &StoredFactor) -> QueryResult<()>;

    fn delete_factor(&mut self, principal: &Principal) -> QueryResult<()>;
}

macro_rules! factors {
    ($connection:ty, lock: [$($lock:tt)*]) => {
        impl Factors for $connection {
            fn find_factor(&mut self, principal: &Principal) -> QueryResult<Option<StoredFactor>> {
                auth_factors::table
                    .find((principal.user_type(), principal.user_id()))
                    .select(FactorRow::as_select())
                    .first(self)
                    .optional()?
                    .map(FactorRow::into_factor)
                    .transpose()
            }

            fn lock_factor(&mut self, principal: &Principal) -> QueryResult<Option<StoredFactor>> {
                auth_factors::table
                    .find((principal.user_type(), principal.user_id()))
                    .select(FactorRow::as_select())
                    $($lock)*
                    .first(self)
                    .optional()?
                    .map(FactorRow::into_factor)
                    .transpose()
            }

            fn insert_factor(
                &mut self,
                principal: &Principal,
                factor: &StoredFactor,
            ) -> QueryResult<bool> {
                let key = (
                    auth_factors::user_type.eq(principal.user_type()),
                    auth_factors::user_id.eq(principal.user_id()),
                );
                let inserted = diesel::insert_into(auth_factors::table)
                    .values((key, FactorRow::from(factor)))
                    .on_conflict_do_nothing()
                    .execute(self)?;
                Ok(inserted > 0)
            }

            fn replace_factor(
                &mut self,
                principal: &Principal,
                factor: &StoredFactor,
            ) -> QueryResult<()> {
                let old = auth_factors::table.find((principal.user_type(), principal.user_id()));
                diesel::update(old).set(FactorRow::from(factor)).execute(self)?;
                Ok(())
            }

            fn delete_factor(&mut self, principal: &Principal) -> QueryResult<()> {
                let old = auth_factors::table.find((principal.user_type(), principal.user_id()));
                diesel::delete(old).execute(self)?;
                Ok(())
            }
        }
    };
}

#[cfg(feature = "sqlite")]
factors!(diesel::SqliteConnection, lock: []);

#[cfg(feature = "postgres")]
factors!(diesel::PgConnection, lock: [.for_update()]);

/// See [`SessionStore::change_factor`](crate::SessionStore::change_factor).
pub(super) fn change_factor<C: Factors>(
    conn: &mut C,
    principal: &Principal,
    change: &FactorChange,
) -> QueryResult<Option<Changed>> {
    conn.transaction(|conn| {
        for _ in 0..MAX_ATTEMPTS {
            let factor = conn.lock_factor(principal)?;
            let is_there = factor.is_some();
            let Some(changed) = change.apply(factor) else { return Ok(None) };
            match &changed {
                Changed::To(factor) if is_there => conn.replace_factor(principal, factor)?,
                Changed::To(factor) => {
                    if !conn.insert_factor(principal, factor)? {
                        continue;
                    }
                }
                Changed::Removed(_) => conn.delete_factor(principal)?,
            }
            return Ok(Some(changed));
        }
        let problem = format!("auth_factors {principal}: changes faster than it is read");
        Err(QueryBuilderError(problem.into()))
    })
}
