//! Waiting for a person to sign in: woken by the sign-in when it happens here, and by looking again and again when it
//! happens on another replica. However many calls wait in a chat for one server, the chat is told once.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, watch};

use super::adopt::adopt;
use super::answer;
use super::answer::{CHAT_WAIT, Question};
use crate::gateway::Gateway;
use crate::gateway::chats::{ChatEvent, ChatKey};
use crate::gateway::client::ClientSession;
use crate::gateway::refusal::SignIn;
use crate::gateway::request::Request;
use crate::gateway::target::Target;
use crate::gateway::view::{Access, Closed, Open};
use crate::upstream::Unsolicited;
use base::clock::UnixMs;
use base::error::{Error, SignInFailure};
use broker::oauth::prompt::{self, PROMPT_LIFE};
use broker::registry::server::ServerId;
use mcp::raw::string;
use mcp::{Message, RawObject, message};
use tenancy::auth::Caller;
use tenancy::tenant::TenantId;
use tenancy::tenant::user::UserId;

/// How often is looked whether the person has signed in elsewhere (docs/inside/contract.md#chat).
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// How long a client is held that comes back before its person is done; clients give up after 60 s.
const RETRY_WAIT: Duration = Duration::from_secs(20);
/// Sign-ins awaited in chats at once; more get the link.
const CHAT_WAITS_MAX: usize = 4096;
/// Sign-ins whose end is announced to sessions, at once; more are not announced.
const ANNOUNCED_MAX: usize = 4096;
/// Sign-ins that a slow waiter may be behind; it looks again in any case.
const WOKEN_MAX: usize = 256;

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The server can be called now.
    SignedIn,
    /// The person did not come back in time.
    TimedOut,
    /// They came back, or could not even go, and the sign-in failed.
    Failed(SignInFailure),
    /// Too many wait already.
    Busy,
}

type ChatWaits = HashMap<(ChatKey, ServerId), Arc<watch::Sender<Option<Ending>>>>;

/// Everybody who waits for a sign-in in this process.
#[derive(Debug)]
pub struct SignIns {
    woken: broadcast::Sender<(TenantId, UserId)>,
    chats: Mutex<ChatWaits>,
    /// Sessions and the questions whose end they will hear of.
    announced: Mutex<HashSet<(Arc<str>, String)>>,
}

impl Default for SignIns {
    fn default() -> Self {
        Self {
            woken: broadcast::channel(WOKEN_MAX).0,
            chats: Mutex::default(),
            announced: Mutex::default(),
        }
    }
}

/// Whose sign-in to what is awaited, and until when.
struct Wait {
    gateway: Arc<Gateway>,
    request: Request,
    needed: SignIn,
    /// How many tries had failed when the wait began.
    failures: i64,
    until: UnixMs,
}

impl Wait {
    fn new(
        gateway: &Arc<Gateway>,
        request: &Request,
        (needed, failures): (&SignIn, i64),
        time: Duration,
    ) -> Self {
        Self {
            gateway: gateway.clone(),
            request: request.clone(),
            needed: needed.clone(),
            failures,
            until: gateway.clock.now().plus(time),
        }
    }

