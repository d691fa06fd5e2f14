//! Calls that tell how far they are as progress notifications of MCP. Such a call goes on to its end when its client
//! hangs up: who asks again finds what was done.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;

use super::failure::Allowance;
use super::progress::{Progress, Told};
use super::protocol::{progress_notification, progress_token};
use super::server::{Request, Server};
use base::tasks::Tasks;
use mcp::Message;

/// Messages of a call: notifications of its steps, then its response.
#[derive(Debug)]
pub struct Telling {
    token: Value,
    told: UnboundedReceiver<Told>,
    answer: Option<oneshot::Receiver<Bytes>>,
}

impl Server {
    /// Begins a call whose client gave a token for its progress, and says how the allowance stands. `None` if there is no
    /// token or the tool tells nothing: such a request is [handled](Server::handle).
    pub async fn tell(
        self: &Arc<Self>,
        tasks: &Tasks,
        request: &Request,
        message: &Message,
    ) -> Option<(Telling, Allowance)> {
        let token = progress_token(request.face, message)?;
        let (progress, mut told) = Progress::in_brief();
        let (done, answer) = oneshot::channel();
        let (server, message) = (self.clone(), message.clone());
        let request = Request {
            progress,
            ..request.clone()
        };
        tasks.spawn_of_request(async move {
            let answered = server.handle(&request, &message).await;
            // A client that is gone is told nothing.
            let _ = done.send(answered.text);
        });
        let allowance = match told.recv().await {
            Some(Told::Counted(allowance)) => allowance,
            Some(Told::Step(_)) | None => Allowance::Uncounted,
        };
        let answer = Some(answer);
        let telling = Telling {
            token,
            told,
            answer,
        };
        Some((telling, allowance))
    }
}

impl Telling {
    /// The next message; `None` after the response.
    pub async fn next(&mut self) -> Option<Bytes> {
        while let Some(told) = self.told.recv().await {
            if let Told::Step(step) = told {
                return Some(progress_notification(&self.token, &step));
            }
        }
        self.answer.take()?.await.ok()
    }
}
