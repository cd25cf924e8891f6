//! Passwords: argon2id, in a lane of its own.
//!
//! A hash costs 19 MiB and some 25 ms of a processor. Lanes are threads of their own, of low priority,
//! that keep their memory; a bounded queue stands before them. So a flood of logins takes neither
//! the processors nor the memory from other requests: what finds no place in the queue for a
//! moment is told to come back.
//!
//! # Hashes of other programs
//!
//! Every argon2 hash in PHC format is verified, and what Django stores (`pbkdf2_sha256`, `pbkdf2_sha1`,
//! `bcrypt_sha256`, `bcrypt`, `scrypt`, `argon2`): a login replaces it by one of today. A hash that
//! asks for more than 256 MiB or some seconds matches nobody.
//!
//! A wrong password takes the time of the stored hash and that of today's; for a user who does not
//! exist, or whose hash is of today, only the latter. So the time of an answer tells that there is a
//! user of this name who has not logged in since they came from the other program, and which kind of
//! hash they have; never whether the password was nearly right.

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

mod argon;
mod django;

use argon::ArgonHash;
use django::DjangoHash;

/// The parameters of OWASP's Password Storage Cheat Sheet for argon2id: 19 MiB, two passes, one
/// lane (ASVS 11.4.2).
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const PARALLELISM: u32 = 1;

/// For work that is done for its time only.
const NO_SALT: [u8; 16] = [0; 16];

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

/// A stored password hash: ours, in PHC format (`$argon2id$v=19$m=19456,t=2,p=1$…`), or one that Django
/// stored (`pbkdf2_sha256$…`).
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

    /// Whether it is a hash of a kind that can be verified here. Where it is not (an unusable password of
    /// Django, `!…`; an unsalted MD5; a hash that asks for too much), nobody can log in with it.
    pub fn is_verifiable(&self) -> bool {
        Stored::parse(&self.0).is_some()
    }

    /// Reads it. That it cannot be read is logged, without it; that the user has no password is nothing
    /// to tell.
    fn parse(&self) -> Option<Stored<'_>> {
        let parsed = Stored::parse(&self.0);
        if parsed.is_none() && !django::is_unusable(&self.0) {
            tracing::error!("a stored password hash has an unknown format: nobody can match it");
        }
        parsed
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
        let Some(parsed) = stored.and_then(PasswordHash::parse) else {
            self.hash(password, &NO_SALT)?;
            return Ok(Verdict::Mismatch);
        };
        let mut is_of_all = true;
        let matches = match parsed {
            Stored::Argon(hash) if hash.is_made_with(&self.argon) => {
                let matches = hash.is(&self.hash(password, hash.salt())?);
                return Ok(if matches {
                    Verdict::Match { upgrade: None }
                } else {
                    Verdict::Mismatch
                });
            }
            Stored::Argon(hash) => hash.matches(password)?,
            Stored::Django(hash) => {
                is_of_all = hash.reads_all_of(password);
                hash.matches(password)?
            }
        };
        // Who is wrong waits for a hash of today too: a cheap old one is not told by its time.
        if !matches {
            self.hash(password, &NO_SALT)?;
            return Ok(Verdict::Mismatch);
        }
        let upgrade = self.create(password)?;
        Ok(Verdict::Match { upgrade: is_of_all.then_some(upgrade) })
    }

    fn hash(&mut self, password: &str, salt: &[u8]) -> Result<[u8; 32], Outage> {
        let mut out = [0; 32];
        self.argon
            .hash_password_into_with_memory(password.as_bytes(), salt, &mut out, &mut self.memory)
            .map_err(Outage::because)?;
        Ok(out)
    }
}

/// A stored hash, read.
enum Stored<'a> {
    Argon(ArgonHash),
    Django(DjangoHash<'a>),
}

