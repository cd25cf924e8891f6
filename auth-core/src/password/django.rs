//! The hashes that Django stores, so that its users keep their passwords
//! (`django/contrib/auth/hashers.py`, Django 5.2). They are only verified: a login replaces them.
//!
//! ```text
//! pbkdf2_sha256$ITERATIONS$SALT$BASE64        also pbkdf2_sha1
//! bcrypt_sha256$$2b$COST$SALT-AND-HASH        bcrypt of the hexadecimal SHA-256
//! bcrypt$$2b$COST$SALT-AND-HASH
//! scrypt$N$SALT$R$P$BASE64
//! argon2$argon2id$v=19$m=…,t=…,p=…$SALT$HASH  PHC format behind a word
//! ```
//!
//! Django compares the text that it would have written, so what is written in another way matches
//! nobody, here as there.

use std::num::NonZeroU32;
use std::str::FromStr;

use aws_lc_rs::{constant_time, digest, pbkdf2};
use base64_simd::STANDARD as BASE64;

use super::argon::ArgonHash;
use crate::error::Outage;

/// How many bytes of a password bcrypt reads.
const BCRYPT_READS: usize = 72;

/// What a stored hash may ask for: about ten times what Django does by default, which is 1 to 4
/// seconds of a processor, and 128 MiB. Whoever can write a hash could else stop every login with it.
const MAX_PBKDF2_ITERATIONS: u32 = 10_000_000;
const MAX_BCRYPT_COST: u32 = 16;
/// `N·r`, of which each is 128 bytes.
const MAX_SCRYPT_BLOCKS: u64 = 1 << 20;
/// `p·r`, of which each is 128 bytes.
const MAX_SCRYPT_LANES: u64 = 1 << 13;
/// `N·r·p`.
const MAX_SCRYPT_WORK: u64 = 1 << 23;

/// The length that Django asks of scrypt.
const SCRYPT_LEN: usize = 64;

/// Begins the password of a user who has none, with random letters after it.
const UNUSABLE: char = '!';

/// A hash as Django stores it.
pub(super) enum DjangoHash<'a> {
    Pbkdf2 { algorithm: pbkdf2::Algorithm, iterations: NonZeroU32, salt: &'a str, hash: Vec<u8> },
    Bcrypt { is_of_digest: bool, hash: &'a str },
    Scrypt { params: scrypt::Params, salt: &'a str, hash: Vec<u8> },
    Argon(ArgonHash),
}

/// Whether the text says that the user has no password.
pub(super) fn is_unusable(text: &str) -> bool {
    text.starts_with(UNUSABLE)
}

impl<'a> DjangoHash<'a> {
    /// `None` for a text that Django would not have written, or a hash that asks for too much.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (algorithm, rest) = text.split_once('$')?;
        match algorithm {
            "pbkdf2_sha256" => pbkdf2(pbkdf2::PBKDF2_HMAC_SHA256, digest::SHA256_OUTPUT_LEN, rest),
            "pbkdf2_sha1" => {
                let len = digest::SHA1_OUTPUT_LEN;
                pbkdf2(pbkdf2::PBKDF2_HMAC_SHA1, len, rest)
            }
            "bcrypt_sha256" => bcrypt(true, rest),
            "bcrypt" => bcrypt(false, rest),
            "scrypt" => scrypt(rest),
            "argon2" => ArgonHash::parse(&text["argon2".len()..]).map(Self::Argon),
            _ => None,
        }
    }

    /// Whether a password that it matches is known to be the whole of what the user chose: only then may a hash
    /// of it take the place of this one.
    pub(super) fn reads_all_of(&self, password: &str) -> bool {
        !matches!(self, Self::Bcrypt { is_of_digest: false, .. }) || password.len() < BCRYPT_READS
    }

    /// Whether it is a hash of this password, compared in constant time.
    pub(super) fn matches(&self, password: &str) -> Result<bool, Outage> {
        Ok(match self {
            Self::Pbkdf2 { algorithm, iterations, salt, hash } => {
                let (salt, password) = (salt.as_bytes(), password.as_bytes());
                pbkdf2::verify(*algorithm, *iterations, salt, password, hash).is_ok()
            }
            Self::Bcrypt { is_of_digest: true, hash } => {
                let digest = digest::digest(&digest::SHA256, password.as_bytes());
                let digest = hex(digest.as_ref());
                matches!(bcrypt::verify(digest, hash), Ok(true))
            }
            // Only so many bytes count, as with the versions of Python's bcrypt that took more.
            Self::Bcrypt { is_of_digest: false, hash } => {
                matches!(bcrypt::verify(password, hash), Ok(true))
            }
            Self::Scrypt { params, salt, hash } => {
                let mut computed = [0; SCRYPT_LEN];
                scrypt::scrypt(password.as_bytes(), salt.as_bytes(), params, &mut computed)
                    .map_err(Outage::because)?;
                constant_time::verify_slices_are_equal(&computed, hash).is_ok()
            }
            Self::Argon(hash) => hash.matches(password)?,
        })
    }
}

fn pbkdf2(algorithm: pbkdf2::Algorithm, len: usize, rest: &str) -> Option<DjangoHash<'_>> {
    let [iterations, salt, hash] = fields(rest)?;
    let iterations =
        number(iterations).filter(|n: &NonZeroU32| n.get() <= MAX_PBKDF2_ITERATIONS)?;
    let hash = base64(hash, len)?;
    Some(DjangoHash::Pbkdf2 { algorithm, iterations, salt: salted(salt)?, hash })
}

