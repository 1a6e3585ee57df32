//! Every answer that we author, in one place.
//!
//! On an MCP path we never say 400, 401, 404 or 405 for troubles of our own: clients take these for statements
//! of the server about sessions, transports and sign-ins, and act on them.

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Response, StatusCode};
use hyper::ext::ReasonPhrase;

use crate::model::callback::CallbackOutcome;
use crate::model::client::ClientName;
use crate::model::language::Language;
use crate::model::time::in_words;
use crate::observe::text::shown;
use crate::policy::client::Stranger;
use crate::policy::servers::Denied;
use crate::proxy::admit::NotAdmitted;
use crate::proxy::error::Trouble;
use crate::proxy::guard::Refused;
use crate::proxy::pages;
use crate::proxy::rpc::{self, Code};
use crate::proxy::settings::Supply;
use crate::proxy::upstream::Barred;

/// An answer of our own.
pub(super) type Reply = Response<Bytes>;

/// What a troubled request looked like: its body, as far as it has arrived and was kept.
pub(super) type Asked<'a> = Option<&'a [u8]>;

/// The answer to a request that its upstream did not answer.
pub(super) fn trouble(trouble: &Trouble, upstream: &str, supply: Supply, asked: Asked<'_>) -> Reply {
    let retry = match trouble {
        Trouble::Incident | Trouble::SignInNeeded | Trouble::RefusedTwice | Trouble::NotSoon => Some("60"),
        Trouble::Renewing | Trouble::RefusedAndNotRenewed | Trouble::NotRepeatable | Trouble::NotTaken(_) => Some("5"),
        _ => None,
    };
    let (status, code, text) = match trouble {
        Trouble::Incident => (
            StatusCode::SERVICE_UNAVAILABLE,
            Code::Incident,
            "mcp-proxy forwards nothing: its operator has declared an incident. When it is over, end it on its machine \
             with: mcp-proxy resume"
                .to_owned(),
        ),
        Trouble::SignInNeeded => (
            StatusCode::SERVICE_UNAVAILABLE,
            Code::SignInNeeded,
            format!("mcp-proxy is not signed in to {upstream}. Sign in on its machine with: mcp-proxy login"),
        ),
        // What failed is for the journal: a server's own words may hold what clients must not see.
        Trouble::Renewing if supply == Supply::Source => (
            StatusCode::SERVICE_UNAVAILABLE,
            Code::TryAgain,
            format!(
                "mcp-proxy has no token for {upstream}: the file or command that gives it gave none. The journal of \
                 mcp-proxy says why; it goes on trying. Try again soon"
            ),
        ),
        Trouble::RefusedAndNotRenewed if supply == Supply::Source => (
            StatusCode::SERVICE_UNAVAILABLE,
            Code::TryAgain,
            format!(
                "{upstream} refused the token, and the file or command that gives it has no other one yet; mcp-proxy \
                 goes on asking. If this goes on, put a token there that may use this server"
            ),
        ),
        Trouble::RefusedTwice if supply == Supply::Source => (
            StatusCode::SERVICE_UNAVAILABLE,
            Code::TryAgain,
            format!(
                "{upstream} refused the token, a newer one too. It may lack access to this server; put another one \
                 into the file, or have the command print another one"
            ),
        ),
        Trouble::Renewing if supply == Supply::Credentials => (
            StatusCode::SERVICE_UNAVAILABLE,
            Code::TryAgain,
            format!(
                "mcp-proxy has no token for {upstream}: it got none for its API credentials. Its journal says why, and \
                 what to do: mcp-proxy status does too, on its machine. It goes on trying. Try again soon"
            ),
        ),
        Trouble::NotSoon => (
            StatusCode::SERVICE_UNAVAILABLE,
            Code::TryAgain,
            format!(
                "mcp-proxy has no token for {upstream}: its API credentials are missing, wrong, or may not get one, which \
                 only a person can change. mcp-proxy status on its machine says why, and what to do, as does its \
                 journal. It notices by itself when it is changed"
            ),
        ),
        Trouble::RefusedTwice | Trouble::RefusedAndNotRenewed if supply == Supply::Credentials => (
            StatusCode::SERVICE_UNAVAILABLE,
            Code::TryAgain,
            format!(
                "{upstream} refused the token that mcp-proxy got for its API credentials, and there is no better one yet. \
                 If this goes on, the identity of these credentials may lack access to this server; check its permissions"
            ),
        ),
        Trouble::RefusedTwice => (
            StatusCode::SERVICE_UNAVAILABLE,
            Code::SignInNeeded,
            format!(
                "{upstream} refused the token, a renewed one too. The signed-in user may lack access to this server; \
                 check it there, or sign in as somebody else with: mcp-proxy login"
            ),
        ),
        Trouble::Renewing => (
            StatusCode::SERVICE_UNAVAILABLE,
            Code::TryAgain,
            format!("mcp-proxy cannot renew its token for {upstream} at the moment; it goes on trying. Try again soon"),
        ),
        Trouble::RefusedAndNotRenewed => (
            StatusCode::SERVICE_UNAVAILABLE,
            Code::TryAgain,
            format!(
                "{upstream} refused the token, and mcp-proxy has no newer one yet; it goes on trying. Try again soon; if \
                 this goes on, check at {upstream} that the signed-in user may use this server"
            ),
        ),
        Trouble::NotRepeatable => (
            StatusCode::SERVICE_UNAVAILABLE,
            Code::TryAgain,
            format!(
                "the token for {upstream} had to be renewed while this request was sent, and its body is too long to \
                 be sent again by mcp-proxy (limits.replay_body). Send the request again"
            ),
        ),
        Trouble::Connect(why) => {
            (StatusCode::BAD_GATEWAY, Code::Upstream, format!("mcp-proxy cannot reach {upstream}: {why}"))
        }
        Trouble::NotTaken(why) => (
            StatusCode::SERVICE_UNAVAILABLE,
            Code::TryAgain,
            format!("{upstream} did not take the request ({why}); it was not processed. Send it again"),
        ),
        Trouble::Broken(why) => (
            StatusCode::BAD_GATEWAY,
            Code::Upstream,
            format!("{upstream} broke the connection before it answered ({why}); whether it acted is not known"),
        ),
        Trouble::NoAnswer(limit) => (
            StatusCode::GATEWAY_TIMEOUT,
            Code::NoAnswer,
            format!("{upstream} did not begin to answer within {}", in_words(*limit)),
        ),
        Trouble::Redirect(to) => (
            StatusCode::BAD_GATEWAY,
            Code::Upstream,
            format!("{upstream} redirects to {to}, which mcp-proxy does not follow with its credential"),
        ),
        Trouble::ClientBroke(why) => {
            (StatusCode::BAD_GATEWAY, Code::Upstream, format!("the request broke off before it was complete: {why}"))
        }
    };
    let mut reply = match asked.and_then(|body| rpc::error_for(body, code, &text).map(|error| (body, error))) {
        // Every client shows a JSON-RPC error to its person; of another status most show the number alone.
        Some((_, error)) if matches!(code, Code::SignInNeeded | Code::Incident) => return json(StatusCode::OK, error),
        Some((_, error)) => json(status, error),
        None => json(status, rpc::error_without_id(code, &text)),
    };
    if let Some(seconds) = retry {
        reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
    }
    // Clients that open an event stream show no body of a failure, but many show this line (RFC 9112 §4).
    if let Ok(reason) = ReasonPhrase::try_from(text.into_bytes()) {
        reply.extensions_mut().insert(reason);
    }
    reply
}

