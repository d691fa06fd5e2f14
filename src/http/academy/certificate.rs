//! A certificate as a picture: SVG, sharp at any size, printable on A4 landscape.

use super::super::pages::html::Text;
use crate::academy::certificate::Certificate;

/// The picture.
pub(super) fn svg(row: &Certificate) -> String {
    let date = row.completed_at.to_iso();
    let date = date.split('T').next().unwrap_or_default();
    let of = row
        .organization_name
        .as_deref()
        .map_or_else(String::new, |name| format!(" ({name})"));
    let line = |y: u32, size: u32, text: &str| {
        format!(
            "<text x=\"561\" y=\"{y}\" font-size=\"{size}\">{}</text>\n",
            Text(text)
        )
    };
    let mut body = String::new();
    body.push_str(&line(130, 22, "AI Enablement Academy"));
    body.push_str(&line(200, 44, "Certificate of Completion"));
    body.push_str(&line(270, 20, "This certifies that"));
    body.push_str(&line(330, 40, &format!("{}{of}", row.learner_name)));
    body.push_str(&line(390, 20, "has completed"));
    body.push_str(&line(445, 30, &row.course_title));
    body.push_str(&line(485, 18, &format!("{} · {date}", row.cohort_name)));
    body.push_str(&line(540, 16, &row.skills.0.join(" · ")));
    body.push_str(&line(640, 20, &row.signature));
    let codes = format!("{} · {}", row.verification_code, row.credential_id);
    body.push_str(&line(700, 14, &codes));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"297mm\" height=\"210mm\" viewBox=\"0 0 1122 793\" \
         font-family=\"Georgia, 'DejaVu Serif', serif\" text-anchor=\"middle\" fill=\"#1d2b3a\">\n\
         <title>{title}</title>\n<rect width=\"1122\" height=\"793\" fill=\"#fffdf7\"/>\n\
         <rect x=\"30\" y=\"30\" width=\"1062\" height=\"733\" fill=\"none\" stroke=\"#b08d3c\" stroke-width=\"6\"/>\n\
         {body}</svg>\n",
        title = Text(&format!("{} – {}", row.learner_name, row.course_title)),
    )
}
