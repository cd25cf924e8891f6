//! The configuration: the defaults, then a TOML file, then the environment.
//!
//! The file and the environment use the same names, in upper case, or in the file in lower case too:
//! [`Config::NAMES`] and [`Settings::NAMES`]. Everything that is wrong is told at once.

use std::collections::{BTreeMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use actix_jwt::Credential;
use actix_web::http::Uri;
use auth_core::settings::SecretText;
use auth_core::store::diesel::PgDb;
use auth_core::{Fault, KeyRing, Settings, SettingsError};
use ipnet::IpNet;
use serde_json::Value;
use tracing::level_filters::LevelFilter;

use crate::{CREDENTIALS, key_file};

/// The longest life of a token that is accepted without asking the database. SQL does not know
/// the settings, so the triggers on `users` take this and a day for the time that a revocation
/// must be remembered.
pub const LONGEST_BEARER_LIFETIME: Duration = Duration::from_secs(30 * 86_400);

/// What [`authority`](crate::authority) adds to tokens.
const OWN_CLAIMS: [&str; 2] = ["username", "email"];

/// Everything that can be configured.
#[derive(Clone, Debug)]
pub struct Config {
    /// `listen`: the address to serve on; port 0 takes one that is free. Default
    /// `127.0.0.1:8000`.
    pub listen: SocketAddr,
    /// `database_url`. Default `sqlite://demo.db`.
    pub database: DatabaseUrl,
    /// `signing_key_file`: a file with the signing key, instead of `signing_key`. With neither,
    /// the key is in `demo.key`, which the first start makes.
    pub signing_key_file: Option<PathBuf>,
    /// `signing_key_dir`: a directory with the signing keys, which can be rotated while servers run (`demo-app
    /// keys`); several nodes share it. Instead of `signing_key` and `signing_key_file`. The first start makes
    /// the first key, for `algorithm`.
    pub signing_key_dir: Option<PathBuf>,
    /// `public_url`: the origin that browsers see, such as `https://example.org`, where a proxy
    /// stands before the server. Default none.
    pub public_url: Option<String>,
    /// `trusted_proxies`: addresses or networks of proxies whose `X-Forwarded-For` is believed, a
    /// list, or separated by commas. Default none.
    pub trusted_proxies: Vec<String>,
    /// `insecure_cookies`: send cookies over plain HTTP too, for development. Default false.
    pub insecure_cookies: bool,
    /// `log_format`. Default `text`.
    pub log_format: LogFormat,
    /// `log_level`: `error`, `warn` or `info`, which adds a line for each request. Default
    /// `info`.
    pub log_level: LevelFilter,
    /// All that `auth-core` can be told.
    pub settings: Settings,
    /// Variables that were given and that this version does nothing with.
    pub ignored: Vec<&'static str>,
}

/// Where the data is.
#[derive(Clone, Debug)]
pub enum DatabaseUrl {
    /// `sqlite://PATH`: a file; a relative path starts at the working directory.
    Sqlite(PathBuf),
    /// `postgres://…`, as libpq reads it. It may hold a password.
    Postgres(SecretText),
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8000).into(),
            database: DatabaseUrl::Sqlite("demo.db".into()),
            signing_key_file: None,
            signing_key_dir: None,
            public_url: None,
            trusted_proxies: Vec::new(),
            insecure_cookies: false,
            log_format: LogFormat::Text,
            log_level: LevelFilter::INFO,
            settings: Settings::default(),
            ignored: Vec::new(),
        }
    }
}

