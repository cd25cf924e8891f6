//! One SQLite file: readers in a pool, and one writer.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use diesel::connection::SimpleConnection;
use diesel::migration::MigrationSource;
use diesel::prelude::*;
use diesel::r2d2::R2D2Connection;
use diesel::result::Error;
use diesel::sqlite::{Sqlite, SqliteConnection};
use r2d2::{ManageConnection, NopErrorHandler, Pool};

use super::lane::Lane;
use super::migrate::{self, APPLIED, MigrationResult, Name};
use super::writer::Writer;
use crate::error::Outage;

/// How long one process waits while another migrates.
const MIGRATION_PATIENCE: Duration = Duration::from_secs(60);

/// How [`SqliteDb`] uses its file.
#[derive(Clone, Debug)]
pub struct SqliteOptions {
    /// How many reads run at once.
    pub readers: u32,
    /// How many reads, and how many writes, may wait. Beyond that, [`Outage::Busy`].
    pub queue: u32,
    /// How long a call takes at the most, its waiting included.
    pub deadline: Duration,
    /// How long a statement waits for another process that writes.
    pub busy_timeout: Duration,
}

impl Default for SqliteOptions {
    /// 4 readers, a queue of 1024, 3 seconds in all of which 1 for another process.
    fn default() -> Self {
        Self {
            readers: 4,
            queue: 1024,
            deadline: Duration::from_secs(3),
            busy_timeout: Duration::from_secs(1),
        }
    }
}

/// A handle to one SQLite file: for sessions, and for the application's own tables. Clones
/// share it.
///
/// Reads run side by side on a few connections. Writes go through one thread: what waits there
/// becomes one transaction with one `fsync`, so that `synchronous=FULL` costs little and no
/// write ever finds the file locked by another of this process. A call is answered when its
/// transaction is durable.
///
/// A file that was moved away or replaced is noticed: it is an [`Outage`] until there is a file
/// at the path again, which is then opened.
#[derive(Clone)]
pub struct SqliteDb(Arc<Shared>);

struct Shared {
    opener: Arc<Opener>,
    readers: Pool<Readers>,
    lane: Lane,
    writer: Writer,
    options: SqliteOptions,
}

impl SqliteDb {
    /// Opens the file, creating it (on Unix with mode 0600: it holds personal data) when there
    /// is none. Blocks for some milliseconds.
    ///
    /// # Errors
    /// When the file cannot be created or is not an SQLite database.
    pub fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self, Outage> {
        let opener = Arc::new(Opener::new(path.as_ref(), options.busy_timeout)?);
        opener.create()?;
        let writer = Writer::spawn(Arc::clone(&opener), options.queue)?;
        let readers = Pool::builder()
            .max_size(options.readers.max(1))
            .min_idle(Some(0))
            // Also bounds how long r2d2 rests between two attempts to open a connection.
            .connection_timeout(options.busy_timeout.max(Duration::from_millis(100)))
            .error_handler(Box::new(NopErrorHandler))
            .build_unchecked(Readers(Arc::clone(&opener)));
        let lane = Lane::new(options.readers.max(1), options.queue);
        Ok(Self(Arc::new(Shared { opener, readers, lane, writer, options })))
    }

