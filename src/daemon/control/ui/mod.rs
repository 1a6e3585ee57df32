//! The page of `mcp-proxy ui`, as the control socket serves it: how the daemon stands, for a person with a browser.
//!
//! A browser gets here through `mcp-proxy ui`, or through a tunnel to the socket (`ssh -L`). Whoever can open the socket
//! may look; what signs in is for those whom `rights` lets, and takes a form that this daemon made. All that is drawn
//! comes from one value (`view`), part by part (`parts`), so that `live` can send what changed alone.

mod html;
mod latency;
mod live;
pub mod page;
mod parts;
mod servers;
mod sign_in;
mod sign_in_card;
#[cfg(test)]
mod tests;
mod traffic;
mod view;

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use self::page::Notice;
use self::sign_in::Form;
use self::view::{Said, View};
use crate::daemon::control::Context;
use crate::daemon::control::answer::{Body, Refusal, body_of, whole};
use crate::daemon::control::rights::Caller;
use crate::model::language::Language;
use crate::model::secret::Secret;
use crate::model::time::Wall;
use crate::phrase::ui;

/// How many browsers may look on at once. Each has a connection for as long as it does, and others need some too.
const MOST_ONLOOKERS: usize = 8;
/// How long it is said what became of something that was done on the page.
const SAID_FOR: Duration = Duration::from_secs(5 * 60);

/// What the page may load: itself.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                                       connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What is kept for the page.
pub(in crate::daemon) struct Ui {
    /// What a form must carry. Without randomness there is none, and no form.
    form_key: Option<Secret>,
    said: Mutex<Option<(Said, Wall)>>,
    /// The login that was begun on the page.
    course: Mutex<JoinSet<()>>,
    onlookers: Arc<Semaphore>,
    changes: watch::Sender<u64>,
}

impl Default for Ui {
    fn default() -> Self {
        Self {
            form_key: unguessable(),
            said: Mutex::default(),
            course: Mutex::default(),
            onlookers: Arc::new(Semaphore::new(MOST_ONLOOKERS)),
            changes: watch::Sender::new(0),
        }
    }
}

/// 256 random bits in hexadecimal digits.
pub fn unguessable() -> Option<Secret> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).ok()?;
    let mut digits = String::with_capacity(64);
    // Writing to a string does not fail.
    bytes.iter().for_each(|byte| {
        let _ = write!(digits, "{byte:02x}");
    });
    Some(Secret::new(digits))
}

impl Ui {
    fn form_key(&self) -> Option<Secret> {
        self.form_key.clone()
    }

    /// What became of the last thing that was done, if that was not long ago.
    fn said(&self, now: Wall) -> Option<Said> {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.as_ref().filter(|(_, at)| now.since(*at) < SAID_FOR).map(|(said, _)| said.clone())
    }

    fn say(&self, said: Said, now: Wall) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = Some((said, now));
        self.touch();
    }

    /// Something changed that the page shows.
    fn touch(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Goes through with a login. One that was begun before ends: only one waits at a time.
    fn go_through_with(&self, course: impl Future<Output = ()> + Send + 'static) {
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = None;
        let mut running = self.course.lock().unwrap_or_else(PoisonError::into_inner);
        running.abort_all();
        while running.try_join_next().is_some() {}
        running.spawn(course);
    }
}

/// True for the paths of the page, whose refusals are pages too.
pub(super) fn is_page(path: &str) -> bool {
    path == "/" || path == "/ui" || path.starts_with("/ui/")
}

/// The one method of a path of the page; `None` if there is no such path.
pub(super) fn allowed(path: &str) -> Option<&'static str> {
    match path {
        "/" | "/ui" | "/ui/events" | "/ui/live.js" | "/ui/style.css" | "/ui/icon.svg" => Some("GET"),
        "/ui/login" | "/ui/paste" => Some("POST"),
        _ => None,
    }
}

/// Answers a request for a path of the page, whose method is right.
pub(super) async fn answer(
    context: Arc<Context>,
    caller: Caller,
    request: Request<Incoming>,
) -> Result<Response<Body>, Refusal> {
    let (head, body) = request.into_parts();
    let language = language(&head.headers, head.uri.query());
    match head.uri.path() {
        "/" => Ok(onward(language)),
        "/ui" => Ok(shown(&context, &caller, &head, language)),
        "/ui/events" => events(context, caller, language),
        "/ui/live.js" => Ok(file("text/javascript; charset=utf-8", include_str!("live.js"))),
        "/ui/style.css" => Ok(file("text/css; charset=utf-8", include_str!("style.css"))),
        "/ui/icon.svg" => Ok(file("image/svg+xml", include_str!("icon.svg"))),
        path => {
            let form = Form::read(&body_of(body).await?);
            let language = form.language().unwrap_or(language);
            if !form.is_ours(&context) {
                return Err(sign_in::stale(language));
            }
            if path == "/ui/paste" {
                sign_in::paste(&context, &form).await;
                return Ok(onward(language));
            }
            // Why it could not begin is said on the page.
            Ok(match sign_in::begin(context, &caller, &form).await? {
                Some(url) => opening(language, url),
                None => onward(language),
            })
        }
    }
}

