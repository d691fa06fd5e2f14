//! Markdown as HTML, for letters that people write.
//! Lets no HTML of theirs through, no picture that would tell who opened it, and no link but to the web or an address.

use pulldown_cmark::{Event, Parser, Tag, TagEnd, html};

/// Where a link may lead.
const SCHEMES: [&str; 3] = ["https://", "http://", "mailto:"];

/// The text as HTML. What is HTML in it already stands there as it was typed.
pub fn to_html(markdown: &str) -> String {
    let mut are_kept = Vec::new();
    let events = Parser::new(markdown).filter_map(|event| match event {
        Event::Html(typed) | Event::InlineHtml(typed) => Some(Event::Text(typed)),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link { ref dest_url, .. }) => {
            let is_kept = SCHEMES.iter().any(|scheme| dest_url.starts_with(scheme));
            are_kept.push(is_kept);
            is_kept.then_some(event)
        }
        Event::End(TagEnd::Link) => are_kept.pop().unwrap_or_default().then_some(event),
        event => Some(event),
    });
    let mut written = String::new();
    html::push_html(&mut written, events);
    written
}

#[cfg(test)]
mod tests {
    use super::to_html;

    #[test]
    fn what_people_write_is_set_and_nothing_of_it_runs() {
        for (markdown, html) in [
            (
                "# Week 2\n\n*now*",
                "<h1>Week 2</h1>\n<p><em>now</em></p>\n",
            ),
            (
                "[us](https://acme.example/?a=1&b=2)",
                "<p><a href=\"https://acme.example/?a=1&amp;b=2\">us</a></p>\n",
            ),
            (
                "a <b onclick='x()'>b</b>",
                "<p>a &lt;b onclick='x()'&gt;b&lt;/b&gt;</p>\n",
            ),
            (
                "<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            (
                "[**x**](javascript:alert(1))",
                "<p><strong>x</strong></p>\n",
            ),
            ("[x](data:text/html,y)", "<p>x</p>\n"),
            ("![seen](https://spy.example/1.png)", "<p>seen</p>\n"),
        ] {
            assert_eq!(to_html(markdown), html, "{markdown}");
        }
    }
}
