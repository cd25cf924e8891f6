//! [`Auth`]: an authority at work in an actix application.

use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::USER_AGENT;
use actix_web::{FromRequest, HttpRequest};
use auth_core::{
    Account, Authority, ClientInfo, KeySource, Outage, Settings, TokenKind, Verified, VerifyError,
};
use serde_json::{Map, Value};
use tokio::task::JoinHandle;
use url::Url;

use crate::client::TrustedProxies;
use crate::cookie::{Cookies, SESSION_COOKIE};
use crate::credential::{CHAIN, Credential, Places, check_chain, header_name};
use crate::keys::{Keys, MayBeUnknownKey, with_newest};
use crate::problem::{Cause, ErrorBody, Problem, Shown, Voice};
use crate::upkeep;

/// An [`Authority`] at work in an actix application: it knows where credentials ride, mounts the
/// ready-made routes, and keeps up with the revocations of other processes.
///
/// Made once with [`Auth::start`] and cloned into every worker. As a handler's argument it gives
/// access to the authority.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

pub(crate) type AccountAnswer = Arc<dyn Fn(&Account, &mut Map<String, Value>) + Send + Sync>;
type VerifiedAnswer = Arc<dyn Fn(&Verified, &mut Map<String, Value>) + Send + Sync>;

/// What the application adds to the answers of the token routes.
#[derive(Clone, Default)]
pub(crate) struct Answers {
    pub(crate) login: Option<AccountAnswer>,
    pub(crate) refresh: Option<AccountAnswer>,
    pub(crate) verify: Option<VerifiedAnswer>,
}

pub(crate) struct Inner {
    pub(crate) authority: Authority,
    pub(crate) places: Places,
    pub(crate) cookies: Cookies,
    pub(crate) trusted_origins: Vec<String>,
    pub(crate) trusted_proxies: TrustedProxies,
    pub(crate) voice: Arc<Voice>,
    pub(crate) answers: Answers,
    /// What follows the keys, where they can change.
    pub(crate) keys: Option<Arc<Keys>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Why an [`Auth`] did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The store did not answer.
    Outage(Outage),
    /// [`AuthBuilder::public_url`] is not the URL of a site.
    PublicUrl,
    /// [`AuthBuilder::trusted_proxies`] has something that is neither an address nor a network.
    TrustedProxies,
    /// `auth_header_types` and `www_authenticate_realm` do not make a header.
    Challenge,
    /// [`AuthBuilder::credentials`] do not go together: why.
    Credentials(String),
    /// The setting `jwk_url` cannot be used: why.
    JwkUrl(String),
    /// What [`AuthBuilder::keys_from`] was given does not go with the settings or the authority.
    Keys(String),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outage(outage) => write!(f, "the session store: {outage}"),
            Self::PublicUrl => f.write_str("the public URL must be like https://www.example.com"),
            Self::TrustedProxies => {
                f.write_str("trusted proxies must be addresses or networks, such as 10.0.0.0/8")
            }
            Self::Challenge => f.write_str(
                "auth_header_types and www_authenticate_realm must be plain text for a header",
            ),
            Self::Credentials(problem) => write!(f, "the credentials: {problem}"),
            Self::JwkUrl(problem) => write!(f, "jwk_url: {problem}"),
            Self::Keys(problem) => write!(f, "the keys: {problem}"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Outage(outage) => Some(outage),
            _ => None,
        }
    }
}

/// Sets up an [`Auth`].
#[must_use]
pub struct AuthBuilder {
    authority: Authority,
    credentials: Vec<Credential>,
    insecure_cookies: bool,
    public_urls: Vec<String>,
    trusted_proxies: Vec<String>,
    answers: Answers,
    error_body: Option<ErrorBody>,
    keys: Option<Arc<dyn KeySource>>,
}

impl AuthBuilder {
    /// The places where a credential may be, in the order in which they are looked at: the first that is
    /// present decides. Default: the session cookie, then `Authorization: Bearer`.
    ///
    /// ```
    /// # fn example(authority: auth_core::Authority) {
    /// use actix_jwt::{Auth, Credential};
    ///
    /// let auth = Auth::builder(authority).credentials([
    ///     Credential::basic(),
    ///     Credential::session_cookie(),
    ///     Credential::token(),
    ///     Credential::bearer(),
    ///     Credential::header("jwt-auth"),
    /// ]);
    /// # }
    /// ```
    pub fn credentials(mut self, order: impl Into<Vec<Credential>>) -> Self {
        self.credentials = order.into();
        self
    }

    /// Sends cookies over plain HTTP too: for development, never for production (ASVS 3.3.1).
    pub fn insecure_cookies(mut self, insecure: bool) -> Self {
        self.insecure_cookies = insecure;
        self
    }

    /// An address where browsers find this site, such as `https://www.example.com`, when a proxy
    /// changes the `Host` header or another site of yours may send requests with cookies.
    ///
    /// Of the host that it names, only this origin is then accepted: a page that came over plain
    /// HTTP is not one of `https://www.example.com`.
    pub fn public_url(mut self, url: impl Into<String>) -> Self {
        self.public_urls.push(url.into());
        self
    }

