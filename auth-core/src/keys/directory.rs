//! [`KeyDirectory`]: keys in files that several nodes share.

use std::collections::HashMap;
use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::Algorithm;

use super::{Key, KeyRing, KeySource, KeyState, from_text, generate, sha256};
use crate::clock::CLOCKS_DIFFER;
use crate::error::Outage;
use crate::random;
use crate::rotation::later;
use crate::settings::SecretText;

mod error;
mod files;

pub use error::KeyDirectoryError;
use files::{Contents, at};

/// How long the file of a key that has ended is kept at least, for servers whose tokens live longer
/// than the one who removes it was told.
const KEEP_ENDED: TimeDelta = TimeDelta::days(90);

/// A change takes milliseconds, but for making an RSA key.
const LOCK_ATTEMPTS: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// A directory with one JSON file a key, for several nodes to read and one person to change.
///
/// A file says what the key is called, what it is for, the key itself, and from when on it signs. The
/// rest follows from the clock ([`KeyState`]), so that to rotate is to add one file, ahead of its
/// time, and nodes need not agree on anything else. Files appear and change as a whole; changes are
/// made one after the other.
#[derive(Debug)]
pub struct KeyDirectory {
    path: PathBuf,
    loaded: Arc<Mutex<Loaded>>,
}

/// What was loaded last.
#[derive(Default)]
struct Loaded {
    /// A digest of all that was read.
    digest: Option<[u8; 32]>,
    /// The files that were good: what is unreadable now is as it was then.
    good: HashMap<PathBuf, SecretText>,
    /// Why not all of them are.
    problem: Option<String>,
}

/// Whoever follows a clone hears of everything too.
impl Clone for KeyDirectory {
    fn clone(&self) -> Self {
        Self::new(&self.path)
    }
}

type Result<T> = std::result::Result<T, KeyDirectoryError>;

/// A key as its file describes it.
#[derive(Debug)]
pub struct StoredKey {
    /// The key.
    pub key: Key,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it signs first; `None`: that has not been decided.
    pub signs_from: Option<DateTime<Utc>>,
    /// When it signs no more, where another one has been told to follow.
    pub signs_until: Option<DateTime<Utc>>,
    path: PathBuf,
}

impl KeyDirectory {
    /// The directory at this path. It need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), loaded: Arc::default() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All keys, in the order in which they sign; those that are not to sign yet come last. Blocks.
    ///
    /// # Errors
    /// The first file that cannot be read or is not good.
    pub fn list(&self) -> Result<Vec<StoredKey>> {
        let mut keys = Vec::new();
        for (path, text) in files::all(&self.path)? {
            keys.push(files::parse(path, &text?)?);
        }
        in_order(&mut keys);
        Ok(keys)
    }

    /// The same without the files that are not good.
    fn list_good(&self) -> Result<Vec<StoredKey>> {
        let files = files::all(&self.path)?.into_iter();
        let parse = |(path, text): (_, Result<_>)| files::parse(path, &text.ok()?).ok();
        let mut keys = files.filter_map(parse).collect::<Vec<_>>();
        in_order(&mut keys);
        Ok(keys)
    }

    /// The ring of all keys. Blocks.
    ///
    /// # Errors
    /// As [`KeyDirectory::list`], and a directory without a key that signs.
    pub fn ring(&self) -> Result<KeyRing> {
        self.checked(self.list()?)
    }

    fn checked(&self, keys: Vec<StoredKey>) -> Result<KeyRing> {
        let ring = to_ring(keys);
        ring.check().map_err(|error| KeyDirectoryError::Ring { path: self.path.clone(), error })?;
        if !ring.can_sign() {
            return Err(KeyDirectoryError::Empty { path: self.path.clone() });
        }
        Ok(ring)
    }

