//! Why a [`KeyDirectory`](super::KeyDirectory) could not be read or changed.

use std::io;
use std::path::PathBuf;

use crate::keys::KeyError;

/// Why the directory could not be read or changed. No key is told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyDirectoryError {
    /// The file system.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or the directory.
        path: PathBuf,
        /// What it answered.
        error: io::Error,
    },
    /// Other users of the machine can read a key, or bring one of their own, and so log in as anybody.
    #[error(
        "{} can be read or written by others (mode {mode:04o}): run `chmod go-rwx` on it",
        path.display()
    )]
    Open {
        /// The file or the directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// A file is not what this wrote.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A file holds a key that is not good.
    #[error("{}: {error}", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyError,
    },
    /// The keys are good, and not together.
    #[error("{}: {error}", path.display())]
    Ring {
        /// The directory.
        path: PathBuf,
        /// What is wrong with them.
        error: KeyError,
    },
    /// A file would belong to somebody else than the directory does, and the servers could not read it.
    #[error("{} belongs to another user: run this as that user, or as root", path.display())]
    Owner {
        /// The directory.
        path: PathBuf,
    },
    /// Somebody else has been changing it for ten seconds.
    #[error("{} is being changed by somebody else", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// There is no key that signs.
    #[error("{}: there is no key that signs", path.display())]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// There is no key of this name.
    #[error("there is no such key")]
    Unknown,
    /// The key signs, or tokens that it signed are still good.
    #[error("the key is in use: tokens that it signed would be refused at once")]
    InUse,
}