/// The answer to a request that is not admitted.
pub(super) fn not_admitted(why: &NotAdmitted) -> Reply {
    match why {
        NotAdmitted::BadHost => {
            text(StatusCode::BAD_REQUEST, "The request needs exactly one Host header (RFC 9112 section 3.2).\n")
        }
        NotAdmitted::TransferCoding => {
            let words = "mcp-proxy knows the transfer coding chunked alone (RFC 9112 section 6.1).\n";
            let mut reply = text(StatusCode::NOT_IMPLEMENTED, words);
            // Who codes a body in a way of its own may also end it elsewhere.
            reply.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            reply
        }
        NotAdmitted::NotAResource => {
            text(StatusCode::NOT_IMPLEMENTED, "mcp-proxy is not a general proxy: it forwards to its upstreams alone.\n")
        }
        NotAdmitted::Trace => text(
            StatusCode::NOT_IMPLEMENTED,
            "mcp-proxy forwards no TRACE: the answer would repeat the token that it adds (RFC 9110 section 9.3.8).\n",
        ),
        NotAdmitted::ForeignHost(host) => refusal(&format!(
            "refused: {:?} is not a name of this mcp-proxy. If it should be, add it to listen.allowed_hosts",
            shown(host, &[])
        )),
        NotAdmitted::ForeignOrigin(origin) => refusal(&format!(
            "refused: web pages of the origin {:?} may not use this mcp-proxy. If they should, add it to \
             listen.allowed_origins",
            shown(origin, &[])
        )),
    }
}

