//! An application to start from: users, login by session cookie and by token, over SQLite or
//! PostgreSQL. The program `demo-app` serves it and keeps its users; [`start`] is the server.
#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use actix_jwt::{Auth, Credential};
use actix_web::dev::Server;
use auth_core::keys::{KeyDirectoryError, KeyState};
use auth_core::{Authority, Clock, Fault, KeyDirectory, KeyRing, Outage, Settings, SettingsError};

mod app;
pub mod config;
pub mod db;
pub mod django;
mod key_file;
mod schema;
pub mod telemetry;
pub mod users;

pub use config::Config;

use config::DatabaseUrl;
use db::{Db, OpenError};
use schema::Documentation;
use users::Users;

/// Where credentials ride, in the order in which the places are looked at.
const CREDENTIALS: [Credential; 5] = [
    Credential::basic(),
    Credential::session_cookie(),
    Credential::token(),
    Credential::bearer(),
    Credential::header("jwt-auth"),
];

/// A server that listens.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// To be awaited, or spawned. It does not listen to signals; stop it by its handle.
    pub server: Server,
    /// Its authentication.
    pub auth: Auth,
    /// Its database.
    pub db: Db,
    /// Its users.
    pub users: Users,
}

/// Why the application did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration has faults.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The database did not answer.
    #[error("the database: {0}")]
    Database(#[from] Outage),
    /// Authentication did not start.
    #[error(transparent)]
    Auth(actix_jwt::StartError),
    /// The description of the API, which is compiled in, cannot be read.
    #[error("the description of the API: {0}")]
    Documentation(#[source] io::Error),
    /// The address cannot be had.
    #[error("cannot listen on {0}: {1}")]
    Bind(SocketAddr, #[source] io::Error),
}

impl From<actix_jwt::StartError> for StartError {
    fn from(error: actix_jwt::StartError) -> Self {
        match error {
            actix_jwt::StartError::PublicUrl => {
                let problem = "must be the origin of a site, such as https://example.org";
                SettingsError(vec![Fault::new("public_url", problem)]).into()
            }
            other => Self::Auth(other),
        }
    }
}

impl From<OpenError> for StartError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Url(error) => {
                SettingsError(vec![Fault::new("database_url", error.to_string())]).into()
            }
            OpenError::Outage(outage) => Self::Database(outage),
        }
    }
}

/// Opens the database, brings it up to date, finds or makes the signing key, and listens.
///
/// # Errors
/// [`StartError`].
pub async fn start(config: Config, clock: Clock) -> Result<Running, StartError> {
    let mut faults = config.check();
    faults.extend(check_keys(&config));
    if !faults.is_empty() {
        return Err(SettingsError(faults).into());
    }
    for name in &config.ignored {
        tracing::warn!("{} has no effect in this version", name.to_uppercase());
    }
    if config.insecure_cookies {
        tracing::warn!("cookies are sent over plain HTTP too: for development only");
    }
    let db = open_database(&config)?;
    let applied = db.migrate().await?;
    if !applied.is_empty() {
        tracing::info!(?applied, "the database was brought up to date");
    }
    let keys = key_directory(&config, &clock).await?;
    let settings = match keys {
        Some(_) => config.settings.clone(),
        None => with_signing_key(&config)?,
    };
    let (directory, ring) = keys.unzip();
    let users = Users::new(db.clone());
    let mut auth = Auth::builder(authority(settings, ring, &db, clock)?)
        .credentials(CREDENTIALS)
        .trusted_proxies(config.trusted_proxies)
        .insecure_cookies(config.insecure_cookies);
    if let Some(url) = config.public_url {
        auth = auth.public_url(url);
    }
    if let Some(directory) = directory {
        auth = auth.keys_from(directory);
    }
    let auth = auth.start().await?;
    let documentation = Documentation::new(&auth).map_err(StartError::Documentation)?;
    let (server, addr) = app::bind(config.listen, &auth, &db, documentation)
        .map_err(|error| StartError::Bind(config.listen, error))?;
    Ok(Running { addr, server, auth, db, users })
}

/// Opens the database, whose tables may be missing or old.
///
/// # Errors
/// [`StartError::Settings`] for a URL that cannot work, [`StartError::Database`].
pub fn open_database(config: &Config) -> Result<Db, StartError> {
    Db::open(&config.database).map_err(StartError::from)
}

/// An authority over this database. Its tokens carry `username` and `email`, so that nobody has
/// to look them up. Its keys are those of the settings where no others are given.
///
/// # Errors
/// What is wrong with the settings.
pub fn authority(
    settings: Settings,
    keys: Option<KeyRing>,
    db: &Db,
    clock: Clock,
) -> Result<Authority, SettingsError> {
    let mut builder = db.keep_sessions_of(Authority::builder(settings));
    if let Some(keys) = keys {
        builder = builder.keys(keys);
    }
    builder
        .users(Users::new(db.clone()))
        .clock(clock)
        .claims(|account, claims| {
            claims.insert("username".into(), account.username.as_str().into());
            claims.insert("email".into(), account.email.as_str().into());
        })
        .on_event(telemetry::log_event)
        .build()
}

