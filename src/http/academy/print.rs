//! Certificates as PDF and PNG, in the typeface that the binary carries: Latin, Greek and Cyrillic scripts.
//! Never drops a letter in silence: one that the typeface lacks is a box, and the document says so.

use std::sync::{Arc, LazyLock};

use krilla::geom::Size;
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::{Document, SerializeSettings};
use krilla_svg::{SurfaceExt as _, SvgSettings};
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::fontdb::Database;
use resvg::usvg::{Group, Node, Options, Tree};

use super::certificate;
use base::error::{Error, Result};
use learning::academy::certificate::Certificate;

/// Noto Serif, under the Open Font License (`assets/fonts/OFL.txt`).
const TYPEFACE: &[u8] = include_bytes!("../../../assets/fonts/NotoSerif-Regular.ttf");
const FAMILY: &str = "Noto Serif";
/// Dots of the PNG for each unit of the picture: 192 an inch on A4.
const PNG_SCALE: f32 = 2.0;
/// A4 landscape, in points.
const PAGE: (f32, f32) = (841.89, 595.28);
/// What a document says that lacks letters.
const LACKING: &str = "A box stands for a letter that this file's typeface lacks. The SVG and the verification page \
                       show it.";

static FONTS: LazyLock<Arc<Database>> = LazyLock::new(|| {
    let mut fonts = Database::new();
    fonts.load_font_data(TYPEFACE.to_vec());
    fonts.set_serif_family(FAMILY);
    Arc::new(fonts)
});

/// The certificate as a PDF of one page, its text to be searched and copied.
///
/// # Errors
/// If the picture cannot be drawn.
pub(super) fn pdf(row: &Certificate) -> Result<Vec<u8>> {
    let tree = drawn(row)?;
    let mut document = Document::new_with(SerializeSettings::default());
    document.set_metadata(
        Metadata::new()
            .title(certificate::title(row))
            .language("en".to_owned()),
    );
    let settings = PageSettings::from_wh(PAGE.0, PAGE.1);
    let mut page = document.start_page_with(settings.ok_or(Undrawable)?);
    let mut surface = page.surface();
    let size = Size::from_wh(PAGE.0, PAGE.1).ok_or(Undrawable)?;
    surface.draw_svg(&tree, size, SvgSettings::default());
    surface.finish();
    page.finish();
    document.finish().map_err(|_| Undrawable.into())
}

/// The certificate as a PNG.
///
/// # Errors
/// If the picture cannot be drawn.
pub(super) fn png(row: &Certificate) -> Result<Vec<u8>> {
    let tree = drawn(row)?;
    let size = tree
        .size()
        .to_int_size()
        .scale_by(PNG_SCALE)
        .ok_or(Undrawable)?;
    let mut canvas = Pixmap::new(size.width(), size.height()).ok_or(Undrawable)?;
    let scale = Transform::from_scale(PNG_SCALE, PNG_SCALE);
    resvg::render(&tree, scale, &mut canvas.as_mut());
    canvas.encode_png().map_err(|_| Undrawable.into())
}

/// The picture with its letters placed; with the note if some are not there.
fn drawn(row: &Certificate) -> Result<Tree> {
    let whole = placed(&certificate::svg(row, ""))?;
    if lacks_letters(whole.root()) {
        placed(&certificate::svg(row, LACKING))
    } else {
        Ok(whole)
    }
}

fn placed(svg: &str) -> Result<Tree> {
    let options = Options {
        font_family: FAMILY.to_owned(),
        fontdb: FONTS.clone(),
        ..Options::default()
    };
    Tree::from_str(svg, &options).map_err(Error::internal)
}

/// Glyph 0 of every typeface is the box for what it does not have.
fn lacks_letters(group: &Group) -> bool {
    group.children().iter().any(|node| match node {
        Node::Group(group) => lacks_letters(group),
        Node::Text(text) => {
            let mut glyphs = text
                .layouted()
                .iter()
                .flat_map(|span| &span.positioned_glyphs);
            glyphs.any(|glyph| glyph.id.0 == 0)
        }
        Node::Path(_) | Node::Image(_) => false,
    })
}

/// A picture that comes to no file: a mistake of ours, never of a caller.
#[derive(Debug, thiserror::Error)]
#[error("a certificate could not be drawn")]
struct Undrawable;

impl From<Undrawable> for Error {
    fn from(why: Undrawable) -> Self {
        Self::internal(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base::clock::UnixMs;

    fn of(learner: &str) -> Certificate {
        Certificate {
            id: "cert_1".to_owned(),
            enrollment_id: "enr_1".to_owned(),
            verification_code: "AEA-2024-000001".to_owned(),
            credential_id: "AIEA-2024-000001".to_owned(),
            learner_name: learner.to_owned(),
            course_title: "Advanced Prompt Engineering".to_owned(),
            cohort_name: "December 2024".to_owned(),
            organization_name: None,
            skills: serde_json::from_str(r#"["AI Safety & Alignment"]"#).unwrap(),
            signature: "Marcus Johnson".to_owned(),
            completed_at: UnixMs(1_703_980_800_000),
            issued_at: UnixMs(1_703_980_800_000),
        }
    }

    /// The lines of a document, as they are laid out.
    fn lines(group: &Group) -> Vec<String> {
        let lines = group.children().iter().flat_map(|node| match node {
            Node::Group(group) => lines(group),
            Node::Text(text) => text
                .chunks()
                .iter()
                .map(|chunk| chunk.text().to_owned())
                .collect(),
            Node::Path(_) | Node::Image(_) => Vec::new(),
        });
        lines.collect()
    }

    #[test]
    fn names_in_latin_greek_and_cyrillic_are_printed_in_full() {
        for name in [
            "Jürgen Wałęsa-Nguyễn",
            "Ελένη Παπαδοπούλου",
            "Олександра Їжакевич",
        ] {
            let tree = drawn(&of(name)).unwrap();
            assert!(!lacks_letters(tree.root()), "{name}");
            assert_eq!(lines(tree.root())[3], name);
            assert_eq!(
                lines(tree.root()).last().unwrap(),
                "AEA-2024-000001 · AIEA-2024-000001"
            );
        }
    }

    #[test]
    fn a_name_in_another_script_is_boxes_and_the_document_says_so() {
        for name in ["山田太郎", "أحمد", "John 🦀"] {
            let tree = drawn(&of(name)).unwrap();
            assert_eq!(lines(tree.root())[3], name);
            assert_eq!(lines(tree.root()).last().unwrap(), LACKING);
        }
    }
}
