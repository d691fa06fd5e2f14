//! The one listener of all manners: a request a connection, answered by the row that its path names.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Asked, Manner, Over, Reply};

/// The row whose one child answers everybody.
pub(super) const BRIDGE: &str = "bridge";
/// Longest head and body of a request, in bytes.
const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// A connection.
trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Wire for S {}

/// Every manner of the table on one port. Stops when dropped.
#[derive(Debug)]
pub struct Manners {
    address: SocketAddr,
    inner: Arc<Inner>,
    stopped: CancellationToken,
}

#[derive(Debug, Default)]
struct Inner {
    /// Rows about forgotten sessions forget each one after its first call.
    is_forgetting: AtomicBool,
    last_session: AtomicUsize,
    sessions: Mutex<HashMap<(String, String), Session>>,
    seen: Mutex<Vec<(String, String)>>,
}

#[derive(Debug, Default)]
struct Session {
    calls: usize,
    polls: usize,
    last_call: Value,
    is_forgotten: bool,
    /// The stream of HTTP+SSE.
    stream: Option<mpsc::UnboundedSender<Vec<u8>>>,
}

impl Manners {
    /// Serves the table on a port of loopback; 0 takes a free one.
    ///
    /// # Errors
    /// If the port cannot be had.
    pub async fn start(port: u16) -> io::Result<Manners> {
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        let address = listener.local_addr()?;
        let inner = Arc::<Inner>::default();
        let stopped = CancellationToken::new();
        let tasks = TaskTracker::new();
        let (serving, stop) = (inner.clone(), stopped.clone());
        tasks.clone().spawn(async move {
            loop {
                let stream = tokio::select! {
                    () = stop.cancelled() => return,
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => stream,
                        Err(_) => return,
                    },
                };
                let (inner, stop) = (serving.clone(), stop.clone());
                tasks.spawn(async move {
                    // A client that hangs up is no failure.
                    tokio::select! {
                        () = stop.cancelled() => {}
                        _ = inner.serve(stream) => {}
                    }
                });
            }
        });
        Ok(Manners {
            address,
            inner,
            stopped,
        })
    }

    /// Lets the rows about forgotten sessions forget each one after its first call.
    pub fn forgetting(self) -> Self {
        self.inner.is_forgetting.store(true, Ordering::Relaxed);
        self
    }

    /// The URL of a row's server.
    pub fn url(&self, manner: &Manner) -> String {
        format!("http://{}{}", self.address, manner.path())
    }

    /// The URL of the table as JSON.
    pub fn table_url(&self) -> String {
        format!("http://{}/table", self.address)
    }

    /// How often this method, or a verb without a message, was seen by a row's server.
    pub fn count_of(&self, manner: &Manner, method: &str) -> usize {
        let seen = lock(&self.inner.seen);
        seen.iter()
            .filter(|(name, seen)| name == manner.name && seen == method)
            .count()
    }

    /// Lets a row's server forget its sessions.
    pub fn forget(&self, manner: &Manner) {
        for ((name, _), session) in lock(&self.inner.sessions).iter_mut() {
            if name == manner.name {
                session.is_forgotten = true;
            }
        }
    }
}

impl Drop for Manners {
    fn drop(&mut self) {
        self.stopped.cancel();
    }
}

/// A request as it came.
struct Request {
    verb: String,
    path: String,
    query: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

impl Inner {
    async fn serve<S: Wire>(&self, stream: S) -> io::Result<()> {
        let mut stream = BufStream::new(stream);
        let Some(request) = read(&mut stream).await? else {
            return Ok(());
        };
        if request.path == "/table" {
            let table: Vec<Value> = Manner::table().into_iter().map(Manner::to_json).collect();
            return send(&mut stream, Reply::json(Value::from(table).to_string())).await;
        }
        let mut parts = request.path.trim_start_matches('/').split('/');
        let name = parts.next().unwrap_or_default().to_owned();
        let mut rows = Manner::table().into_iter().chain([Manner::bridge()]);
        let Some(manner) = rows.find(|row| row.name == name) else {
            return send(&mut stream, Reply::plain(404, "no such manner")).await;
        };
        match (manner.over, request.verb.as_str()) {
            (Over::Http, _) => send(&mut stream, self.answer(&manner, &request)).await,
            (Over::Sse, "GET") => self.open_sse(&manner, &mut stream).await,
            (Over::Sse, _) => send(&mut stream, self.answer_sse(&manner, &request)).await,
        }
    }

    fn answer(&self, manner: &Manner, request: &Request) -> Reply {
        let id = request.headers.get("mcp-session-id");
        let asked = self.asked(manner, request, id);
        let is_first = asked.method() == "initialize";
        if asked.method() == "server/discover" {
            let text = asked.error(-32000, "Bad Request: No valid session ID provided");
            return Reply::of(400, "application/json", text);
        }
        let reply = (manner.does)(&asked).unwrap_or_else(|| well(&asked));
        if is_first
            && !reply
                .headers
                .iter()
                .any(|(name, _)| name == "mcp-session-id")
        {
            return reply.with("mcp-session-id", self.new_session(manner, None));
        }
        reply
    }

