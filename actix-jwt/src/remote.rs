//! [`RemoteKeys`]: the keys of another issuer, by URL.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use auth_core::keys::{KeyError, KeySource};
use auth_core::{Algorithm, Fault, Key, KeyRing, Outage, Settings};
use reqwest::{Certificate, Client, redirect};
use serde::Deserialize;
use url::Url;

/// What an OpenID provider's configuration is called (OpenID Connect Discovery 1.0 §4).
const OPENID: &str = "/.well-known/openid-configuration";

/// A key set is some kilobytes.
const MAX_BYTES: usize = 256 * 1024;

/// The public keys of another issuer, for a service that verifies its tokens: a JWK set by its URL, or
/// whatever set the issuer's OpenID configuration names.
///
/// Only asymmetric keys for signatures are taken: a secret or a private key that somebody published
/// is no longer one. Redirections are not followed, and more than 256 KiB are not read.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use actix_jwt::auth_core::{Authority, Settings};
/// use actix_jwt::{Auth, RemoteKeys};
///
/// let settings = Settings {
///     issuer: Some("https://id.example.org".into()),
///     audience: vec!["orders".into()],
///     user_id_claim: "sub".into(),
///     ..Settings::default()
/// };
/// let keys = RemoteKeys::openid("https://id.example.org").build()?;
/// let auth = Auth::builder(Authority::verifier(settings).build()?).keys_from(keys).start().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RemoteKeys {
    options: RemoteKeysBuilder,
    url: Url,
    /// Who publishes them, where the URL is that of an OpenID configuration.
    issuer: Option<String>,
    client: Client,
}

/// Sets up [`RemoteKeys`].
#[derive(Clone, Debug)]
#[must_use]
pub struct RemoteKeysBuilder {
    url: String,
    allow_http: bool,
    timeout: Duration,
    interval: Duration,
    cool_down: Duration,
    max_staleness: Duration,
    rsa: Algorithm,
    roots: Vec<String>,
}

/// Why the keys of a URL cannot be used. None of it depends on what the URL answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RemoteKeysError {
    /// Not an absolute URL, not one of https (and plain HTTP was not allowed), one with a password, or
    /// that of an OpenID configuration with something behind it.
    Url,
    /// [`RemoteKeysBuilder::root_certificate`] is not a certificate in PEM.
    Certificate,
    /// No client could be made, for want of the machine's root certificates perhaps.
    Client,
    /// [`RemoteKeysBuilder::rsa_algorithm`] is not one of RSA.
    Algorithm,
    /// [`RemoteKeysBuilder::interval`] is under 100 ms, or longer than
    /// [`RemoteKeysBuilder::max_staleness`], or there is no time for an answer.
    Times,
}

impl fmt::Display for RemoteKeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "must be a URL of https, such as https://id.example.org/jwks.json",
            Self::Certificate => "the root certificate is not one in PEM",
            Self::Client => "no HTTPS client could be made",
            Self::Algorithm => "rsa_algorithm must be one of RSA",
            Self::Times => "interval must be 100 ms or more, and no longer than max_staleness",
        })
    }
}

impl std::error::Error for RemoteKeysError {}

impl RemoteKeys {
    /// The JWK set at this URL (RFC 7517 §5). A URL that ends in `/.well-known/openid-configuration`
    /// is that of the configuration which names it.
    pub fn at(url: impl Into<String>) -> RemoteKeysBuilder {
        RemoteKeysBuilder {
            url: url.into(),
            allow_http: false,
            timeout: Duration::from_secs(5),
            interval: Duration::from_secs(5 * 60),
            cool_down: Duration::from_secs(30),
            max_staleness: Duration::from_secs(24 * 60 * 60),
            rsa: Algorithm::RS256,
            roots: Vec::new(),
        }
    }

    /// The keys of an OpenID provider, by the URL that it calls itself (OpenID Connect Discovery 1.0):
    /// its configuration must say the same name.
    pub fn openid(issuer: &str) -> RemoteKeysBuilder {
        Self::at(format!("{}{OPENID}", issuer.trim_end_matches('/')))
    }
}

