//! A login on a device is a session: one row, whatever carries it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use arrayvec::ArrayString;
use aws_lc_rs::{constant_time, digest};
use chrono::{DateTime, Utc};

use crate::random;

/// Who acts: the kind of user and the user's id within that kind.
///
/// The same id under two kinds is two principals.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    user_type: Arc<str>,
    user_id: Arc<str>,
}

impl Principal {
    /// A principal from its two parts.
    pub fn new(user_type: impl Into<Arc<str>>, user_id: impl Into<Arc<str>>) -> Self {
        Self { user_type: user_type.into(), user_id: user_id.into() }
    }

    /// The kind of user; `"user"` unless an application has several.
    pub fn user_type(&self) -> &str {
        &self.user_type
    }

    /// The id, as text whatever the database's type.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.user_type, self.user_id)
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// 128 random bits that name a session; the `sid` claim. Written as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// A new one.
    pub fn random() -> Self {
        Self(random::bytes())
    }

    /// From what a store keeps.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// What a store keeps.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The session of a token that names none, such as one issued by SimpleJWT: the token is a
    /// session of its own, named by its user and its `jti`, and can be revoked like any other.
    pub fn of_foreign_token(principal: &Principal, jti: &str) -> Self {
        let (user_type, user_id) = (principal.user_type(), principal.user_id());
        Self(short_hash(&[b"jti", user_type.as_bytes(), user_id.as_bytes(), jti.as_bytes()]))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// 32 hexadecimal digits.
pub(crate) fn hex(bytes: &[u8; 16]) -> ArrayString<32> {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let mut text = ArrayString::new();
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)]);
        text.push(DIGITS[usize::from(byte & 15)]);
    }
    text
}

/// The first 128 bits of SHA-256 of `parts`, each with its length before it.
pub(crate) fn short_hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&context.finish().as_ref()[..16]);
    short
}

/// The text is not 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session id is 32 hexadecimal digits")]
pub struct ParseSessionIdError;

impl FromStr for SessionId {
    type Err = ParseSessionIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |b: u8| match b {
            b'0'..=b'9' => Ok(b - b'0'),
            b'a'..=b'f' => Ok(b - b'a' + 10),
            _ => Err(ParseSessionIdError),
        };
        let digits: &[u8; 32] = text.as_bytes().try_into().map_err(|_| ParseSessionIdError)?;
        let mut bytes = [0; 16];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

/// How the holder of a session shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// A refresh token that rotates, and the access tokens got with it.
    Token,
    /// One signed token (or a sliding one): nothing rotates, the session lives until its
    /// absolute end.
    Single,
    /// A cookie with a secret.
    Cookie,
    /// A personal token: a secret that a user made for a program of theirs. It is no login.
    Personal,
}

impl Carrier {
    const ALL: [Self; 4] = [Self::Token, Self::Single, Self::Cookie, Self::Personal];

    /// The word kept in a store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Single => "single",
            Self::Cookie => "cookie",
            Self::Personal => "personal",
        }
    }

    /// Reads [`Carrier::as_str`] back.
    pub fn from_stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|carrier| carrier.as_str() == word)
    }
}

/// How a login was proven: a value of the `amr` claim (RFC 8176).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// A password.
    Password,
    /// A one-time code.
    OneTimeCode,
    /// More than one factor.
    MultiFactor,
    /// Another party vouched (OpenID Connect).
    Federated,
}

impl Method {
    /// The word of the `amr` claim.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "pwd",
            Self::OneTimeCode => "otp",
            Self::MultiFactor => "mfa",
            Self::Federated => "fed",
        }
    }

    /// Reads [`Method::as_str`] back.
    pub fn from_stored(word: &str) -> Option<Self> {
        [Self::Password, Self::OneTimeCode, Self::MultiFactor, Self::Federated]
            .into_iter()
            .find(|method| method.as_str() == word)
    }
}

/// Why a session or a token is no longer accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RevocationReason {
    /// The user logged out.
    Logout,
    /// A refresh token was used a second time, past the grace: it was stolen or cloned.
    Reuse,
    /// The password changed.
    PasswordChanged,
    /// The user was deactivated.
    UserInactive,
    /// The user was deleted.
    UserDeleted,
    /// The user's rights changed: access tokens with the old ones are refused, the login stays.
    RightsChanged,
    /// An administrator ended it.
    Administrator,
}

impl RevocationReason {
    const ALL: [Self; 7] = [
        Self::Logout,
        Self::Reuse,
        Self::PasswordChanged,
        Self::UserInactive,
        Self::UserDeleted,
        Self::RightsChanged,
        Self::Administrator,
    ];