fn bcrypt(is_of_digest: bool, hash: &str) -> Option<DjangoHash<'_>> {
    // 2x hashes what is not ASCII wrongly; neither Django nor its library ever wrote it.
    let version = match hash.get(..4)? {
        "$2b$" => bcrypt::Version::TwoB,
        "$2a$" => bcrypt::Version::TwoA,
        "$2y$" => bcrypt::Version::TwoY,
        _ => return None,
    };
    let parts = bcrypt::HashParts::from_str(hash).ok()?;
    let is_bearable = (4..=MAX_BCRYPT_COST).contains(&parts.get_cost());
    let is_canonical = parts.format_for_version(version) == hash;
    (is_bearable && is_canonical).then_some(DjangoHash::Bcrypt { is_of_digest, hash })
}

fn scrypt(rest: &str) -> Option<DjangoHash<'_>> {
    let [n, salt, r, p, hash] = fields(rest)?;
    let (n, r, p): (u32, u32, u32) = (number(n)?, number(r)?, number(p)?);
    let (blocks, lanes) = (u64::from(n) * u64::from(r), u64::from(p) * u64::from(r));
    let is_bearable = blocks <= MAX_SCRYPT_BLOCKS
        && lanes <= MAX_SCRYPT_LANES
        && blocks * u64::from(p) <= MAX_SCRYPT_WORK;
    if !is_bearable || !n.is_power_of_two() || n < 2 {
        return None;
    }
    let params = scrypt::Params::new(n.ilog2().try_into().ok()?, r, p).ok()?;
    Some(DjangoHash::Scrypt { params, salt: salted(salt)?, hash: base64(hash, SCRYPT_LEN)? })
}

/// Exactly so many, separated by `$`.
fn fields<const N: usize>(rest: &str) -> Option<[&str; N]> {
    let mut fields = rest.split('$');
    let mut found = [""; N];
    for field in &mut found {
        *field = fields.next()?;
    }
    fields.next().is_none().then_some(found)
}

/// In the one way in which Python writes it.
fn number<T: FromStr + ToString>(text: &str) -> Option<T> {
    text.parse().ok().filter(|number: &T| number.to_string() == text)
}

/// Letters and digits, of all that Django ever made; it takes any text but none.
fn salted(salt: &str) -> Option<&str> {
    (!salt.is_empty() && !salt.contains('\0')).then_some(salt)
}

