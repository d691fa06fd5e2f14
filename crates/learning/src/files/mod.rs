//! Files that people bring, outside the database: in a folder, or in a bucket.
//! Knows nothing of whose they are, and never lists.

mod bucket;

use std::error::Error as _;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::{Error as StoreError, ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};

use base::error::{Error, Result};
use egress::{Egress, Refused};

pub use bucket::BucketSettings;

/// The folder of the data directory in which files lie.
const FOLDER: &str = "files";
/// What is written to see whether anything can be.
const PROBE: &str = "probe";

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
    /// The bucket is not named as one is.
    #[error("{0:?} is no bucket: write s3://BUCKET or s3://BUCKET/PREFIX")]
    Url(String),
    /// The service of the bucket may not be dialled.
    #[error("{0:?} may not be dialled: write https://HOST, or open its range with --egress-allow")]
    Endpoint(String, #[source] Refused),
    /// The service does not take our key, or not for this.
    #[error(
        "the service refuses the key: compare AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and let it write to the bucket"
    )]
    Denied,
    /// There is no such bucket.
    #[error("the bucket is not there: compare --files-url, --files-endpoint and --files-region")]
    NoBucket,
    /// The store cannot be used.
    #[error("the place of files cannot be used")]
    Store(#[source] StoreError),
}

impl From<StoreError> for FilesError {
    fn from(error: StoreError) -> Self {
        match error {
            // What the service says of it names the key.
            StoreError::PermissionDenied { .. } | StoreError::Unauthenticated { .. } => {
                Self::Denied
            }
            StoreError::NotFound { .. } => Self::NoBucket,
            error => Self::Store(error),
        }
    }
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

    /// Files in a bucket, which is reached through `egress`.
    ///
    /// # Errors
    /// If the settings make no sense, or the service may not be dialled.
    pub fn in_bucket(settings: &BucketSettings, egress: Egress) -> Result<Self, FilesError> {
        Ok(Self(bucket::open(settings, egress)?.into()))
    }

    /// Whether files can be kept: writes an empty one.
    ///
    /// # Errors
    /// If it is refused, or nobody answers.
    pub async fn check(&self) -> Result<(), FilesError> {
        self.0.put(&PROBE.into(), Bytes::new().into()).await?;
        Ok(())
    }

    /// Keeps a content in a place.
    ///
    /// # Errors
    /// `Unavailable` if it cannot be written now.
    pub async fn put(&self, place: &str, content: Bytes) -> Result<()> {
        let kept = self.0.put(&place.into(), content.into()).await;
        kept.map(drop).map_err(unavailable)
    }

    /// The content in a place.
    ///
    /// # Errors
    /// `NotFound` if there is none, `Unavailable` if nobody can tell now.
    pub async fn get(&self, place: &str) -> Result<Bytes> {
        let found = match self.0.get(&place.into()).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        found.map_err(|error| match error {
            StoreError::NotFound { .. } => Error::NotFound("file"),
            error => unavailable(error),
        })
    }

    /// Empties a place; one that is empty already stays so.
    ///
    /// # Errors
    /// `Unavailable` if that cannot be done now.
    pub async fn delete(&self, place: &str) -> Result<()> {
        match self.0.delete(&place.into()).await {
            Ok(()) | Err(StoreError::NotFound { .. }) => Ok(()),
            Err(error) => Err(unavailable(error)),
        }
    }
}

/// What tells a content from every other: its SHA-256, in hexadecimal digits.
pub fn digest(content: &Bytes) -> String {
    let digest = Sha256::digest(content);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Says why in the log; the caller can only come again.
fn unavailable(error: StoreError) -> Error {
    let error = FilesError::from(error);
    let cause = error.source().map(ToString::to_string);
    tracing::error!(%error, cause, "a file could not be kept or read");
    Error::Unavailable("files")
}