    /// The addresses or networks of proxies (`10.0.0.0/8`, `::1`) whose `X-Forwarded-For` is
    /// believed. Without it the address of a client is the one that the connection comes from, which
    /// behind a proxy is the proxy's: in the list of devices, in events, and for
    /// [`bind_session`](auth_core::Settings::bind_session).
    pub fn trusted_proxies<T: Into<String>>(
        mut self,
        proxies: impl IntoIterator<Item = T>,
    ) -> Self {
        self.trusted_proxies.extend(proxies.into_iter().map(Into::into));
        self
    }

    /// Adds members to the answer of a login for a token pair or a sliding token. The tokens themselves
    /// cannot be replaced. Code of an application's own before and after any of the ready-made routes is
    /// a middleware around them.
    ///
    /// ```
    /// # fn example(authority: auth_core::Authority) {
    /// let auth = actix_jwt::Auth::builder(authority).login_response(|account, body| {
    ///     body.insert("username".into(), account.username.as_str().into());
    /// });
    /// # }
    /// ```
    pub fn login_response(
        mut self,
        add: impl Fn(&Account, &mut Map<String, Value>) + Send + Sync + 'static,
    ) -> Self {
        self.answers.login = Some(Arc::new(add));
        self
    }

    /// Adds members to the answer of a refresh. `access` and `refresh` cannot be replaced.
    pub fn refresh_response(
        mut self,
        add: impl Fn(&Account, &mut Map<String, Value>) + Send + Sync + 'static,
    ) -> Self {
        self.answers.refresh = Some(Arc::new(add));
        self
    }

    /// Adds members to the answer of `/verify/`, which has none by itself.
    pub fn verify_response(
        mut self,
        add: impl Fn(&Verified, &mut Map<String, Value>) + Send + Sync + 'static,
    ) -> Self {
        self.answers.verify = Some(Arc::new(add));
        self
    }

    /// Writes the bodies of all errors that this crate answers, where an application has a shape of its own
    /// for them. It is asked instead of what
    /// [`error_dialect`](auth_core::Settings::error_dialect) says; status and headers stay.
    ///
    /// ```
    /// # fn example(authority: auth_core::Authority) {
    /// let auth = actix_jwt::Auth::builder(authority).error_body(|problem| {
    ///     serde_json::json!({ "error": problem.detail(), "code": problem.name() })
    /// });
    /// # }
    /// ```
    pub fn error_body(mut self, write: impl Fn(&Problem) -> Value + Send + Sync + 'static) -> Self {
        self.error_body = Some(Arc::new(write));
        self
    }

    /// Keys that change while the server runs: a [`KeyDirectory`](auth_core::KeyDirectory), or the keys of
    /// another issuer (`RemoteKeys`, with the feature `remote-keys`). They are asked for at the start,
    /// at intervals, and when a token names a key that is not known: such a request waits for the answer.
    ///
    /// With the setting [`jwk_url`](auth_core::Settings::jwk_url) this is done without being asked.
    pub fn keys_from(mut self, source: impl KeySource) -> Self {
        self.keys = Some(Arc::new(source));
        self
    }

    /// Reads the revocations once, and starts to follow them and to remove what is expired, on
    /// the runtime that it is called on. Both stop when the last clone is dropped.
    ///
    /// # Errors
    /// [`StartError`].
    pub async fn start(self) -> Result<Auth, StartError> {
        let origin = |url: String| {
            let url = Url::parse(&url).ok()?;
            matches!(url.scheme(), "http" | "https").then(|| url.origin().ascii_serialization())
        };
        let trusted_origins: Option<Vec<_>> = self.public_urls.into_iter().map(origin).collect();
        let trusted_origins = trusted_origins.ok_or(StartError::PublicUrl)?;

        let trusted_proxies = TrustedProxies::parse(&self.trusted_proxies);
        let trusted_proxies = trusted_proxies.ok_or(StartError::TrustedProxies)?;

        let settings = self.authority.settings();
        let voice = Voice::new(settings, self.error_body).ok_or(StartError::Challenge)?;
        check_chain(&self.credentials, settings, self.authority.issues()).map_err(|fault| {
            StartError::Credentials(match fault.setting.as_str() {
                CHAIN => fault.problem,
                setting => format!("{setting} {}", fault.problem),
            })
        })?;
        let source = match self.keys {
            Some(source) => Some(source),
            None => from_jwk_url(settings)?,
        };
        if let Some(source) = &source {
            source.check(settings).map_err(|fault| StartError::Keys(fault.to_string()))?;
        }
        self.authority.sync().await.map_err(StartError::Outage)?;

        let keys = source.map(|source| Arc::new(Keys::new(source, self.authority.clone())));
        if let Some(keys) = &keys {
            keys.load_first().await.map_err(StartError::Keys)?;
        }
        let mut tasks = vec![
            tokio::spawn(upkeep::follow(self.authority.clone())),
            tokio::spawn(upkeep::prune(self.authority.clone())),
        ];
        tasks.extend(keys.clone().map(|keys| tokio::spawn(keys.follow())));

        Ok(Auth(Arc::new(Inner {
            places: Places {
                order: self.credentials,
                bearer_header: header_name(&settings.auth_header_name),
                bearer_words: settings.auth_header_types.clone(),
                session_cookie: SESSION_COOKIE,
            },
            cookies: Cookies { secure: !self.insecure_cookies },
            trusted_origins,
            trusted_proxies,
            voice: Arc::new(voice),
            answers: self.answers,
            keys,
            tasks,
            authority: self.authority,
        })))
    }
}

