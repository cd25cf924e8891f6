//! [`KeyRing`]: which key signs, and whose tokens are accepted, at what time.

use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, AlgorithmFamily};

use super::{JwkSet, Key, KeyError, from_public_text, from_text, jwk};
use crate::error::Fault;
use crate::settings::Settings;

/// The keys of an authority: one that signs, and others whose tokens are accepted.
///
/// A key that signs does so from a time on, until a later one begins: it is *next*, then *active*,
/// then *retired* until the last token that it can have signed has expired, and then no longer used
/// ([`KeyState`]). The clock alone moves it on, so that all nodes with the same keys agree.
#[derive(Debug)]
pub struct KeyRing {
    keys: Vec<Member>,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) key: Key,
    /// `None`: it never signs.
    pub(crate) signs_from: Option<DateTime<Utc>>,
    /// `None`: until another one does.
    signs_until: Option<DateTime<Utc>>,
}

impl Member {
    fn new(key: Key, signs_from: Option<DateTime<Utc>>) -> Self {
        Self { key, signs_from, signs_until: None }
    }
}

/// What a key of a ring does at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It is published and accepted, and does not sign yet: from the time on that is given, if it
    /// has been set.
    Next(Option<DateTime<Utc>>),
    /// It signs.
    Active,
    /// Another one signs; its tokens are accepted until then.
    Retired(DateTime<Utc>),
    /// Its last token has expired. It is neither used nor published.
    Ended,
}

impl KeyRing {
    /// A ring with the key that signs.
    pub fn new(active: Key) -> Self {
        Self { keys: vec![Member::new(active, Some(DateTime::<Utc>::MIN_UTC))] }
    }

    /// A ring that only verifies, for services that accept the tokens of another one. While it is
    /// empty, tokens are refused with [`VerifyError::Stale`](crate::VerifyError): nothing is known
    /// about them.
    pub fn verifying(keys: impl IntoIterator<Item = Key>) -> Self {
        let keys = keys.into_iter().map(Key::verifying_only);
        Self { keys: keys.map(|key| Member::new(key, None)).collect() }
    }

    /// The same keys without what signs.
    pub(crate) fn into_verifying(self) -> Self {
        Self::verifying(self.keys.into_iter().map(|member| member.key))
    }

    /// Adds a key whose tokens are accepted: the next one, which other nodes may sign with
    /// already, or one that is retired until its last token has expired.
    #[must_use]
    pub fn also_accept(mut self, key: Key) -> Self {
        self.keys.push(Member::new(key, None));
        self
    }

    /// Adds a key that signs from this time on, until a later one does.
    #[must_use]
    pub fn also_sign_from(mut self, key: Key, signs_from: DateTime<Utc>) -> Self {
        self.keys.push(Member::new(key, Some(signs_from)));
        self
    }

    /// The same with the time at which it stops, whatever becomes of those that follow.
    pub(crate) fn also_sign_between(
        mut self,
        key: Key,
        from: DateTime<Utc>,
        until: Option<DateTime<Utc>>,
    ) -> Self {
        self.keys.push(Member { signs_until: until, ..Member::new(key, Some(from)) });
        self
    }

