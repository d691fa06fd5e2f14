//! Every server of our own.

use super::academy::{v1, v2};
use super::face::Face;
use super::user;

/// Every server of ours.
pub const FACES: &[&Face] = &[&v1::FACE, &v2::FACE, &user::FACE];

/// The server with this name.
pub fn find(name: &str) -> Option<&'static Face> {
    FACES.iter().find(|face| face.name == name).copied()
}
