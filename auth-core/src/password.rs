//! Passwords: argon2id, in a lane of its own.
//!
//! A hash costs 19 MiB and some 25 ms of a processor. Lanes are threads of their own, of low priority,
//! that keep their memory; a bounded queue stands before them. So a flood of logins takes neither
//! the processors nor the memory from other requests: what finds no place in the queue for a
//! moment is told to come back.

use std::fmt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use crate::error::Outage;
use crate::priority::{BACKGROUND, step_back};
use crate::{patience, random};

/// The parameters of OWASP's Password Storage Cheat Sheet for argon2id: 19 MiB, two passes, one
/// lane (ASVS 11.4.2).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const PARALLELISM: u32 = 1;

/// ASVS 6.2.1, which recommends 15, as NIST SP 800-63B-4 asks of a password without a second
/// factor: an application that has none may ask for more.
const MIN_CHARS: usize = 8;
/// Long enough for every password manager and passphrase (ASVS 6.2.9: at least 64).
const MAX_CHARS: usize = 1024;

/// Why a new password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Shorter than 8 characters.
    #[error("a password needs at least {MIN_CHARS} characters")]
    TooShort,
    /// Nothing but blanks.
    #[error("a password needs more than blanks")]
    Blank,
    /// Longer than 1024 characters.
    #[error("a password has at most {MAX_CHARS} characters")]
    TooLong,
}

/// Checks a password that somebody chooses: its length, and nothing about its composition
/// (ASVS 6.2.5).
///
/// # Errors
/// It is too short, too long, or blank.
pub fn check_new(password: &str) -> Result<(), WeakPassword> {
    match password.chars().count() {
        MIN_CHARS.. if password.trim().is_empty() => Err(WeakPassword::Blank),
        0..MIN_CHARS => Err(WeakPassword::TooShort),
        MIN_CHARS..=MAX_CHARS => Ok(()),
        _ => Err(WeakPassword::TooLong),
    }
}

/// A stored password hash in PHC format (`$argon2id$v=19$m=19456,t=2,p=1$…`).
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// From what the application stored.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What the application stores.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Hashes a new password, now and on this thread: for command-line tools. In a server,
    /// [`Authority::hash_password`](crate::Authority::hash_password) waits for a lane.
    ///
    /// # Errors
    /// There is not enough memory.
    pub fn create(password: &str) -> Result<Self, Outage> {
        Hasher::new()?.create(password)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

/// The outcome of a comparison.
#[derive(Debug)]
pub(crate) enum Verdict {
    Mismatch,
    Match {
        /// A new hash of the same password, where the stored one is weaker than today's.
        upgrade: Option<PasswordHash>,
    },
}

enum Job {
    /// `stored` is `None` for a user who does not exist: the work is the same.
    Verify(String, Option<PasswordHash>, oneshot::Sender<Result<Verdict, Outage>>),
    Create(String, oneshot::Sender<Result<PasswordHash, Outage>>),
}

/// The queue before the lanes. The threads end when it is dropped.
pub(crate) struct PasswordLanes {
    places: Arc<Semaphore>,
    jobs: Sender<Queued>,
}

/// A job, and its place in the queue until a lane takes it.
type Queued = (Job, OwnedSemaphorePermit);

/// How long a password may take from its place in the queue to its verdict. Lanes step back: where other
/// requests take all processors, logins come to wait.
const DEADLINE: Duration = Duration::from_secs(10);

impl PasswordLanes {
    /// Starts `lanes` threads (0: one per processor) behind a queue of `queue` places.
    pub(crate) fn start(lanes: usize, queue: usize) -> Result<Self, Outage> {
        let lanes = match lanes {
            0 => thread::available_parallelism().map_or(1, usize::from),
            lanes => lanes,
        };
        let (jobs, receiver) = channel();
        let receiver = Arc::new(Mutex::new(receiver));
        for lane in 0..lanes {
            let receiver = Arc::clone(&receiver);
            thread::Builder::new()
                .name(format!("password-{lane}"))
                .spawn(move || work(&receiver))
                .map_err(Outage::because)?;
        }
        Ok(Self { places: Arc::new(Semaphore::new(queue)), jobs })
    }

    /// Compares a password with a stored hash, or with none in the same time.
    pub(crate) async fn verify(
        &self,
        password: &str,
        stored: Option<PasswordHash>,
    ) -> Result<Verdict, Outage> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Verify(password.to_owned(), stored, reply), answer).await
    }

    /// Hashes a new password.
    pub(crate) async fn create(&self, password: &str) -> Result<PasswordHash, Outage> {
        let (reply, answer) = oneshot::channel();
        self.submit(Job::Create(password.to_owned(), reply), answer).await
    }

    async fn submit<T>(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<T, Outage>>,
    ) -> Result<T, Outage> {
        let place = match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                let place = Arc::clone(&self.places).acquire_owned();
                patience::for_a_moment(DEADLINE, place).await?.map_err(Outage::because)?
            }
        };
        let stopped = |_| Outage::because("the password lanes have stopped");
        self.jobs.send((job, place)).map_err(stopped)?;
        let answer = timeout(DEADLINE, answer).await.map_err(|_| Outage::Busy)?;
        answer.map_err(|_| Outage::because("a password lane has stopped"))?
    }
}