fn shown(context: &Context, caller: &Caller, head: &Parts, language: Language) -> Response<Body> {
    let refresh = fields(head.uri.query()).any(|(name, _)| name == "refresh");
    let view = View::of(context, caller, language);
    protected(whole(StatusCode::OK, "text/html; charset=utf-8", page::whole(&view, refresh)), CONTENT_SECURITY_POLICY)
}

fn events(context: Arc<Context>, caller: Caller, language: Language) -> Result<Response<Body>, Refusal> {
    let Ok(place) = context.ui.onlookers.clone().try_acquire_owned() else {
        return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, ui::TOO_MANY.text(language)));
    };
    let body = StreamBody::new(live::events(context, caller, language, place)).boxed_unsync();
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    Ok(protected(response, CONTENT_SECURITY_POLICY))
}

/// On to the page.
fn onward(language: Language) -> Response<Body> {
    let mut response = whole(StatusCode::SEE_OTHER, "text/plain", String::new());
    if let Ok(to) = HeaderValue::from_str(&format!("/ui?lang={}", language.tag())) {
        response.headers_mut().insert(header::LOCATION, to);
    }
    protected(response, CONTENT_SECURITY_POLICY)
}

/// On to where the person signs in. Not by a redirect: a form may lead to this page alone (`form-action`), wherever the
/// cloud's own pages then lead to. The address holds the `state` of the login, which is why nobody hears of this page.
fn opening(language: Language, url: String) -> Response<Body> {
    let words = ui::OPEN_BY_HAND.text(language).to_owned();
    let notice = Notice { onward: Some((url, ui::OPEN)), ..Notice::new(ui::OPENING, vec![words]) };
    let mut response = protected_notice(StatusCode::OK, &notice, language);
    response.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// The page that says why a request for one of ours is refused.
pub(super) fn refused(head: &Parts, status: StatusCode, why: &str) -> Response<Body> {
    let language = language(&head.headers, head.uri.query());
    let notice = match status {
        StatusCode::NOT_FOUND => Notice::new(ui::NO_PAGE, vec![ui::NO_PAGE_HOW.fill(language, &[("path", &"/ui")])]),
        _ => Notice::new(ui::NOT_DONE, vec![why.to_owned()]),
    };
    protected_notice(status, &notice, language)
}

fn protected_notice(status: StatusCode, notice: &Notice, language: Language) -> Response<Body> {
    protected(whole(status, "text/html; charset=utf-8", notice.page(language)), Notice::CONTENT_SECURITY_POLICY)
}

fn file(content_type: &'static str, text: &str) -> Response<Body> {
    protected(whole(StatusCode::OK, content_type, text.to_owned()), CONTENT_SECURITY_POLICY)
}

/// What keeps a page to itself.
fn protected(mut response: Response<Body>, policy: &'static str) -> Response<Body> {
    protect(response.headers_mut(), policy);
    response
}

/// Sets the headers that keep a page to itself. `Referrer-Policy` is `same-origin`, not `no-referrer`: with that, browsers
/// say `Origin: null` for our own forms (Fetch §3.2), and `Origin` is what tells them from those of others.
pub fn protect(headers: &mut HeaderMap, policy: &'static str) {
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "same-origin"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The language of a page: asked for in its address, else what the browser prefers.
pub fn language(headers: &HeaderMap, query: Option<&str>) -> Language {
    let asked = fields(query).find(|(name, _)| name == "lang").and_then(|(_, value)| language_of(&value));
    let preferred = headers.get(header::ACCEPT_LANGUAGE).and_then(|field| field.to_str().ok()).unwrap_or_default();
    asked.unwrap_or_else(|| Language::of_accept_language(preferred))
}

fn language_of(tag: &str) -> Option<Language> {
    [Language::English, Language::Chinese].into_iter().find(|language| language.tag() == tag)
}

fn fields(query: Option<&str>) -> impl Iterator<Item = (String, String)> {
    let fields = url::form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    fields.map(|(name, value)| (name.into_owned(), value.into_owned()))
}
