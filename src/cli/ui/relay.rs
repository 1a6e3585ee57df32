//! From the browser to the control socket and back: what the door lets pass, for as long as somebody uses it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cli::ui::door::{Door, Judgement, Refusal};
use crate::cli::ui::usage::{Usage, Used};
use crate::daemon::control::client::{Client, ClientError};
use crate::daemon::control::ui::page::Notice;
use crate::daemon::control::ui::{language, protect};
use crate::model::language::Language;
use crate::net::owner::{Finder, Found};
use crate::phrase::ui;

/// How many connections a browser may have; more wait.
const MOST_CONNECTIONS: usize = 64;
/// How long a browser may take to send the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to send a form.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest form, in bytes.
const LONGEST_FORM: usize = 64 * 1024;
/// How long to wait when the system cannot give us a connection.
const BREATHER: Duration = Duration::from_millis(100);

/// What is passed on of a request. The cookie is between the browser and us.
const PASSED_ON: [HeaderName; 6] = [
    header::HOST,
    header::ORIGIN,
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_TYPE,
    HeaderName::from_static("sec-fetch-site"),
];
/// What belongs to the connection to the daemon (RFC 9110 §7.6.1).
const OF_THE_CONNECTION: [HeaderName; 3] = [header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH];

type Answer = Response<UnsyncBoxBody<Bytes, hyper::Error>>;

/// What adds to the form of a sign-in what only the person's side knows.
pub(super) trait Completes: Send + Sync + 'static {
    /// The form, completed; or why the sign-in cannot begin.
    fn complete(&self, form: Bytes) -> impl Future<Output = Result<Bytes, String>> + Send;
}

/// What every connection needs.
pub(super) struct Relay<C> {
    pub(super) door: Door,
    pub(super) client: Client,
    pub(super) completes: C,
    pub(super) usage: Usage,
    /// Who has the other end of a connection, and the users who may.
    pub(super) finder: Finder,
    pub(super) users: Vec<u32>,
}

impl<C: Completes> Relay<C> {
    /// Serves until `stop`.
    pub(super) async fn run(self: Arc<Self>, listener: TcpListener, stop: CancellationToken) {
        let permits = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let mut connections = JoinSet::new();
        loop {
            let permit = tokio::select! {
                () = stop.cancelled() => break,
                Ok(permit) = permits.clone().acquire_owned() => permit,
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(BREATHER).await;
                continue;
            };
            let relay = self.clone();
            connections.spawn(async move {
                relay.connection(stream, peer).await;
                drop(permit);
            });
        }
        connections.shutdown().await;
    }

    async fn connection(&self, stream: TcpStream, peer: SocketAddr) {
        let of_a_stranger = self.is_of_a_stranger(&stream, peer);
        let service = service_fn(|request: Request<Incoming>| async move {
            Ok::<_, Infallible>(match of_a_stranger {
                true => refused(Refusal::Foreign, request.headers().get(header::ACCEPT_LANGUAGE)),
                false => self.answer(request).await,
            })
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = serving.await {
            tracing::debug!("a connection of the browser ended: {error}");
        }
    }

    /// True if the kernel says that another user has the other end. Where it does not say, the cookie decides alone.
    fn is_of_a_stranger(&self, stream: &TcpStream, peer: SocketAddr) -> bool {
        let Ok(own) = stream.local_addr() else { return true };
        match self.finder.tcp(peer, own) {
            Found::Owner { uid, .. } => !self.users.contains(&uid),
            Found::Absent | Found::Unknown => false,
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let language_field = head.headers.get(header::ACCEPT_LANGUAGE).cloned();
        match self.door.judge(&head) {
            Judgement::Refuse(refusal) => refused(refusal, language_field.as_ref()),
            Judgement::Enter => inside(self.door.cookie()),
            Judgement::Inside => inside(None),
            Judgement::Pass => {
                let used = self.usage.begin();
                let answered = self.passed_on(&head, body).await;
                answered.map_or_else(
                    |why| not_done(&head, &why),
                    |answer| answer.map(|body| Counted { body, _used: used }.boxed_unsync()),
                )
            }
        }
    }

    async fn passed_on(&self, head: &Parts, body: Incoming) -> Result<Answer, NotDone> {
        let mut form = form(body).await?;
        if head.uri.path() == "/ui/login" {
            form = self.completes.complete(form).await.map_err(NotDone::SignIn)?;
        }
        let target = head.uri.path_and_query().map_or("/ui", |target| target.as_str());
        let mut request = Request::builder().method(head.method.clone()).uri(target);
        for name in PASSED_ON {
            if let Some(value) = head.headers.get(&name) {
                request = request.header(name, value);
            }
        }
        let form = if head.method == Method::POST { form } else { Bytes::new() };
        let request = request.body(Full::new(form)).map_err(|error| NotDone::SignIn(error.to_string()))?;
        let (mut answer, body) = self.client.relay(request).await.map_err(NotDone::Daemon)?.into_parts();
        for name in OF_THE_CONNECTION {
            answer.headers.remove(name);
        }
        Ok(Response::from_parts(answer, body.boxed_unsync()))
    }
}

/// Why what the door let pass was not done.
enum NotDone {
    /// The daemon gives no answer.
    Daemon(ClientError),
    /// The sign-in cannot begin.
    SignIn(String),
}

async fn form(body: Incoming) -> Result<Bytes, NotDone> {
    let read = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, LONGEST_FORM).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) => Err(NotDone::SignIn(error.to_string())),
        Err(_) => Err(NotDone::SignIn("the form did not come in time".to_owned())),
    }
}

