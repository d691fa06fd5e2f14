//! WebSockets over checked connections, with the subprotocol `mcp`.
//! It must never follow a redirect nor go on with a server that did not choose the subprotocol.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Error};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};
use tower::Service;

use super::client::{Egress, Limits, own_headers};
use super::connect::Stream;
use super::destination::Destination;
use super::failure::Failure;
use super::refused::Reason;

/// The subprotocol of MCP over WebSocket.
pub const SUBPROTOCOL: &str = "mcp";

/// Longest message, in bytes, all its frames together.
pub const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest frame, in bytes.
pub const FRAME_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What one connection reserves to read into, in bytes; tungstenite's default is 128 KiB.
const READ_BUFFER_BYTES: usize = 8 * 1024;

/// Most bytes that wait to be written when the server does not read.
const WRITE_BUFFER_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;

/// An open WebSocket: a stream and a sink of messages. Its errors turn into [`Failure`] with `?`.
pub type WebSocket = WebSocketStream<TokioIo<Stream>>;

/// One message of a WebSocket.
pub type Message = tungstenite::Message;

impl Egress {
    /// Opens a WebSocket to a ws or wss destination.
    ///
    /// `limits.headers` bounds the handshake; connecting has its own deadline. [`Failure::sent`] speaks of
    /// the handshake: no message has left if this fails.
    ///
    /// # Errors
    /// Any [`Failure`]; `Declined` with status and headers if the server answers without upgrading.
    pub async fn websocket(
        &self,
        destination: &Destination,
        headers: HeaderMap,
        limits: &Limits,
    ) -> Result<WebSocket, Failure> {
        if !destination.is_websocket() {
            return Err(Reason::Scheme.into());
        }
        let request = handshake(destination, headers)?;
        let stream = self.connector().call(destination.http_uri()?).await?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(WRITE_BUFFER_BYTES_MAX)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        let opening = client_async_with_config(request, TokioIo::new(stream), Some(config));
        let (socket, answer) =
            timeout(limits.headers, opening)
                .await
                .map_err(|_| Failure::HeadersTimeout {
                    after: limits.headers,
                })??;
        check_answer(answer.headers())?;
        Ok(socket)
    }
}

/// A client must fail over an extension that it did not ask for and over more than one subprotocol (RFC 6455
/// section 4.1); tungstenite looks at neither.
fn check_answer(headers: &HeaderMap) -> Result<(), Failure> {
    let broken = |what: &'static str| Failure::Protocol(Arc::from(Box::from(what)));
    if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return Err(broken("an extension that was not asked for"));
    }
    let mut chosen = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    if chosen.next().is_none_or(|value| value != SUBPROTOCOL) {
        return Err(broken("another subprotocol than mcp"));
    }
    if chosen.next().is_some() {
        return Err(broken("more than one subprotocol"));
    }
    Ok(())
}

fn handshake(
    destination: &Destination,
    mut headers: HeaderMap,
) -> Result<http::Request<()>, Failure> {
    own_headers(&mut headers);
    headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Reason::Malformed);
    headers.insert(header::HOST, value(destination.host_port())?);
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(
        header::SEC_WEBSOCKET_VERSION,
        HeaderValue::from_static("13"),
    );
    headers.insert(header::SEC_WEBSOCKET_KEY, value(&generate_key())?);
    headers.insert(
        header::SEC_WEBSOCKET_PROTOCOL,
        HeaderValue::from_static(SUBPROTOCOL),
    );
    let mut request = http::Request::new(());
    *request.uri_mut() = destination.uri().clone();
    *request.headers_mut() = headers;
    Ok(request)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Http(answer) if answer.status().is_redirection() => Self::Redirected {
                status: answer.status(),
            },
            Error::Http(answer) => {
                let (head, _) = answer.into_parts();
                Self::Declined {
                    status: head.status,
                    headers: Arc::new(head.headers),
                }
            }
            Error::Capacity(_) => Self::TooLarge {
                max_bytes: MESSAGE_BYTES_MAX as u64,
            },
            Error::ConnectionClosed | Error::AlreadyClosed | Error::Io(_) => {
                Self::Closed(Arc::new(error))
            }
            error => Self::Protocol(Arc::new(error)),
        }
    }
}