fn work(receiver: &Mutex<Receiver<Queued>>) {
    step_back(BACKGROUND);
    let mut hasher = None;
    loop {
        // One lane waits with the lock, the others for the lock; none holds it while it works.
        let job = receiver.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((job, place)) = job else { return };
        drop(place);
        // A client that went away is not hashed for.
        match job {
            Job::Verify(password, stored, reply) if !reply.is_closed() => {
                let verdict = with_memory(&mut hasher)
                    .and_then(|hasher| hasher.verify(&password, stored.as_ref()));
                let _ = reply.send(verdict);
            }
            Job::Create(password, reply) if !reply.is_closed() => {
                let hash = with_memory(&mut hasher).and_then(|hasher| hasher.create(&password));
                let _ = reply.send(hash);
            }
            Job::Verify(..) | Job::Create(..) => {}
        }
    }
}

/// The lane's memory, taken at its first job.
fn with_memory(hasher: &mut Option<Hasher>) -> Result<&mut Hasher, Outage> {
    if hasher.is_none() {
        *hasher = Some(Hasher::new()?);
    }
    hasher.as_mut().ok_or(Outage::Busy)
}

struct Hasher {
    argon: Argon2<'static>,
    memory: Vec<Block>,
}

impl Hasher {
    fn new() -> Result<Self, Outage> {
        let params = Params::new(MEMORY_KIB, PASSES, PARALLELISM, None).map_err(Outage::because)?;
        let memory = vec![Block::default(); params.block_count()];
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        Ok(Self { argon, memory })
    }

    fn create(&mut self, password: &str) -> Result<PasswordHash, Outage> {
        let salt = random::bytes::<16>();
        let hash = self.hash(password, &salt)?;
        let hash = phc::PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: self.argon.params().try_into().map_err(Outage::because)?,
            salt: Some(phc::Salt::new(&salt).map_err(Outage::because)?),
            hash: Some(phc::Output::new(&hash).map_err(Outage::because)?),
        };
        Ok(PasswordHash(hash.to_string()))
    }

    fn verify(&mut self, password: &str, stored: Option<&PasswordHash>) -> Result<Verdict, Outage> {
        let Some(stored) = stored.and_then(Parsed::new) else {
            self.hash(password, &[0; 16])?;
            return Ok(Verdict::Mismatch);
        };
        let is_todays = stored.is_made_with(&self.argon);
        let computed = if is_todays {
            phc::Output::new(&self.hash(password, &stored.salt)?)
        } else {
            let mut out = vec![0; stored.output.as_bytes().len()];
            Argon2::new(stored.algorithm, stored.version, stored.params)
                .hash_password_into(password.as_bytes(), &stored.salt, &mut out)
                .map_err(Outage::because)?;
            phc::Output::new(&out)
        };
        // `Output` compares in constant time.
        if computed.map_err(Outage::because)? != stored.output {
            return Ok(Verdict::Mismatch);
        }
        let upgrade = if is_todays { None } else { Some(self.create(password)?) };
        Ok(Verdict::Match { upgrade })
    }

    fn hash(&mut self, password: &str, salt: &[u8]) -> Result<[u8; 32], Outage> {
        let mut out = [0; 32];
        self.argon
            .hash_password_into_with_memory(password.as_bytes(), salt, &mut out, &mut self.memory)
            .map_err(Outage::because)?;
        Ok(out)
    }
}

/// The parts of an argon2 hash.
struct Parsed {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: phc::Salt,
    output: phc::Output,
}