    /// Runs `work` on a connection that only reads (`query_only`).
    ///
    /// # Errors
    /// An error of `work` becomes an [`Outage`] with the error as its cause, so what is an
    /// answer (`NotFound`) has to be made a value inside, with `optional()`. Otherwise the
    /// deadline, a full queue, a file that cannot be opened.
    pub async fn read<T, F>(&self, work: F) -> Result<T, Outage>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        self.read_within(self.0.options.deadline, work).await
    }

    /// [`SqliteDb::read`] with a deadline of its own, for what takes long.
    ///
    /// # Errors
    /// As for [`SqliteDb::read`].
    pub async fn read_within<T, F>(&self, deadline: Duration, work: F) -> Result<T, Outage>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        let shared = Arc::clone(&self.0);
        let read = move || {
            let mut connection = shared.readers.get().map_err(Outage::because)?;
            work(&mut connection.inner).map_err(Outage::because)
        };
        self.0.lane.run(deadline, read).await
    }

    /// Runs `work` as a transaction: it takes effect as a whole or, when it answers an error or
    /// panics, not at all. The call returns when that is durable.
    ///
    /// Everything else that is written waits for `work`, so it should be quick. A transaction
    /// inside becomes a savepoint. Foreign keys that are `DEFERRABLE INITIALLY DEFERRED` are not
    /// for this handle: a violation would only show at the commit, and fail the writes of others.
    ///
    /// # Errors
    /// An error of `work` becomes an [`Outage`] with the error as its cause; what is an answer
    /// (`UniqueViolation`: the name is taken) has to be made a value inside. Otherwise a full
    /// queue, a file that cannot be written, and the deadline: after that one it is unknown
    /// whether the write will have happened.
    pub async fn write<T, F>(&self, work: F) -> Result<T, Outage>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        self.0.writer.run(self.0.options.deadline, work).await
    }

    /// Whether a read is answered.
    ///
    /// # Errors
    /// As for [`SqliteDb::read`].
    pub async fn ping(&self) -> Result<(), Outage> {
        self.read(R2D2Connection::ping).await
    }

    /// Applies the migrations that are missing, all in one transaction, and answers their
    /// names. Processes that start at once do it one after the other.
    ///
    /// Foreign keys are checked once at the end instead of in between, so that a migration can
    /// build a table anew (<https://www.sqlite.org/lang_altertable.html#otheralter>).
    ///
    /// # Errors
    /// When a migration fails (then none of them happened), or another process has been writing
    /// for a minute.
    pub async fn migrate<M>(&self, migrations: M) -> Result<Vec<String>, Outage>
    where
        M: MigrationSource<Sqlite> + Send + 'static,
    {
        let opener = Arc::clone(&self.0.opener);
        let apply = move || apply(&opener, migrations).map_err(Outage::because);
        tokio::task::spawn_blocking(apply).await.map_err(Outage::because)?
    }

    /// The names of the migrations that have not been applied; for a readiness probe.
    ///
    /// # Errors
    /// As for [`SqliteDb::read`].
    pub async fn pending<M>(&self, migrations: M) -> Result<Vec<String>, Outage>
    where
        M: MigrationSource<Sqlite> + Send + 'static,
    {
        let applied = self.read(applied).await?;
        migrate::missing(&migrations, applied).map_err(Outage::because)
    }
}

impl fmt::Debug for SqliteDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SqliteDb").field(&self.0.opener.path).finish()
    }
}

fn apply<M: MigrationSource<Sqlite>>(
    opener: &Opener,
    migrations: M,
) -> MigrationResult<Vec<String>> {
    let conn = &mut opener.connect()?.inner;
    // Without a look first, every start would wait for whoever is writing.
    if migrate::missing(&migrations, applied(conn)?)?.is_empty() {
        return Ok(Vec::new());
    }
    conn.batch_execute(&format!("PRAGMA busy_timeout = {}", MIGRATION_PATIENCE.as_millis()))?;
    // Has no effect inside a transaction, hence before it.
    conn.batch_execute("PRAGMA foreign_keys = OFF")?;
    conn.immediate_transaction(|conn| {
        let names = migrate::run(conn, migrations)?;
        let broken = "SELECT \"table\" AS name FROM pragma_foreign_key_check";
        if !diesel::sql_query(broken).load::<Name>(conn)?.is_empty() {
            return Err("the migrations would leave foreign keys without a row".into());
        }
        Ok(names)
    })
}

fn applied(conn: &mut SqliteConnection) -> QueryResult<Vec<Name>> {
    let list = "SELECT name FROM sqlite_schema WHERE name = '__diesel_schema_migrations'";
    if diesel::sql_query(list).load::<Name>(conn)?.is_empty() {
        return Ok(Vec::new());
    }
    diesel::sql_query(APPLIED).load(conn)
}

/// Opens connections to the file.
pub(super) struct Opener {
    path: PathBuf,
    url: String,
    busy_timeout: Duration,
}

