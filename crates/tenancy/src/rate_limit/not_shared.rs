//! What stands for the counts of all replicas in a binary that was built without the feature `redis`: nothing can be
//! counted there, and a setting that asks for it is refused at the start.

use super::log::Reading;
use super::rate::Charges;

/// The setting asks for what is not there.
#[derive(Debug, thiserror::Error)]
#[error(
    "this binary was built without Redis: leave the Redis URL out, or build it with the feature `redis`"
)]
pub struct BadUrl;

/// No Redis; nobody has one.
#[derive(Debug)]
pub(super) enum Shared {}

impl Shared {
    pub(super) fn new(_: &str) -> Result<Self, BadUrl> {
        Err(BadUrl)
    }

    pub(super) async fn admit(&self, _: &Charges) -> Option<[Reading; 3]> {
        match *self {}
    }
}
