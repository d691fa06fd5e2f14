//! The page that sends a person on to a provider. A redirect of the form itself would need every host that the
//! provider may go through to be named in the policy.

use super::super::answer::Answer;
use super::html::{Page, Text};
use super::visit::Visit;

/// The page.
pub(super) fn page(visit: &Visit, provider: &str, auth_url: &str) -> Answer {
    // An apostrophe would end the address in the eyes of a browser that reads it quoted.
    let address = auth_url.replace('\'', "%27");
    let body = format!(
        "<section class=\"card\"><h1>On the way to {}</h1><p>Your browser goes there now.</p>\
         <p><a class=\"button\" href=\"{}\" rel=\"noreferrer\">Continue to {}</a></p></section>\n",
        Text(provider),
        Text(&address),
        Text(provider)
    );
    let page = Page {
        head: format!(
            "<meta http-equiv=\"refresh\" content=\"0; url={}\">\n",
            Text(&address)
        ),
        ..Page::new("On the way", body)
    };
    page.answer(visit)
}
