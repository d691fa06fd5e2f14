//! The file of master keys: made once, read, and given a new key, so that a kill at any moment leaves a whole one.
//! Never readable by anyone but its owner.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::error::VaultError;
use super::keys;
use crate::clock::random_hex;

/// Where the master keys lie.
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
}

/// Held by the process that changes the key file; ends with the process at the latest.
#[derive(Debug)]
pub struct KeyFileLock(
    #[expect(dead_code, reason = "the lock lasts as long as the file is open")] File,
);

/// What tells one state of the file from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    modified_ns: (i64, i64),
    size_bytes: u64,
}

impl KeyFile {
    /// The file at this path, whether it is there or not.
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is there.
    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// Makes it with new random keys. Whoever comes second finds the first one's.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn make(&self) -> io::Result<()> {
        let beside = self.beside(&random_hex::<8>());
        write_over(&beside, &keys::generate_text())?;
        let linked = fs::hard_link(&beside, &self.path);
        fs::remove_file(&beside)?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            linked => linked.and_then(|()| self.sync_folder()),
        }
    }

    /// Adds a key that seals from now on, and returns its id.
    ///
    /// # Errors
    /// `Unreadable` if the file cannot be read or replaced, `BadKeys` if it is not in its form.
    pub fn add_key(&self, _: &KeyFileLock) -> Result<String, VaultError> {
        let (id, text) = keys::with_new_key(&self.read()?)?;
        let beside = self.beside("new");
        write_over(&beside, &text)
            .and_then(|()| fs::rename(&beside, &self.path))
            .and_then(|()| self.sync_folder())
            .map_err(|source| self.unreadable(source))?;
        Ok(id)
    }

    /// Keeps everybody else from changing it; `None` if somebody is.
    ///
    /// # Errors
    /// If the file system refuses.
    pub fn lock(&self) -> io::Result<Option<KeyFileLock>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(self.beside("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(KeyFileLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    pub(super) fn read(&self) -> Result<Zeroizing<String>, VaultError> {
        let text = fs::read_to_string(&self.path).map_err(|source| self.unreadable(source))?;
        Ok(Zeroizing::new(text))
    }

    pub(super) fn stamp(&self) -> Option<Stamp> {
        let metadata = fs::metadata(&self.path).ok()?;
        Some(Stamp {
            inode: metadata.ino(),
            modified_ns: (metadata.mtime(), metadata.mtime_nsec()),
            size_bytes: metadata.len(),
        })
    }

    fn beside(&self, ending: &str) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{ending}"));
        name.into()
    }

    /// A rename is durable once its folder is.
    fn sync_folder(&self) -> io::Result<()> {
        let folder = self
            .path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn unreadable(&self, source: io::Error) -> VaultError {
        VaultError::Unreadable {
            path: self.path.clone(),
            source,
        }
    }
}

/// Creates a file that only its owner can read; fails if it exists.
///
/// # Errors
/// If the file system refuses.
pub fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// The same for a file that a killed process may have left behind.
fn write_over(path: &Path, text: &str) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write_private(path, text)
}