impl RemoteKeysBuilder {
    /// Takes `http://` too: keys that somebody on the way can replace. For development, or a network
    /// that protects them otherwise.
    pub fn allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }

    /// How long one answer may take from the first byte to the last. Default 5 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often the keys are fetched anew. Default 5 minutes. A key that the issuer has withdrawn
    /// is accepted for so long.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// A token with an unknown `kid` has the keys fetched at once, at most once in this time. Default
    /// 30 seconds.
    pub fn cool_down(mut self, cool_down: Duration) -> Self {
        self.cool_down = cool_down;
        self
    }

    /// How long the last keys are used when no newer ones can be fetched; then tokens are refused with
    /// 503. Default 1 day.
    pub fn max_staleness(mut self, max_staleness: Duration) -> Self {
        self.max_staleness = max_staleness;
        self
    }

    /// What RSA keys without an `alg` are for. Default RS256.
    pub fn rsa_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.rsa = algorithm;
        self
    }

    /// Trusts a certificate authority of one's own, in PEM, beside those of the machine.
    pub fn root_certificate(mut self, pem: impl Into<String>) -> Self {
        self.roots.push(pem.into());
        self
    }

    /// Checks the options. Nothing is fetched yet.
    ///
    /// # Errors
    /// [`RemoteKeysError`].
    pub fn build(self) -> Result<RemoteKeys, RemoteKeysError> {
        let url = self.parse(&self.url).ok_or(RemoteKeysError::Url)?;
        if self.rsa.family() != Algorithm::RS256.family() {
            return Err(RemoteKeysError::Algorithm);
        }
        if self.interval < Duration::from_millis(100)
            || self.interval > self.max_staleness
            || self.timeout.is_zero()
        {
            return Err(RemoteKeysError::Times);
        }
        let issuer = match url.as_str().strip_suffix(OPENID) {
            Some(_) => Some(self.url.strip_suffix(OPENID).ok_or(RemoteKeysError::Url)?.to_owned()),
            None if url.path().trim_end_matches('/').ends_with(OPENID) => {
                return Err(RemoteKeysError::Url);
            }
            None => None,
        };
        let mut client = Client::builder()
            .redirect(redirect::Policy::none())
            .https_only(!self.allow_http)
            .timeout(self.timeout)
            .referer(false)
            .user_agent(concat!("actix-jwt/", env!("CARGO_PKG_VERSION")));
        for pem in &self.roots {
            let certificates = Certificate::from_pem_bundle(pem.as_bytes());
            let certificates = certificates.ok().filter(|certificates| !certificates.is_empty());
            let certificates = certificates.ok_or(RemoteKeysError::Certificate)?;
            client = client.tls_certs_merge(certificates);
        }
        let client = client.build().map_err(|_| RemoteKeysError::Client)?;
        Ok(RemoteKeys { options: self, url, issuer, client })
    }

    fn parse(&self, url: &str) -> Option<Url> {
        let url = Url::parse(url).ok()?;
        let is_allowed = url.scheme() == "https" || (self.allow_http && url.scheme() == "http");
        // It will be in the log.
        let is_public = url.username().is_empty() && url.password().is_none();
        (is_allowed && is_public && url.has_host()).then_some(url)
    }
}

/// Why the keys could not be fetched. For the log: the URL is in it, what was answered is not.
#[derive(Debug)]
enum FetchError {
    Http(reqwest::Error),
    Status(u16),
    TooLarge,
    Configuration,
    Issuer,
    KeysUrl,
    Set(KeyError),
    NoKeys,
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(error) => {
                write!(f, "{error}")?;
                // What was wrong is in the causes.
                let mut cause = std::error::Error::source(error);
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
            Self::Status(status) => write!(f, "the answer has the status {status}"),
            Self::TooLarge => write!(f, "the answer is longer than {MAX_BYTES} bytes"),
            Self::Configuration => f.write_str("the answer is not an OpenID configuration"),
            Self::Issuer => f.write_str("the OpenID configuration is that of another issuer"),
            Self::KeysUrl => {
                f.write_str("`jwks_uri` of the OpenID configuration is no URL of https")
            }
            Self::Set(error) => write!(f, "{error}"),
            Self::NoKeys => f.write_str("the set has no key for signatures that is supported"),
        }
    }
}