    /// Makes a key that is accepted and published, and does not sign before [`KeyDirectory::rotate`]
    /// says so. The first key of a directory signs at once. Answers its `kid`. Blocks.
    ///
    /// # Errors
    /// The file system, or an algorithm that is not supported.
    pub fn generate(&self, algorithm: Algorithm, now: DateTime<Utc>) -> Result<String> {
        let _lock = self.lock()?;
        let is_first = self.list()?.iter().all(|stored| stored.signs_from.is_none());
        self.create(algorithm, now, is_first.then_some(now))
    }

    /// Makes the first key where there is none that signs; of several processes that start at once,
    /// one makes it. Answers its `kid` if it was made. Blocks.
    ///
    /// # Errors
    /// As [`KeyDirectory::generate`].
    pub fn ensure_active(
        &self,
        algorithm: Algorithm,
        now: DateTime<Utc>,
    ) -> Result<Option<String>> {
        let has_active = |keys: Vec<StoredKey>| keys.iter().any(|key| key.signs_from.is_some());
        // The directory may be one that this process can only read.
        if self.path.exists() && has_active(self.list()?) {
            return Ok(None);
        }
        let _lock = self.lock()?;
        if has_active(self.list()?) {
            return Ok(None);
        }
        self.create(algorithm, now, Some(now)).map(Some)
    }

    /// Lets the next key sign `delay` after it was made, or soon if that is past: the oldest that is
    /// not to sign yet, or a new one. By then every node and every reader of the key set must have
    /// seen it, so `delay` is at least what they keep a key set for. Answers the key's `kid` and
    /// when it begins. Also removes the files of keys that ended long ago, where no token lives longer
    /// than `lifetime`. Blocks.
    ///
    /// # Errors
    /// The file system, or an algorithm that is not supported.
    pub fn rotate(
        &self,
        algorithm: Option<Algorithm>,
        now: DateTime<Utc>,
        delay: Duration,
        lifetime: Duration,
    ) -> Result<(String, DateTime<Utc>)> {
        /// Nodes look every second.
        const SOON: Duration = Duration::from_secs(5);
        let _lock = self.lock()?;
        let keys = self.list()?;
        let latest = keys.iter().rfind(|stored| stored.signs_from.is_some());
        let wanted = |stored: &&StoredKey| {
            stored.signs_from.is_none()
                && algorithm.is_none_or(|algorithm| algorithm == stored.key.algorithm())
        };
        let kid;
        let begin;
        if let Some(next) = keys.iter().find(wanted) {
            kid = next.key.kid().unwrap_or_default().to_owned();
            begin = later(next.created_at, delay).max(later(now, SOON.min(delay)));
            files::change(&next.path, |contents| contents.signs_from = Some(begin))?;
        } else {
            let algorithm = algorithm.or(latest.map(|stored| stored.key.algorithm()));
            begin = later(now, delay);
            kid = self.create(algorithm.unwrap_or(Algorithm::EdDSA), now, Some(begin))?;
        }
        // Who signs until then is told so, and stays so whatever becomes of the others.
        // (One that has been told to stop, and signs because what was to follow has gone, too.)
        let files: Vec<_> =
            keys.iter().map(|key| (key.path.clone(), key.signs_from, key.signs_until)).collect();
        let ring = to_ring(keys);
        for ((path, from, until), (_, state)) in files.iter().zip(ring.states(now, lifetime)) {
            let is_active = state == KeyState::Active;
            let goes_on = until.is_none_or(|until| until > begin || (is_active && until <= now));
            if from.is_some_and(|from| from < begin) && goes_on {
                files::change(path, |contents| contents.signs_until = Some(begin))?;
            }
        }
        self.remove_ended(now, lifetime)?;
        Ok((kid, begin))
    }

