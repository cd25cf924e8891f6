//! The files of a [`KeyDirectory`](super::KeyDirectory): who may write and read them, and what is in them.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};

use super::{KeyDirectoryError, Result, StoredKey};
use crate::keys::from_text;
use crate::settings::SecretText;

/// Far more than any key.
const MAX_FILE_BYTES: u64 = 64 * 1024;

/// The contents of a file. Times are in RFC 3339.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contents {
    pub(super) kid: String,
    pub(super) alg: Algorithm,
    pub(super) created_at: DateTime<Utc>,
    pub(super) signs_from: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) signs_until: Option<DateTime<Utc>>,
    /// A private key in PEM (PKCS#8), or a secret.
    pub(super) key: String,
}

/// The files and what is in them, or why that cannot be read, in the order of their names.
pub(super) fn all(directory: &Path) -> Result<Vec<(PathBuf, Result<SecretText>)>> {
    let owner = check_directory(directory)?;
    let mut paths = Vec::new();
    for entry in fs::read_dir(directory).map_err(at(directory))? {
        let path = entry.map_err(at(directory))?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        // Opening a pipe would wait for somebody to write.
        let is_file = || fs::metadata(&path).is_ok_and(|metadata| metadata.is_file());
        if path.extension().is_some_and(|extension| extension == "json") && !is_hidden && is_file()
        {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: PathBuf| match read_text(&path, owner) {
        // Removed meanwhile.
        Err(KeyDirectoryError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => None,
        text => Some((path, text)),
    };
    Ok(paths.into_iter().filter_map(read).collect())
}

/// Changes what is in a file.
pub(super) fn change(path: &Path, change: impl FnOnce(&mut Contents)) -> Result<()> {
    let mut contents = contents_of(path, &read_text(path, None)?)?;
    change(&mut contents);
    write(path, &contents)
}

/// Writes a file that only its owner can read, and its group where the one before, or the directory, is
/// shared with it. It belongs to whom the directory belongs to: whoever rotates may be another user
/// than the servers are. It appears, or changes, as a whole.
pub(super) fn write(path: &Path, contents: &Contents) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let text = serde_json::to_string_pretty(contents)
        .map_err(|_| malformed(path, "cannot be written as JSON"))?;
    // Made with mode 0600, and a name that is not read.
    let write = || -> io::Result<bool> {
        let mut file = tempfile::Builder::new().prefix(".new-").tempfile_in(directory)?;
        file.write_all(text.as_bytes())?;
        if !hand_over(file.as_file(), path, directory)? {
            return Ok(false);
        }
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(true)
    };
    match write().map_err(at(path))? {
        true => Ok(()),
        false => Err(KeyDirectoryError::Owner { path: directory.to_owned() }),
    }
}

/// Gives a new file the owner, the group and the mode that it should have. Whether that could be done.
#[cfg(unix)]
fn hand_over(file: &File, path: &Path, directory: &Path) -> io::Result<bool> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let (new, model) = (file.metadata()?, fs::metadata(directory)?);
    let before = fs::metadata(path).ok();
    let is_shared = match &before {
        Some(before) => before.mode() & 0o040 != 0,
        // Only with a group that is told apart from everybody.
        None => model.mode() & 0o057 == 0o050,
    };
    let (owner, group) = before.map_or((model.uid(), model.gid()), |b| (b.uid(), b.gid()));
    if new.uid() != owner || (is_shared && new.gid() != group) {
        match fchown(file, Some(owner), Some(group)) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(false),
            done => done?,
        }
    }
    let mode = if is_shared { 0o640 } else { 0o600 };
    file.set_permissions(PermissionsExt::from_mode(mode))?;
    Ok(true)
}

#[cfg(not(unix))]
fn hand_over(_: &File, _: &Path, _: &Path) -> io::Result<bool> {
    Ok(true)
}

/// The key that a file describes.
pub(super) fn parse(path: PathBuf, text: &SecretText) -> Result<StoredKey> {
    let contents = contents_of(&path, text)?;
    let key = from_text(contents.alg, contents.key.as_bytes());
    let key = key.map_err(|error| KeyDirectoryError::Key { path: path.clone(), error })?;
    if contents.kid.is_empty() || contents.kid.len() > 255 {
        return Err(malformed(&path, "`kid` must have 1 to 255 bytes"));
    }
    Ok(StoredKey {
        key: key.with_kid(contents.kid),
        created_at: contents.created_at,
        signs_from: contents.signs_from,
        signs_until: contents.signs_until,
        path,
    })
}

fn contents_of(path: &Path, text: &SecretText) -> Result<Contents> {
    // The error of the parser would repeat what it read.
    serde_json::from_str(text.expose()).map_err(|_| malformed(path, "is not the file of a key"))
}

fn read_text(path: &Path, owner: Option<u32>) -> Result<SecretText> {
    let file = File::open(path).map_err(at(path))?;
    check_file(path, &file.metadata().map_err(at(path))?, owner)?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(at(path))?;
    Ok(text.into())
}

/// Refuses a directory in which others can put a file that is taken for a key. In one that is sticky,
/// as container platforms mount secrets, what counts is who owns the file.
#[cfg(unix)]
fn check_directory(path: &Path) -> Result<Option<u32>> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path).map_err(at(path))?;
    let mode = metadata.mode() & 0o7777;
    match (mode & 0o022, mode & 0o1000) {
        (0, _) => Ok(None),
        (_, 0) => Err(KeyDirectoryError::Open { path: path.to_owned(), mode }),
        _ => Ok(Some(metadata.uid())),
    }
}

/// Refuses the file of a key that others can read, or write. Its group may read: that is how secrets
/// are mounted for a container's user.
#[cfg(unix)]
fn check_file(path: &Path, metadata: &fs::Metadata, owner: Option<u32>) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    let mode = metadata.mode() & 0o777;
    if mode & 0o027 != 0 || owner.is_some_and(|owner| owner != metadata.uid()) {
        return Err(KeyDirectoryError::Open { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_directory(_: &Path) -> Result<Option<u32>> {
    Ok(None)
}

#[cfg(not(unix))]
fn check_file(_: &Path, _: &fs::Metadata, _: Option<u32>) -> Result<()> {
    Ok(())
}

pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome.map_err(at(path)),
    }
}

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> KeyDirectoryError {
    let path = path.to_owned();
    move |error| KeyDirectoryError::Io { path, error }
}

fn malformed(path: &Path, problem: &'static str) -> KeyDirectoryError {
    KeyDirectoryError::Malformed { path: path.to_owned(), problem }
}