fn base64(text: &str, len: usize) -> Option<Vec<u8>> {
    let bytes = BASE64.decode_to_vec(text).ok()?;
    (bytes.len() == len && BASE64.encode_to_string(&bytes) == text).then_some(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// What Django made, by `tests/vectors/django_passwords.py`.
    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../tests/vectors/django_passwords.json")).unwrap()
    }

    fn matches(stored: &str, password: &str) -> bool {
        let hash = DjangoHash::parse(stored).unwrap_or_else(|| panic!("not read: {stored}"));
        hash.matches(password).unwrap()
    }

    /// The one that Django made of `plain` with a fraction of the usual costs.
    fn cheap(algorithm: &str) -> String {
        let vectors = vectors();
        let hashes = vectors["hashes"].as_array().unwrap();
        let hash = hashes.iter().find(|hash| {
            let stored = hash["stored"].as_str().unwrap();
            hash["cost"] == "cheap" && stored.split('$').next() == Some(algorithm)
        });
        hash.unwrap()["stored"].as_str().unwrap().to_owned()
    }

    const PLAIN: &str = "correct horse battery staple";
    const KINDS: [&str; 6] =
        ["pbkdf2_sha256", "pbkdf2_sha1", "bcrypt_sha256", "bcrypt", "scrypt", "argon2"];

    #[test]
    fn what_django_stored_matches_its_password_only() {
        let vectors = vectors();
        let passwords = vectors["passwords"].as_object().unwrap();
        let hashes = vectors["hashes"].as_array().unwrap();
        assert_eq!(hashes.len(), 54);
        for hash in hashes {
            let stored = hash["stored"].as_str().unwrap();
            let of = hash["password"].as_str().unwrap();
            // The costs of today once for each kind, and for nothing else: they take a second.
            let others = if hash["cost"] == "default" { 1 } else { passwords.len() };
            for (kind, password) in passwords.iter().filter(|(kind, _)| *kind == of) {
                assert!(matches(stored, password.as_str().unwrap()), "{kind}: {stored}");
            }
            for (kind, password) in passwords.iter().filter(|(kind, _)| *kind != of).take(others) {
                // The long password begins with the one of 72 bytes, which is all that bcrypt reads.
                let is_cut = stored.starts_with("bcrypt$") && of == "of 72 bytes" && kind == "long";
                let matches = matches(stored, password.as_str().unwrap());
                assert_eq!(matches, is_cut, "{kind}: {stored}");
            }
        }
    }

    #[test]
    fn behind_a_digest_no_byte_of_a_password_is_lost() {
        let vectors = vectors();
        let hashes = vectors["hashes"].as_array().unwrap();
        for (of, near) in [
            ("long", "0123456789".repeat(10)),
            ("with NUL", "before".to_owned()),
            ("with NUL", "before\0afte".to_owned()),
            ("with blanks at its ends", "blanks".to_owned()),
        ] {
            let of_kind = hashes.iter().filter(|hash| hash["password"] == of);
            let mut count = 0;
            for stored in of_kind.map(|hash| hash["stored"].as_str().unwrap()) {
                assert!(!matches(stored, &near), "{of}: {stored}");
                count += 1;
            }
            assert!(count >= 6, "{count}");
        }
    }

    #[test]
    fn a_hash_that_django_would_not_have_written_is_none() {
        for stored in [
            "",
            "$",
            "pbkdf2_sha256",
            "pbkdf2_sha256$",
            "pbkdf2_sha256$1$salt$",
            "pbkdf2_sha256$0$salt$iK99SlFisoDvoZoj1g0OIl1/jg3JKUCN3xWtJiCPa7M=",
            "pbkdf2_sha256$-1$salt$iK99SlFisoDvoZoj1g0OIl1/jg3JKUCN3xWtJiCPa7M=",
            "pbkdf2_sha256$+1$salt$iK99SlFisoDvoZoj1g0OIl1/jg3JKUCN3xWtJiCPa7M=",
            "pbkdf2_sha256$01$salt$iK99SlFisoDvoZoj1g0OIl1/jg3JKUCN3xWtJiCPa7M=",
            "pbkdf2_sha256$1$$iK99SlFisoDvoZoj1g0OIl1/jg3JKUCN3xWtJiCPa7M=",
            "pbkdf2_sha256$1$salt$iK99SlFisoDvoZoj1g0OIl1/jg3JKUCN3xWtJiCPa7M",
            "pbkdf2_sha256$1$salt$iK99SlFisoDvoZoj1g0OIl1/jg3JKUCN3xWtJiCPa7N=",
            "pbkdf2_sha256$1$salt$iK99SlFisoDvoZoj1g0OIl1/jg3JKUCN3xWtJiCPa7M=\n",
            "pbkdf2_sha256$1$salt$more$iK99SlFisoDvoZoj1g0OIl1/jg3JKUCN3xWtJiCPa7M=",
            // Of another length: an empty one would match everybody.
            "pbkdf2_sha256$1$salt$uwFYa5Ousi2LGW2XQs7OpjayJEw=",
            "pbkdf2_sha1$1$salt$iK99SlFisoDvoZoj1g0OIl1/jg3JKUCN3xWtJiCPa7M=",
            "pbkdf2_sha512$1$salt$iK99SlFisoDvoZoj1g0OIl1/jg3JKUCN3xWtJiCPa7M=",
            "bcrypt_sha256$",
            "bcrypt_sha256$$2b$05$",
            "bcrypt_sha256$2b$05$p4ndjFPMjFaycBYUJqW8V.yDAjJy9H1gql8M22yN7nvEyDJEUhyRy",
            "bcrypt_sha256$$2x$05$p4ndjFPMjFaycBYUJqW8V.yDAjJy9H1gql8M22yN7nvEyDJEUhyRy",
            "bcrypt_sha256$$2b$+5$p4ndjFPMjFaycBYUJqW8V.yDAjJy9H1gql8M22yN7nvEyDJEUhyRy",
            "bcrypt_sha256$$2b$03$p4ndjFPMjFaycBYUJqW8V.yDAjJy9H1gql8M22yN7nvEyDJEUhyRy",
            "bcrypt_sha256$$2b$05$p4ndjFPMjFaycBYUJqW8V.yDAjJy9H1gql8M22yN7nvEyDJEUhyR\u{e9}",
            "bcrypt$$é",
            "scrypt$",
            "scrypt$1$salt$4$3$",
            "scrypt$1000$salt$4$3$OvqNA/XmQkOLp9eMfLDqFVlZOiw46onEkHeF4cgR+AEpvDFvG9HhUnNLS6AqmCvRi19kvFn3V7uSh+snWkvojA==",
            "scrypt$0$salt$4$3$OvqNA/XmQkOLp9eMfLDqFVlZOiw46onEkHeF4cgR+AEpvDFvG9HhUnNLS6AqmCvRi19kvFn3V7uSh+snWkvojA==",
            "scrypt$1024$salt$0$3$OvqNA/XmQkOLp9eMfLDqFVlZOiw46onEkHeF4cgR+AEpvDFvG9HhUnNLS6AqmCvRi19kvFn3V7uSh+snWkvojA==",
            "scrypt$1024$salt$4$0$OvqNA/XmQkOLp9eMfLDqFVlZOiw46onEkHeF4cgR+AEpvDFvG9HhUnNLS6AqmCvRi19kvFn3V7uSh+snWkvojA==",
            "scrypt$1024$salt$4$3$OvqNA/XmQkOLp9eMfLDqFVlZOiw46onEkHeF4cgR+AE=",
            "argon2",
            "argon2$",
            "argon2$$argon2id$v=19$m=512,t=2,p=8$ZGpFWklXc0RXbnlVME1LQTJmWTJQdw$4UYTM0iLaqc8fLrTKlsP7zFTf3EVnLqUgQreoZs4NY8",
            "argon2$argon2id$v=19$m=512,t=2,p=8$ZGpFWklXc0RXbnlVME1LQTJmWTJQdw",
            "argon2$argon2id$v=19$m=8,t=2,p=8$ZGpFWklXc0RXbnlVME1LQTJmWTJQdw$4UYTM0iLaqc8fLrTKlsP7zFTf3EVnLqUgQreoZs4NY8",
            "md5$VREbjcCEmsokqZnaJIXPWm$726b4ddfc2c5dbe016aa2187f37a08b8",
            "726b4ddfc2c5dbe016aa2187f37a08b8",
            "é$",
        ] {
            assert!(DjangoHash::parse(stored).is_none(), "{stored}");
        }
        for stored in vectors()["others"].as_array().unwrap() {
            assert!(DjangoHash::parse(stored.as_str().unwrap()).is_none(), "{stored}");
        }
    }

    /// What is just borne, and what is not.
    fn at_the_limits() -> Vec<(String, String)> {
        let (pbkdf2, bcrypt) = (cheap("pbkdf2_sha256"), cheap("bcrypt"));
        let (scrypt, argon2) = (cheap("scrypt"), cheap("argon2"));
        let with_scrypt = |n: &str, r: &str, p: &str| {
            let fields: Vec<_> = scrypt.split('$').collect();
            ["scrypt", n, fields[2], r, p, fields[5]].join("$")
        };
        vec![
            (pbkdf2.replace("$20000$", "$10000000$"), pbkdf2.replace("$20000$", "$10000001$")),
            (pbkdf2.replace("$20000$", "$1$"), pbkdf2.replace("$20000$", "$99999999999$")),
            (bcrypt.replace("$05$", "$16$"), bcrypt.replace("$05$", "$17$")),
            (bcrypt.replace("$05$", "$04$"), bcrypt.replace("$05$", "$31$")),
            (with_scrypt("131072", "8", "8"), with_scrypt("131072", "8", "9")),
            (with_scrypt("131072", "8", "1"), with_scrypt("131072", "9", "1")),
            (with_scrypt("2", "2", "4096"), with_scrypt("2", "4294967295", "4294967295")),
            (with_scrypt("1048576", "1", "1"), with_scrypt("2097152", "1", "1")),
            (with_scrypt("2", "1", "1"), with_scrypt("4294967295", "4294967295", "4294967295")),
            (with_scrypt("2", "1", "8192"), with_scrypt("2", "1", "8193")),
            (argon2.replace("m=512", "m=262144"), argon2.replace("m=512", "m=262145")),
            (
                argon2.replace("m=512,t=2", "m=262144,t=16"),
                argon2.replace("m=512,t=2", "m=262144,t=17"),
            ),
            (argon2.replace("m=512,t=2", "m=512,t=8192"), argon2.replace("t=2", "t=4294967295")),
        ]
    }

    #[test]
    fn a_hash_that_asks_for_too_much_is_none() {
        for (good, bad) in at_the_limits() {
            assert!(DjangoHash::parse(&good).is_some(), "{good}");
            assert!(DjangoHash::parse(&bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_user_without_a_password_is_known_by_the_sign_of_django() {
        let vectors = vectors();
        assert!(is_unusable(vectors["others"][0].as_str().unwrap()));
        assert!(!is_unusable(vectors["others"][1].as_str().unwrap()));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in any::<String>(), kind in 0..KINDS.len(), n in any::<u64>()) {
            for stored in [text.clone(), format!("{}${text}", KINDS[kind]),
                format!("{}${n}${text}", KINDS[kind]), format!("{}${n}$s${n}$1${text}", KINDS[kind])]
            {
                DjangoHash::parse(&stored);
            }
        }

        /// A hash with one character replaced, removed or put in belongs to nobody, or at least not to
        /// the one who had it: what still can be read and is cheap is computed.
        #[test]
        fn a_hash_that_was_changed_matches_nobody(
            kind in 0..KINDS.len(), at in any::<prop::sample::Index>(), by in "[ -~é$0-9]?", over in 0..2_usize,
        ) {
            let stored = cheap(KINDS[kind]);
            let at = at.index(stored.len());
            let end = (at + over).min(stored.len());
            let changed = format!("{}{by}{}", &stored[..at], &stored[end..]);
            // Costs that were multiplied are for the test above.
            let is_cost = stored[..end].matches('$').count() < if kind == 4 { 5 } else { 4 };
            if let Some(hash) = DjangoHash::parse(&changed) && changed != stored && !is_cost {
                prop_assert!(!hash.matches(PLAIN).unwrap(), "{changed}");
            }
        }
    }
}