/// A connection, and which file it is to.
pub(super) struct Opened {
    pub(super) inner: SqliteConnection,
    file: FileId,
}

impl Opener {
    fn new(path: &Path, busy_timeout: Duration) -> Result<Self, Outage> {
        let fault = |problem: &str| Outage::because(format!("{}: {problem}", path.display()));
        // SQLite would give each connection a database of its own.
        if path.as_os_str().is_empty() || path.as_os_str() == ":memory:" {
            return Err(fault("sessions need a file; for tests there is MemoryStore"));
        }
        // An absolute path survives a change of directory and is never taken for a URI.
        let path = std::path::absolute(path).map_err(|error| fault(&error.to_string()))?;
        let url = path.to_str().ok_or_else(|| fault("the path is not Unicode"))?.to_owned();
        Ok(Self { path, url, busy_timeout })
    }

    fn create(&self) -> Result<(), Outage> {
        let mut create = OpenOptions::new();
        create.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut create, 0o600);
        match create.open(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(self.fault(error));
            }
            _ => {}
        }
        self.connect().map(|_| ()).map_err(Outage::because)
    }

    fn fault(&self, problem: impl fmt::Display) -> Outage {
        Outage::because(format!("{}: {problem}", self.path.display()))
    }

    /// A new connection. It never creates the file: an empty database in the place of one that
    /// is gone would only hide the loss.
    pub(super) fn connect(&self) -> Result<Opened, Outage> {
        let file = FileId::of(&self.path).map_err(|error| self.fault(error))?;
        let mut inner =
            SqliteConnection::establish(&self.url).map_err(|error| self.fault(error))?;
        self.configure(&mut inner).map_err(|error| self.fault(error))?;
        Ok(Opened { inner, file })
    }

    fn configure(&self, conn: &mut SqliteConnection) -> QueryResult<()> {
        let patience = self.busy_timeout;
        conn.batch_execute(&format!("PRAGMA busy_timeout = {}", patience.as_millis()))?;
        // Of processes that start at once on a new file one makes it a WAL database, and SQLite
        // does not let the others wait for that.
        let begun = Instant::now();
        while let Err(error) = conn.batch_execute("PRAGMA journal_mode = WAL") {
            if !is_locked(&error) || begun.elapsed() > patience {
                return Err(error);
            }
            thread::sleep(Duration::from_millis(5));
        }
        conn.batch_execute("PRAGMA synchronous = FULL")?;
        conn.batch_execute("PRAGMA foreign_keys = ON")
    }

    /// Whether the path still names the file of this connection.
    pub(super) fn check(&self, opened: &Opened) -> Result<(), Outage> {
        match FileId::of(&self.path) {
            Ok(file) if file == opened.file => Ok(()),
            Ok(_) => Err(self.fault("the file was replaced")),
            Err(error) => Err(self.fault(error)),
        }
    }
}

fn is_locked(error: &Error) -> bool {
    matches!(error, Error::DatabaseError(_, info) if info.message() == "database is locked")
}

/// What tells a file from another of the same name.
#[derive(PartialEq, Eq)]
struct FileId(#[cfg(unix)] (u64, u64));

impl FileId {
    fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Ok(Self((metadata.dev(), metadata.ino())))
        }
        // Elsewhere an open file cannot be replaced.
        #[cfg(not(unix))]
        {
            let _ = metadata;
            Ok(Self())
        }
    }
}

struct Readers(Arc<Opener>);

impl ManageConnection for Readers {
    type Connection = Opened;
    type Error = Outage;

    fn connect(&self) -> Result<Opened, Outage> {
        let mut opened = self.0.connect()?;
        opened.inner.batch_execute("PRAGMA query_only = ON").map_err(Outage::because)?;
        Ok(opened)
    }

    fn is_valid(&self, opened: &mut Opened) -> Result<(), Outage> {
        self.0.check(opened)
    }

    fn has_broken(&self, opened: &mut Opened) -> bool {
        thread::panicking() || opened.inner.is_broken()
    }
}
