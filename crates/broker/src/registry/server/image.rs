//! The picture of a server: stored in the database, found again by a name that cannot be guessed.
//! Never decoded; only its first bytes are looked at.

use bytes::Bytes;
use sqlx::FromRow;

use super::ServerId;
use base::clock::random_hex;
use base::error::{Error, Result};
use base::sql;
use base::storage::Tx;

/// Largest image, in bytes.
pub(crate) const IMAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// An image of an accepted kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    kind: &'static Kind,
    content: Bytes,
}

#[derive(Debug, PartialEq, Eq)]
struct Kind {
    extension: &'static str,
    media_type: &'static str,
}

const PNG: Kind = Kind {
    extension: "png",
    media_type: "image/png",
};
const JPEG: Kind = Kind {
    extension: "jpg",
    media_type: "image/jpeg",
};
const GIF: Kind = Kind {
    extension: "gif",
    media_type: "image/gif",
};
const WEBP: Kind = Kind {
    extension: "webp",
    media_type: "image/webp",
};

impl Image {
    /// Recognises an upload by its first bytes, whatever name and type it came under.
    ///
    /// # Errors
    /// The message for the field, if it is too large or of another kind.
    pub fn recognise(content: Bytes) -> Result<Self, String> {
        if content.len() > IMAGE_BYTES_MAX {
            return Err(format!(
                "Ensure this file has no more than {IMAGE_BYTES_MAX} bytes."
            ));
        }
        let kind = match &content[..] {
            [] => return Err("The submitted file is empty.".to_owned()),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => &PNG,
            [0xff, 0xd8, 0xff, ..] => &JPEG,
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => &GIF,
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => &WEBP,
            _ => {
                let message = "Upload a valid image. The file you uploaded was either not an image or a corrupted image.";
                return Err(message.to_owned());
            }
        };
        Ok(Self { kind, content })
    }
}

/// A stored image.
#[derive(Debug, Clone, FromRow)]
pub struct Stored {
    /// Its media type.
    pub media_type: String,
    /// Its bytes.
    pub content: Vec<u8>,
}

pub(super) async fn replace(tx: &mut Tx, server: ServerId, new: Option<&Image>) -> Result<()> {
    sql!(
        tx,
        execute,
        "DELETE FROM server_images WHERE server_id = $1",
        server
    )?;
    let name = new.map(|image| format!("{}.{}", random_hex::<16>(), image.kind.extension));
    sql!(
        tx,
        execute,
        "UPDATE servers SET image = $2 WHERE id = $1",
        server,
        name
    )?;
    if let Some(image) = new {
        sql!(
            tx,
            execute,
            "INSERT INTO server_images (server_id, media_type, content) VALUES ($1, $2, $3)",
            server,
            image.kind.media_type,
            &image.content[..]
        )?;
    }
    Ok(())
}

/// The image of that name. Whoever has the name may see it: a browser's `<img>` sends no key.
///
/// # Errors
/// `NotFound` if there is none.
pub async fn get(tx: &mut Tx, name: &str) -> Result<Stored> {
    sql!(
        tx,
        fetch_optional as Stored,
        "SELECT i.media_type, i.content FROM server_images i JOIN servers s ON s.id = i.server_id
         WHERE s.image = $1",
        name
    )?
    .ok_or(Error::NotFound("image"))
}
