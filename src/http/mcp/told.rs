//! Calls to our own servers that tell how far they are: as progress notifications of MCP, or as events of a plain POST.
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

use super::native::{failed, standing};
use super::{body, events};
use crate::app::App;
use crate::mcp::Message;
use crate::native::{self, Allowance, Progress, Reply, Step, Told};

/// Messages of a call: notifications of its steps, then its response.
#[derive(Debug)]
pub(super) struct Telling {
    token: Value,
    told: UnboundedReceiver<Told>,
    answer: Option<oneshot::Receiver<Bytes>>,
}

/// Begins a call over MCP whose client gave a token for its progress. Returns its messages and the headers of its answer.
pub(super) async fn begin(
    app: &Arc<App>,
    mut request: native::Request,
    message: Message,
    token: Value,
) -> (Telling, HeaderMap) {
    let (progress, mut told) = Progress::in_brief();
    request.progress = progress;
    let (done, answer) = oneshot::channel();
    let runs = app.clone();
    app.tasks.spawn(async move {
        let answered = runs.native.handle(&request, &message).await;
        // A client that is gone is told nothing.
        let _ = done.send(answered.text);
    });
    let headers = match told.recv().await {
        Some(Told::Counted(allowance)) => standing(&allowance),
        Some(Told::Step(_)) | None => HeaderMap::new(),
    };
    let answer = Some(answer);
    (
        Telling {
            token,
            told,
            answer,
        },
        headers,
    )
}

impl events::Messages for Telling {
    async fn next(&mut self) -> Option<Bytes> {
        while let Some(told) = self.told.recv().await {
            if let Told::Step(step) = told {
                return Some(native::progress_notification(&self.token, &step));
            }
        }
        self.answer.take()?.await.ok()
    }
}

/// Answers a plain POST with a stream: `progress` events, then `complete` or `error` (specification 6.3.5.3). A call
/// that is refused before its first step is refused like any other.
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
    app.tasks.spawn(async move {
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