/// The answer to somebody who may not use this mcp-proxy: what would let them, and who can do that.
///
/// 401 is for keys alone, and never with a challenge: clients would begin to sign in, and there is nothing to sign in to.
pub(super) fn stranger(refused: &Refused) -> Reply {
    const KEY: &str = "Send it as \"Authorization: Bearer mcpk_...\" or \"X-MCP-Proxy-Key: mcpk_...\"";
    let (status, text) = match refused {
        Refused::WrongKey => (
            StatusCode::UNAUTHORIZED,
            format!(
                "refused: this client key is not known here, or was removed. {KEY}; who runs this mcp-proxy makes a new one \
                 with: mcp-proxy client add"
            ),
        ),
        Refused::TooManyKeys => (
            StatusCode::TOO_MANY_REQUESTS,
            "refused: too many wrong client keys; a right one is taken at any time".to_owned(),
        ),
        Refused::Stranger(Stranger::KeyMissing(name)) => (
            StatusCode::UNAUTHORIZED,
            format!(
                "refused: the client {name} of this mcp-proxy needs a key. {KEY}; who runs this mcp-proxy makes one with: \
                 mcp-proxy client add {name}"
            ),
        ),
        Refused::Stranger(Stranger::KeyDoesNotFit(name)) => (
            StatusCode::FORBIDDEN,
            format!(
                "refused: this key was made for the client {name}, and no [[client]] of that name with key = true fits this \
                 caller (access.others is not asked when a key is shown)"
            ),
        ),
        Refused::Stranger(Stranger::User(uid)) => (
            StatusCode::FORBIDDEN,
            format!(
                "refused: the user {uid} of this host may not use this mcp-proxy; it is for the user that runs it and the \
                 person who signed in (access.others). Add a [[client]] with users = [\"{uid}\"] to its configuration"
            ),
        ),
        Refused::Stranger(Stranger::UnknownUser) => (
            StatusCode::FORBIDDEN,
            "refused: it cannot be told which user of this host calls (see mcp-proxy status), and this mcp-proxy is not for \
             everybody (access.others). Use a client key: mcp-proxy client add"
                .to_owned(),
        ),
        Refused::Stranger(Stranger::Container) => (
            StatusCode::FORBIDDEN,
            "refused: containers may not use this mcp-proxy (access.containers). Add a [[client]] with addresses or with \
             key = true to its configuration"
                .to_owned(),
        ),
        Refused::Stranger(Stranger::Elsewhere) => (
            StatusCode::FORBIDDEN,
            "refused: other machines may not use this mcp-proxy (access.others). Add a [[client]] with addresses or with \
             key = true to its configuration"
                .to_owned(),
        ),
        Refused::Stranger(Stranger::NoClient) => (
            StatusCode::FORBIDDEN,
            "refused: this caller is none of the clients of this mcp-proxy, and others may not use it (access.others). Add a \
             [[client]] that fits it to its configuration"
                .to_owned(),
        ),
    };
    let mut reply = json(status, rpc::error_without_id(Code::Refused, &text));
    if status == StatusCode::TOO_MANY_REQUESTS {
        reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("60"));
    }
    reply
}

