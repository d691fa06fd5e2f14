//! A provider's answer to a sign-in, as the query of a request brings it to a program or to a page.

use super::endpoint::Incoming;
use base::error::{Error, Result, SignInFailure};
use base::fields::{Fields, Raw};
use base::secret::Secret;
use broker::oauth::flow::{self, Finished, Person};

/// Ends the sign-in that the query answers, and lets the calls that wait for it go on.
///
/// # Errors
/// As [`flow::finish`].
pub(crate) async fn finish(incoming: &Incoming, person: Option<&Person>) -> Result<Finished> {
    let query = &incoming.query;
    let answer = flow::Answer {
        state: Secret::new(one(query, "state")?.unwrap_or_default()),
        code: one(query, "code")?.map(Secret::new),
        error: query
            .has("error")
            .then(|| all(query, "error").first().cloned().unwrap_or_default()),
        issuers: all(query, "iss").to_vec(),
        redirect_uri: one(query, "redirect_uri")?.map(str::to_owned),
    };
    let gateway = &incoming.app.gateway;
    let finished = flow::finish(&incoming.app.flow, &answer, person).await;
    let finished = finished.inspect_err(|_| {
        // Whoever waits looks what became of it.
        if let Some(person) = person {
            gateway.sign_ins.wake(person.tenant, person.user);
        }
    })?;
    gateway.signed_in(finished.tenant, finished.user, finished.server);
    Ok(finished)
}

/// The one value of a parameter; a doubled one is a forgery.
fn one<'a>(query: &'a Fields, name: &str) -> Result<Option<&'a str>> {
    match all(query, name) {
        [] => Ok(None),
        [value] if value.is_empty() => Ok(None),
        [value] => Ok(Some(value)),
        _ => Err(Error::SignIn(SignInFailure::InvalidState)),
    }
}

fn all<'a>(query: &'a Fields, name: &str) -> &'a [String] {
    match query.get(name) {
        Some(Raw::Texts(texts)) => texts,
        Some(Raw::Json(_) | Raw::File(_)) | None => &[],
    }
}
