//! Files that people bring, kept under the digest of their content, outside the database.
//! Knows nothing of whose they are; never overwrites and never lists.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt, path};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The folder of the data directory in which files lie.
const FOLDER: &str = "files";

/// Where files are kept. Cheap to clone.
#[derive(Clone)]
pub struct Files(Arc<dyn ObjectStore>);

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Files({})", self.0)
    }
}

/// Why files cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum FilesError {
    /// The folder cannot be made.
    #[error("cannot make the folder for files")]
    Folder(#[source] std::io::Error),
    /// The folder cannot be used.
    #[error("cannot keep files")]
    Store(#[from] StoreError),
}

impl Files {
    /// Files in the data directory.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn in_data_dir(data_dir: &Path) -> Result<Self, FilesError> {
        let folder = data_dir.join(FOLDER);
        std::fs::create_dir_all(&folder).map_err(FilesError::Folder)?;
        let store = LocalFileSystem::new_with_prefix(folder)?.with_automatic_cleanup(true);
        Ok(Self(Arc::new(store)))
    }

    /// Keeps a content for an owner, and returns its digest. The same content is kept once.
    ///
    /// # Errors
    /// If it cannot be written.
    pub async fn put(&self, owner: i64, content: Bytes) -> Result<String> {
        let digest = Sha256::digest(&content);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let kept = self.0.put(&place(owner, &digest), content.into()).await;
        kept.map_err(Error::internal)?;
        Ok(digest)
    }

    /// The content with this digest.
    ///
    /// # Errors
    /// `NotFound` if the owner has none such.
    pub async fn get(&self, owner: i64, digest: &str) -> Result<Bytes> {
        let found = match self.0.get(&place(owner, digest)).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        found.map_err(|error| match error {
            StoreError::NotFound { .. } => Error::NotFound("file"),
            error => Error::internal(error),
        })
    }

    /// Forgets a content; one that is not there is forgotten already.
    ///
    /// # Errors
    /// If it cannot be removed.
    pub async fn delete(&self, owner: i64, digest: &str) -> Result<()> {
        match self.0.delete(&place(owner, digest)).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(Error::internal(error)),
        }
    }
}

/// Owners are apart: who brings a file learns nothing of who has it already.
fn place(owner: i64, digest: &str) -> path::Path {
    path::Path::from(format!("{owner}/{digest}"))
}