/// The answer to a request that a server list refuses; `client` is who asks, if that is known.
pub(super) fn barred(barred: &Barred, client: Option<&ClientName>) -> Reply {
    let (denied, whose, of) = match (barred, client) {
        (Barred::ForClient(denied), Some(name)) => (denied, " for this client", format!(" of [[client]] {name}")),
        (Barred::ForAll(denied) | Barred::ForClient(denied), _) => (denied, "", String::new()),
    };
    refusal(&match denied {
        Denied::Blocked(rule) => {
            format!("Access denied: This MCP server is blocked{whose} (blocked_servers{of} has {rule})")
        }
        Denied::NotAllowed => {
            format!("Access denied: This MCP server is not allowed{whose} (no entry of allowed_servers{of} fits)")
        }
        Denied::Ambiguous(why) => {
            format!("Access denied: the path {why}, so allowed_servers and blocked_servers{of} cannot be applied to it")
        }
        Denied::Undecided(rule) => format!(
            "Access denied: it is not known whether this MCP server is {rule}, because the server list of the upstream \
             does not have it (yet). Use its id or path in the rule{of}, or give mcp-proxy API credentials to read the list"
        ),
    })
}

fn refusal(text: &str) -> Reply {
    json(StatusCode::FORBIDDEN, rpc::error_without_id(Code::Refused, text))
}

/// The answer to a message for a stream that has ended. It opened with a path that led nowhere else.
pub(super) fn gone() -> Reply {
    let text = "The event stream that this message belongs to has ended. Open a new one";
    json(StatusCode::GONE, rpc::error_without_id(Code::Upstream, text))
}

/// The answer to a request whose path and query are longer than `limit` bytes.
pub(super) fn target_too_long(limit: usize) -> Reply {
    let text = format!("path and query of the request are longer than {limit} bytes; put what is long into its body");
    json(StatusCode::URI_TOO_LONG, rpc::error_without_id(Code::Refused, &text))
}

/// The answer where no upstream is mounted.
pub(super) fn no_upstream() -> Reply {
    text(StatusCode::NOT_FOUND, "No upstream is mounted at this path.\n")
}

