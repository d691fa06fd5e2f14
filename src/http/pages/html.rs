//! A whole HTML answer: escaping, the frame around every page, and the headers that keep it apart from other sites.
//! No inline script or style, and nothing from another host.

use std::fmt;

use http::StatusCode;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};

use super::super::answer::Answer;
use super::visit::Visit;
use tenancy::auth::Browser;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
/// Forms go to ourselves alone; scripts are the files that we serve.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'",
);

/// A text between tags or in an attribute, written so that it is nothing but text.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Text<'a>(pub(in crate::http) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['&', '<', '>', '"', '\'']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'&' => "&amp;",
                b'<' => "&lt;",
                b'>' => "&gt;",
                b'"' => "&quot;",
                _ => "&#39;",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}

/// A page before it is answered.
#[derive(Debug)]
pub(super) struct Page {
    /// The status of the answer.
    pub(super) status: StatusCode,
    /// The window's title, plain.
    pub(super) title: String,
    /// What stands in `main`; every text in it is escaped already.
    pub(super) body: String,
    /// Further elements of the head.
    pub(super) head: String,
    /// Whether another site may learn this page's address. One with a form must not hide it from ourselves.
    pub(super) referrer: Referrer,
}

/// Who is told where a person comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Referrer {
    /// We ourselves: browsers leave out `Origin` from forms otherwise.
    Own,
    /// Nobody: the address holds a code.
    Nobody,
}

impl Page {
    /// A page with this title and content.
    pub(super) fn new(title: impl Into<String>, body: String) -> Self {
        Self {
            status: StatusCode::OK,
            title: title.into(),
            body,
            head: String::new(),
            referrer: Referrer::Own,
        }
    }

    /// The answer, for a visitor whose name stands at the top if it is known.
    pub(super) fn answer(self, visit: &Visit) -> Answer {
        self.answer_to(visit.browser.as_ref())
    }

    /// The same for whoever it is, who may be nobody.
    pub(super) fn answer_to(self, browser: Option<&Browser>) -> Answer {
        let referrer = match self.referrer {
            Referrer::Own => HeaderValue::from_static("same-origin"),
            Referrer::Nobody => HeaderValue::from_static("no-referrer"),
        };
        with_headers(Answer::bytes(HTML, self.text(browser)), self.status)
            .with_header(REFERRER_POLICY, referrer)
    }

    fn text(&self, browser: Option<&Browser>) -> String {
        let who = browser.map_or_else(String::new, |browser| {
            let caller = &browser.caller;
            format!(
                "<form method=\"post\" action=\"/sign-out/\"><span>{} at {}</span> \
                 <button class=\"quiet\">Sign out</button></form>",
                Text(&caller.user.username),
                Text(&caller.tenant.name)
            )
        });
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{title}</title>\n<link rel=\"stylesheet\" href=\"/pages/style.css\">\n{head}</head>\n<body>\n\
             <header><span>mentor-gateway</span>{who}</header>\n<main>\n{body}</main>\n</body>\n</html>\n",
            title = Text(&self.title),
            head = self.head,
            body = self.body,
        )
    }
}

/// The headers of everything that belongs to a page.
fn with_headers(answer: Answer, status: StatusCode) -> Answer {
    const PERMISSIONS: HeaderName = HeaderName::from_static("permissions-policy");
    answer
        .with_status(status)
        .with_header(CONTENT_SECURITY_POLICY, POLICY)
        .with_header(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
        .with_header(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"))
        .with_header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with_header(
            PERMISSIONS,
            HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
        )
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn a_text_is_nothing_but_text() {
        let hostile = "\"><script>alert('x')</script>&é";
        assert_eq!(
            Text(hostile).to_string(),
            "&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;é"
        );
    }
}
