//! The way to the mail server: one attempt at one mail over SMTP.
//! The only file of the module that sees the server's password, and the only one that speaks to it.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::ContentType;
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use tokio::time::timeout;
use url::Url;

use super::outbox::{Due, Outcome};
use super::priority;
use base::clock::UnixMs;
use base::secret::Secret;
use egress::{BadMailServer, Egress, MailServer};

/// Longest attempt at one mail, connecting included. A batch of them is well below the lease.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// Characters that are kept of the mail server's reply.
const REPLY_CHARACTERS_MAX: usize = 200;
/// What an invitation is called, and what it is.
const INVITATION_NAME: &str = "calendar.ics";
const INVITATION_TYPE: &str = "text/calendar; charset=utf-8; method=PUBLISH";
/// How we introduce ourselves; the name of this machine is nobody's business.
const HELLO: &str = "localhost";
/// How we say who we are, the one that says less first.
const MECHANISMS: [Mechanism; 2] = [Mechanism::Plain, Mechanism::Login];

/// Why mail cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum BadSettings {
    /// It is no URL.
    #[error("the URL of the mail server cannot be read")]
    Url(#[from] url::ParseError),
    /// It is the URL of something else.
    #[error(transparent)]
    Server(#[from] BadMailServer),
    /// The sender is not an address.
    #[error("the sender of mails must be an address, such as `Academy <academy@example.com>`")]
    From(#[source] lettre::address::AddressError),
}

/// Sends mails over SMTP. Cheap to clone.
#[derive(Clone)]
pub struct Sender {
    egress: Egress,
    server: Arc<MailServer>,
    user: Option<Credentials>,
    from: Mailbox,
}

/// A conversation with the mail server, taken up again when it broke off.
#[derive(Default)]
pub struct Session {
    open: Option<AsyncSmtpConnection>,
    /// Why nothing more is tried: the server could not be reached or takes nothing from us.
    away: Option<String>,
}

impl std::fmt::Debug for Sender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sender")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("away", &self.away)
            .finish_non_exhaustive()
    }
}

impl Sender {
    /// A sender through the mail server of this URL. Whether it answers is not asked here.
    ///
    /// # Errors
    /// If the URL or the sender's address cannot be used.
    pub fn new(egress: Egress, url: &Secret, from: &str) -> Result<Self, BadSettings> {
        let url = Url::parse(url.expose())?;
        let server = Arc::new(MailServer::of_url(&url)?);
        Ok(Self {
            egress,
            server,
            user: user_of(&url),
            from: one_line(from).parse().map_err(BadSettings::From)?,
        })
    }

    /// Tries one mail, once. It has the same message id at every attempt.
    pub async fn send(&self, session: &mut Session, due: &Due, now: UnixMs) -> Outcome {
        if let Some(why) = &session.away {
            return Outcome::Unreachable(why.clone());
        }
        let message = match self.message(due, now) {
            Ok(message) => message,
            Err(error) => return Outcome::Refused(short(&error.to_string())),
        };
        match timeout(ATTEMPT_TIMEOUT, self.attempt(session, &message)).await {
            Ok(outcome) => outcome,
            Err(_) => {
                // Who knows what it waits for; the next mail gets a connection of its own.
                session.open = None;
                Outcome::PutOff("the mail server took too long".to_owned())
            }
        }
    }

    async fn attempt(&self, session: &mut Session, message: &Message) -> Outcome {
        let open = session.open.take().filter(|open| !open.has_broken());
        let mut open = match open {
            Some(open) => open,
            None => match self.connect().await {
                Ok(open) => open,
                Err(why) => {
                    tracing::warn!(error = %why, "the mail server cannot be reached");
                    session.away = Some(why.clone());
                    return Outcome::Unreachable(why);
                }
            },
        };
        let sent = open.send(message.envelope(), &message.formatted()).await;
        let outcome = match sent {
            Ok(_) => Outcome::Sent,
            Err(error) if error.is_permanent() => Outcome::Refused(short(&chain(&error))),
            Err(error) => Outcome::PutOff(short(&chain(&error))),
        };
        session.open = Some(open);
        outcome
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let stream = self.egress.mail(&self.server).await;
        let stream = Box::new(stream.map_err(|failure| short(&chain(&failure)))?);
        let hello = ClientId::Domain(HELLO.to_owned());
        let open = AsyncSmtpConnection::connect_with_transport(stream, &hello).await;
        let mut open = open.map_err(|error| short(&chain(&error)))?;
        if let Some(user) = &self.user {
            let known = open.auth(&MECHANISMS, user).await;
            known.map_err(|error| short(&chain(&error)))?;
        }
        Ok(open)
    }

    fn message(
        &self,
        due: &Due,
        now: UnixMs,
    ) -> Result<Message, Box<dyn std::error::Error + Send + Sync>> {
        let address: Address = due.address.parse()?;
        let name = one_line(&due.name);
        let name = Some(name).filter(|name| !name.trim().is_empty());
        let host = self.from.email.domain();
        let at = Duration::from_millis(u64::try_from(now.0).unwrap_or(0));
        let mut builder = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(name, address))
            .subject(one_line(&due.subject))
            .date(UNIX_EPOCH + at)
            .message_id(Some(format!("<mail-{}@{host}>", due.id.0)));
        for header in priority::headers(due.urgency) {
            builder = builder.raw_header(header);
        }
        let text = SinglePart::plain(due.text.clone());
        let html = (!due.html.is_empty()).then(|| SinglePart::html(due.html.clone()));
        if due.calendar.is_empty() {
            return Ok(match html {
                None => builder.singlepart(text)?,
                Some(html) => builder.multipart(alternatives(text, html))?,
            });
        }
        let invitation = Attachment::new(INVITATION_NAME.to_owned())
            .body(due.calendar.clone(), ContentType::parse(INVITATION_TYPE)?);
        let whole = match html {
            None => MultiPart::mixed().singlepart(text),
            Some(html) => MultiPart::mixed().multipart(alternatives(text, html)),
        };
        Ok(builder.multipart(whole.singlepart(invitation))?)
    }
}

/// The same said twice; a reader shows the last that it can.
fn alternatives(text: SinglePart, html: SinglePart) -> MultiPart {
    MultiPart::alternative().singlepart(text).singlepart(html)
}

impl Session {
    /// Says goodbye, if there is anybody to say it to.
    pub async fn end(mut self) {
        if let Some(open) = &mut self.open {
            // What was sent is sent; whether the server answers to a goodbye changes nothing.
            let _ = timeout(ATTEMPT_TIMEOUT, open.quit()).await;
        }
    }
}

fn user_of(url: &Url) -> Option<Credentials> {
    let password = url.password().unwrap_or_default();
    (!url.username().is_empty())
        .then(|| Credentials::new(decoded(url.username()), decoded(password)))
}

/// A part of a URL as text; in a form a plus would be a space.
fn decoded(encoded: &str) -> String {
    let pair = format!("x={}", encoded.replace('+', "%2B"));
    let value = url::form_urlencoded::parse(pair.as_bytes()).next();
    value.map_or_else(String::new, |(_, value)| value.into_owned())
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// The mail server's code and words.
fn short(text: &str) -> String {
    one_line(text).chars().take(REPLY_CHARACTERS_MAX).collect()
}

/// A text without control characters, so that it ends no line.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
