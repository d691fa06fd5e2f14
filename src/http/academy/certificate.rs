//! A certificate as a picture for A4 landscape: SVG, from which [`print`](super::print) makes the other files.
//! Shows what was printed when it was issued, and nothing that changed since.

use super::super::pages::html::Text;
use learning::academy::certificate::Certificate;

/// The width in which texts must fit, in the picture's own units.
const WIDTH_MAX: usize = 1000;
/// How wide a letter of size 100 is, about; wider ones are rare.
const LETTER_WIDTH: usize = 58;
/// The smallest letters that are still read.
const SIZE_MIN: usize = 9;

/// The picture. The note stands below everything else, and is for those who look at this very file.
pub(super) fn svg(row: &Certificate, note: &str) -> String {
    let date = row.completed_at.to_iso();
    let date = date.split('T').next().unwrap_or_default();
    let of = row
        .organization_name
        .as_deref()
        .map_or_else(String::new, |name| format!(" ({name})"));
    let codes = format!("{} · {}", row.verification_code, row.credential_id);
    let lines = [
        line(130, 22, "AI Enablement Academy"),
        line(200, 44, "Certificate of Completion"),
        line(270, 20, "This certifies that"),
        line(330, 40, &format!("{}{of}", row.learner_name)),
        line(390, 20, "has completed"),
        line(445, 30, &row.course_title),
        line(485, 18, &format!("{} · {date}", row.cohort_name)),
        line(540, 16, &row.skills.0.join(" · ")),
        line(640, 20, &row.signature),
        line(700, 14, &codes),
        line(735, 11, note),
    ];
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"297mm\" height=\"210mm\" viewBox=\"0 0 1122 793\" \
         font-family=\"'Noto Serif', Georgia, 'DejaVu Serif', serif\" text-anchor=\"middle\" fill=\"#1d2b3a\">\n\
         <title>{title}</title>\n<rect width=\"1122\" height=\"793\" fill=\"#fffdf7\"/>\n\
         <rect x=\"30\" y=\"30\" width=\"1062\" height=\"733\" fill=\"none\" stroke=\"#b08d3c\" stroke-width=\"6\"/>\n\
         {body}</svg>\n",
        title = Text(&title(row)),
        body = lines.concat(),
    )
}

/// What the file is called by those who list it.
pub(super) fn title(row: &Certificate) -> String {
    format!("{} – {}", row.learner_name, row.course_title)
}

/// A line in the middle, smaller where it would not fit.
fn line(y: usize, size: usize, text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let fitting = WIDTH_MAX * 100 / (LETTER_WIDTH * text.chars().count());
    let size = size.min(fitting).max(SIZE_MIN);
    format!(
        "<text x=\"561\" y=\"{y}\" font-size=\"{size}\">{}</text>\n",
        Text(text)
    )
}
