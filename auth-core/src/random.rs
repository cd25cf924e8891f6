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

/// The same generator, for signatures that need one.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub(crate) fn source() -> aws_lc_rs::rand::SystemRandom {
    aws_lc_rs::rand::SystemRandom::new()
}