impl Parsed {
    /// `None` for a text that is no argon2 hash: nobody's password matches it.
    fn new(stored: &PasswordHash) -> Option<Self> {
        let parsed = Self::parse(stored.as_str());
        if parsed.is_none() {
            tracing::error!("a stored password hash has an unknown format: nobody can match it");
        }
        parsed
    }

    fn parse(text: &str) -> Option<Self> {
        let hash = phc::PasswordHash::new(text).ok()?;
        Some(Self {
            algorithm: Algorithm::new(hash.algorithm.as_str()).ok()?,
            version: hash.version.map_or(Some(Version::V0x13), |v| Version::try_from(v).ok())?,
            params: Params::try_from(&hash).ok()?,
            salt: hash.salt?,
            output: hash.hash?,
        })
    }

    fn is_made_with(&self, argon: &Argon2<'_>) -> bool {
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && costs(&self.params) == costs(argon.params())
            && self.output.as_bytes().len() == 32
    }
}

#[cfg(test)]
mod tests {
    use argon2::password_hash::PasswordHasher;

    use super::*;

    #[test]
    fn a_new_hash_has_the_parameters_of_owasp_and_matches_its_password_only() {
        let mut hasher = Hasher::new().unwrap();
        let hash = hasher.create("correct horse").unwrap();
        assert!(hash.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.as_str());
        let matches = |hasher: &mut Hasher, password| hasher.verify(password, Some(&hash)).unwrap();
        assert!(matches!(matches(&mut hasher, "correct horse"), Verdict::Match { upgrade: None }));
        assert!(matches!(matches(&mut hasher, "correct horse "), Verdict::Mismatch));
        assert!(matches!(matches(&mut hasher, ""), Verdict::Mismatch));
        assert_eq!(format!("{hash:?}"), "PasswordHash(…)");
    }

    #[test]
    fn a_hash_of_other_parameters_matches_and_is_upgraded() {
        let params = Params::new(1024, 1, 1, Some(24)).unwrap();
        let weak = Argon2::new(Algorithm::Argon2i, Version::V0x13, params);
        let weak = weak.hash_password_with_salt(b"correct horse", b"some old salt").unwrap();
        let weak = PasswordHash::from_stored(weak.to_string());
        let mut hasher = Hasher::new().unwrap();
        match hasher.verify("correct horse", Some(&weak)).unwrap() {
            Verdict::Match { upgrade: Some(new) } => {
                let again = hasher.verify("correct horse", Some(&new)).unwrap();
                assert!(matches!(again, Verdict::Match { upgrade: None }));
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(hasher.verify("wrong", Some(&weak)).unwrap(), Verdict::Mismatch));
    }

    #[test]
    fn nobody_matches_what_is_not_a_hash() {
        let mut hasher = Hasher::new().unwrap();
        for stored in ["", "!", "correct horse", "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA"] {
            let stored = PasswordHash::from_stored(stored);
            let verdict = hasher.verify("correct horse", Some(&stored)).unwrap();
            assert!(matches!(verdict, Verdict::Mismatch));
        }
    }

    #[test]
    fn new_passwords_have_a_length_and_nothing_else_to_prove() {
        assert_eq!(check_new("1234567"), Err(WeakPassword::TooShort));
        assert_eq!(check_new("пароль12"), Ok(()));
        assert_eq!(check_new("          "), Err(WeakPassword::Blank));
        assert_eq!(check_new(&"a".repeat(1024)), Ok(()));
        assert_eq!(check_new(&"a".repeat(1025)), Err(WeakPassword::TooLong));
    }

    #[tokio::test]
    async fn logins_beyond_the_queue_are_told_to_come_back() {
        let lanes = Arc::new(PasswordLanes::start(1, 2).unwrap());
        // Far more than are hashed while those who find no place wait for one.
        let logins: Vec<_> = (0..400)
            .map(|_| {
                let lanes = Arc::clone(&lanes);
                tokio::spawn(async move { lanes.verify("correct horse", None).await })
            })
            .collect();
        let mut busy = 0;
        let mut done = 0;
        for login in logins {
            match login.await.unwrap() {
                Err(Outage::Busy) => busy += 1,
                other => done += usize::from(matches!(other, Ok(Verdict::Mismatch))),
            }
        }
        assert!(done >= 2, "{done} done");
        assert_eq!(busy + done, 400);
        assert!(busy > 0);
    }
}