impl Config {
    /// The names beside [`Settings::NAMES`].
    pub const NAMES: &'static [&'static str] = &[
        "listen",
        "database_url",
        "signing_key_file",
        "signing_key_dir",
        "public_url",
        "trusted_proxies",
        "insecure_cookies",
        "log_format",
        "log_level",
    ];

    /// Names kept for later. Tolerated in the environment, where they may be meant for another
    /// program.
    pub const RESERVED: &'static [&'static str] = &["redis_url", "smtp_url"];

    /// The defaults, overridden by the file, overridden by the environment; of two variables of
    /// one name the later counts. In the file every name must be known.
    ///
    /// # Errors
    /// Everything that is wrong, without the values.
    pub fn load(
        file: Option<&Path>,
        env: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, SettingsError> {
        let mut config = Self::default();
        let mut faults = Vec::new();
        if let Some(path) = file {
            config.read_file(path, &mut faults);
        }
        config.read_env(&env.into_iter().collect(), &mut faults);
        faults.extend(config.check());
        if faults.is_empty() { Ok(config) } else { Err(SettingsError(faults)) }
    }

    /// What is wrong with the values as a whole.
    pub fn check(&self) -> Vec<Fault> {
        let settings = &self.settings;
        let mut faults = settings.check();
        for (name, lifetime) in [
            ("access_token_lifetime", settings.access_token_lifetime),
            ("sliding_token_lifetime", settings.sliding_token_lifetime),
            ("single_token_lifetime", settings.single_token_lifetime),
        ] {
            if lifetime > LONGEST_BEARER_LIFETIME {
                let problem = "must be at most 30 days: the database remembers for a day longer \
                               that a user was deleted";
                faults.push(Fault::new(name, problem));
            }
        }
        for (name, claim) in [
            ("user_id_claim", &settings.user_id_claim),
            ("user_type_claim", &settings.user_type_claim),
            ("token_type_claim", &settings.token_type_claim),
            ("jti_claim", &settings.jti_claim),
            ("sliding_token_refresh_exp_claim", &settings.sliding_token_refresh_exp_claim),
        ] {
            if OWN_CLAIMS.contains(&claim.as_str()) {
                faults.push(Fault::new(name, format!("`{claim}` is a claim of the application")));
            }
        }
        for (name, claim) in
            [("token_type_claim", &settings.token_type_claim), ("jti_claim", &settings.jti_claim)]
        {
            if claim.is_empty() {
                faults.push(Fault::new(name, "must not be empty where tokens are issued"));
            }
        }
        if settings.user_id_field != Settings::default().user_id_field {
            let problem = "has no effect: this application identifies users by `id`";
            faults.push(Fault::new("user_id_field", problem));
        }
        faults.extend(Credential::check(&CREDENTIALS, settings).err());
        if let DatabaseUrl::Postgres(url) = &self.database
            && let Err(error) = PgDb::check_url(url.expose())
        {
            faults.push(Fault::new("database_url", error.to_string()));
        }
        if settings.jwk_url.is_some() {
            let problem = "has no effect: this application issues its own tokens";
            faults.push(Fault::new("jwk_url", problem));
        }
        let key = match (&settings.signing_key, &self.signing_key_file) {
            (Some(_), Some(_)) => {
                Err(Fault::new("signing_key_file", "and signing_key are both set: choose one"))
            }
            (Some(_), None) => KeyRing::from_settings(settings).map(|_| ()),
            (None, Some(path)) => key_file::check(path, "signing_key_file", settings),
            (None, None) => Ok(()),
        };
        faults.extend(key.err());
        if self.signing_key_dir.is_some() {
            let others = [
                ("signing_key", settings.signing_key.is_some()),
                ("signing_key_file", self.signing_key_file.is_some()),
                ("verifying_key", settings.verifying_key.is_some()),
            ];
            for (name, _) in others.into_iter().filter(|(_, is_set)| *is_set) {
                let problem = "and signing_key_dir are both set: choose one";
                faults.push(Fault::new(name, problem));
            }
        }
        faults
    }

    fn read_file(&mut self, path: &Path, faults: &mut Vec<Fault>) {
        let mut fault =
            |problem: String| faults.push(Fault::new(path.display().to_string(), problem));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return fault(format!("cannot be read: {error}")),
        };
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            // Its `Display` quotes the line, which may hold a secret.
            Err(error) => {
                let start = error.span().map_or(0, |span| span.start).min(text.len());
                let line = 1 + text.as_bytes()[..start].iter().filter(|b| **b == b'\n').count();
                return fault(format!("line {line} is not TOML"));
            }
        };
        let mut given = HashSet::new();
        for (name, value) in table {
            // SimpleJWT's settings are in upper case.
            let name = match name.chars().any(char::is_lowercase) {
                true => name,
                false => name.to_ascii_lowercase(),
            };
            if !given.insert(name.clone()) {
                faults.push(Fault::new(name, "is there twice, in lower and in upper case"));
                continue;
            }
            let outcome = if Self::RESERVED.contains(&name.as_str()) {
                Err(Fault::new(&name, "has no effect in this version: remove it"))
            } else {
                serde_json::to_value(value)
                    .map_err(|_| Fault::new(&name, "has a value that no setting takes"))
                    .and_then(|value| self.set(&name, &value))
            };
            faults.extend(outcome.err());
        }
    }

    fn read_env(&mut self, env: &BTreeMap<String, String>, faults: &mut Vec<Fault>) {
        let names = Self::NAMES.iter().chain(Settings::NAMES).copied();
        for name in names.chain(Settings::names_in_code()) {
            let variable = name.to_ascii_uppercase();
            let Some(value) = env.get(&variable) else { continue };
            let outcome = if value.contains(char::REPLACEMENT_CHARACTER) {
                Err(Fault::new(name, "is not UTF-8"))
            } else {
                self.set(name, &Value::from(value.as_str()))
            };
            faults.extend(outcome.err().map(|fault| Fault::new(variable, fault.problem)));
        }
        let given =
            |name: &&str| env.get(&name.to_ascii_uppercase()).is_some_and(|v| !v.is_empty());
        self.ignored = Self::RESERVED.iter().copied().filter(given).collect();
    }

    fn set(&mut self, name: &str, value: &Value) -> Result<(), Fault> {
        let fault = |problem: &str| Fault::new(name, problem);
        let text = || value.as_str().ok_or_else(|| fault("must be a text"));
        match name {
            "listen" => {
                let problem = "must be an address with a port, such as 127.0.0.1:8000";
                self.listen = text()?.parse().map_err(|_| fault(problem))?;
            }
            "database_url" => self.database = text()?.parse().map_err(fault)?,
            "signing_key_file" => {
                self.signing_key_file = Some(path_of_keys(text()?).map_err(fault)?);
            }
            "signing_key_dir" => {
                self.signing_key_dir = Some(path_of_keys(text()?).map_err(fault)?);
            }
            "public_url" => {
                let url = text()?;
                if !url.is_empty() && !is_origin(url) {
                    let problem = "must be a scheme, a host and perhaps a port, such as \
                                   https://example.org";
                    return Err(fault(problem));
                }
                self.public_url = (!url.is_empty()).then(|| url.trim_end_matches('/').to_owned());
            }
            "trusted_proxies" => {
                let proxies: Option<Vec<_>> = match value {
                    Value::Array(values) => values.iter().map(Value::as_str).collect(),
                    Value::String(list) => Some(
                        list.split(',').map(str::trim).filter(|text| !text.is_empty()).collect(),
                    ),
                    _ => None,
                };
                let is_proxy =
                    |text: &&str| text.parse::<IpNet>().is_ok() || text.parse::<IpAddr>().is_ok();
                let proxies = proxies.filter(|proxies| proxies.iter().all(is_proxy));
                let problem = "must be addresses or networks, such as 10.0.0.0/8";
                let proxies = proxies.ok_or_else(|| fault(problem))?;
                self.trusted_proxies = proxies.into_iter().map(str::to_owned).collect();
            }
            "insecure_cookies" => {
                let word = value.as_str().map(str::to_ascii_lowercase);
                self.insecure_cookies = match (value, word.as_deref()) {
                    (Value::Bool(flag), _) => *flag,
                    (_, Some("true" | "yes" | "on" | "1")) => true,
                    (_, Some("false" | "no" | "off" | "0")) => false,
                    _ => return Err(fault("must be true or false")),
                };
            }
            "log_format" => {
                self.log_format = match value.as_str() {
                    Some("text") => LogFormat::Text,
                    Some("json") => LogFormat::Json,
                    _ => return Err(fault("must be text or json")),
                };
            }
            "log_level" => {
                // At finer levels a library may print a request with all its headers.
                self.log_level = match value.as_str() {
                    Some("error") => LevelFilter::ERROR,
                    Some("warn") => LevelFilter::WARN,
                    Some("info") => LevelFilter::INFO,
                    _ => return Err(fault("must be error, warn or info")),
                };
            }
            // An empty secret is a variable that somebody forgot to fill, not the wish for a key
            // file.
            "signing_key" if value.as_str() == Some("") => return Err(fault("is empty")),
            name => self.settings.set(name, value)?,
        }
        Ok(())
    }
}

impl FromStr for DatabaseUrl {
    type Err = &'static str;

    fn from_str(url: &str) -> Result<Self, Self::Err> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres(url.into()));
        }
        match url.strip_prefix("sqlite://") {
            None => Err("must be sqlite://PATH or postgres://…"),
            Some("" | ":memory:") => Err("needs the path of a file after sqlite://"),
            Some(path) => Ok(Self::Sqlite(path.into())),
        }
    }
}

/// A path, where one easily sets the key itself.
fn path_of_keys(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() {
        return Err("is empty");
    }
    let is_key = text.contains("-----BEGIN")
        || text.contains(['\n', '\r'])
        || text.trim_start().starts_with('{');
    if is_key { Err("holds a key, not the path of one") } else { Ok(text.into()) }
}

/// Whether the text is what a browser sends as `Origin`.
fn is_origin(text: &str) -> bool {
    let Ok(uri) = text.parse::<Uri>() else { return false };
    matches!(uri.scheme_str(), Some("http" | "https"))
        && uri.authority().is_some_and(|authority| {
            let has_no_port = authority.as_str() == authority.host();
            !authority.as_str().contains('@') && (has_no_port || authority.port_u16().is_some())
        })
        && uri.path() == "/"
        && uri.query().is_none()
}
