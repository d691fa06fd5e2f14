//! A mail server that misbehaves: it refuses `gone@…`, puts `later@…` off once, and hangs up on `rude@…`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mentor_gateway::config::Settings;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader,
};
use tokio_rustls::TlsAcceptor;

pub struct MailServer {
    pub url: String,
    seen: Arc<Seen>,
    server: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    /// What it wants to be told before it takes anything.
    sign_in: Option<String>,
    /// With what it speaks TLS, and whether from the start.
    tls: Option<(TlsAcceptor, bool)>,
    /// The recipient of each mail that it took, and its text.
    taken: Mutex<Vec<(String, String)>>,
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

    /// One that speaks TLS, from the start or when it is asked to; also returns its certificate.
    pub async fn start_with_tls(is_implicit: bool) -> (Self, String) {
        let name = ["localhost".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(name).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let mut server = Self::start_as(Seen {
            tls: Some((TlsAcceptor::from(Arc::new(config)), is_implicit)),
            ..Seen::default()
        })
        .await;
        let scheme = if is_implicit {
            "smtps"
        } else {
            "smtp+starttls"
        };
        server.url = server
            .url
            .replace("smtp://127.0.0.1", &format!("{scheme}://localhost"));
        (server, cert.pem())
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
                tokio::task::spawn(serve(stream, keep.clone()));
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
        let taken = self.seen.taken.lock().unwrap();
        taken.iter().map(|(to, _)| to.clone()).collect()
    }

    /// The mails that it took, whole.
    pub fn texts(&self) -> Vec<String> {
        let taken = self.seen.taken.lock().unwrap();
        taken.iter().map(|(_, text)| text.clone()).collect()
    }

    /// The heads of the mails that it took.
    pub fn heads(&self) -> Vec<String> {
        let taken = self.seen.taken.lock().unwrap();
        let heads = taken
            .iter()
            .map(|(_, text)| text.split_once("\n\n").unwrap().0);
        heads.map(str::to_owned).collect()
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
async fn serve(stream: tokio::net::TcpStream, seen: Arc<Seen>) -> Option<()> {
    match seen.tls.clone() {
        Some((tls, true)) => {
            let stream = tls.accept(stream).await.ok()?;
            converse(stream, &seen, true).await?;
        }
        Some((tls, false)) => {
            let stream = converse(stream, &seen, true).await??;
            let stream = tls.accept(stream).await.ok()?;
            converse(stream, &seen, false).await?;
        }
        None => {
            converse(stream, &seen, true).await?;
        }
    }
    Some(())
}

/// Speaks until the other side goes, or until TLS is to begin, and then gives the connection back.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    seen: &Seen,
    greets: bool,
) -> Option<Option<S>> {
    let mut stream = BufReader::new(stream);
    if greets {
        stream.write_all(b"220 test ESMTP\r\n").await.ok()?;
    }
    let mut to = String::new();
    while let Some(line) = line_of(&mut stream).await {
        let verb = line.split([' ', ':']).next()?.to_ascii_uppercase();
        seen.heard.lock().unwrap().push(verb.clone());
        let reply = match verb.as_str() {
            "EHLO" if seen.sign_in.is_some() => "250-test\r\n250 AUTH PLAIN",
            "EHLO" => "250-test\r\n250 8BITMIME",
            "AUTH" if line.split(' ').nth(2) == seen.sign_in.as_deref() => "235 2.7.0 welcome",
            "AUTH" => "535 5.7.8 who are you",
            "STARTTLS" if seen.tls.is_some() => {
                stream.write_all(b"220 2.0.0 go on\r\n").await.ok()?;
                return Some(Some(stream.into_inner()));
            }
            "STARTTLS" => "502 5.5.1 not here",
            "RCPT" => {
                to = line.split(['<', '>']).nth(1)?.to_owned();
                answer_about(seen, &to)?
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await.ok()?;
                let mut text = String::new();
                loop {
                    match line_of(&mut stream).await? {
                        line if line == "." => break,
                        line => text += &format!("{line}\n"),
                    }
                }
                seen.taken.lock().unwrap().push((to.clone(), text));
                "250 2.0.0 taken"
            }
            "QUIT" => return Some(None),
            _ => "250 2.0.0 ok",
        };
        let reply = format!("{reply}\r\n");
        stream.write_all(reply.as_bytes()).await.ok()?;
    }
    Some(None)
}

async fn line_of(stream: &mut (impl AsyncBufRead + Unpin)) -> Option<String> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
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