    /// Waits for the end.
    async fn end(&self) -> Ending {
        let caller = &self.request.caller;
        let person = (caller.tenant.id, caller.user.id);
        let mut woken = self.gateway.sign_ins.woken.subscribe();
        loop {
            if is_signed_in((&self.gateway, caller), &self.request.target, &self.needed).await {
                return Ending::SignedIn;
            }
            if let Some(failure) = self.failure().await {
                return Ending::Failed(failure);
            }
            let left_ms = self.until.since_ms(self.gateway.clock.now());
            if left_ms == 0 {
                return Ending::TimedOut;
            }
            let pause = LOOK_EVERY.min(Duration::from_millis(left_ms));
            tokio::select! {
                () = woken_for(&mut woken, person) => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// How a try to sign in that was made meanwhile failed.
    async fn failure(&self) -> Option<SignInFailure> {
        let caller = &self.request.caller;
        let person = (caller.tenant.id, caller.user.id);
        let looked = async {
            let mut tx = self.gateway.db.read().await?;
            prompt::failure_of(&mut tx, person, self.needed.server, self.failures).await
        };
        looked.await.unwrap_or_else(|error| {
            tracing::warn!(error = %error.chain(), "failed to look up a failed sign-in");
            None
        })
    }
}

/// Whether a server waits for its person no more. One that is gone or closed for another reason does not either: the
/// call will say so.
pub(super) async fn is_signed_in(
    (gateway, caller): (&Arc<Gateway>, &Caller),
    target: &Target,
    needed: &SignIn,
) -> bool {
    let is_refused =
        |open: &Open| needed.refused.is_some() && open.credential.grant == needed.refused;
    let looked = async {
        let view = gateway.fresh_view(caller, target).await?;
        let member = view
            .members
            .iter()
            .find(|member| member.server.id == needed.server);
        Ok::<_, Error>(match member.map(|member| &member.access) {
            Some(Access::Open(open)) => !is_refused(open),
            Some(Access::Closed(Closed::SignInNeeded | Closed::SignInImpossible(_))) => {
                adopt(gateway, caller, needed.server).await?
            }
            Some(Access::Own(_) | Access::Closed(_)) | None => true,
        })
    };
    looked.await.unwrap_or_else(|error| {
        tracing::warn!(error = %error.chain(), "failed to look up a sign-in");
        false
    })
}

async fn woken_for(
    woken: &mut broadcast::Receiver<(TenantId, UserId)>,
    person: (TenantId, UserId),
) {
    loop {
        match woken.recv().await {
            Ok(whose) if whose == person => return,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

impl SignIns {
    /// Wakes everybody who waits for this person.
    pub fn wake(&self, tenant: TenantId, user: UserId) {
        // Nobody waiting is no failure.
        let _ = self.woken.send((tenant, user));
    }

    /// Waits a moment for a person whose client is already back.
    pub(super) async fn soon(
        &self,
        gateway: &Arc<Gateway>,
        request: &Request,
        needed: (&SignIn, i64),
    ) -> Ending {
        let wait = Wait::new(gateway, request, needed, RETRY_WAIT);
        wait.end().await
    }

    /// Tells a chat that its person must sign in, unless it was told already, and waits until they have.
    pub(super) async fn in_chat(
        &self,
        gateway: &Arc<Gateway>,
        request: &Request,
        (chat, required): (ChatKey, ChatEvent),
        (needed, failures): (&SignIn, i64),
    ) -> Ending {
        let key = (chat, needed.server);
        let mut ending = {
            let mut waits = lock(&self.chats);
            match waits.get(&key) {
                Some(wait) => wait.subscribe(),
                None if waits.len() >= CHAT_WAITS_MAX => return Ending::Busy,
                None => {
                    let (sender, receiver) = watch::channel(None);
                    let sender = Arc::new(sender);
                    waits.insert(key.clone(), sender.clone());
                    let wait = Wait::new(gateway, request, (needed, failures), CHAT_WAIT);
                    let chat = ChatWait {
                        key,
                        sender,
                        server_name: needed.server_name.clone(),
                    };
                    gateway.chats.tell(&chat.key.0, required);
                    gateway.tasks.spawn(chat.run(wait));
                    receiver
                }
            }
        };
        let ended = ending.wait_for(Option::is_some).await;
        ended
            .ok()
            .and_then(|ending| *ending)
            .unwrap_or(Ending::TimedOut)
    }

    /// Lets a session hear when a question is answered (2025-11-25, `notifications/elicitation/complete`).
    pub(super) fn announce(
        &self,
        gateway: &Arc<Gateway>,
        request: &Request,
        session: &Arc<ClientSession>,
        (needed, question): (&SignIn, &Question),
    ) {
        let key = (session.id.clone(), question.id.clone());
        {
            let mut announced = lock(&self.announced);
            if announced.len() >= ANNOUNCED_MAX || !announced.insert(key.clone()) {
                return;
            }
        }
        let wait = Wait::new(gateway, request, (needed, question.failures), PROMPT_LIFE);
        let session = session.clone();
        gateway.tasks.spawn(async move {
            let stop = wait.gateway.tasks.stop.clone();
            let ending = tokio::select! {
                () = session.closed.cancelled() => None,
                () = stop.cancelled() => None,
                ending = wait.end() => Some(ending),
            };
            if ending == Some(Ending::SignedIn) {
                session
                    .inbox
                    .put(Unsolicited::Notification(complete(&key.1)));
            }
            lock(&wait.gateway.sign_ins.announced).remove(&key);
        });
    }
}

fn complete(question: &str) -> Message {
    let mut params = RawObject::default();
    params.set("elicitationId", string(question));
    let text = message::notification("notifications/elicitation/complete", &params.to_json());
    Message::parse(text.into()).expect("a notification is a message")
}

/// The wait of every call that a chat has made to one server.
struct ChatWait {
    key: (ChatKey, ServerId),
    sender: Arc<watch::Sender<Option<Ending>>>,
    server_name: String,
}

impl ChatWait {
    async fn run(self, wait: Wait) {
        let stop = wait.gateway.tasks.stop.clone();
        let ending = tokio::select! {
            () = stop.cancelled() => Some(Ending::TimedOut),
            () = self.sender.closed() => None,
            ending = wait.end() => Some(ending),
        };
        let (chats, waits) = (&wait.gateway.chats, &wait.gateway.sign_ins.chats);
        // From here on a new call begins a wait of its own.
        lock(waits).remove(&self.key);
        let (server_id, server_name) = (self.key.1.0, self.server_name);
        let event = match ending {
            Some(Ending::SignedIn) => ChatEvent::OauthResolved {
                server_id,
                message: answer::resolved(&server_name),
                server_name,
            },
            Some(Ending::TimedOut) => ChatEvent::OauthFailed {
                server_id,
                message: answer::timed_out(&server_name),
                server_name,
            },
            Some(Ending::Failed(failure)) => ChatEvent::OauthFailed {
                server_id,
                message: answer::failed(failure, &server_name),
                server_name,
            },
            // Every call was given up: nobody is there to be told.
            Some(Ending::Busy) | None => return,
        };
        chats.tell(&self.key.0, event);
        self.sender.send_replace(ending);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
