//! Connections to the operator's mail server, checked like any other, with TLS from the start or by STARTTLS.
//! It must never hand out an open connection where TLS was asked for.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;
use url::Url;

use super::client::Egress;
use super::connect::CONNECT_DEADLINE;
use super::failure::Failure;
use super::refused::Reason;

/// Longest answer of a mail server before TLS begins, in bytes.
pub const GREETING_BYTES_MAX: usize = 4096;
/// What stands for the greeting that STARTTLS used up.
const READY: &[u8] = b"220 ready\r\n";

/// When TLS begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Security {
    /// With the first byte: `smtps`.
    Implicit,
    /// Before anything but a greeting was said: `smtp+starttls`.
    StartTls,
    /// Never: `smtp`, for a server in a range that the operator opened.
    None,
}

/// Where the operator's mail server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    host: String,
    port: u16,
    security: Security,
}

/// The URL of a mail server cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the mail server is `smtps://`, `smtp+starttls://` or `smtp://`, with a host and perhaps a user, a password and a port"
)]
pub struct BadMailServer;

impl MailServer {
    /// The server that a URL names; its user and password are not looked at.
    ///
    /// # Errors
    /// If the scheme is another one, or there is no host.
    pub fn of_url(url: &Url) -> Result<Self, BadMailServer> {
        let (security, usual) = match url.scheme() {
            "smtps" => (Security::Implicit, 465),
            "smtp+starttls" => (Security::StartTls, 587),
            "smtp" => (Security::None, 25),
            _ => return Err(BadMailServer),
        };
        let host = url.host_str().filter(|host| !host.is_empty());
        Ok(Self {
            host: host.ok_or(BadMailServer)?.to_owned(),
            port: url.port().unwrap_or(usual),
            security,
        })
    }
}

trait Io: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin + std::fmt::Debug> Io for T {}

/// A connection on which a mail server greets.
#[derive(Debug)]
pub struct MailStream(Box<dyn Io>);

impl AsyncTokioStream for MailStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl AsyncRead for MailStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for MailStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Egress {
    /// Connects to the operator's mail server. Any port is open to it; its addresses are held to the policy.
    ///
    /// # Errors
    /// Any [`Failure`]; `Tls` if the certificate is not believed, `Protocol` if the server knows no STARTTLS.
    pub async fn mail(&self, server: &MailServer) -> Result<MailStream, Failure> {
        let connecting = timeout(CONNECT_DEADLINE, self.connect_mail(server));
        let connected = connecting.await.map_err(|_| Failure::ConnectTimeout {
            after: CONNECT_DEADLINE,
        });
        connected?
    }

    async fn connect_mail(&self, server: &MailServer) -> Result<MailStream, Failure> {
        let is_secure = server.security != Security::None;
        let place = self.policy().check_mail_host(&server.host, is_secure)?;
        let connector = self.connector();
        let mut wire = connector
            .dial_greeter(place, server.port, is_secure)
            .await?;
        if server.security == Security::None {
            return Ok(MailStream(Box::new(wire)));
        }
        if server.security == Security::StartTls {
            ask_for_tls(&mut wire)
                .await
                .map_err(|error| Failure::Protocol(Arc::new(error)))?;
        }
        let name = server.host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(name.to_owned()).map_err(|_| Reason::Malformed)?;
        let tls = connector.tls().connect(name, wire).await;
        let tls = tls.map_err(|error| Failure::Tls(Arc::new(error)))?;
        if server.security == Security::Implicit {
            return Ok(MailStream(Box::new(tls)));
        }
        let (read, write) = tokio::io::split(tls);
        Ok(MailStream(Box::new(tokio::io::join(
            READY.chain(read),
            write,
        ))))
    }
}

/// The words before TLS (RFC 3207). What else was sent in the clear is dropped with them.
async fn ask_for_tls(wire: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> io::Result<()> {
    expect(wire, b"220").await?;
    wire.write_all(b"EHLO localhost\r\n").await?;
    expect(wire, b"250").await?;
    wire.write_all(b"STARTTLS\r\n").await?;
    expect(wire, b"220").await
}

/// Reads one answer to its last line, byte by byte: what follows it belongs to TLS.
async fn expect(wire: &mut (impl AsyncRead + Unpin), code: &[u8]) -> io::Result<()> {
    let mut line = Vec::new();
    for _ in 0..GREETING_BYTES_MAX {
        let byte = wire.read_u8().await?;
        if byte != b'\n' {
            line.push(byte);
            continue;
        }
        if !line.starts_with(code) {
            break;
        }
        if line.get(code.len()) != Some(&b'-') {
            return Ok(());
        }
        line.clear();
    }
    Err(io::ErrorKind::InvalidData.into())
}
