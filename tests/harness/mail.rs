//! A mail server that misbehaves: it refuses `gone@…`, puts `later@…` off once, and hangs up on `rude@…`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mentor_gateway::config::Settings;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

pub struct MailServer {
    pub url: String,
    seen: Arc<Seen>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    /// What it wants to be told before it takes anything.
    sign_in: Option<String>,
    /// The recipient of each mail that it took.
    taken: Mutex<Vec<String>>,
    /// The verbs that it heard.
    heard: Mutex<Vec<String>>,
    /// How often it was asked about each recipient.
    asked: Mutex<HashMap<String, usize>>,
}

impl MailServer {
    pub async fn start() -> Self {
        Self::start_as(Seen::default()).await
    }

    pub async fn start_with_password(user: &str, password: &str) -> Self {
        let sign_in = STANDARD.encode(format!("\0{user}\0{password}"));
        Self::start_as(Seen {
            sign_in: Some(sign_in),
            ..Seen::default()
        })
        .await
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "its connections end with it, or with their clients"
    )]
    async fn start_as(seen: Seen) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let seen = Arc::new(seen);
        let keep = seen.clone();
        let server = tokio::task::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::task::spawn(converse(stream, keep.clone()));
            }
        });
        Self { url, seen, server }
    }

    /// Has a gateway send through it.
    pub fn set(&self, settings: &mut Settings) {
        settings.smtp_url = Some(self.url.clone());
        settings.egress_allow = vec!["127.0.0.0/8".parse().unwrap()];
    }

    /// To whom the mails went that it took.
    pub fn recipients(&self) -> Vec<String> {
        self.seen.taken.lock().unwrap().clone()
    }

    /// Every verb that it heard.
    pub fn heard(&self) -> Vec<String> {
        self.seen.heard.lock().unwrap().clone()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[expect(clippy::disallowed_types, reason = "it is the other side")]
async fn converse(mut stream: tokio::net::TcpStream, seen: Arc<Seen>) -> Option<()> {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test ESMTP\r\n").await.ok()?;
    let mut to = String::new();
    while let Some(line) = lines.next_line().await.ok()? {
        let verb = line.split([' ', ':']).next()?.to_ascii_uppercase();
        seen.heard.lock().unwrap().push(verb.clone());
        let reply = match verb.as_str() {
            "EHLO" if seen.sign_in.is_some() => "250-test\r\n250 AUTH PLAIN",
            "EHLO" => "250-test\r\n250 8BITMIME",
            "AUTH" if line.split(' ').nth(2) == seen.sign_in.as_deref() => "235 2.7.0 welcome",
            "AUTH" => "535 5.7.8 who are you",
            "STARTTLS" => "502 5.5.1 not here",
            "RCPT" => {
                to = line.split(['<', '>']).nth(1)?.to_owned();
                answer_about(&seen, &to)?
            }
            "DATA" => {
                write.write_all(b"354 go on\r\n").await.ok()?;
                while lines.next_line().await.ok()?? != "." {}
                seen.taken.lock().unwrap().push(to.clone());
                "250 2.0.0 taken"
            }
            "QUIT" => return None,
            _ => "250 2.0.0 ok",
        };
        let reply = format!("{reply}\r\n");
        write.write_all(reply.as_bytes()).await.ok()?;
    }
    None
}

fn answer_about(seen: &Seen, to: &str) -> Option<&'static str> {
    let mut asked = seen.asked.lock().unwrap();
    let times = asked.entry(to.to_owned()).or_default();
    *times += 1;
    match to.split('@').next()? {
        "gone" => Some("550 5.1.1 no such person here"),
        "later" if *times == 1 => Some("451 4.7.1 come again later"),
        "rude" => None,
        _ => Some("250 2.1.5 ok"),
    }
}
