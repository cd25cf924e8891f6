//! The thread that writes to an SQLite file, with group commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use super::fixed::Command;
use super::lane::too_late;
use super::sqlite::{Opened, Opener};
use crate::error::Outage;
use crate::patience;
use crate::priority::{BEHIND_REQUESTS, step_back};

/// Writes per transaction at the most. More would gain little (26,000 rotations a second with 32 and
/// with 256), and the answers to so many at once hold up other requests.
const BATCH: usize = 32;

/// The way to the writer thread. The thread ends when every handle is gone and all that was
/// handed over is done.
pub(super) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
}

impl Writer {
    pub(super) fn spawn(opener: Arc<Opener>, queue: u32) -> Result<Self, Outage> {
        let (sender, jobs) = mpsc::channel(queue.max(1) as usize);
        let thread = WriterThread { opener, connection: None };
        thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || thread.serve(jobs))
            .map_err(Outage::because)?;
        Ok(Self { queue: sender })
    }

    pub(super) async fn run<T, F>(&self, deadline: Duration, work: F) -> Result<T, Outage>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        let begun = Instant::now();
        let (reply, answer) = oneshot::channel();
        let job = Write { work: Some(work), value: None, reply };
        let ended = || Outage::because("the writer has ended");
        match self.queue.try_send(Box::new(job)) {
            Err(TrySendError::Full(job)) => {
                patience::for_a_moment(deadline, self.queue.send(job))
                    .await?
                    .map_err(|_| ended())?;
            }
            sent => sent.map_err(|_| ended())?,
        }
        match timeout_at(begun + deadline, answer).await {
            Ok(answer) => answer.map_err(Outage::because)?,
            Err(_) => Err(too_late(deadline)),
        }
    }
}

/// Something to write, and someone who waits for it.
trait Job: Send {
    /// Nobody waits any more.
    fn abandoned(&self) -> bool;

    /// Does the work and keeps what it answered.
    fn run(&mut self, conn: &mut SqliteConnection) -> QueryResult<()>;

    /// Hands out what the work answered, or the outage: after the commit.
    fn reply(self: Box<Self>, outcome: Result<(), Outage>);
}

struct Write<T, F> {
    work: Option<F>,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, Outage>>,
}

impl<T, F> Job for Write<T, F>
where
    T: Send,
    F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send,
{
    fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, conn: &mut SqliteConnection) -> QueryResult<()> {
        if let Some(work) = self.work.take() {
            self.value = Some(work(conn)?);
        }
        Ok(())
    }

    fn reply(self: Box<Self>, outcome: Result<(), Outage>) {
        let Self { value, reply, .. } = *self;
        let answer = outcome.and_then(|()| value.ok_or_else(|| Outage::because("not run")));
        // Whoever has left does not need the answer.
        let _ = reply.send(answer);
    }
}

struct WriterThread {
    opener: Arc<Opener>,
    /// `None` after anything but a job has failed: what is in doubt is not used again.
    connection: Option<Opened>,
}

impl WriterThread {
    fn serve(mut self, mut jobs: mpsc::Receiver<Box<dyn Job>>) {
        step_back(BEHIND_REQUESTS);
        let mut waiting = Vec::with_capacity(BATCH);
        while jobs.blocking_recv_many(&mut waiting, BATCH) > 0 {
            waiting.retain(|job| !job.abandoned());
            while !waiting.is_empty() {
                self.write(&mut waiting);
            }
        }
    }

    /// Runs jobs from the front of `waiting` in one transaction, commits it and answers them.
    fn write(&mut self, waiting: &mut Vec<Box<dyn Job>>) {
        let mut connection = match self.connection() {
            Ok(connection) => connection,
            Err(outage) => return refuse(waiting.drain(..), &outage),
        };
        let conn = &mut connection.inner;
        // Told to diesel's manager, so that a transaction inside a job becomes a savepoint.
        if let Err(error) = AnsiTransactionManager::begin_transaction_sql(conn, "BEGIN IMMEDIATE") {
            return refuse(waiting.drain(..), &Outage::because(error));
        }
        let mut done = Vec::with_capacity(waiting.len());
        let mut end = Ok(());
        let mut panicked = false;
        for job in waiting.iter_mut() {
            match run_alone(conn, job.as_mut()) {
                Ok(Outcome::Kept) => done.push(Ok(())),
                Ok(Outcome::Undone(error)) => done.push(Err(Outage::because(error))),
                Ok(Outcome::Panicked) => {
                    done.push(Err(Outage::because("the write panicked")));
                    panicked = true;
                    break;
                }
                Err(error) => {
                    end = Err(error);
                    break;
                }
            }
        }
        let end = end.and_then(|()| {
            if panicked {
                // Diesel may have lost count of the savepoints.
                conn.batch_execute("COMMIT")
            } else {
                AnsiTransactionManager::commit_transaction(conn)
            }
        });
        match end {
            Ok(()) => {
                for (job, outcome) in waiting.drain(..done.len()).zip(done) {
                    job.reply(outcome);
                }
                if !panicked {
                    self.connection = Some(connection);
                }
            }
            Err(error) => {
                // Closing the connection rolls back what it has not committed.
                drop(connection);
                refuse(waiting.drain(..), &Outage::because(error));
            }
        }
    }

    fn connection(&mut self) -> Result<Opened, Outage> {
        match self.connection.take() {
            Some(opened) if self.opener.check(&opened).is_ok() => Ok(opened),
            _ => self.opener.connect(),
        }
    }
}

enum Outcome {
    Kept,
    Undone(diesel::result::Error),
    Panicked,
}

/// Runs one job so that its failure undoes it and nothing else. An error is one of the whole
/// transaction, which SQLite ends by itself when, say, the disk is full.
fn run_alone(conn: &mut SqliteConnection, job: &mut dyn Job) -> QueryResult<Outcome> {
    Command("SAVEPOINT job").execute(conn)?;
    let outcome = match catch_unwind(AssertUnwindSafe(|| job.run(conn))) {
        Ok(Ok(())) => Outcome::Kept,
        Ok(Err(error)) => Outcome::Undone(error),
        Err(_) => Outcome::Panicked,
    };
    if !matches!(outcome, Outcome::Kept) {
        Command("ROLLBACK TO job").execute(conn)?;
    }
    Command("RELEASE job").execute(conn)?;
    Ok(outcome)
}

fn refuse(jobs: impl Iterator<Item = Box<dyn Job>>, outage: &Outage) {
    for job in jobs {
        job.reply(Err(outage.clone()));
    }
}