impl fmt::Debug for AuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBuilder").finish_non_exhaustive()
    }
}

#[cfg(feature = "remote-keys")]
fn from_jwk_url(settings: &Settings) -> Result<Option<Arc<dyn KeySource>>, StartError> {
    use auth_core::Algorithm;

    let Some(url) = &settings.jwk_url else { return Ok(None) };
    let mut keys = crate::RemoteKeys::at(url);
    if settings.algorithm.family() == Algorithm::RS256.family() {
        keys = keys.rsa_algorithm(settings.algorithm);
    }
    let keys = keys.build().map_err(|error| StartError::JwkUrl(error.to_string()))?;
    Ok(Some(Arc::new(keys)))
}

#[cfg(not(feature = "remote-keys"))]
fn from_jwk_url(settings: &Settings) -> Result<Option<Arc<dyn KeySource>>, StartError> {
    match settings.jwk_url {
        None => Ok(None),
        Some(_) => Err(StartError::JwkUrl("needs the feature `remote-keys` of actix-jwt".into())),
    }
}

impl Auth {
    /// An `Auth` with the defaults.
    ///
    /// # Errors
    /// The store does not answer.
    pub async fn start(authority: Authority) -> Result<Self, StartError> {
        Self::builder(authority).start().await
    }

    /// Sets one up.
    pub fn builder(authority: Authority) -> AuthBuilder {
        AuthBuilder {
            authority,
            credentials: vec![Credential::session_cookie(), Credential::bearer()],
            insecure_cookies: false,
            public_urls: Vec::new(),
            trusted_proxies: Vec::new(),
            answers: Answers::default(),
            error_body: None,
            keys: None,
        }
    }

    /// Whether this is one of the places where a credential may be.
    pub(crate) fn accepts(&self, credential: &Credential) -> bool {
        self.0.places.order.contains(credential)
    }

    /// The authority.
    pub fn authority(&self) -> &Authority {
        &self.0.authority
    }

    /// The user of a verified credential, from the directory: one query.
    ///
    /// # Errors
    /// 401 for a user who is deleted or inactive, 503 for an outage.
    pub async fn load_account(&self, verified: &Verified) -> Result<Account, Problem> {
        let account = self.authority().load_account(verified).await;
        account.map_err(|error| self.refused(error, self.shown(verified.kind())))
    }

    /// Asks where the keys come from whether there are others: at a signal, say. Does nothing where they
    /// cannot change.
    pub async fn reload_keys(&self) {
        if let Some(keys) = &self.0.keys {
            keys.load().await;
        }
    }

    /// Whether the keys that are in use are those that there are. Where their source does not answer, the last
    /// ones stay in use.
    pub fn keys_are_current(&self) -> bool {
        self.0.keys.as_ref().is_none_or(|keys| keys.are_current())
    }

    /// Attempts something with a token, with keys that are as new as they need to be.
    pub(crate) async fn attempt<T, E: MayBeUnknownKey>(
        &self,
        attempt: impl AsyncFn() -> Result<T, E>,
    ) -> Result<T, E> {
        with_newest(self.0.keys.as_ref(), attempt).await
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A problem with this application's challenge.
    pub(crate) fn problem(&self, cause: impl Into<Cause>) -> Problem {
        Problem::new(cause.into(), &self.0.voice)
    }

    /// A credential on a protected route was refused.
    pub(crate) fn refused(&self, error: VerifyError, shown: Shown) -> Problem {
        self.problem(Cause::credential(error, shown))
    }

    pub(crate) fn shown(&self, kind: TokenKind) -> Shown {
        match kind {
            TokenKind::Cookie => Shown::Cookie,
            TokenKind::Single => Shown::Single,
            TokenKind::Personal => Shown::Personal,
            TokenKind::Access | TokenKind::Refresh | TokenKind::Sliding | TokenKind::Password => {
                Shown::Bearer(self.authority().settings().auth_token_classes.clone())
            }
        }
    }

    /// Puts the clone into the application, where the extractors find it.
    pub(crate) fn of(request: &HttpRequest) -> Result<&Self, Problem> {
        request.app_data::<Self>().ok_or_else(Problem::not_mounted)
    }

    /// Where the request came from, for the verbs of the authority that want to know: the address that
    /// [`AuthBuilder::trusted_proxies`] lets one believe, and the `User-Agent`.
    pub fn client(&self, request: &HttpRequest) -> ClientInfo {
        let ip = self.0.trusted_proxies.client_of(request).map(|ip| ip.to_string());
        let agent = request.headers().get(USER_AGENT);
        let agent = agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        ClientInfo::new(ip.as_deref(), agent.as_deref())
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}

impl FromRequest for Auth {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::of(request).cloned())
    }
}