/// The page for what became of a callback, in the language that the browser prefers.
pub(super) fn callback(outcome: &CallbackOutcome, language: Language) -> Reply {
    let status = match outcome {
        CallbackOutcome::SignedIn | CallbackOutcome::NotExpected => StatusCode::OK,
        CallbackOutcome::Denied { .. } => StatusCode::FORBIDDEN,
        CallbackOutcome::Failed { .. } => StatusCode::BAD_GATEWAY,
    };
    let mut reply = with(status, "text/html; charset=utf-8", Bytes::from(pages::for_outcome(outcome, language)));
    for (name, value) in [
        ("cache-control", "no-store"),
        ("content-language", language.tag()),
        ("content-security-policy", pages::CONTENT_SECURITY_POLICY),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        reply.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    reply
}

/// What browsers and crawlers look for and we do not have.
pub(super) fn absent() -> Reply {
    text(StatusCode::NOT_FOUND, "Not found.\n")
}

/// The answer to clients that want to sign in by themselves. JSON, for some break on anything else.
pub(super) fn no_oauth_here() -> Reply {
    const BODY: &str =
        r#"{"error":"not_found","error_description":"this proxy signs in upstream itself; configure no OAuth here"}"#;
    json(StatusCode::NOT_FOUND, BODY.as_bytes().to_vec())
}

/// The answer to a page that asks whether it may call.
pub(super) fn preflight() -> Reply {
    let mut reply = Reply::default();
    *reply.status_mut() = StatusCode::NO_CONTENT;
    reply
}

/// The answer to a message that is answered elsewhere.
pub(super) fn accepted() -> Reply {
    let mut reply = Reply::default();
    *reply.status_mut() = StatusCode::ACCEPTED;
    reply
}

/// JSON that must not be stored.
pub(super) fn json(status: StatusCode, body: Vec<u8>) -> Reply {
    let mut reply = with(status, "application/json", Bytes::from(body));
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply
}

fn text(status: StatusCode, body: &'static str) -> Reply {
    with(status, "text/plain; charset=utf-8", Bytes::from_static(body.as_bytes()))
}

fn with(status: StatusCode, content_type: &'static str, body: Bytes) -> Reply {
    let mut reply = Response::new(body);
    *reply.status_mut() = status;
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUEST: &[u8] = br#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;

    fn body(reply: &Reply) -> serde_json::Value {
        serde_json::from_slice(reply.body()).unwrap()
    }

    #[test]
    fn a_request_that_needs_a_sign_in_gets_an_error_that_clients_show() {
        let reply = trouble(&Trouble::SignInNeeded, "alibaba", Supply::Login, Some(REQUEST));
        assert_eq!(reply.status(), StatusCode::OK);
        assert_eq!(body(&reply)["id"], 7);
        assert!(body(&reply)["error"]["message"].as_str().unwrap().contains("mcp-proxy login"));
    }

    #[test]
    fn what_is_no_request_gets_a_503_with_a_time() {
        for asked in [None, Some(&b"{\"method\":\"notifications/x\"}"[..]), Some(b"")] {
            let reply = trouble(&Trouble::SignInNeeded, "alibaba", Supply::Login, asked);
            assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
            assert_eq!(reply.headers()["retry-after"], "60");
            let reason = reply.extensions().get::<ReasonPhrase>().unwrap();
            assert!(String::from_utf8_lossy(reason.as_bytes()).contains("mcp-proxy login"));
            assert_eq!(body(&reply)["error"]["code"], -31_401);
        }
    }

    #[test]
    fn troubles_never_have_a_status_that_clients_misread() {
        let troubles = [
            Trouble::Incident,
            Trouble::SignInNeeded,
            Trouble::Renewing,
            Trouble::NotSoon,
            Trouble::NotRepeatable,
            Trouble::RefusedTwice,
            Trouble::RefusedAndNotRenewed,
            Trouble::Connect("x".into()),
            Trouble::Broken("x".into()),
            Trouble::NoAnswer(std::time::Duration::from_secs(1)),
            Trouble::Redirect("x".into()),
            Trouble::ClientBroke("x".into()),
        ];
        for asked in [None, Some(REQUEST)] {
            for case in &troubles {
                for supply in [Supply::Login, Supply::Source, Supply::Credentials] {
                    let status = trouble(case, "alibaba", supply, asked).status().as_u16();
                    assert!(matches!(status, 200 | 502 | 503 | 504), "{case:?}: {status}");
                }
            }
        }
    }

    #[test]
    fn a_token_that_needs_no_person_asks_for_none() {
        for case in [Trouble::Renewing, Trouble::RefusedAndNotRenewed, Trouble::RefusedTwice] {
            for (supply, names) in [(Supply::Source, "file"), (Supply::Credentials, "API credentials")] {
                let reply = trouble(&case, "github", supply, Some(REQUEST));
                let said = body(&reply)["error"]["message"].as_str().unwrap().to_owned();
                assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE, "{said}");
                assert!(said.contains(names) && !said.contains("login") && !said.contains("signed"), "{said}");
            }
        }
        let reply = trouble(&Trouble::NotSoon, "alibaba", Supply::Credentials, Some(REQUEST));
        assert_eq!(
            (reply.status(), &reply.headers()["retry-after"]),
            (StatusCode::SERVICE_UNAVAILABLE, &"60".parse().unwrap())
        );
        let said = body(&reply)["error"]["message"].as_str().unwrap().to_owned();
        assert!(said.contains("only a person can change") && said.contains("mcp-proxy status"), "{said}");
    }

    #[test]
    fn refusals_name_the_setting() {
        let reply = not_admitted(&NotAdmitted::ForeignOrigin("https://evil.example".into()));
        assert_eq!(reply.status(), StatusCode::FORBIDDEN);
        assert!(body(&reply)["error"]["message"].as_str().unwrap().contains("listen.allowed_origins"));
    }

    #[test]
    fn the_callback_page_is_not_stored_and_loads_nothing() {
        let reply = callback(&CallbackOutcome::SignedIn, Language::English);
        assert_eq!(reply.headers()["cache-control"], "no-store");
        assert!(reply.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
    }
}
