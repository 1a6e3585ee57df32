//! The other end of the control socket: how a command finds a running daemon, and asks it.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use crate::daemon::control::protocol::{
    AddedKey, Declared, IncidentRequest, KeyRequest, LoggedOut, LoginEvent, LoginRequest, LogoutRequest, Refused,
    RemovedKeys, Resumed,
};
use crate::daemon::probe::Probe;
use crate::daemon::report::Status;
use crate::daemon::report::clients::Clients;
use crate::daemon::report::reach::Reachability;
use crate::daemon::report::recent::Recent;
use crate::daemon::report::servers::Servers;

/// How long an answer may take that costs the daemon nothing. systemd may start it for the occasion.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a sign-out may take: it waits for a renewal under way, and asks the server.
const PATIENCE_OF_LOGOUT: Duration = Duration::from_secs(120);
/// How long it may take until a login has begun: the OAuth application is looked up first.
const PATIENCE_OF_LOGIN: Duration = Duration::from_secs(90);
/// No answer is longer, nor a line of one, in bytes. The longest is a list of thousands of servers.
const LONGEST: usize = 16 * 1024 * 1024;

/// What was found where a daemon may be.
#[derive(Debug)]
pub enum Reach {
    /// A socket that somebody listens on.
    Daemon(Client),
    /// A socket that we may not open.
    Denied(PathBuf),
    /// None.
    Nobody,
}

/// Asks one daemon.
#[derive(Debug, Clone)]
pub struct Client {
    path: PathBuf,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The daemon says no.
    #[error("{error}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// Its words.
        error: String,
    },
    /// Nobody answers, or not as a daemon does.
    #[error("the mcp-proxy at {} gives no answer: {reason}. See its log: journalctl -u mcp-proxy", path.display())]
    Silent {
        /// The socket.
        path: PathBuf,
        /// What happened.
        reason: String,
    },
}

/// The events of a login, as they come.
pub struct Events {
    body: Incoming,
    begun: BytesMut,
    path: PathBuf,
    /// Drives the connection, which ends with this.
    _connection: JoinSet<()>,
}

/// The body of an answer that is passed on.
pub struct Relayed {
    body: Incoming,
    /// Drives the connection, which ends with this.
    _connection: JoinSet<()>,
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }
}