/// On to the page, with the cookie for whoever comes in.
fn inside(cookie: Option<HeaderValue>) -> Answer {
    let mut answer = whole(StatusCode::SEE_OTHER, String::new());
    answer.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/ui"));
    if let Some(cookie) = cookie {
        answer.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    answer
}

fn refused(refusal: Refusal, preferred: Option<&HeaderValue>) -> Answer {
    let preferred = preferred.and_then(|field| field.to_str().ok()).unwrap_or_default();
    let language = Language::of_accept_language(preferred);
    let with_command = |phrase: crate::phrase::Phrase| phrase.fill(language, &[("command", &"mcp-proxy ui")]);
    let (status, title, words) = match refusal {
        Refusal::Foreign => (StatusCode::FORBIDDEN, ui::FOREIGN, ui::FOREIGN_HOW.text(language).to_owned()),
        Refusal::LinkUsed => (StatusCode::FORBIDDEN, ui::LINK_USED, with_command(ui::LINK_USED_HOW)),
        Refusal::NoCookie => (StatusCode::FORBIDDEN, ui::LINK_NEEDED, with_command(ui::LINK_NEEDED_HOW)),
        Refusal::NoSuchPath | Refusal::Method => {
            let how = ui::NO_PAGE_HOW.fill(language, &[("path", &"/ui")]);
            let is_method = refusal == Refusal::Method;
            let status = if is_method { StatusCode::METHOD_NOT_ALLOWED } else { StatusCode::NOT_FOUND };
            (status, ui::NO_PAGE, how)
        }
    };
    whole(status, Notice::new(title, vec![words]).page(language))
}

fn not_done(head: &Parts, why: &NotDone) -> Answer {
    let language = language(&head.headers, head.uri.query());
    let (status, notice) = match why {
        NotDone::Daemon(error) => {
            let how = ui::DAEMON_GONE_HOW.fill(language, &[("command", &"journalctl -u mcp-proxy")]);
            tracing::debug!("{error}");
            (StatusCode::BAD_GATEWAY, Notice::new(ui::DAEMON_GONE, vec![how]))
        }
        NotDone::SignIn(why) => (
            StatusCode::BAD_REQUEST,
            Notice::new(ui::NOT_DONE, vec![ui::SAID_FAILED.fill(language, &[("reason", why)])]),
        ),
    };
    whole(status, notice.page(language))
}

fn whole(status: StatusCode, page: String) -> Answer {
    let body = Full::new(Bytes::from(page)).map_err(|never| match never {}).boxed_unsync();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    protect(answer.headers_mut(), Notice::CONTENT_SECURITY_POLICY);
    answer
}

/// A body that counts as use for as long as it lasts.
struct Counted {
    body: UnsyncBoxBody<Bytes, hyper::Error>,
    _used: Used,
}

impl Body for Counted {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }
}