    /// The keys of a JWK set (RFC 7517 §5). The first private key, or secret, signs; the others are
    /// accepted. With public keys only the ring verifies.
    ///
    /// # Errors
    /// Any key that is not good, and a set without keys: this is for a set of one's own. Of another
    /// issuer's, take what is understood: [`Key::from_jwk_set`] and [`KeyRing::verifying`].
    pub fn from_jwk_set(json: &[u8]) -> Result<Self, KeyError> {
        let keys: Vec<Key> =
            Key::from_jwk_set(json, None)?.into_iter().collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err(KeyError::Jwk("the set has no keys"));
        }
        let active = keys.iter().position(Key::can_sign);
        let member =
            |(i, key)| Member::new(key, (Some(i) == active).then_some(DateTime::<Utc>::MIN_UTC));
        Ok(Self { keys: keys.into_iter().enumerate().map(member).collect() })
    }

    /// The ring that `algorithm`, `signing_key` and `verifying_key` describe. With a `verifying_key`
    /// alone, or a `jwk_url`, it only verifies.
    ///
    /// # Errors
    /// The setting that is wrong. The key itself is never told.
    pub fn from_settings(settings: &Settings) -> Result<Self, Fault> {
        let fault = |name: &str| {
            let name = name.to_owned();
            move |error: KeyError| Fault::new(name, error.to_string())
        };
        let algorithm = settings.algorithm;
        let public = settings.verifying_key.as_ref().map(|text| {
            let keys = public_keys(algorithm, text.as_bytes());
            keys.map_err(fault("verifying_key"))
        });
        let public = public.transpose()?;
        let secret = settings.signing_key.as_ref().map(|key| key.expose().as_bytes());
        match (secret, public, settings.jwk_url.is_some()) {
            (Some(_), _, true) => {
                let problem = "and signing_key are both set: tokens are issued here, or by the \
                               issuer whose keys are fetched";
                Err(Fault::new("jwk_url", problem))
            }
            (Some(secret), public, false) => {
                let ring = private_keys(algorithm, secret).map_err(fault("signing_key"))?;
                let thumbprint = |key: &Key| key.public_jwk().map(|jwk| jwk.thumbprint());
                let own = thumbprint(&ring.keys[0].key);
                let Some(mut public) = public.filter(|_| own.is_some()) else { return Ok(ring) };
                let count = public.len();
                public.retain(|key| thumbprint(key) != own);
                if public.len() == count {
                    let problem = "is not the public half of signing_key";
                    return Err(Fault::new("verifying_key", problem));
                }
                // The others of a set.
                Ok(public.into_iter().fold(ring, Self::also_accept))
            }
            (None, Some(_), true) => {
                let problem = "and jwk_url are both set: only one can hold";
                Err(Fault::new("verifying_key", problem))
            }
            (None, Some(public), false) => Ok(Self::verifying(public)),
            (None, None, true) => Ok(Self::verifying([])),
            (None, None, false) => {
                let problem = "is required: a secret of at least 32 random bytes (HS256), or a \
                               private key in PEM; there is no default";
                Err(Fault::new("signing_key", problem))
            }
        }
    }

    /// Whether it is the same keys, doing the same.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let is_same = |(a, b): (&Member, &Member)| {
            a.key.is_same_key(&b.key)
                && (&a.key.kid, a.key.algorithm) == (&b.key.kid, b.key.algorithm)
                && a.key.can_sign() == b.key.can_sign()
                && (a.signs_from, a.signs_until) == (b.signs_from, b.signs_until)
        };
        self.keys.len() == other.keys.len() && self.keys.iter().zip(&other.keys).all(is_same)
    }

    /// Whether a key of it can sign.
    pub fn can_sign(&self) -> bool {
        self.keys.iter().any(|member| member.signs_from.is_some() && member.key.can_sign())
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Checks the ring as a whole.
    pub(crate) fn check(&self) -> Result<(), KeyError> {
        if self.keys.iter().any(|member| member.signs_from.is_some() && !member.key.can_sign()) {
            return Err(KeyError::CannotSign);
        }
        for (i, Member { key, .. }) in self.keys.iter().enumerate() {
            // Secrets without a name are told apart by trying them.
            let mut before = self.keys[..i].iter().map(|member| &member.key);
            if key.kid.is_some() && before.clone().any(|other| other.kid == key.kid) {
                return Err(KeyError::DuplicateKid);
            }
            let differs = |other: &Key| other.algorithm != key.algorithm;
            if before.any(|other| other.identity == key.identity && differs(other)) {
                return Err(KeyError::TwoAlgorithms);
            }
        }
        Ok(())
    }

    /// In the order in which they were added.
    pub(crate) fn members(&self) -> &[Member] {
        &self.keys
    }

    /// What each key does at `now`, where no token lives longer than `lifetime`.
    pub fn states(
        &self,
        now: DateTime<Utc>,
        lifetime: Duration,
    ) -> impl Iterator<Item = (&Key, KeyState)> {
        let active = self.active_at(now);
        self.keys.iter().enumerate().map(move |(i, member)| {
            let state = match (member.signs_from, self.end_of(i, lifetime)) {
                _ if Some(i) == active => KeyState::Active,
                (None, _) => KeyState::Next(None),
                (Some(begin), _) if begin > now => KeyState::Next(Some(begin)),
                (_, Some(end)) if end > now => KeyState::Retired(end),
                _ => KeyState::Ended,
            };
            (&member.key, state)
        })
    }

    /// The one that signs: of those that have begun and are not over, the last to begin. Where there is
    /// none, by a clock that is behind, the first to begin; else the last that was: somebody has to.
    pub(crate) fn active_at(&self, now: DateTime<Utc>) -> Option<usize> {
        let signers = || {
            let members = self.keys.iter().enumerate();
            members.filter_map(|(i, member)| Some((member.signs_from?, i, member.signs_until)))
        };
        let is_over = |until: Option<DateTime<Utc>>| until.is_some_and(|until| until <= now);
        let begun = signers().filter(|(begin, _, until)| *begin <= now && !is_over(*until)).max();
        let next = || signers().filter(|(begin, ..)| *begin > now).min();
        begun.or_else(next).or_else(|| signers().max()).map(|(_, i, _)| i)
    }

    /// When the last token has expired that this key can have signed; `None` while no other key is
    /// to follow it, since then it signs for want of a better one, whatever it was told.
    pub(crate) fn end_of(&self, i: usize, lifetime: Duration) -> Option<DateTime<Utc>> {
        let begin = (self.keys[i].signs_from?, i);
        let begins = self.keys.iter().enumerate();
        let later = begins
            .filter_map(|(j, member)| Some((member.signs_from?, j)))
            .filter(|other| *other > begin)
            .min();
        let (followed_at, _) = later?;
        let stops_at = self.keys[i].signs_until.map_or(followed_at, |until| until.min(followed_at));
        Some(crate::rotation::later(stops_at, lifetime))
    }

    /// The public halves, as `/.well-known/jwks.json` answers them (RFC 7517 §5). Secrets have
    /// none.
    pub fn jwks(&self) -> JwkSet {
        let keys = self.keys.iter().filter_map(|member| member.key.public.clone());
        JwkSet { keys: keys.collect() }
    }
}