impl Client {
    /// Looks for a daemon at each of the sockets, in their order.
    pub async fn find(sought: &[PathBuf]) -> Reach {
        let mut denied = None;
        for path in sought {
            match UnixStream::connect(path).await {
                Ok(_) => return Reach::Daemon(Self { path: path.clone() }),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    denied.get_or_insert_with(|| path.clone());
                }
                Err(error) => tracing::debug!("no daemon at {}: {error}", path.display()),
            }
        }
        denied.map_or(Reach::Nobody, Reach::Denied)
    }

    /// The socket.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How the daemon stands.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn status(&self) -> Result<Status, ClientError> {
        let (status, body) = self.whole(Method::GET, "/status", Bytes::new(), PATIENCE).await?;
        self.read(status, &body)
    }

    /// The MCP servers that the daemon knows.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn servers(&self) -> Result<Servers, ClientError> {
        let (status, body) = self.whole(Method::GET, "/servers", Bytes::new(), PATIENCE).await?;
        self.read(status, &body)
    }

    /// Whether the upstreams can be reached, now or moments ago.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn reach(&self) -> Result<Reachability, ClientError> {
        let (status, body) = self.whole(Method::GET, "/reach", Bytes::new(), PATIENCE).await?;
        self.read(status, &body)
    }

    /// Begins a login, which ends when the events are dropped.
    ///
    /// # Errors
    /// When there is no answer, or the daemon refuses.
    pub async fn login(&self, request: &LoginRequest) -> Result<Events, ClientError> {
        let (answer, connection) = self.send(Method::POST, "/login", json(request), PATIENCE).await?;
        let (head, body) = answer.into_parts();
        if head.status == StatusCode::OK {
            let path = self.path.clone();
            return Ok(Events { body, begun: BytesMut::new(), path, _connection: connection });
        }
        let body = self.collected(body, PATIENCE).await?;
        Err(self.refused(head.status, &body))
    }

    /// Hands over what a person pasted for the login `id`.
    ///
    /// # Errors
    /// When there is no answer, or it is no answer to that login; the login then goes on waiting.
    pub async fn paste(&self, id: u64, text: String) -> Result<(), ClientError> {
        let target = format!("/login/{id}/paste");
        let (status, body) = self.whole(Method::POST, &target, Bytes::from(text), PATIENCE).await?;
        if status == StatusCode::OK { Ok(()) } else { Err(self.refused(status, &body)) }
    }

    /// Signs out of every upstream.
    ///
    /// # Errors
    /// When there is no answer, or the daemon refuses.
    pub async fn logout(&self, request: LogoutRequest) -> Result<LoggedOut, ClientError> {
        let (status, body) = self.whole(Method::POST, "/logout", json(&request), PATIENCE_OF_LOGOUT).await?;
        match status {
            // Some were kept, and the answer says which.
            StatusCode::INTERNAL_SERVER_ERROR => self.read(StatusCode::OK, &body),
            status => self.read(status, &body),
        }
    }

    /// The clients and their keys.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn clients(&self) -> Result<Clients, ClientError> {
        let (status, body) = self.whole(Method::GET, "/clients", Bytes::new(), PATIENCE).await?;
        self.read(status, &body)
    }

    /// The requests that ended last, and who sends requests.
    ///
    /// # Errors
    /// When there is no answer, or the daemon refuses: not everybody who may look may see who calls what.
    pub async fn recent(&self) -> Result<Recent, ClientError> {
        let (status, body) = self.whole(Method::GET, "/recent", Bytes::new(), PATIENCE).await?;
        self.read(status, &body)
    }

    /// What the daemon sees of its surroundings. It looks when it is asked, which takes seconds where nobody answers.
    ///
    /// # Errors
    /// When there is no answer, or the daemon is an older one.
    pub async fn probe(&self) -> Result<Probe, ClientError> {
        let (status, body) = self.whole(Method::GET, "/probe", Bytes::new(), PATIENCE).await?;
        self.read(status, &body)
    }

    /// Makes a key for a client.
    ///
    /// # Errors
    /// When there is no answer, or the daemon refuses.
    pub async fn add_key(&self, request: &KeyRequest) -> Result<AddedKey, ClientError> {
        let (status, body) = self.whole(Method::POST, "/clients/add", json(request), PATIENCE).await?;
        self.read(status, &body)
    }

    /// Removes keys of a client.
    ///
    /// # Errors
    /// When there is no answer, or the daemon refuses.
    pub async fn remove_keys(&self, request: &KeyRequest) -> Result<RemovedKeys, ClientError> {
        let (status, body) = self.whole(Method::POST, "/clients/remove", json(request), PATIENCE).await?;
        self.read(status, &body)
    }

    /// Stops all forwarding and ends every grant.
    ///
    /// # Errors
    /// When there is no answer, or the daemon refuses.
    pub async fn incident(&self, request: IncidentRequest) -> Result<Declared, ClientError> {
        let (status, body) = self.whole(Method::POST, "/incident", json(&request), PATIENCE_OF_LOGOUT).await?;
        self.read(status, &body)
    }

    /// Lets requests be forwarded again.
    ///
    /// # Errors
    /// When there is no answer, or the daemon refuses.
    pub async fn resume(&self) -> Result<Resumed, ClientError> {
        let (status, body) = self.whole(Method::POST, "/resume", Bytes::new(), PATIENCE).await?;
        self.read(status, &body)
    }

    async fn whole(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
        patience: Duration,
    ) -> Result<(StatusCode, Bytes), ClientError> {
        let (answer, _connection) = self.send(method, target, body, patience).await?;
        let (head, body) = answer.into_parts();
        Ok((head.status, self.collected(body, patience).await?))
    }

    async fn collected(&self, body: Incoming, patience: Duration) -> Result<Bytes, ClientError> {
        match tokio::time::timeout(patience, Limited::new(body, LONGEST).collect()).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) => Err(self.silent(&error)),
            Err(_) => Err(self.silent(&"it stopped in the middle")),
        }
    }

    async fn send(
        &self,
        method: Method,
        target: &str,
        body: Bytes,
        patience: Duration,
    ) -> Result<(Response<Incoming>, JoinSet<()>), ClientError> {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| self.silent(&error))?;
        self.exchange(request, patience).await
    }

    /// Passes a request of a browser on as it is. The body of the answer comes as it is sent, without an end in time.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn relay(&self, request: Request<Full<Bytes>>) -> Result<Response<Relayed>, ClientError> {
        let (answer, connection) = self.exchange(request, PATIENCE_OF_LOGIN).await?;
        Ok(answer.map(|body| Relayed { body, _connection: connection }))
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        patience: Duration,
    ) -> Result<(Response<Incoming>, JoinSet<()>), ClientError> {
        let asked = async {
            let stream = UnixStream::connect(&self.path).await.map_err(|error| self.silent(&error))?;
            let (mut sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.silent(&error))?;
            let mut driver = JoinSet::new();
            driver.spawn(async move {
                // How it ends is said by the answer.
                let _ = connection.await;
            });
            let answer = sender.send_request(request).await.map_err(|error| self.silent(&error))?;
            Ok((answer, driver))
        };
        match tokio::time::timeout(patience, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(self.silent(&format!("it took longer than {} s", patience.as_secs()))),
        }
    }

    fn read<T: DeserializeOwned>(&self, status: StatusCode, body: &[u8]) -> Result<T, ClientError> {
        if status != StatusCode::OK {
            return Err(self.refused(status, body));
        }
        serde_json::from_slice(body).map_err(|error| self.silent(&format!("it does not speak as mcp-proxy: {error}")))
    }

    fn refused(&self, status: StatusCode, body: &[u8]) -> ClientError {
        match serde_json::from_slice::<Refused>(body) {
            Ok(Refused { error }) => ClientError::Refused { status, error },
            Err(_) => self.silent(&format!("it answers {status}")),
        }
    }

    fn silent(&self, reason: &dyn std::fmt::Display) -> ClientError {
        silent(&self.path, reason)
    }
}

fn silent(path: &Path, reason: &dyn std::fmt::Display) -> ClientError {
    ClientError::Silent { path: path.to_owned(), reason: reason.to_string() }
}

impl Events {
    /// The next event.
    ///
    /// # Errors
    /// When the daemon has gone away.
    pub async fn next(&mut self) -> Result<LoginEvent, ClientError> {
        loop {
            if let Some(end) = self.begun.iter().position(|byte| *byte == b'\n') {
                let line = self.begun.split_to(end + 1);
                return serde_json::from_slice(&line).map_err(|error| silent(&self.path, &error));
            }
            let frame = match self.body.frame().await {
                Some(Ok(frame)) if self.begun.len() < LONGEST => frame,
                Some(Ok(_)) => return Err(silent(&self.path, &"it says too much")),
                Some(Err(error)) => return Err(silent(&self.path, &error)),
                None => return Err(silent(&self.path, &"it broke off")),
            };
            if let Ok(data) = frame.into_data() {
                self.begun.extend_from_slice(&data);
            }
        }
    }
}

fn json(value: &impl Serialize) -> Bytes {
    // Only maps with odd keys cannot be written, and there are none.
    Bytes::from(serde_json::to_vec(value).unwrap_or_default())
}
