//! Pictures without what was written into them beside the picture: where it was taken, when, with what and by whom.
//! Decodes no pixel, and copies no part that it does not know. Which way is up stays.

mod exif;
mod jpeg;
mod png;
mod webp;

/// Largest picture, in pixels: its file says how many there are, whatever it takes to show them.
const PIXELS_MAX: u64 = 25_000_000;

/// Why a picture is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flaw {
    /// It ends early, or is not built as its format wants it.
    Broken,
    /// It has too many pixels.
    TooLarge,
    /// It is a film.
    Moving,
}

impl Flaw {
    /// What is said of it in a form.
    pub(super) fn message(self) -> String {
        match self {
            Self::Broken => "This picture is damaged.".to_owned(),
            Self::TooLarge => {
                let megapixels = PIXELS_MAX / 1_000_000;
                format!("Ensure this picture has no more than {megapixels} megapixels.")
            }
            Self::Moving => "Must be a still picture.".to_owned(),
        }
    }
}

/// A format of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// ITU-T T.81, in the clothes of JFIF or Exif.
    Jpeg,
    /// W3C's third edition.
    Png,
    /// RFC 9649.
    Webp,
}

/// The picture alone.
///
/// # Errors
/// What is wrong with it.
pub(super) fn clean(format: Format, content: &[u8]) -> Result<Vec<u8>, Flaw> {
    match format {
        Format::Jpeg => jpeg::clean(content),
        Format::Png => png::clean(content),
        Format::Webp => webp::clean(content),
    }
}

/// A picture must have pixels, and not too many.
fn require_size(width: u32, height: u32) -> Result<(), Flaw> {
    match u64::from(width) * u64::from(height) {
        0 => Err(Flaw::Broken),
        1..=PIXELS_MAX => Ok(()),
        _ => Err(Flaw::TooLarge),
    }
}

/// What has not been read yet. Nothing is read beyond its end.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Flaw> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Flaw::Broken)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Flaw> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| Flaw::Broken)
    }

    fn expect(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        let is_there = self.take(bytes.len())? == bytes;
        is_there.then_some(()).ok_or(Flaw::Broken)
    }
}

#[cfg(test)]
mod picture_tests;
