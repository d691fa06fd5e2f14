//! What a gateway says of PDF and PNG that was built without the feature `render`.

use base::error::{Error, Result};
use learning::academy::certificate::Certificate;

/// A refusal that says how the certificate is to be had.
///
/// # Errors
/// Always.
pub(super) fn pdf(_: &Certificate) -> Result<Vec<u8>> {
    Err(Error::Conflict(
        "This gateway was built without PDF and PNG. Ask for the certificate as SVG.".into(),
    ))
}

/// The same.
///
/// # Errors
/// Always.
pub(super) fn png(row: &Certificate) -> Result<Vec<u8>> {
    pdf(row)
}
