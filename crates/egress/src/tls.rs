//! Whose certificates are believed: Mozilla's roots and the operator's file, through aws-lc-rs.
//! It must never offer a way to skip the check.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};

use super::policy::Policy;

/// Why the way out could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The operator's file of root certificates cannot be read.
    #[error("the root certificates in {path} cannot be read")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// The file is not PEM.
    #[error("the root certificates in {path} are not PEM")]
    NotPem {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: pem::Error,
    },
    /// The file holds no certificate.
    #[error("there is no certificate in {path}")]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A certificate in the file cannot be a root, or TLS itself cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Returns the TLS settings of every outgoing connection.
///
/// # Errors
/// If the operator's file is unreadable, empty or not made of certificates.
pub(super) fn client_config(policy: &Policy) -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    if let Some(path) = &policy.roots_file {
        add_roots(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn add_roots(roots: &mut RootCertStore, path: &PathBuf) -> Result<(), SetupError> {
    let text = std::fs::read(path).map_err(|source| SetupError::Unreadable {
        path: path.clone(),
        source,
    })?;
    let before = roots.len();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|source| SetupError::NotPem {
            path: path.clone(),
            source,
        })?;
        roots.add(certificate)?;
    }
    if roots.len() == before {
        return Err(SetupError::Empty { path: path.clone() });
    }
    Ok(())
}
