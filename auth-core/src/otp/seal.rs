//! Encryption of what must be read again: the secrets of authenticator apps.
//!
//! A hash will not do there, since the code has to be computed. AES-256-GCM under a key that is not in the
//! database (ASVS 11.3.2), bound to whose secret it is: a row that is copied to somebody else does not
//! open.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};

use super::totp::SECRET_BYTES;
use crate::error::Outage;
use crate::random;
use crate::session::{Principal, short_hash};
use crate::settings::SecretText;

/// A secret as a store keeps it: encrypted, or as it is where there is no key.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedSecret(Vec<u8>);

impl SealedSecret {
    /// From what a store keeps.
    pub fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// What a store keeps.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedSecret(…)")
    }
}

const PLAIN: u8 = 0;
const AES_GCM: u8 = 1;

/// A secret that was read.
pub(crate) struct Opened {
    pub(crate) secret: [u8; SECRET_BYTES],
    /// Whether it would be sealed like that today.
    pub(crate) is_current: bool,
}

/// The keys: the first encrypts, all of them decrypt.
pub(crate) struct Seals(Vec<LessSafeKey>);

impl Seals {
    /// `None` where a key cannot be made of a text, which does not happen.
    pub(crate) fn new(keys: &[SecretText]) -> Option<Self> {
        let salt = Salt::new(HKDF_SHA256, b"auth-core");
        let key = |text: &SecretText| {
            let extracted = salt.extract(text.expose().as_bytes());
            let okm = extracted.expand(&[b"totp secrets"], &AES_256_GCM).ok()?;
            Some(LessSafeKey::new(UnboundKey::from(okm)))
        };
        keys.iter().map(key).collect::<Option<_>>().map(Self)
    }

    pub(crate) fn seal(
        &self,
        principal: &Principal,
        secret: &[u8; SECRET_BYTES],
    ) -> Result<SealedSecret, Outage> {
        let Some(key) = self.0.first() else {
            return Ok(SealedSecret([&[PLAIN][..], secret].concat()));
        };
        let nonce = random::bytes::<NONCE_LEN>();
        let mut sealed = secret.to_vec();
        let aad = Aad::from(owner(principal));
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .map_err(|_| Outage::because("the secret of a second factor cannot be encrypted"))?;
        Ok(SealedSecret([&[AES_GCM][..], &nonce, &sealed].concat()))
    }

    /// # Errors
    /// It cannot be read, or no key opens it. Whose it is must not get in without it.
    pub(crate) fn open(
        &self,
        principal: &Principal,
        sealed: &SealedSecret,
    ) -> Result<Opened, Outage> {
        let opened = match sealed.0.split_first() {
            Some((&PLAIN, secret)) => {
                let is_current = self.0.is_empty();
                secret.try_into().ok().map(|secret| Opened { secret, is_current })
            }
            Some((&AES_GCM, rest)) => rest.split_first_chunk().and_then(|(nonce, sealed)| {
                self.0.iter().enumerate().find_map(|(place, key)| {
                    let secret = open(key, principal, *nonce, sealed)?;
                    Some(Opened { secret, is_current: place == 0 })
                })
            }),
            _ => None,
        };
        opened.ok_or_else(|| {
            Outage::because(format!(
                "the secret of the second factor of {principal} cannot be read: is a key of \
                 totp_encryption_keys missing?"
            ))
        })
    }
}

fn open(
    key: &LessSafeKey,
    principal: &Principal,
    nonce: [u8; NONCE_LEN],
    sealed: &[u8],
) -> Option<[u8; SECRET_BYTES]> {
    let mut room = sealed.to_vec();
    let aad = Aad::from(owner(principal));
    let opened = key.open_in_place(Nonce::assume_unique_for_key(nonce), aad, &mut room).ok()?;
    (&*opened).try_into().ok()
}

fn owner(principal: &Principal) -> [u8; 16] {
    short_hash(&[b"totp", principal.user_type().as_bytes(), principal.user_id().as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seals(keys: &[&str]) -> Seals {
        let keys: Vec<_> = keys.iter().map(|key| SecretText::from(*key)).collect();
        Seals::new(&keys).unwrap()
    }

    #[test]
    fn a_secret_opens_with_its_key_for_its_owner_only() {
        let (alice, bob) = (Principal::new("user", "1"), Principal::new("client", "1"));
        let secret = [7; SECRET_BYTES];
        let sealed = seals(&["one"]).seal(&alice, &secret).unwrap();
        assert!(!sealed.as_bytes().windows(4).any(|bytes| bytes == [7; 4]));
        let opened = seals(&["one"]).open(&alice, &sealed).unwrap();
        assert_eq!((opened.secret, opened.is_current), (secret, true));
        let opened = seals(&["two", "one"]).open(&alice, &sealed).unwrap();
        assert_eq!((opened.secret, opened.is_current), (secret, false));
        for (seals, whose) in
            [(seals(&["one"]), &bob), (seals(&["two"]), &alice), (seals(&[]), &alice)]
        {
            let unreadable = seals.open(whose, &sealed).err().unwrap().to_string();
            assert!(unreadable.contains("totp_encryption_keys"), "{unreadable}");
        }
        assert_ne!(seals(&["one"]).seal(&alice, &secret).unwrap(), sealed, "a nonce each");
        let mut bytes = sealed.as_bytes().to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        assert!(seals(&["one"]).open(&alice, &SealedSecret::from_bytes(bytes)).is_err());
    }

    #[test]
    fn without_a_key_a_secret_is_kept_as_it_is_and_opens_after_a_key_was_set() {
        let alice = Principal::new("user", "1");
        let sealed = seals(&[]).seal(&alice, &[7; SECRET_BYTES]).unwrap();
        for (keys, is_current) in [(&[][..], true), (&["one"], false)] {
            let opened = seals(keys).open(&alice, &sealed).unwrap();
            assert_eq!((opened.secret, opened.is_current), ([7; SECRET_BYTES], is_current));
        }
        for bad in [&[][..], &[0], &[1], &[2; 21], &[1; 60]] {
            let bad = SealedSecret::from_bytes(bad.to_vec());
            assert!(seals(&["one"]).open(&alice, &bad).is_err());
        }
    }
}
