//! From a request on the control socket to its answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json as object};
use tokio::sync::mpsc;

use crate::alibaba::oauth_app::OauthApp;
use crate::daemon::control::clients::{self, NotDone};
use crate::daemon::control::login::{self, NotTaken};
use crate::daemon::control::protocol::{IncidentRequest, LoginRequest, LogoutRequest, Outcome, Refused, Resumed};
use crate::daemon::control::rights::{Caller, Rights};
use crate::daemon::control::{Context, guard, incident, logout, probe, servers, snapshot, ui};
use crate::daemon::metrics;
use crate::daemon::report::Date;
use crate::daemon::report::recent::Recent;
use crate::daemon::sign_in::SignIn;
use crate::model::secret::Secret;
use crate::observe::audit::event::{Event, Verdict};
use crate::observe::exposition;
use crate::observe::text::shown;

/// The longest body of a request, in bytes.
const LONGEST_BODY: usize = 64 * 1024;
/// How long a caller may take to send it.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

pub(in crate::daemon) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Of what may have been sent by somebody who is not the caller.
const FOREIGN: &str = "the request may not be the caller's own";

/// Why a request is not served.
pub(super) struct Refusal(StatusCode, String);

impl Refusal {
    pub(super) fn new(status: StatusCode, why: impl Into<String>) -> Self {
        Self(status, why.into())
    }
}

/// Answers a request; every answer has a body.
pub(super) async fn answer(context: Arc<Context>, caller: Caller, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let (method, path) = (head.method.clone(), head.uri.path().to_owned());
    let admitted = guard::admit(&head).map_err(|why| Refusal::new(StatusCode::FORBIDDEN, format!("{FOREIGN}: {why}")));
    let answered = match admitted {
        Ok(()) => route(context, caller, Request::from_parts(head.clone(), body)).await,
        Err(refusal) => Err(refusal),
    };
    match answered {
        Ok(answer) => {
            tracing::debug!(%caller, "control: {method} {path} {}", answer.status().as_u16());
            answer
        }
        Err(Refusal(status, error)) => {
            // Both are the caller's words.
            let asked = shown(&format!("{method} {path}"), &[]);
            tracing::warn!(%caller, "control: {asked} is refused with {}: {error}", status.as_u16());
            let mut answer = match ui::is_page(&path) {
                true => ui::refused(&head, status, &error),
                false => json(status, &Refused { error }),
            };
            if let (StatusCode::METHOD_NOT_ALLOWED, Some(allowed)) = (status, allowed(&path)) {
                answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
            }
            answer
        }
    }
}

/// The one method of a path; `None` if there is no such path.
fn allowed(path: &str) -> Option<&'static str> {
    match path {
        "/status" | "/servers" | "/clients" | "/recent" | "/reach" | "/probe" | "/ready" | "/metrics" => Some("GET"),
        "/login" | "/logout" | "/clients/add" | "/clients/remove" | "/incident" | "/resume" => Some("POST"),
        _ => pasted_for(path).map(|_| "POST").or_else(|| ui::allowed(path)),
    }
}

/// The login of `/login/ID/paste`.
fn pasted_for(path: &str) -> Option<u64> {
    path.strip_prefix("/login/")?.strip_suffix("/paste")?.parse().ok()
}

