//! Calls to our own servers that tell how far they are as events of a plain POST.
//! Such a call goes on to its end when its client hangs up: who asks again finds what was done.

use std::future::ready;
use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::{once, unfold};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::super::rate_limit;
use super::{body, events};
use crate::app::App;
use native::{self, Allowance, Failure, Progress, Reply, Step, Told};

/// Answers a plain POST with a stream: `progress` events, then `complete` or `error`
/// (docs/inside/academy.md#6353-streaming). A call that is refused before its first step is refused like any other.
pub(super) async fn stream(
    app: &Arc<App>,
    mut request: native::Request,
    tool: String,
    arguments: Value,
) -> Response {
    let (progress, mut told) = Progress::in_full();
    request.progress = progress;
    let (done, reply) = oneshot::channel();
    let runs = app.clone();
    app.tasks.spawn_of_request(async move {
        let replied = runs.native.call(&request, &tool, arguments).await;
        // A client that is gone is told nothing.
        let _ = done.send(replied);
    });
    let (mut allowance, mut first) = (Allowance::Uncounted, None);
    while first.is_none() {
        match told.recv().await {
            Some(Told::Counted(counted)) => allowance = counted,
            Some(Told::Step(step)) => first = Some(step),
            None => break,
        }
    }
    let mut response = match first {
        Some(step) => events::kept_alive(events_of(step, told, reply)),
        None => match reply.await {
            Ok(reply) => match &reply.outcome {
                Ok(_) => events::kept_alive(once(ready(last(&reply)))),
                Err(failure) => failed(failure),
            },
            Err(_) => body::empty(StatusCode::INTERNAL_SERVER_ERROR),
        },
    };
    response.headers_mut().extend(standing(&allowance));
    response
}

/// The events of a call that has done its first step.
fn events_of(
    first: Step,
    told: UnboundedReceiver<Told>,
    reply: oneshot::Receiver<Reply>,
) -> impl Stream<Item = Bytes> + Send {
    let state = (Some(first), told, Some(reply));
    unfold(state, |(mut first, mut told, mut reply)| async move {
        let mut step = first.take();
        while step.is_none() {
            match told.recv().await {
                Some(Told::Step(next)) => step = Some(next),
                Some(Told::Counted(_)) => {}
                None => {
                    let event = last(&reply.take()?.await.ok()?);
                    return Some((event, (None, told, None)));
                }
            }
        }
        Some((event("progress", &json!(step)), (None, told, reply)))
    })
}

fn last(reply: &Reply) -> Bytes {
    match &reply.outcome {
        Ok(output) => event("complete", output),
        Err(failure) => event("error", &failure.body),
    }
}

fn event(name: &str, data: &Value) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}

/// How the caller's allowance stands, as headers.
pub(super) fn standing(allowance: &Allowance) -> HeaderMap {
    let mut headers = HeaderMap::new();
    match allowance {
        Allowance::Uncounted => {}
        Allowance::Counted(standing) => rate_limit::write_standing(&mut headers, standing),
        Allowance::UsedUp(refused) => rate_limit::write_refusal(&mut headers, refused),
    }
    headers
}

/// A call that failed, in the words of its server.
pub(super) fn failed(failure: &Failure) -> Response {
    body::json(failure.body.to_string().into(), failure.status)
}