impl<'a> Stored<'a> {
    /// `None` for a text that is no hash, or one that asks for too much: nobody's password matches it.
    fn parse(text: &'a str) -> Option<Self> {
        if text.starts_with('$') {
            ArgonHash::parse(text).map(Self::Argon)
        } else {
            DjangoHash::parse(text).map(Self::Django)
        }
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

    /// bcrypt reads 72 bytes: what was typed after them was not checked, and must not become what is.
    #[test]
    fn a_password_that_was_read_in_part_does_not_take_the_place_of_what_is_stored() {
        let password = "0123456789".repeat(7) + "01";
        let salt = [7; 16];
        let stored = bcrypt::hash_with_salt(&password, 4, salt).unwrap();
        let stored = stored.format_for_version(bcrypt::Version::TwoB);
        let stored = PasswordHash::from_stored(format!("bcrypt${stored}"));
        let mut hasher = Hasher::new().unwrap();
        let longer = hasher.verify(&format!("{password}and more"), Some(&stored)).unwrap();
        assert!(matches!(longer, Verdict::Match { upgrade: None }), "{longer:?}");
        let begin = hasher.verify(&password, Some(&stored)).unwrap();
        assert!(matches!(begin, Verdict::Match { upgrade: None }), "it may have been longer");
        let shorter = &password[..71];
        let stored = bcrypt::hash_with_salt(shorter, 4, salt).unwrap();
        let stored = stored.format_for_version(bcrypt::Version::TwoB);
        let stored = PasswordHash::from_stored(format!("bcrypt${stored}"));
        let whole = hasher.verify(shorter, Some(&stored)).unwrap();
        assert!(matches!(whole, Verdict::Match { upgrade: Some(_) }), "{whole:?}");
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

    /// What Django made of this password, with a fraction of its usual costs.
    const FROM_DJANGO: [&str; 6] = [
        "pbkdf2_sha256$20000$njpfffrSeJ6O6l5zJ9EHQr$iK99SlFisoDvoZoj1g0OIl1/jg3JKUCN3xWtJiCPa7M=",
        "pbkdf2_sha1$20000$YzEz6nIUAeSSlOU0Yols9o$uwFYa5Ousi2LGW2XQs7OpjayJEw=",
        "bcrypt_sha256$$2b$05$p4ndjFPMjFaycBYUJqW8V.yDAjJy9H1gql8M22yN7nvEyDJEUhyRy",
        "bcrypt$$2b$05$Jbbq70btCBC3s8x9.ModUugcDrt2PirIsCK1gEVzqI5B2FsJHyM4e",
        "scrypt$1024$u61jDBgMgq3uEmzCGw300l$4$3$OvqNA/XmQkOLp9eMfLDqFVlZOiw46onEkHeF4cgR+AEp\
         vDFvG9HhUnNLS6AqmCvRi19kvFn3V7uSh+snWkvojA==",
        "argon2$argon2id$v=19$m=512,t=2,p=8$ZGpFWklXc0RXbnlVME1LQTJmWTJQdw$4UYTM0iLaqc8fLrTK\
         lsP7zFTf3EVnLqUgQreoZs4NY8",
    ];
    const DJANGO_PASSWORD: &str = "correct horse battery staple";

    #[test]
    fn a_hash_of_django_is_replaced_by_one_of_today() {
        let mut hasher = Hasher::new().unwrap();
        for stored in FROM_DJANGO {
            let stored = PasswordHash::from_stored(stored);
            assert!(stored.is_verifiable());
            match hasher.verify(DJANGO_PASSWORD, Some(&stored)).unwrap() {
                Verdict::Match { upgrade: Some(new) } => {
                    assert!(new.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
                    let again = hasher.verify(DJANGO_PASSWORD, Some(&new)).unwrap();
                    assert!(matches!(again, Verdict::Match { upgrade: None }));
                }
                other => panic!("{}: {other:?}", stored.as_str()),
            }
        }
    }

    #[test]
    fn a_hash_of_today_in_the_writing_of_django_is_replaced_too() {
        let mut hasher = Hasher::new().unwrap();
        let ours = hasher.create("correct horse").unwrap();
        let stored = PasswordHash::from_stored(format!("argon2{}", ours.as_str()));
        match hasher.verify("correct horse", Some(&stored)).unwrap() {
            Verdict::Match { upgrade: Some(new) } => {
                assert!(new.as_str().starts_with("$argon2id$"))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_wrong_password_takes_the_work_of_a_hash_of_today_whatever_is_stored() {
        let of_others = FROM_DJANGO.into_iter().chain([
            "$argon2id$v=19$m=512,t=2,p=8$ZGpFWklXc0RXbnlVME1LQTJmWTJQdw$4UYTM0iLaqc8fLrTKlsP7zFTf3E\
             VnLqUgQreoZs4NY8",
            "!FBL6I4tC5oX8FPqR5peg6MbRmOnaWazSG1qZfrjb",
            "no hash",
        ]);
        for stored in of_others.map(Some).chain([None]) {
            let mut hasher = Hasher::new().unwrap();
            let stored = stored.map(PasswordHash::from_stored);
            let verdict = hasher.verify("wrong", stored.as_ref()).unwrap();
            assert!(matches!(verdict, Verdict::Mismatch));
            // The lane's memory is written by the hash of today only.
            let is_written = |block: &Block| block.as_ref().iter().any(|word| *word != 0);
            assert!(hasher.memory.iter().all(is_written), "{:?}", stored.map(|hash| hash.0));
        }
    }

    #[test]
    fn a_hash_that_asks_for_too_much_matches_nobody() {
        for costs in ["m=262145,t=1", "m=4194304,t=1", "m=19456,t=4294967295"] {
            let stored = format!(
                "$argon2id$v=19${costs},p=1$ZGpFWklXc0RXbnlVME1LQTJmWTJQdw$4UYTM0iLaqc8fLrTKlsP7zFTf3E\
                 VnLqUgQreoZs4NY8"
            );
            let stored = PasswordHash::from_stored(stored);
            assert!(!stored.is_verifiable(), "{costs}");
            let verdict = Hasher::new().unwrap().verify("correct horse", Some(&stored)).unwrap();
            assert!(matches!(verdict, Verdict::Mismatch));
        }
    }

    #[test]
    fn nobody_matches_what_is_not_a_hash() {
        let mut hasher = Hasher::new().unwrap();
        for stored in [
            "",
            "!",
            "correct horse",
            "$argon2id$v=19$m=19456,t=2,p=1$c2FsdA",
            "!FBL6I4tC5oX8FPqR5peg6MbRmOnaWazSG1qZfrjb",
            "md5$VREbjcCEmsokqZnaJIXPWm$726b4ddfc2c5dbe016aa2187f37a08b8",
        ] {
            let stored = PasswordHash::from_stored(stored);
            assert!(!stored.is_verifiable());
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