    /// The word kept in a store.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "reuse",
            Self::PasswordChanged => "password_changed",
            Self::UserInactive => "user_inactive",
            Self::UserDeleted => "user_deleted",
            Self::RightsChanged => "rights_changed",
            Self::Administrator => "administrator",
        }
    }

    /// Reads [`RevocationReason::as_str`] back.
    pub fn from_stored(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

/// SHA-256 of the secret of a cookie, a personal token or a link. The secret itself has 256 random bits, so it needs
/// no salt and no slow hash (ASVS 11.4.2 asks those of what people choose, ASVS 6.5.2 of what has fewer than 112
/// bits).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl SecretHash {
    /// The hash of `secret`.
    pub fn of(secret: &[u8]) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, secret).as_ref());
        Self(hash)
    }

    /// From what a store keeps.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What a store keeps.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Compares in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        constant_time::verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// Where a request came from: shown to the user in the list of devices, never a proof.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientInfo {
    /// The address, as text.
    pub ip: Option<String>,
    /// The `User-Agent`.
    pub user_agent: Option<String>,
}

impl ClientInfo {
    const MAX_CHARS: usize = 255;

    /// Both parts as a store can keep them: cut to 255 characters, control characters removed.
    pub fn new(ip: Option<&str>, user_agent: Option<&str>) -> Self {
        let tidy = |text: &str| -> String {
            text.chars().filter(|c| !c.is_control()).take(Self::MAX_CHARS).collect()
        };
        Self { ip: ip.map(tidy), user_agent: user_agent.map(tidy) }
    }

    /// Whether this client is another one than `before`, in what `binding` looks at. Where `before`
    /// is not known it may be the same; where this one is not known it is not.
    pub fn is_other_than(&self, before: &Self, binding: BindSession) -> bool {
        let (now, before) = match binding {
            BindSession::None => return false,
            BindSession::Address => (self.ip.clone(), before.ip.clone()),
            BindSession::Network => (self.network(), before.network()),
            BindSession::UserAgent => (self.user_agent.clone(), before.user_agent.clone()),
        };
        before.is_some_and(|before| now.as_ref() != Some(&before))
    }

    /// This client; what is not known of it as in `before`.
    pub fn or(self, before: &Self) -> Self {
        Self {
            ip: self.ip.or_else(|| before.ip.clone()),
            user_agent: self.user_agent.or_else(|| before.user_agent.clone()),
        }
    }

    /// The network of the address: the first 24 bits of an IPv4 address, the first 48 of an IPv6
    /// address (what a site is given, RFC 6177 §2). What is no address stands for itself.
    pub fn network(&self) -> Option<String> {
        let ip = self.ip.as_deref()?;
        Some(match ip.parse().map(|ip: IpAddr| ip.to_canonical()) {
            Ok(IpAddr::V4(ip)) => {
                let [a, b, c, _] = ip.octets();
                format!("{a}.{b}.{c}.0/24")
            }
            Ok(IpAddr::V6(ip)) => {
                let [a, b, c, ..] = ip.segments();
                format!("{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0))
            }
            Err(_) => ip.to_owned(),
        })
    }
}

/// What of the client a session is bound to: shown by another client, its refresh token or cookie
/// is refused.
///
/// Neither is a proof, and each has a price: addresses change when a phone leaves the house, and
/// anyone who steals a token can copy a `User-Agent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindSession {
    /// Nothing. A change of network or agent is an event.
    None,
    /// The address.
    Address,
    /// The network of the address ([`ClientInfo::network`]).
    Network,
    /// The `User-Agent`.
    UserAgent,
}

