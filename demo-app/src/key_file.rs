//! The file with the signing key: read with care, and made at the first start.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use auth_core::settings::SecretText;
use auth_core::{Algorithm, Fault, KeyRing, Settings, keys};

/// Far more than any key.
const MAX_BYTES: u64 = 64 * 1024;

/// A key, and whether it has just been made.
pub(crate) struct Obtained {
    pub(crate) key: SecretText,
    pub(crate) is_new: bool,
}

/// Reads the key, or makes one. Of several processes that start at once, one makes it and all
/// use it.
pub(crate) fn obtain(path: &Path, algorithm: Algorithm) -> Result<Obtained, String> {
    if !path.exists() {
        match create(path, &new_key(algorithm)?) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(format!("cannot be made: {error}")),
            Ok(()) => return Ok(Obtained { key: read(path)?, is_new: true }),
        }
    }
    Ok(Obtained { key: read(path)?, is_new: false })
}

/// Reads the key. One newline at the end is not part of it. What is wrong is told without the path,
/// which may be a key that somebody has put into the wrong setting.
pub(crate) fn read(path: &Path) -> Result<SecretText, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    let file = File::open(path).map_err(unreadable)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(format!(
                "can be read by others (mode {mode:04o}), who could then log in as anybody: \
                 run `chmod 600` on it"
            ));
        }
    }
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(unreadable)?;
    let key = text.strip_suffix('\n').unwrap_or(&text);
    let key = key.strip_suffix('\r').unwrap_or(key);
    if key.is_empty() {
        return Err("is empty".into());
    }
    Ok(key.into())
}

/// Whether the key is good and goes with the settings. `name` is what is at fault where it is not.
pub(crate) fn check(path: &Path, name: &str, settings: &Settings) -> Result<(), Fault> {
    let key = read(path).map_err(|problem| Fault::new(name, problem))?;
    let with_key = Settings { signing_key: Some(key), ..settings.clone() };
    KeyRing::from_settings(&with_key).map(|_| ()).map_err(|fault| match fault.setting.as_str() {
        "signing_key" => Fault::new(name, fault.problem),
        _ => fault,
    })
}

fn new_key(algorithm: Algorithm) -> Result<String, String> {
    let text = keys::generate(algorithm).map_err(|error| error.to_string())?;
    Ok(text.trim_end().to_owned() + "\n")
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
