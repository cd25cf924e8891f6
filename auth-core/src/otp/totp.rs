//! Codes of authenticator apps: TOTP (RFC 6238) over HOTP (RFC 4226), with what every app understands: HMAC-SHA-1,
//! six digits, thirty seconds.
//!
//! SHA-1 is no weakness here: HMAC does not need its collisions to be hard (RFC 6238 §1.2, RFC 4226
//! §7 and appendix B).

use std::fmt::Write;

use aws_lc_rs::{constant_time, hmac};
use chrono::{DateTime, Utc};

use crate::token::TotpUri;

/// RFC 4226 §4, R6: 160 bits are recommended.
pub(crate) const SECRET_BYTES: usize = 20;

const DIGITS: usize = 6;

/// RFC 6238 §5.2.
const PERIOD_SECONDS: i64 = 30;

/// One step of drift each way, for clocks that disagree and people who type slowly (RFC 6238 §5.2).
const DRIFT: i64 = 1;

fn step_at(now: DateTime<Utc>) -> i64 {
    now.timestamp().div_euclid(PERIOD_SECONDS)
}

/// RFC 4226 §5.3.
fn code(key: &hmac::Key, step: i64) -> String {
    let tag = hmac::sign(key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[tag.len() - 1] & 0x0f);
    let number = tag[offset..offset + 4].iter().fold(0, |n, byte| n << 8 | u32::from(*byte));
    format!("{:0DIGITS$}", (number & 0x7fff_ffff) % 10_u32.pow(DIGITS as u32))
}

fn key(secret: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret)
}

/// The step whose code was typed: now, or one away, and later than the last one that was accepted (a code is
/// good once: RFC 6238 §5.2, ASVS 6.5.1).
pub(crate) fn matching_step(
    secret: &[u8],
    typed: &str,
    now: DateTime<Utc>,
    last_step: i64,
) -> Option<i64> {
    let key = key(secret);
    let current = step_at(now);
    // All are compared: the time does not tell which one it was.
    let mut found = None;
    for step in current - DRIFT..=current + DRIFT {
        let code = code(&key, step);
        let matches = constant_time::verify_slices_are_equal(code.as_bytes(), typed.as_bytes());
        if matches.is_ok() && step > last_step {
            found = Some(step);
        }
    }
    found
}

/// Whether this can be a code at all.
pub(crate) fn is_code(typed: &str) -> bool {
    typed.len() == DIGITS && typed.bytes().all(|b| b.is_ascii_digit())
}

/// What an authenticator app shows at `now` for this secret in base32: for tests and tools. `None` for what is
/// not base32.
pub fn totp_code(secret: &str, now: DateTime<Utc>) -> Option<String> {
    Some(code(&key(&from_base32(secret)?), step_at(now)))
}

/// What an app reads from a picture: Google's "Key URI Format", which all of them take.
pub(crate) fn uri(secret: &str, issuer: Option<&str>, account: &str) -> TotpUri {
    let account = percent_encoded(account);
    let (prefix, issuer) = match issuer.map(percent_encoded) {
        Some(issuer) => (format!("{issuer}:"), format!("&issuer={issuer}")),
        None => (String::new(), String::new()),
    };
    TotpUri::new(format!(
        "otpauth://totp/{prefix}{account}?secret={secret}{issuer}\
         &algorithm=SHA1&digits={DIGITS}&period={PERIOD_SECONDS}"
    ))
}

/// RFC 3986 §2.1, everything but the unreserved characters.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // To write into a String does not fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// RFC 4648 §6, without padding.
pub(crate) fn to_base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut group = [0; 8];
        group[3..3 + chunk.len()].copy_from_slice(chunk);
        let group = u64::from_be_bytes(group);
        for place in 0..(chunk.len() * 8).div_ceil(5) {
            let digit = group >> (35 - 5 * place) & 31;
            text.push(char::from(ALPHABET[digit as usize]));
        }
    }
    text
}

fn from_base32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut bits, mut held) = (0_u32, 0_u32);
    for letter in text.bytes() {
        let digit = ALPHABET.iter().position(|known| *known == letter.to_ascii_uppercase())?;
        (bits, held) = (bits << 5 | digit as u32, held + 5);
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::from_millis;

    const SECRET: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> DateTime<Utc> {
        from_millis(seconds * 1000)
    }

    #[test]
    fn codes_are_those_of_rfc_4226_appendix_d() {
        let codes = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583",
            "399871", "520489",
        ];
        for (counter, expected) in codes.iter().enumerate() {
            assert_eq!(code(&key(SECRET), counter as i64), *expected);
        }
    }

    /// Which has eight digits: ours are the last six.
    #[test]
    fn codes_are_those_of_rfc_6238_appendix_b() {
        for (time, expected) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            assert_eq!(totp_code(&to_base32(SECRET), at(time)).as_deref(), Some(&expected[2..]));
        }
    }

    #[test]
    fn a_code_is_good_one_step_away_and_not_two() {
        let typed = code(&key(SECRET), 1000);
        for (step, expected) in
            [(998, None), (999, Some(1000)), (1000, Some(1000)), (1001, Some(1000)), (1002, None)]
        {
            let found = matching_step(SECRET, &typed, at(step * 30), 0);
            assert_eq!(found, expected, "at step {step}");
            let found = matching_step(SECRET, &typed, at(step * 30 + 29), 0);
            assert_eq!(found, expected, "at the end of step {step}");
        }
    }

    #[test]
    fn a_step_that_was_accepted_and_those_before_it_are_no_longer_good() {
        let typed = code(&key(SECRET), 1000);
        let now = at(30_000);
        assert_eq!(matching_step(SECRET, &typed, now, 999), Some(1000));
        assert_eq!(matching_step(SECRET, &typed, now, 1000), None);
        assert_eq!(matching_step(SECRET, &typed, now, 1001), None);
        assert_eq!(matching_step(SECRET, "", now, 0), None);
    }

    #[test]
    fn base32_is_that_of_rfc_4648() {
        for (plain, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(to_base32(plain.as_bytes()), text);
            assert_eq!(from_base32(text).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(from_base32("MZXW1"), None);
    }

    #[test]
    fn the_uri_names_issuer_and_account_and_nothing_in_them_is_taken_for_more() {
        let plain = uri("ABC", None, "alice");
        assert_eq!(
            plain.expose(),
            "otpauth://totp/alice?secret=ABC&algorithm=SHA1&digits=6&period=30"
        );
        let odd = uri("ABC", Some("The Shop: A&B"), "a/b?secret=é");
        assert_eq!(
            odd.expose(),
            "otpauth://totp/The%20Shop%3A%20A%26B:a%2Fb%3Fsecret%3D%C3%A9?secret=ABC\
             &issuer=The%20Shop%3A%20A%26B&algorithm=SHA1&digits=6&period=30"
        );
        assert_eq!(format!("{odd:?}"), "TotpUri(…)");
    }
}