    /// Removes a key. One that signs, or whose tokens may still be good, only `at_once`, which refuses
    /// them: for a key that somebody else may have. Where it signs, another one takes its place. Blocks.
    ///
    /// # Errors
    /// [`KeyDirectoryError::Unknown`], [`KeyDirectoryError::InUse`], the file system.
    pub fn retire(
        &self,
        kid: &str,
        now: DateTime<Utc>,
        lifetime: Duration,
        at_once: bool,
    ) -> Result<()> {
        let _lock = self.lock()?;
        // A file that is none of a key must not keep a stolen one alive.
        let keys = if at_once { self.list_good()? } else { self.list()? };
        let algorithm = {
            let stored = keys.iter().find(|stored| stored.key.kid() == Some(kid));
            stored.ok_or(KeyDirectoryError::Unknown)?.key.algorithm()
        };
        let files: Vec<_> =
            keys.iter().map(|stored| (stored.path.clone(), stored.signs_until)).collect();
        let ring = to_ring(keys);
        let states: Vec<_> = ring.states(now, lifetime).collect();
        let Some(i) = states.iter().position(|(key, _)| key.kid() == Some(kid)) else {
            return Err(KeyDirectoryError::Unknown);
        };
        match states[i].1 {
            KeyState::Active | KeyState::Retired(_) if !at_once => {
                return Err(KeyDirectoryError::InUse);
            }
            // By a clock that is ahead it signs already.
            KeyState::Next(Some(begin)) if !at_once && begin < later(now, CLOCKS_DIFFER) => {
                return Err(KeyDirectoryError::InUse);
            }
            // The next one, or a new one: none that came before may sign again.
            KeyState::Active => {
                for (path, _) in files.iter().zip(&states).filter_map(|(file, (_, state))| {
                    matches!(state, KeyState::Retired(_) | KeyState::Ended).then_some(file)
                }) {
                    let over = |contents: &mut Contents| {
                        contents.signs_until =
                            Some(contents.signs_until.map_or(now, |u| u.min(now)));
                    };
                    files::change(path, over)?;
                }
                match states.iter().position(|(_, state)| matches!(state, KeyState::Next(_))) {
                    Some(next) => {
                        files::change(&files[next].0, |contents| contents.signs_from = Some(now))?;
                    }
                    None => drop(self.create(algorithm, now, Some(now))?),
                }
            }
            // Who was to sign until then goes on.
            KeyState::Next(Some(begin)) => {
                for (path, _) in files.iter().filter(|(_, until)| *until == Some(begin)) {
                    files::change(path, |contents| contents.signs_until = None)?;
                }
            }
            _ => {}
        }
        files::remove(&files[i].0)
    }

    fn create(
        &self,
        algorithm: Algorithm,
        now: DateTime<Utc>,
        signs_from: Option<DateTime<Utc>>,
    ) -> Result<String> {
        let in_directory = |error| KeyDirectoryError::Key { path: self.path.clone(), error };
        let (kid, text) = loop {
            let text = generate(algorithm).map_err(in_directory)?;
            let key = from_text(algorithm, text.as_bytes()).map_err(in_directory)?;
            // A secret has no thumbprint that could be told.
            let kid = key.kid().map_or_else(random::token, str::to_owned);
            // On a command line that would be an option.
            if !kid.starts_with('-') {
                break (kid, text);
            }
        };
        let path = self.path.join(format!("{kid}.json"));
        let contents = Contents {
            kid,
            alg: algorithm,
            created_at: now,
            signs_from,
            signs_until: None,
            key: text,
        };
        files::write(&path, &contents)?;
        Ok(contents.kid)
    }

    fn remove_ended(&self, now: DateTime<Utc>, lifetime: Duration) -> Result<()> {
        let keys = self.list()?;
        let paths: Vec<_> = keys.iter().map(|stored| stored.path.clone()).collect();
        let long_ago = now - KEEP_ENDED;
        for (path, (_, state)) in paths.iter().zip(to_ring(keys).states(long_ago, lifetime)) {
            if state == KeyState::Ended {
                files::remove(path)?;
            }
        }
        Ok(())
    }