/// What is wrong with the keys that are on the disk already, before anything is made there. (Commands
/// sign nothing, and need not be able to read them.)
fn check_keys(config: &Config) -> Option<Fault> {
    let settings = &config.settings;
    if let Some(path) = &config.signing_key_dir {
        let ring = path.exists().then(|| KeyDirectory::new(path).ring())?;
        return match ring {
            Ok(_) | Err(KeyDirectoryError::Empty { .. }) => None,
            Err(error) => Some(Fault::new("signing_key_dir", problem_in_directory(path, &error))),
        };
    }
    if settings.signing_key.is_some() || config.signing_key_file.is_some() {
        return None;
    }
    let path = default_key_file(&config.database);
    if path.exists() {
        return key_file::check(&path, &path.display().to_string(), settings).err();
    }
    let problem = "needs the key that it belongs to: set signing_key or signing_key_file";
    settings.verifying_key.is_some().then(|| Fault::new("verifying_key", problem))
}

/// The directory of keys, where one is configured, and what is in it. The first start makes a key.
async fn key_directory(
    config: &Config,
    clock: &Clock,
) -> Result<Option<(KeyDirectory, KeyRing)>, StartError> {
    let Some(path) = &config.signing_key_dir else { return Ok(None) };
    let directory = KeyDirectory::new(path);
    let (opened, algorithm, now) = (directory.clone(), config.settings.algorithm, clock.now());
    let ring = actix_web::web::block(move || {
        let made = opened.ensure_active(algorithm, now)?;
        Ok::<_, KeyDirectoryError>((made, opened.ring()?))
    });
    let ring = ring.await.map_err(|error| error.to_string());
    let ring = ring.and_then(|ring| ring.map_err(|error| problem_in_directory(path, &error)));
    let (made, ring) =
        ring.map_err(|problem| SettingsError(vec![Fault::new("signing_key_dir", problem)]))?;
    if let Some(kid) = made {
        tracing::info!(kid, "made the first signing key in signing_key_dir");
    }
    // Keys are rotated to other algorithms while the setting stays, so this is no fault.
    let lifetime = config.settings.longest_token_lifetime();
    let active = ring
        .states(clock.now(), lifetime)
        .find_map(|(key, state)| (state == KeyState::Active).then(|| key.algorithm()));
    if let Some(active) = active
        && active != algorithm
        && algorithm != Settings::default().algorithm
    {
        tracing::warn!(
            "algorithm has no effect: the key in signing_key_dir that signs is for {active:?}; \
             `demo-app keys rotate --algorithm` changes that"
        );
    }
    Ok(Some((directory, ring)))
}

/// What is wrong in the directory of keys, without the value of `signing_key_dir`: it may be a key that
/// somebody has put there by mistake.
pub fn problem_in_directory(directory: &Path, error: &KeyDirectoryError) -> String {
    let text = error.to_string();
    // It begins with the path of the directory, or of a file in it.
    match text.strip_prefix(&directory.display().to_string()) {
        Some(rest) => rest.trim_start_matches(['/', ':', ' ']).to_owned(),
        None => text,
    }
}

/// The settings with the key that signs: the configured one, that of the file, or a new one.
fn with_signing_key(config: &Config) -> Result<Settings, SettingsError> {
    let mut settings = config.settings.clone();
    if settings.signing_key.is_some() {
        return Ok(settings);
    }
    let fault = |name: String| |problem| SettingsError(vec![Fault::new(name, problem)]);
    settings.signing_key = Some(match &config.signing_key_file {
        Some(path) => key_file::read(path).map_err(fault("signing_key_file".into()))?,
        None => {
            let path = default_key_file(&config.database);
            let file = path.display();
            let obtained = key_file::obtain(&path, settings.algorithm);
            let obtained = obtained.map_err(fault(file.to_string()))?;
            if obtained.is_new {
                tracing::info!(%file, "made a signing key; every node needs the same");
            } else {
                tracing::info!(%file, "read the signing key");
            }
            obtained.key
        }
    });
    Ok(settings)
}

/// `demo.key`, beside the SQLite file or in the working directory.
fn default_key_file(database: &DatabaseUrl) -> PathBuf {
    match database {
        DatabaseUrl::Sqlite(path) => path.with_file_name("demo.key"),
        DatabaseUrl::Postgres(_) => Path::new("demo.key").to_owned(),
    }
}
