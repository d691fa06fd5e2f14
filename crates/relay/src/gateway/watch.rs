//! Subscriptions to resources of an upstream across eras: `resources/subscribe` of a session upstream and
//! `subscriptions/listen` of a stateless one, each read as a plain sequence of notifications.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::upstream::uri::Namer;
use crate::upstream::{
    CallFailure, Client, Event, Inbox, Lane, Outgoing, Reply, Session, Unread, Unsolicited,
    Upstream,
};
use base::clock::random_hex;
use broker::credentials::Outbound;
use broker::guard::Guard;
use mcp::raw::string;
use mcp::{Message, RawObject, meta};

/// Resources that one subscription may name.
pub(crate) const WATCHED_MAX: usize = 256;

/// What is watched, and for whom.
#[derive(Debug)]
pub struct Watch {
    /// The upstream.
    pub upstream: Arc<Upstream>,
    /// The credential.
    pub credential: Outbound,
    /// The person and mentor; the watch has a session of its own.
    pub lane: Lane,
    /// The client.
    pub client: Client,
    /// Ends it with what it is allowed by.
    pub guard: Guard,
    /// The URI, in the upstream's words.
    pub uri: String,
    /// What names it for a client of a union.
    pub namer: Option<Namer>,
}

impl Watch {
    /// Begins to watch; `notifications/resources/updated` go to the sink until it or the stop is closed.
    ///
    /// # Errors
    /// If the upstream refuses or cannot be reached.
    pub async fn begin(
        mut self,
        sink: mpsc::Sender<Message>,
        stop: CancellationToken,
        tasks: &base::tasks::Tasks,
    ) -> Result<(), CallFailure> {
        let (inbox, unsolicited) = Inbox::new(false);
        let over = Over {
            stop,
            guard: self.guard.clone(),
        };
        self.lane.session = Some(format!("watch-{}", random_hex::<8>()).into());
        self.lane.inbox = Some(inbox);
        let session = self
            .upstream
            .session(&self.lane, &self.credential, &self.client)
            .await?;
        if session.version().is_modern() {
            let exchange = self.listen(&session).await?;
            let sink = Sink(sink, self.namer);
            tasks.spawn(async move { forward_events(exchange, sink, over).await });
        } else {
            let mut params = RawObject::default();
            params.set("uri", string(&self.uri));
            session
                .ask("resources/subscribe", params, &self.client)
                .await?;
            let sink = Sink(sink, self.namer.take());
            tasks.spawn(async move {
                forward_unsolicited(unsolicited, &session, sink, over).await;
                self.upstream
                    .end_session(&self.lane, &self.credential)
                    .await;
            });
        }
        Ok(())
    }

    async fn listen(&self, session: &Arc<Session>) -> Result<Reply, CallFailure> {
        let mut filter = RawObject::default();
        filter.set(
            "resourceSubscriptions",
            serde_json::json!([self.uri]).to_string().into_bytes(),
        );
        let mut params = RawObject::default();
        params.set("notifications", filter.to_json());
        let out = Outgoing {
            method: "subscriptions/listen",
            person: self.lane.person,
            params,
            client: &self.client,
            param_headers: Vec::new(),
            is_idempotent: true,
        };
        session.request(&out).await
    }
}

/// The end of a watch.
struct Over {
    stop: CancellationToken,
    guard: Guard,
}

impl Over {
    /// Waits until nobody wants to watch any more, or nobody may.
    async fn wait(&self) {
        tokio::select! {
            () = self.stop.cancelled() => {}
            _ = self.guard.ended() => {}
        }
    }
}

/// Where updates go, and what names the resource there.
struct Sink(mpsc::Sender<Message>, Option<Namer>);

impl Sink {
    /// Passes an update on; `false` if nobody wants it any more.
    async fn send(&self, update: Message) -> bool {
        let named = match &self.1 {
            Some(namer) => namer.message(update),
            None => update,
        };
        self.0.send(named).await.is_ok()
    }
}

async fn forward_events(reply: Reply, sink: Sink, over: Over) {
    let Reply::Stream(mut exchange) = reply else {
        return;
    };
    loop {
        let event = tokio::select! {
            () = over.wait() => return,
            () = sink.0.closed() => return,
            event = exchange.next() => event,
        };
        match event {
            Ok(Event::Notification(message)) => {
                if is_update(&message) && !sink.send(without_subscription(message)).await {
                    return;
                }
            }
            Ok(Event::Ask(ask)) => ask.refuse(),
            Ok(Event::Answer(_)) | Err(_) => return,
        }
    }
}

async fn forward_unsolicited(mut unsolicited: Unread, session: &Session, sink: Sink, over: Over) {
    loop {
        let item = tokio::select! {
            () = over.wait() => return,
            () = sink.0.closed() => return,
            () = session.closed() => return,
            item = unsolicited.recv() => item,
        };
        match item {
            Some(Unsolicited::Notification(message)) if is_update(&message) => {
                if !sink.send(message).await {
                    return;
                }
            }
            Some(_) => {}
            None => return,
        }
    }
}

fn is_update(message: &Message) -> bool {
    message.method.as_deref() == Some("notifications/resources/updated")
}

/// The subscription's id is our own; the client never heard of it.
fn without_subscription(message: Message) -> Message {
    let Ok(mut params) = RawObject::parse(message.params_or_empty()) else {
        return message;
    };
    let Some(metadata) = params.get("_meta").map(<[u8]>::to_vec) else {
        return message;
    };
    let Ok(mut metadata) = RawObject::parse(&metadata) else {
        return message;
    };
    metadata.remove(meta::SUBSCRIPTION_ID);
    if metadata.0.is_empty() {
        params.remove("_meta");
    } else {
        let metadata = metadata.to_json();
        params.set("_meta", metadata);
    }
    let text = mcp::message::notification("notifications/resources/updated", &params.to_json());
    Message::parse(text.into()).unwrap_or(message)
}
