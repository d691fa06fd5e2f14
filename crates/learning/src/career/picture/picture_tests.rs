//! Pictures from a camera, whole, cut, changed and made up.

use krilla::Data;
use krilla::image::Image;
use proptest::prelude::*;

use super::*;

/// 6 × 4 pixels, to be turned by a quarter, with a place, a camera, XMP and a comment.
const CAMERA: [(Format, &[u8]); 3] = [
    (
        Format::Jpeg,
        include_bytes!("../../../../../tests/pictures/camera.jpg"),
    ),
    (
        Format::Png,
        include_bytes!("../../../../../tests/pictures/camera.png"),
    ),
    (
        Format::Webp,
        include_bytes!("../../../../../tests/pictures/camera.webp"),
    ),
];
const JPEG: &[u8] = CAMERA[0].1;
const PNG: &[u8] = CAMERA[1].1;
const WEBP: &[u8] = CAMERA[2].1;

fn has(content: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(content, part).is_some()
}

/// The picture with these bytes in place of others.
fn with(content: &[u8], at: &[u8], offset: usize, bytes: &[u8]) -> Vec<u8> {
    let mut changed = content.to_vec();
    let at = memchr::memmem::find(content, at).unwrap() + offset;
    changed[at..at + bytes.len()].copy_from_slice(bytes);
    changed
}

#[test]
fn a_picture_keeps_its_pixels_and_which_way_is_up_and_loses_the_rest() {
    for (format, content) in CAMERA {
        assert!(has(content, b"CANARY"), "{format:?}");
        let kept = clean(format, content).unwrap();
        assert!(!has(&kept, b"CANARY"), "{format:?}");
        let turned = has(&kept, &exif::only(6));
        assert!(turned, "{format:?}");
        assert_eq!(clean(format, &kept).as_ref(), Ok(&kept));
        let open = match format {
            Format::Jpeg => Image::from_jpeg,
            Format::Png => Image::from_png,
            Format::Webp => Image::from_webp,
        };
        let shown = open(Data::from(kept), false).unwrap();
        assert_eq!(shown.size(), (6, 4), "{format:?}");
    }
}

#[test]
fn what_stands_behind_the_end_is_left_out() {
    for (format, content) in CAMERA {
        let two = [content, b"<script>alert(1)</script>"].concat();
        assert_eq!(clean(format, &two), clean(format, content));
    }
}

#[test]
fn a_picture_that_ends_early_is_broken() {
    for (format, content) in CAMERA {
        for end in 0..content.len() {
            let cut = clean(format, &content[..end]);
            assert_eq!(cut, Err(Flaw::Broken), "{format:?} {end}");
        }
    }
}

#[test]
fn lengths_that_lie_are_broken() {
    let long = u32::MAX.to_be_bytes();
    for (format, content) in [
        (Format::Jpeg, with(JPEG, b"\xff\xdb", 2, &[0, 1])),
        (Format::Jpeg, with(JPEG, b"\xff\xdb", 2, &[0xff, 0xff])),
        (Format::Png, with(PNG, b"IDAT", 0, b"IDOT")),
        (Format::Png, with(PNG, b"IHDR", 0, b"PLTE")),
        (Format::Png, with(PNG, b"\0\0\0\rIHDR", 0, &long)),
        (Format::Webp, with(WEBP, b"RIFF", 4, &long)),
        (Format::Webp, with(WEBP, b"VP8 ", 4, &long)),
        (Format::Webp, with(WEBP, b"VP8 ", 0, b"VP9 ")),
        (Format::Jpeg, with(JPEG, b"\xff\xc2", 5, &[0, 0])),
    ] {
        assert_eq!(clean(format, &content), Err(Flaw::Broken), "{format:?}");
    }
}

#[test]
fn a_picture_of_too_many_pixels_is_too_large_whatever_it_weighs() {
    let wide = 50_000_u32.to_be_bytes();
    let both = [wide, wide].concat();
    for (format, content) in [
        (Format::Jpeg, with(JPEG, b"\xff\xc2", 5, &[0xff; 4])),
        (Format::Png, with(PNG, b"IHDR", 4, &both)),
        // The canvas, and what it says is on it.
        (
            Format::Webp,
            with(WEBP, b"VP8X", 12, &[0xff, 0xff, 0, 0xff, 0xff, 0]),
        ),
        (Format::Webp, with(WEBP, b"\x9d\x01\x2a", 3, &[0xff; 4])),
    ] {
        assert_eq!(clean(format, &content), Err(Flaw::TooLarge), "{format:?}");
    }
    assert_eq!(require_size(5000, 5000), Ok(()));
    assert_eq!(require_size(5000, 5001), Err(Flaw::TooLarge));
    assert_eq!(require_size(u32::MAX, u32::MAX), Err(Flaw::TooLarge));
}

#[test]
fn a_film_is_no_picture() {
    for (format, content) in [
        (Format::Png, with(PNG, b"tEXt", 0, b"acTL")),
        (Format::Webp, with(WEBP, b"VP8X", 8, &[MOVES])),
        (Format::Webp, with(WEBP, b"XMP ", 0, b"ANMF")),
    ] {
        assert_eq!(clean(format, &content), Err(Flaw::Moving), "{format:?}");
    }
}

/// The flag of a WebP file that moves.
const MOVES: u8 = 0x02;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_that_looks_like_a_picture_is_too_much(
        which in 0..CAMERA.len(),
        changes in proptest::collection::vec((any::<u16>(), any::<u8>()), 1..6),
        cut in 0..40_usize,
        tail in proptest::collection::vec(any::<u8>(), 0..40),
    ) {
        let (format, content) = CAMERA[which];
        let mut content = content[..content.len() - cut].to_vec();
        for (at, byte) in changes {
            let at = usize::from(at) % content.len();
            content[at] = byte;
        }
        content.extend(tail);
        if let Ok(kept) = clean(format, &content) {
            prop_assert_eq!(clean(format, &kept), Ok(kept));
        }
    }

    #[test]
    fn nothing_at_all_is_too_much(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        for (format, whole) in CAMERA {
            let made_up = [&whole[..12], &content].concat();
            let _ = clean(format, &made_up);
        }
    }
}