async fn route(context: Arc<Context>, caller: Caller, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    match allowed(&path) {
        None => {
            let known = "there are /ui, /status, /servers, /clients, /recent, /reach, /probe, /ready, /metrics, /login, /logout, /incident \
                         and /resume";
            return Err(Refusal::new(StatusCode::NOT_FOUND, known));
        }
        Some(allowed) if method.as_str() != allowed => {
            return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, format!("use {allowed}")));
        }
        Some(_) => {}
    }
    if method == Method::POST {
        audit(&context, caller, &path);
    }
    if method == Method::POST && caller.rights != Rights::All {
        let why = "only root, the user that runs mcp-proxy and the group of the control socket may do this. Run it with \
                   sudo, or join that group";
        return Err(Refusal::new(StatusCode::FORBIDDEN, why));
    }
    if method == Method::POST && path.starts_with("/clients/") && !caller.is_root_or_own() {
        let why = "only root and the user that runs mcp-proxy may make and remove client keys. Run it with sudo";
        return Err(Refusal::new(StatusCode::FORBIDDEN, why));
    }
    if path == "/recent" && caller.rights != Rights::All {
        let why = "only root, the user that runs mcp-proxy and the group of the control socket may see who calls what. Run \
                   it with sudo, or join that group";
        return Err(Refusal::new(StatusCode::FORBIDDEN, why));
    }
    if method == Method::POST {
        tracing::info!(%caller, "control: POST {path}");
    }
    match path.as_str() {
        path if ui::is_page(path) => ui::answer(context, caller, request).await,
        "/status" => Ok(json(StatusCode::OK, &snapshot::status(&context))),
        "/servers" => Ok(json(StatusCode::OK, &servers::servers(&context))),
        "/clients" => Ok(json(StatusCode::OK, &clients::list(&context))),
        "/probe" => Ok(json(StatusCode::OK, &probe::look(&context).await)),
        "/clients/add" => done(clients::add(&context, parsed(request).await?).await),
        "/clients/remove" => done(clients::remove(&context, parsed(request).await?).await),
        "/recent" => Ok(json(StatusCode::OK, &recent(&context))),
        "/reach" => Ok(json(StatusCode::OK, &context.probe.reach(&context).await)),
        "/ready" => Ok(ready(&context)),
        "/metrics" => Ok(whole(StatusCode::OK, exposition::FORMAT, metrics::text(&context))),
        "/logout" => {
            let LogoutRequest { revoke } = parsed(request).await?;
            let ended = logout::logout(&context, revoke).await;
            let kept = ended.logins.iter().any(|login| login.outcome == Outcome::Kept);
            let status = if kept { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
            Ok(json(status, &ended))
        }
        "/incident" => {
            let IncidentRequest { rotate_keys } = parsed(request).await?;
            Ok(json(StatusCode::OK, &incident::declare(&context, caller, rotate_keys).await))
        }
        "/resume" => match context.incident.end(&caller.to_string()) {
            Ok(was_stopped) => Ok(json(StatusCode::OK, &Resumed { was_stopped })),
            Err(error) => {
                let why = format!("that it is over cannot be written down, so it is not: {error}");
                Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, why))
            }
        },
        "/login" => begin_login(context, &caller, parsed(request).await?),
        path => {
            let text = Secret::new(String::from_utf8_lossy(&body_of(request.into_body()).await?));
            let taken = context.waiting.paste(pasted_for(path).unwrap_or_default(), text).await;
            match taken {
                Ok(()) => Ok(json(StatusCode::OK, &object!({"taken": true}))),
                Err(error @ NotTaken::NotWaiting) => Err(Refusal::new(StatusCode::NOT_FOUND, error.to_string())),
                Err(error) => Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())),
            }
        }
    }
}

fn done<T: Serialize>(result: Result<T, NotDone>) -> Result<Response<Body>, Refusal> {
    match result {
        Ok(answer) => Ok(json(StatusCode::OK, &answer)),
        Err(NotDone::Asked(why)) => Err(Refusal::new(StatusCode::CONFLICT, why)),
        Err(NotDone::Kept(error)) => Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())),
    }
}

/// Puts a command down in the audit trail, whether or not it may be given.
fn audit(context: &Context, caller: Caller, path: &str) {
    if let Some(audit) = &context.audit {
        let verdict = if caller.rights == Rights::All { Verdict::Allowed } else { Verdict::Refused };
        let action = if pasted_for(path).is_some() { "paste" } else { path.trim_start_matches('/') };
        audit.record(Event::Control { action: action.to_owned(), by: caller.to_string(), verdict });
    }
}

fn recent(context: &Context) -> Recent {
    Recent::of(&context.traffic, Date::of(Some(context.clock.now().wall)))
}

/// Whether requests can be served, and which conditions are raised.
pub(in crate::daemon) fn ready(context: &Context) -> Response<Body> {
    let ready = snapshot::is_ready(context);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let conditions: Vec<&str> = context.health.conditions().iter().map(|condition| condition.name).collect();
    json(status, &object!({"ready": ready, "conditions": conditions}))
}

