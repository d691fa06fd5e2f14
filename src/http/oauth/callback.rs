//! `/api/accounts/connected-services/callback/`: the provider's answer, brought by a front end or by the person's own
//! browser (docs/inside/contract.md#connected-services). Unknown parameters are ignored, and nothing of the answer is
//! shown.

use http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderValue, REFERRER_POLICY};

use super::super::answer::Answer;
use super::super::caller::authenticate;
use super::super::endpoint::{Endpoint, Incoming, Shape, query, schema_of};
use super::super::pages::result;
use super::super::sign_in::finish;
use super::connected_service_answer::ConnectedServiceAnswer;
use base::error::Result;
use broker::oauth::flow::Person;
use broker::registry::grant;

pub(crate) const READ: Endpoint = Endpoint::open(
    "Takes the provider's answer of a sign-in from the person, or from who began it for them.",
    |incoming| Box::pin(read(incoming)),
)
.query(&[
    query(
        "state",
        "string",
        "the state of the authorization URL, untouched",
    ),
    query("code", "string", "the provider's code"),
    query("error", "string", "the provider's error, instead of a code"),
    query("iss", "string", "the provider's issuer (RFC 9207)"),
    query(
        "redirect_uri",
        "string",
        "the redirect URI that was used, if it is one of the configured ones",
    ),
])
.answers(200, Shape::One(schema_of::<ConnectedServiceAnswer>));

async fn read(incoming: Incoming) -> Result<Answer> {
    if result::is_wanted(&incoming) {
        return result::show(&incoming).await;
    }
    let person = match incoming.headers.contains_key(AUTHORIZATION) {
        true => {
            let caller = authenticate(&incoming.app, &incoming.headers, incoming.peer).await?;
            Some(Person::of_caller(&caller))
        }
        false => None,
    };
    let finished = finish(&incoming, person.as_ref()).await?;
    let mut tx = incoming.app.db.read().await?;
    let row = grant::get(&mut tx, finished.tenant, finished.user, finished.grant).await?;
    let answer = Answer::ok(&ConnectedServiceAnswer::new(row))?;
    // The address of this answer holds a code.
    Ok(answer
        .with_header(CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with_header(REFERRER_POLICY, HeaderValue::from_static("no-referrer")))
}
