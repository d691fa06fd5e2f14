//! A chat client over WebSocket: sends frames, reads what comes, frame by frame.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use super::client::Client;
use super::mcp::SOON;

#[expect(
    clippy::disallowed_types,
    reason = "the type of a client's connection; nothing of the product"
)]
type Socket = WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>;

/// A chat client of one person with one mentor.
pub struct Chat {
    socket: Socket,
    /// What every frame of a turn has.
    pub frame: Value,
}

impl Chat {
    /// Makes a session for this person as the published client does, and connects to it.
    pub async fn open(person: &Client, mentor: &str) -> Self {
        let session = session(person, mentor, json!({})).await;
        Self::in_session(person, mentor, &session).await
    }

    /// Connects to a session and says nothing yet.
    pub async fn in_session(person: &Client, mentor: &str, session: &str) -> Self {
        let socket = connect(person, "/ws/langflow/").await.unwrap();
        let flow = json!({ "name": mentor, "tenant": person.tenant, "username": person.username, "pathway": mentor });
        let frame = json!({ "flow": flow, "session_id": session, "token": person.key });
        Self { socket, frame }
    }

    /// The session's id.
    pub fn session(&self) -> String {
        self.frame["session_id"].as_str().unwrap().to_owned()
    }

    /// Sends the frame of a turn with this prompt.
    pub async fn say(&mut self, prompt: &str) {
        let mut frame = self.frame.clone();
        frame["prompt"] = prompt.into();
        self.send(&frame).await;
    }

    pub async fn send(&mut self, frame: &Value) {
        self.send_text(&frame.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next frame; `None` when the gateway has closed.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            let message = tokio::time::timeout(SOON, self.socket.next()).await;
            match message.expect("no frame came in time") {
                Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// The next frame that is no keep-alive.
    pub async fn frame(&mut self) -> Value {
        loop {
            let frame = self.next().await.expect("the gateway has closed");
            if frame["type"] != "typing" {
                return frame;
            }
        }
    }

    /// Every frame up to the end of the turn or the connection, keep-alives left out.
    pub async fn turn(&mut self) -> Vec<Value> {
        let mut frames = Vec::new();
        while let Some(frame) = self.next().await {
            let is_last = frame["eos"] == true || frame.get("error").is_some();
            if frame["type"] != "typing" {
                frames.push(frame);
            }
            if is_last {
                break;
            }
        }
        frames
    }

    /// Says something and returns the text of the reply.
    pub async fn ask(&mut self, prompt: &str) -> String {
        self.say(prompt).await;
        text_of(&self.turn().await)
    }

    /// The last frame, and code and reason of the close frame after it.
    pub async fn end(mut self) -> Value {
        let mut last = Value::Null;
        loop {
            let message = tokio::time::timeout(SOON, self.socket.next()).await;
            match message.expect("no frame came in time").unwrap().unwrap() {
                Message::Text(text) => last = serde_json::from_str(&text).unwrap(),
                Message::Close(frame) => {
                    let frame = frame.unwrap();
                    return json!([last, [u16::from(frame.code), frame.reason.as_str()]]);
                }
                _ => {}
            }
        }
    }

    pub async fn close(mut self) {
        self.socket.close(None).await.unwrap();
    }
}

/// The text in the frames of a turn.
pub fn text_of(frames: &[Value]) -> String {
    frames
        .iter()
        .filter_map(|frame| frame["data"].as_str())
        .collect()
}

/// Makes a session without a key, with `more` beside the mentor.
pub async fn session(person: &Client, mentor: &str, more: Value) -> String {
    let mut body = json!({ "mentor": mentor });
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let mut anonymous = person.clone();
    anonymous.key = None;
    let made = anonymous.post("sessions/", body).await.expect(200);
    made["session_id"].as_str().unwrap().to_owned()
}

/// Opens a WebSocket as a browser of no particular origin does.
pub async fn connect(person: &Client, path: &str) -> Result<Socket, tungstenite::Error> {
    let url = person.url(path).replacen("http", "ws", 1);
    let mut request = url.into_client_request()?;
    for (name, value) in person.headers() {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let (socket, _) = tokio_tungstenite::connect_async(request).await?;
    Ok(socket)
}

/// A frame with what differs from run to run replaced.
pub fn plain(frame: &Value) -> Value {
    let mut frame = frame.clone();
    for name in ["generation_id", "session_id", "id"] {
        if frame[name].is_string() {
            frame[name] = "…".into();
        }
    }
    frame
}

/// The frame that says so.
pub fn connected() -> Value {
    json!({"detail": "Connected.", "status_code": 200, "session_id": "…"})
}

/// The frame that begins a turn.
pub fn begun() -> Value {
    json!({"generation_id": "…"})
}

/// The last frame before the connection closes.
pub fn refusal(text: &str, status: u16) -> Value {
    json!({"error": text, "status_code": status})
}
