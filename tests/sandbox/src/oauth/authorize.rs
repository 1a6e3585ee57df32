//! The authorization request: what is checked before anybody is asked, and what a decision does.
//!
//! As long as the client or its redirect URI is in doubt there is no redirect: an error page
//! is shown, so that nobody can use the sign-in host to send people elsewhere.

use url::Url;

use crate::cloud::Cloud;
use crate::cloud::applications::{AppType, Application};
use crate::cloud::grants::{Challenge, Code, Grant};
use crate::random;
use crate::sign::encoding::{Pairs, decode_pairs, text};

/// Seconds an authorization code lives.
const CODE_LIFE: i64 = 300;

/// A request that may be put before a person.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) client_id: String,
    pub(crate) app_name: String,
    pub(crate) account: String,
    pub(crate) redirect_uri: Url,
    redirect_uri_sent: String,
    pub(crate) scopes: Vec<String>,
    state: Option<String>,
    challenge: Challenge,
    offline: bool,
}

/// Why a request is not put before anybody.
#[derive(Debug)]
pub(crate) enum Refused {
    /// Shown as a page: the redirect URI cannot be trusted.
    Page(String),
    /// Sent back to the redirect URI.
    Redirect(Url),
}

/// Checks the query of an authorization request.
pub(crate) fn check(cloud: &Cloud, query: &str) -> Result<Request, Refused> {
    let pairs = decode_pairs(query.as_bytes());
    for name in ["client_id", "redirect_uri", "response_type", "scope", "state", "code_challenge"] {
        if pairs.iter().filter(|(own, _)| own == name.as_bytes()).count() > 1 {
            return Err(Refused::Page(format!("The parameter {name} is repeated.")));
        }
    }
    let page = |why: &str| Refused::Page(why.to_owned());
    let client_id = text(&pairs, "client_id").ok_or_else(|| page("client_id is missing."))?;
    let applications = cloud.state.applications.lock();
    let application = applications.by_client_id(client_id).ok_or_else(|| page("The application does not exist."))?;
    let sent = text(&pairs, "redirect_uri").ok_or_else(|| page("redirect_uri is missing."))?;
    if !application.redirect_uris.iter().any(|own| own == sent) {
        return Err(page("The redirect_uri is not registered for this application."));
    }
    let redirect_uri = Url::parse(sent).map_err(|_| page("The redirect_uri is not a URI."))?;
    let state = text(&pairs, "state").map(str::to_owned);
    let fail = |error: &str, why: &str| Refused::Redirect(error_redirect(&redirect_uri, error, why, state.as_deref()));
    if text(&pairs, "response_type") != Some("code") {
        return Err(fail("unsupported_response_type", "response_type must be code."));
    }
    let scopes = scopes(application, &pairs)
        .ok_or_else(|| fail("invalid_scope", "The application does not have this scope."))?;
    let challenge = challenge(application, &pairs).map_err(|why| fail("invalid_request", why))?;
    let offline = application.kind == AppType::Native || text(&pairs, "access_type") == Some("offline");
    Ok(Request {
        client_id: client_id.to_owned(),
        app_name: application.display_name.clone(),
        account: application.account.clone(),
        redirect_uri_sent: sent.to_owned(),
        scopes,
        challenge,
        offline,
        state,
        redirect_uri,
    })
}

/// The scopes asked for, or all of the application's; `None` when one is not the application's.
fn scopes(application: &Application, pairs: &Pairs) -> Option<Vec<String>> {
    let Some(asked) = text(pairs, "scope").filter(|asked| !asked.trim().is_empty()) else {
        return Some(application.scopes.clone());
    };
    let asked: Vec<String> = asked.split_whitespace().map(str::to_owned).collect();
    asked.iter().all(|scope| application.scopes.contains(scope)).then_some(asked)
}

fn challenge(application: &Application, pairs: &Pairs) -> Result<Challenge, &'static str> {
    let native = application.kind == AppType::Native;
    let value = text(pairs, "code_challenge");
    match (value, text(pairs, "code_challenge_method")) {
        (Some(value), Some("S256")) if is_digest(value) => Ok(Challenge::S256(value.to_owned())),
        (Some(_), Some("S256")) => Err("code_challenge is not a SHA-256 digest."),
        (Some(_), _) if native => Err("code_challenge_method must be S256."),
        (Some(value), None | Some("plain")) => Ok(Challenge::Plain(value.to_owned())),
        (Some(_), Some(_)) => Err("code_challenge_method must be plain or S256."),
        (None, _) if native => Err("code_challenge is required."),
        (None, _) => Ok(Challenge::None),
    }
}

fn is_digest(value: &str) -> bool {
    value.len() == 43 && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// The person allowed: a grant and its code; the URI to send the browser to.
pub(crate) fn allow(cloud: &Cloud, request: Request) -> Url {
    let settings = cloud.state.settings.lock().clone();
    let code = random::token(32);
    let now = cloud.now();
    let mut grants = cloud.state.grants.lock();
    let grant = grants.add(Grant {
        id: 0,
        client_id: request.client_id,
        account: request.account,
        scopes: request.scopes,
        signed_in_as: settings.signed_in_as,
        authorized_at: now,
        offline: request.offline,
        revoked: false,
    });
    grants.add_code(Code {
        code: code.clone(),
        grant,
        redirect_uri: request.redirect_uri_sent,
        challenge: request.challenge,
        expires_at: now + CODE_LIFE,
        used: false,
    });
    drop(grants);
    cloud.issued(&code);
    cloud.count(|counts| counts.authorizations += 1);
    let mut target = request.redirect_uri;
    target.query_pairs_mut().append_pair("code", &code);
    if let Some(state) = &request.state {
        target.query_pairs_mut().append_pair("state", state);
    }
    target
}

/// The person denied.
pub(crate) fn deny(cloud: &Cloud, request: &Request) -> Url {
    cloud.count(|counts| counts.denials += 1);
    let why = "The user denied the request.";
    error_redirect(&request.redirect_uri, "access_denied", why, request.state.as_deref())
}

fn error_redirect(base: &Url, error: &str, why: &str, state: Option<&str>) -> Url {
    let mut target = base.clone();
    target.query_pairs_mut().append_pair("error", error).append_pair("error_description", why);
    if let Some(state) = state {
        target.query_pairs_mut().append_pair("state", state);
    }
    target
}