impl std::error::Error for FetchError {}

#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

impl RemoteKeys {
    async fn fetch(&self) -> Result<KeyRing, FetchError> {
        let Some(issuer) = &self.issuer else {
            return self.to_ring(&self.get(self.url.clone()).await?);
        };
        let configuration = self.get(self.url.clone()).await?;
        let configuration: Configuration =
            serde_json::from_slice(&configuration).map_err(|_| FetchError::Configuration)?;
        // OpenID Connect Discovery 1.0 §4.3 (ASVS 10.5.3). One `/` at the end is not in the URL.
        if without_slash(&configuration.issuer) != issuer {
            return Err(FetchError::Issuer);
        }
        let url = self.options.parse(&configuration.jwks_uri).ok_or(FetchError::KeysUrl)?;
        self.to_ring(&self.get(url).await?)
    }

    async fn get(&self, url: Url) -> Result<Vec<u8>, FetchError> {
        let mut response = self.client.get(url).send().await.map_err(FetchError::Http)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(FetchError::Http)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(FetchError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn to_ring(&self, body: &[u8]) -> Result<KeyRing, FetchError> {
        let mut keys: Vec<Key> = Vec::new();
        for key in Key::from_jwk_set(body, Some(self.options.rsa)).map_err(FetchError::Set)? {
            match key {
                Ok(key) if key.can_sign() => {
                    tracing::warn!(url = %self.url, "a published key set has a secret in it: not used");
                }
                // RFC 7517 §4.5: names can be shared; who signs with them cannot tell them apart.
                Ok(key) if keys.iter().any(|other| other.kid() == key.kid()) => {
                    tracing::warn!(url = %self.url, kid = key.kid(), "two keys of one name: the first is used");
                }
                // RFC 8725 §3.1
                Ok(key) if keys.iter().any(|other| other.is_same_key(&key)) => {
                    tracing::warn!(url = %self.url, kid = key.kid(), "one key of two names: the first is used");
                }
                Ok(key) => keys.push(key),
                // RFC 7517 §5: what is not understood is ignored.
                Err(error) => tracing::debug!(url = %self.url, %error, "a key is not used"),
            }
        }
        if keys.is_empty() {
            return Err(FetchError::NoKeys);
        }
        Ok(KeyRing::verifying(keys))
    }
}

fn without_slash(issuer: &str) -> &str {
    issuer.strip_suffix('/').unwrap_or(issuer)
}

#[async_trait]
impl KeySource for RemoteKeys {
    /// RFC 8725 §3.8: the keys are those of one issuer, and for its tokens only.
    fn check(&self, settings: &Settings) -> Result<(), Fault> {
        match (&settings.issuer, &self.issuer) {
            (None, _) => {
                let problem = "is required with keys by URL: whose tokens they are for";
                Err(Fault::new("issuer", problem))
            }
            (Some(expected), Some(issuer)) if without_slash(expected) != issuer => {
                let problem = "is not the issuer whose OpenID configuration names the keys";
                Err(Fault::new("issuer", problem))
            }
            _ => Ok(()),
        }
    }

    async fn load(&self) -> Result<Option<KeyRing>, Outage> {
        self.fetch().await.map(Some).map_err(Outage::because)
    }

    fn interval(&self) -> Duration {
        self.options.interval
    }

    fn cool_down(&self) -> Duration {
        self.options.cool_down
    }

    fn max_staleness(&self) -> Option<Duration> {
        Some(self.options.max_staleness)
    }
}