    fn asked(&self, manner: &Manner, request: &Request, id: Option<&String>) -> Asked {
        let message: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let method = message["method"]
            .as_str()
            .unwrap_or(&request.verb)
            .to_owned();
        lock(&self.seen).push((manner.name.to_owned(), method.clone()));
        let mut sessions = lock(&self.sessions);
        let session = id.and_then(|id| sessions.get_mut(&(manner.name.to_owned(), id.clone())));
        let mut asked = Asked {
            verb: request.verb.clone(),
            message,
            is_known: false,
            is_stale: false,
            last_call: Value::Null,
            polls: 0,
        };
        if let Some(session) = session {
            session.calls += usize::from(method == "tools/call");
            asked.polls = session.polls;
            asked.last_call = session.last_call.clone();
            if asked.is_call() {
                session.last_call = asked.message.clone();
            }
            session.polls += usize::from(method == "GET");
            let is_over = self.is_forgetting.load(Ordering::Relaxed)
                && manner.name.starts_with("stale_")
                && session.calls > 1;
            session.is_forgotten |= is_over;
            asked.is_stale = session.is_forgotten;
            asked.is_known = !session.is_forgotten;
        }
        asked
    }

    fn new_session(
        &self,
        manner: &Manner,
        stream: Option<mpsc::UnboundedSender<Vec<u8>>>,
    ) -> String {
        let id = format!("s-{}", self.last_session.fetch_add(1, Ordering::Relaxed));
        let session = Session {
            stream,
            ..Session::default()
        };
        lock(&self.sessions).insert((manner.name.to_owned(), id.clone()), session);
        id
    }

    async fn open_sse<S: Wire>(
        &self,
        manner: &Manner,
        stream: &mut BufStream<S>,
    ) -> io::Result<()> {
        let (sender, mut texts) = mpsc::unbounded_channel();
        let id = self.new_session(manner, Some(sender));
        let head =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).await?;
        let endpoint = format!(
            "event: endpoint\ndata: /{}/messages?sessionId={id}\n\n",
            manner.name
        );
        stream.write_all(endpoint.as_bytes()).await?;
        stream.flush().await?;
        while let Some(text) = texts.recv().await {
            stream.write_all(&text).await?;
            stream.flush().await?;
        }
        Ok(())
    }

    /// The status goes to the POST, the body to the stream.
    fn answer_sse(&self, manner: &Manner, request: &Request) -> Reply {
        let id = request.query.strip_prefix("sessionId=").map(str::to_owned);
        let asked = self.asked(manner, request, id.as_ref());
        let reply = (manner.does)(&asked);
        let event = match reply {
            Some(reply) if reply.status != 200 => return reply,
            Some(reply) => reply.body,
            None if asked.is_request() => Reply::event(&asked.response()).body,
            None => Vec::new(),
        };
        let sessions = lock(&self.sessions);
        let is_meant = |(name, known): &(String, String)| {
            name == manner.name && (manner.name == BRIDGE || Some(known) == id.as_ref())
        };
        let meant = sessions.iter().filter(|(key, _)| is_meant(key));
        for stream in meant.filter_map(|(_, session)| session.stream.as_ref()) {
            // A stream that was closed takes nothing.
            let _ = stream.send(event.clone());
        }
        Reply::plain(202, "Accepted")
    }
}

/// What a server of 2025-03-26 to 2025-11-25 without a stream of its own answers.
fn well(asked: &Asked) -> Reply {
    match asked.verb.as_str() {
        "POST" if asked.is_request() && (asked.method() == "initialize" || asked.is_known) => {
            asked.well()
        }
        "POST" if asked.is_request() => Reply::of(
            404,
            "application/json",
            asked.error(-32001, "Session not found"),
        ),
        "POST" => Reply::empty(202),
        "DELETE" => Reply::empty(200),
        _ => Reply::empty(405),
    }
}

async fn read<S: Wire>(stream: &mut BufStream<S>) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) if head.len() < REQUEST_BYTES_MAX => head.push(byte),
            _ => return Ok(None),
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (verb, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let headers: HashMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .and_then(|text| text.parse().ok());
    let mut body = vec![0; length.unwrap_or(0).min(REQUEST_BYTES_MAX)];
    stream.read_exact(&mut body).await?;
    Ok(Some(Request {
        verb: verb.to_owned(),
        path: path.to_owned(),
        query: query.to_owned(),
        headers,
        body,
    }))
}

async fn send<S: Wire>(stream: &mut BufStream<S>, reply: Reply) -> io::Result<()> {
    if reply.dies {
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {} Said\r\nconnection: close\r\n", reply.status).into_bytes();
    for (name, value) in &reply.headers {
        head.extend_from_slice(format!("{name}: ").as_bytes());
        head.extend_from_slice(value);
        head.extend_from_slice(b"\r\n");
    }
    // An event stream ends with its connection, everything else says how long it is.
    let is_stream = reply.hangs
        || reply
            .headers
            .iter()
            .any(|(_, value)| value.starts_with(b"text/event"));
    if is_stream {
        head.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
        stream.write_all(&head).await?;
        stream.flush().await?;
        tokio::time::sleep(Duration::from_millis(reply.late_ms)).await;
        if !reply.body.is_empty() {
            let size = format!("{:x}\r\n", reply.body.len());
            stream.write_all(size.as_bytes()).await?;
            stream.write_all(&reply.body).await?;
            stream.write_all(b"\r\n").await?;
        }
        if reply.hangs {
            stream.flush().await?;
            // Until the client hangs up.
            let _ = stream.read_u8().await;
            return Ok(());
        }
        stream.write_all(b"0\r\n\r\n").await?;
    } else {
        if reply.status != 204 {
            head.extend_from_slice(format!("content-length: {}\r\n", reply.body.len()).as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        stream.write_all(&head).await?;
        stream.write_all(&reply.body).await?;
    }
    stream.flush().await?;
    stream.shutdown().await
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
