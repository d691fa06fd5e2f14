//! Icons: a picture on the web or one that comes along, and nothing that a browser would carry out.

use url::Url;

/// Largest picture that comes along in a URI, in bytes of the URI.
pub(super) const ICON_BYTES_MAX: usize = 64 * 1024;
/// Pictures that are only pictures.
const HARMLESS: [&str; 6] = [
    "image/png",
    "image/jpeg",
    "image/jpg",
    "image/gif",
    "image/webp",
    "image/avif",
];

/// Whether an icon with this source and, if it says so, of this type may be shown.
pub(super) fn is_harmless(src: &str, media_type: Option<&str>) -> bool {
    if src.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return false;
    }
    if media_type.is_some_and(|kind| kind.to_ascii_lowercase().contains("svg")) {
        return false;
    }
    match Url::parse(src) {
        Ok(url) if url.scheme() == "https" => {
            let path = url.path().to_ascii_lowercase();
            url.has_host() && !path.ends_with(".svg") && !path.ends_with(".svgz")
        }
        Ok(url) if url.scheme() == "data" => {
            let head = url.path().split(',').next().unwrap_or_default();
            let mut words = head.split(';');
            let kind = words.next().unwrap_or_default().to_ascii_lowercase();
            src.len() <= ICON_BYTES_MAX
                && HARMLESS.contains(&kind.as_str())
                && words.next_back() == Some("base64")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_are_shown() {
        for (src, media_type, expected) in [
            ("https://example.com/a.png", None, true),
            ("https://example.com/a", Some("image/png"), true),
            ("data:image/png;base64,AAAA", None, true),
            ("https://example.com/a.svg", None, false),
            ("https://example.com/a.SVG?x", None, false),
            ("https://example.com/a", Some("image/SVG+xml"), false),
            ("data:image/svg+xml;base64,AAAA", None, false),
            ("data:image/svg+xml,<svg/>", Some("image/png"), false),
            ("data:text/html;base64,AAAA", None, false),
            ("data:image/png,AAAA", None, false),
            ("http://example.com/a.png", None, false),
            ("javascript:alert(1)", None, false),
            ("JaVaScRiPt:alert(1)", None, false),
            ("java\tscript:alert(1)", None, false),
            (" https://example.com/a.png", None, false),
            ("file:///etc/passwd", None, false),
            ("blob:https://example.com/1", None, false),
            ("//example.com/a.png", None, false),
            ("a.png", None, false),
            ("", None, false),
        ] {
            assert_eq!(
                is_harmless(src, media_type),
                expected,
                "{src} {media_type:?}"
            );
        }
    }
}