    /// Waits until nobody else changes the directory, which is made where it is missing.
    fn lock(&self) -> Result<File> {
        if !self.path.exists() {
            let mut builder = fs::DirBuilder::new();
            #[cfg(unix)]
            std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
            builder.recursive(true).create(&self.path).map_err(at(&self.path))?;
        }
        // Whoever may change the directory can open it, whoever made it. (Elsewhere it cannot be opened.)
        #[cfg(unix)]
        let file = File::open(&self.path);
        #[cfg(not(unix))]
        let file = File::create(self.path.join(".lock"));
        let file = file.map_err(at(&self.path))?;
        for _ in 0..LOCK_ATTEMPTS {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(error)) => return Err(at(&self.path)(error)),
            }
        }
        Err(KeyDirectoryError::Locked { path: self.path.clone() })
    }

    /// What [`KeySource::load`] does, on a thread that may block. A file that cannot be read, or is not
    /// good, is as it was before; one that has gone is gone.
    fn load_changed(&self) -> Result<Option<KeyRing>> {
        // Where the last attempt hangs in the file system, another one would too.
        let Ok(mut last) = self.loaded.try_lock() else {
            return Err(at(&self.path)(io::ErrorKind::TimedOut.into()));
        };
        let found = files::all(&self.path)?;
        let digest = digest_of(&found);
        if last.digest == Some(digest) {
            return Ok(None);
        }
        let (mut keys, mut good, mut problem) = (Vec::new(), HashMap::new(), None);
        for (path, text) in found {
            let read = text.and_then(|text| Ok((files::parse(path.clone(), &text)?, text)));
            let (key, text) = match (read, last.good.remove(&path)) {
                (Ok(key), _) => key,
                (Err(error), before) => {
                    problem = Some(error.to_string());
                    let Some(text) = before else { continue };
                    (files::parse(path.clone(), &text)?, text)
                }
            };
            keys.push(key);
            good.insert(path, text);
        }
        in_order(&mut keys);
        let ring = self.checked(keys);
        last.good = good;
        last.problem = problem;
        let ring = ring?;
        last.digest = Some(digest);
        Ok(Some(ring))
    }
}

/// Of the files, what is in them, and why they cannot be read.
fn digest_of(found: &[(PathBuf, Result<SecretText>)]) -> [u8; 32] {
    let mut all = Vec::new();
    for (path, text) in found {
        all.extend_from_slice(path.as_os_str().as_encoded_bytes());
        all.push(0);
        match text {
            Ok(text) => all.extend_from_slice(text.expose().as_bytes()),
            Err(error) => all.extend_from_slice(error.to_string().as_bytes()),
        }
        all.push(0);
    }
    sha256(&all)
}

/// In the order in which they sign.
fn in_order(keys: &mut [StoredKey]) {
    keys.sort_by_key(|stored| {
        let begin = stored.signs_from.unwrap_or(DateTime::<Utc>::MAX_UTC);
        (begin, stored.created_at)
    });
}

#[async_trait::async_trait]
impl KeySource for KeyDirectory {
    async fn load(&self) -> std::result::Result<Option<KeyRing>, Outage> {
        let directory = Self { path: self.path.clone(), loaded: Arc::clone(&self.loaded) };
        let loaded = tokio::task::spawn_blocking(move || directory.load_changed()).await;
        loaded.map_err(Outage::because)?.map_err(Outage::because)
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn cool_down(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn max_staleness(&self) -> Option<Duration> {
        None
    }

    fn problem(&self) -> Option<String> {
        self.loaded.try_lock().ok()?.problem.clone()
    }
}

impl fmt::Debug for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("problem", &self.problem).finish_non_exhaustive()
    }
}

fn to_ring(keys: Vec<StoredKey>) -> KeyRing {
    keys.into_iter().fold(KeyRing::verifying([]), |ring, stored| match stored.signs_from {
        Some(begin) => ring.also_sign_between(stored.key, begin, stored.signs_until),
        None => ring.also_accept(stored.key),
    })
}