/// One login on one device: a row of `auth_sessions`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its name; the `sid` claim.
    pub id: SessionId,
    /// Whose it is.
    pub principal: Principal,
    /// Tokens, a cookie or a personal token.
    pub carrier: Carrier,
    /// Which refresh token, or which secret of the cookie, is current; 0 at login.
    pub generation: u64,
    /// When that one became current.
    pub rotated_at: DateTime<Utc>,
    /// How far its refreshes are ahead of the usual pace
    /// ([`RotationPolicy::usual_interval`](crate::rotation::RotationPolicy)): up to this time, had
    /// they come at that pace.
    pub refreshes_until: DateTime<Utc>,
    /// The rights that its tokens show. It grows with each [`Revoke::AccessTokens`], which refuses
    /// the tokens that were issued with a lower one; 0 at login.
    ///
    /// [`Revoke::AccessTokens`]: crate::store::Revoke::AccessTokens
    pub rights_version: u64,
    /// The hash of the secret of a cookie or a personal token; none where signed tokens carry
    /// the session.
    pub secret_hash: Option<SecretHash>,
    /// What made the current secret out of the one before; none at login.
    pub secret_nonce: Option<[u8; 16]>,
    /// When the user logged in.
    pub created_at: DateTime<Utc>,
    /// When the user last proved who they are; the `auth_time` claim. Not known of a session
    /// that was taken over from another issuer.
    pub authenticated_at: Option<DateTime<Utc>>,
    /// The last sign of life, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// The end unless it is used again: of its refresh token, or of a cookie's idle time. Moved on
    /// by every rotation and every sign of life. No token outlives it.
    pub idle_expires_at: DateTime<Utc>,
    /// The absolute end, never extended.
    pub expires_at: DateTime<Utc>,
    /// How the login was proven; the `amr` claim.
    pub methods: Vec<Method>,
    /// Address and agent, as last seen.
    pub client: ClientInfo,
    /// What the user calls the device, or the personal token.
    pub label: Option<String>,
    /// What a personal token is limited to; none where it may do all that its user may. None for
    /// logins.
    pub scopes: Option<Vec<String>>,
    /// When and why it was ended.
    pub revoked: Option<(DateTime<Utc>, RevocationReason)>,
}

impl Session {
    /// A session that begins now, of which nothing else is known.
    pub(crate) fn begin(
        principal: Principal,
        carrier: Carrier,
        now: DateTime<Utc>,
        idle_expires_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
    ) -> Self {
        Self {
            id: SessionId::random(),
            principal,
            carrier,
            generation: 0,
            rotated_at: now,
            refreshes_until: now,
            rights_version: 0,
            secret_hash: None,
            secret_nonce: None,
            created_at: now,
            authenticated_at: None,
            last_seen_at: now,
            idle_expires_at,
            expires_at,
            methods: Vec::new(),
            client: ClientInfo::default(),
            label: None,
            scopes: None,
            revoked: None,
        }
    }

    /// Whether its time has come: its absolute end, or that of its idle time.
    pub fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.ends_at() <= now
    }

    /// Whether somebody logged in; a personal token is no login.
    pub fn is_login(&self) -> bool {
        self.carrier != Carrier::Personal
    }

    /// The end unless it is used again: also of its current refresh token.
    pub fn ends_at(&self) -> DateTime<Utc> {
        self.idle_expires_at.min(self.expires_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_id_reads_back_from_its_own_text_only() {
        let id = SessionId::random();
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "0", "+0000000000000000000000000000001", &"A".repeat(32), &"0".repeat(33)] {
            assert_eq!(bad.parse::<SessionId>(), Err(ParseSessionIdError), "{bad}");
        }
    }

    #[test]
    fn stored_words_read_back() {
        for reason in RevocationReason::ALL {
            assert_eq!(RevocationReason::from_stored(reason.as_str()), Some(reason));
        }
        for carrier in Carrier::ALL {
            assert_eq!(Carrier::from_stored(carrier.as_str()), Some(carrier));
        }
    }

    #[test]
    fn a_client_is_another_one_in_what_is_looked_at() {
        use BindSession::{Address, Network, None, UserAgent};
        let client = |ip, agent| ClientInfo::new(ip, agent);
        let home = client(Some("192.0.2.7"), Some("fox"));
        let unknown = ClientInfo::default();
        for (now, binding, expected) in [
            (client(Some("192.0.2.8"), Some("fox")), Address, true),
            (client(Some("192.0.2.8"), Some("fox")), Network, false),
            (client(Some("::ffff:192.0.2.8"), Some("fox")), Network, false),
            (client(Some("192.0.3.7"), Some("fox")), Network, true),
            (client(Some("192.0.3.7"), Some("fox")), UserAgent, false),
            (client(Some("192.0.2.7"), Some("owl")), UserAgent, true),
            (client(Some("198.51.100.1"), Some("owl")), None, false),
            (unknown.clone(), Network, true),
        ] {
            assert_eq!(now.is_other_than(&home, binding), expected, "{now:?} {binding:?}");
            assert!(!now.is_other_than(&unknown, binding));
        }
        let (site, other) = (client(Some("2001:db8:1::7"), Option::None), "2001:db8:1:ff::1");
        assert!(!client(Some(other), Option::None).is_other_than(&site, Network));
        assert!(client(Some("2001:db8:2::7"), Option::None).is_other_than(&site, Network));
    }

    #[test]
    fn client_info_is_tidied() {
        let info = ClientInfo::new(Some("::1"), Some(&format!("a\0b\n{}", "é".repeat(400))));
        let agent = info.user_agent.unwrap();
        assert!(agent.starts_with("abé"));
        assert_eq!(agent.chars().count(), 255);
    }
}