/// Begins a login, whose events are the body of the answer. Who closes the connection ends the login.
fn begin_login(context: Arc<Context>, caller: &Caller, request: LoginRequest) -> Result<Response<Body>, Refusal> {
    let (sign_in, app, user) = prepared(&context, caller, request)?;
    let (events, received) = mpsc::channel(4);
    let lines = login::driven(login::course(context, sign_in, app, user, events), received).map(|event| {
        let mut line = serde_json::to_vec(&event).unwrap_or_default();
        line.push(b'\n');
        Ok(Frame::data(Bytes::from(line)))
    });
    let body = StreamBody::new(lines).boxed_unsync();
    Ok(with_type(Response::new(body), "application/x-ndjson"))
}

/// The sign-in that is asked for, the application if it is named, and the user whom it is for.
pub(super) fn prepared(
    context: &Context,
    caller: &Caller,
    request: LoginRequest,
) -> Result<(SignIn, Option<OauthApp>, Option<u32>), Refusal> {
    let bad = |why: String| Refusal::new(StatusCode::BAD_REQUEST, why);
    let sign_in = chosen(&context.sign_ins, request.upstream.as_deref()).map_err(bad)?.clone();
    let app = request.application.map(|application| application.judged()).transpose().map_err(bad)?;
    let configured = sign_in.alibaba.app_name();
    if let Some(app) = app.as_ref().filter(|app| app.app_name != configured) {
        let why = format!("this mcp-proxy signs in with the OAuth application {configured:?}, not {:?}", app.app_name);
        return Err(bad(why));
    }
    // Only root speaks for others. Root and the daemon's own user need not be noted.
    let user = match caller.user(&context.finder) {
        Some(0) => request.user.filter(|uid| *uid != 0),
        user => user.filter(|uid| *uid != context.registrar.register().own),
    };
    Ok((sign_in, app, user))
}

fn chosen<'a>(sign_ins: &'a [SignIn], upstream: Option<&str>) -> Result<&'a SignIn, String> {
    let names = || sign_ins.iter().map(|sign_in| sign_in.upstream().as_str()).collect::<Vec<_>>().join(", ");
    match (sign_ins, upstream) {
        ([], _) => Err("no upstream needs a login".to_owned()),
        ([only], None) => Ok(only),
        (_, None) => Err(format!("several upstreams have logins; name one: {}", names())),
        (_, Some(name)) => sign_ins
            .iter()
            .find(|sign_in| sign_in.upstream().as_str() == name)
            .ok_or_else(|| format!("no upstream of that name has a login; there are: {}", names())),
    }
}

/// The request's JSON; nothing at all stands for an empty object.
async fn parsed<T: DeserializeOwned + Default>(request: Request<Incoming>) -> Result<T, Refusal> {
    let body = body_of(request.into_body()).await?;
    if body.is_empty() {
        return Ok(T::default());
    }
    // A list of values would do for a struct too, without a word about what they are.
    serde_json::from_slice::<Map<String, Value>>(&body)
        .and_then(|fields| serde_json::from_value(Value::Object(fields)))
        // What the text is may be a secret: only its place is said.
        .map_err(|error| {
            let at = if error.is_data() { String::new() } else { format!(" (column {})", error.column()) };
            Refusal::new(StatusCode::BAD_REQUEST, format!("the body is not the JSON object that this path takes{at}"))
        })
}

/// The whole body of a request.
pub(super) async fn body_of(body: Incoming) -> Result<Bytes, Refusal> {
    let body = Limited::new(body, LONGEST_BODY).collect();
    match tokio::time::timeout(BODY_TIMEOUT, body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the body may have {LONGEST_BODY} bytes")))
        }
        Ok(Err(error)) => Err(Refusal::new(StatusCode::BAD_REQUEST, format!("the body broke off: {error}"))),
        Err(_) => Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")),
    }
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    // Only maps with odd keys cannot be written, and there are none.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    whole(status, "application/json", text)
}

/// An answer with that text.
pub(in crate::daemon) fn whole(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed_unsync());
    *response.status_mut() = status;
    with_type(response, content_type)
}

fn with_type(mut response: Response<Body>, content_type: &'static str) -> Response<Body> {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}
