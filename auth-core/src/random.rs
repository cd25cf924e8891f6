//! The only place that draws random numbers: the operating system's generator, through aws-lc.
//!
//! `clippy.toml` bans the other ways, so that no secret comes from a weaker one (ASVS 11.5.1).

/// `N` random bytes.
///
/// # Panics
/// When the operating system has no randomness to give. A process in that state must not go on
/// issuing secrets, so there is no error to handle.
#[expect(clippy::disallowed_methods, clippy::expect_used, reason = "this is the one place")]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut out = [0; N];
    aws_lc_rs::rand::fill(&mut out).expect("the operating system has no randomness");
    out
}

/// 256 random bits as 43 characters of base64url: for cookies and one-time links.
pub fn token() -> String {
    base64_simd::URL_SAFE_NO_PAD.encode_to_string(bytes::<32>())
}

/// `count` random decimal digits, at most 38: for one-time codes. Each is as likely as every other (but for
/// one part in 2^64, where there are 19 or fewer).
pub fn digits(count: usize) -> String {
    let count = count.min(38);
    let below = 10_u128.pow(count as u32);
    format!("{:0count$}", u128::from_be_bytes(bytes()) % below)
}

/// The same generator, for signatures that need one.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn source() -> aws_lc_rs::rand::SystemRandom {
    aws_lc_rs::rand::SystemRandom::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_as_many_as_asked_for_and_every_one_comes_up_in_every_place() {
        let mut seen = [[false; 10]; 6];
        for _ in 0..2_000 {
            let digits = digits(6);
            assert_eq!(digits.len(), 6);
            for (place, digit) in digits.bytes().enumerate() {
                seen[place][usize::from(digit - b'0')] = true;
            }
        }
        assert_eq!(seen, [[true; 10]; 6]);
        assert_eq!((digits(0).len(), digits(38).len(), digits(99).len()), (1, 38, 38));
    }
}