/// The ring that a text holds: a secret, a private key in PEM, a JWK of either, or a set of them, of
/// which the first private one of this algorithm signs.
fn private_keys(algorithm: Algorithm, text: &[u8]) -> Result<KeyRing, KeyError> {
    if !jwk::is_set(text) {
        return Ok(KeyRing::new(from_text(algorithm, text)?));
    }
    let mut keys = set_of(algorithm, text)?;
    let signs = |key: &Key| key.can_sign() && key.algorithm == algorithm;
    let active = match (keys.iter().position(signs), keys.iter().find(|key| key.can_sign())) {
        (Some(active), _) => keys.remove(active),
        (None, Some(other)) => {
            return Err(KeyError::Unfit(other.algorithm, "another algorithm is configured"));
        }
        (None, None) => return Err(KeyError::PublicKey),
    };
    Ok(keys.into_iter().fold(KeyRing::new(active), KeyRing::also_accept))
}

fn set_of(algorithm: Algorithm, text: &[u8]) -> Result<Vec<Key>, KeyError> {
    let rsa = Some(algorithm).filter(|algorithm| algorithm.family() == AlgorithmFamily::Rsa);
    let keys: Vec<Key> = Key::from_jwk_set(text, rsa)?.into_iter().collect::<Result<_, _>>()?;
    if keys.is_empty() {
        return Err(KeyError::Jwk("the set has no keys"));
    }
    Ok(keys)
}

/// The public keys that a text holds: one in PEM or as a JWK, or a set of them.
fn public_keys(algorithm: Algorithm, text: &[u8]) -> Result<Vec<Key>, KeyError> {
    if !jwk::is_set(text) {
        let mut key = from_public_text(algorithm, text)?;
        // A PEM does not say what its issuer calls it.
        if !jwk::is_jwk(text) {
            key.kid = None;
        }
        return Ok(vec![key]);
    }
    let keys = set_of(algorithm, text)?;
    match keys.iter().any(Key::can_sign) {
        true => Err(KeyError::PrivateKey),
        false => Ok(keys),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    fn key(name: &str) -> Key {
        let secret = format!("{name}: a secret of at least thirty-two bytes");
        Key::hmac(jsonwebtoken::Algorithm::HS256, secret.as_bytes()).unwrap().with_kid(name)
    }

    #[test]
    fn a_key_is_next_then_active_then_retired_and_then_goes() {
        let ring = KeyRing::verifying([])
            .also_sign_from(key("a"), at(100))
            .also_sign_from(key("b"), at(200))
            .also_accept(key("c"));
        let states = |now| -> Vec<_> {
            ring.states(at(now), Duration::from_secs(50)).map(|(_, state)| state).collect()
        };
        use KeyState::{Active, Ended, Next, Retired};
        assert_eq!(states(99), [Active, Next(Some(at(200))), Next(None)], "somebody has to");
        assert_eq!(states(100), [Active, Next(Some(at(200))), Next(None)]);
        assert_eq!(states(199), [Active, Next(Some(at(200))), Next(None)]);
        assert_eq!(states(200), [Retired(at(250)), Active, Next(None)]);
        assert_eq!(states(249), [Retired(at(250)), Active, Next(None)]);
        assert_eq!(states(250), [Ended, Active, Next(None)]);
    }

    #[test]
    fn of_two_that_begin_at_once_the_later_one_signs() {
        let ring =
            KeyRing::verifying([]).also_sign_from(key("a"), at(1)).also_sign_from(key("b"), at(1));
        let states: Vec<_> = ring.states(at(2), Duration::from_secs(9)).collect();
        assert_eq!(states[0].1, KeyState::Retired(at(10)));
        assert_eq!(states[1].1, KeyState::Active);
    }
}
