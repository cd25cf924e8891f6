//! The file with the signing key: read with care, and made at the first start.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use auth_core::settings::SecretText;
use auth_core::{Algorithm, random};

/// Far more than any key.
const MAX_BYTES: u64 = 64 * 1024;

/// What comes before the 32 bytes of a private key in an Ed25519 PKCS#8 document (RFC 8410 §7).
const ED25519_PKCS8: [u8; 16] =
    *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

/// A key, and whether it has just been made.
pub(crate) struct Obtained {
    pub(crate) key: SecretText,
    pub(crate) is_new: bool,
}

/// Reads the key, or makes one. Of several processes that start at once, one makes it and all
/// use it.
pub(crate) fn obtain(path: &Path, algorithm: Algorithm) -> Result<Obtained, String> {
    if !path.exists() {
        match create(path, &generate(algorithm)?) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("{} cannot be made: {error}", path.display())),
            Ok(()) => return Ok(Obtained { key: read(path)?, is_new: true }),
        }
    }
    Ok(Obtained { key: read(path)?, is_new: false })
}

/// Reads the key. One newline at the end is not part of it.
pub(crate) fn read(path: &Path) -> Result<SecretText, String> {
    let fault = |problem: String| format!("{} {problem}", path.display());
    let file = File::open(path).map_err(|error| fault(format!("cannot be read: {error}")))?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let metadata =
            file.metadata().map_err(|error| fault(format!("cannot be read: {error}")))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(fault(format!(
                "can be read by others (mode {mode:04o}), who could then log in as anybody: \
                 run `chmod 600` on it"
            )));
        }
    }
    let mut text = String::new();
    file.take(MAX_BYTES)
        .read_to_string(&mut text)
        .map_err(|error| fault(format!("cannot be read: {error}")))?;
    let key = text.strip_suffix('\n').unwrap_or(&text);
    let key = key.strip_suffix('\r').unwrap_or(key);
    if key.is_empty() {
        return Err(fault("is empty".into()));
    }
    Ok(key.into())
}

fn is_hmac(algorithm: Algorithm) -> bool {
    matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)
}

fn generate(algorithm: Algorithm) -> Result<String, String> {
    if is_hmac(algorithm) {
        // 512 random bits as 86 characters: enough for HS512 too.
        return Ok(random::token() + &random::token() + "\n");
    }
    if algorithm != Algorithm::EdDSA {
        return Err(format!("no key is made for {algorithm:?}: set signing_key"));
    }
    let document = [&ED25519_PKCS8[..], &random::bytes::<32>()].concat();
    let body = base64_simd::STANDARD.encode_to_string(document);
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"))
}

/// Writes a new file that only its owner can read. It appears complete or not at all, and never
/// in the place of another.
fn create(path: &Path, text: &str) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    // Made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    Ok(())
}
