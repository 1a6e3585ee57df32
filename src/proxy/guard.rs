//! Who may use it: a caller and its key become a client, or a stranger with a reason.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;

use crate::model::client::ClientName;
use crate::model::time::Wall;
use crate::observe::kinds::RuleKind;
use crate::policy::client::{self, Client, Stranger};
use crate::policy::keys::PREFIX;
use crate::proxy::caller::Caller;
use crate::proxy::context::{Context, Snapshot};
use crate::proxy::guesses::Wrong;
use crate::proxy::local;
use crate::proxy::reply::{self, Reply};
use crate::proxy::route::{self, Local};

/// The header for a key, for clients that use `Authorization` for something else.
pub(super) const KEY: HeaderName = HeaderName::from_static("x-mcp-proxy-key");

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refused {
    /// The caller may not use it.
    Stranger(Stranger),
    /// The key is none of ours.
    WrongKey,
    /// There were too many such keys.
    TooManyKeys,
}

impl Refused {
    /// What kind of rule it is.
    pub(super) fn kind(&self) -> RuleKind {
        match self {
            Self::WrongKey
            | Self::TooManyKeys
            | Self::Stranger(Stranger::KeyMissing(_) | Stranger::KeyDoesNotFit(_)) => RuleKind::Key,
            Self::Stranger(_) => RuleKind::Caller,
        }
    }

    /// The rule, as the audit trail names it.
    pub(super) fn rule(&self) -> String {
        match self {
            Self::WrongKey => "client keys".to_owned(),
            Self::TooManyKeys => "client keys: too many wrong ones".to_owned(),
            Self::Stranger(Stranger::KeyMissing(name)) => format!("[[client]] {name}: key"),
            Self::Stranger(Stranger::KeyDoesNotFit(name)) => format!("[[client]] {name}: not the caller's"),
            Self::Stranger(Stranger::Container) => "access.containers".to_owned(),
            Self::Stranger(Stranger::User(_) | Stranger::UnknownUser | Stranger::Elsewhere | Stranger::NoClient) => {
                "access.others".to_owned()
            }
        }
    }
}

/// What the headers say of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Presented<'a> {
    None,
    One(&'a str),
    /// Something that can be no key, or two that differ.
    Unclear,
}

/// Decides as whom the request goes on, which began at `began`; `None`: as nobody in particular.
///
/// # Errors
/// Why it does not go on.
pub(super) async fn admit(
    context: &Context,
    now: &Snapshot,
    caller: &Caller,
    headers: &HeaderMap,
    began: Wall,
) -> Result<Option<Arc<Client>>, Refused> {
    let clients = &now.settings.clients;
    caller.look(&context.finder, clients).await;
    let register = context.register.borrow().clone();
    let key = match presented(headers) {
        Presented::None => None,
        Presented::One(text) => Some(register.keys.find(text).ok_or_else(|| wrong(context, caller))?),
        Presented::Unclear => return Err(wrong(context, caller)),
    };
    let name: Option<&ClientName> = key.map(|key| &key.client);
    let facts = client::Caller { key: name, certificate: caller.certificate(began), ..caller.facts() };
    let client = clients.admit(facts, register.owners()).map_err(Refused::Stranger)?.cloned();
    if let Some(key) = key {
        key.used(began);
    }
    Ok(client)
}

/// What a stranger hears: a refusal, unless the question is one that everybody may ask.
pub(super) async fn refuse(refused: &Refused, head: &Parts, context: &Context) -> Reply {
    match route::local(&head.method, head.uri.path()) {
        None => reply::stranger(refused),
        Some(Local::Health) => local::status_alone(context),
        // The browser of the person who signs in comes from wherever it is: the `state` of the login guards it.
        Some(local) => local::answer(local, head, context).await,
    }
}

fn wrong(context: &Context, caller: &Caller) -> Refused {
    match context.guesses.wrong(caller.peer, context.clock.mono()) {
        Wrong::TooMany => Refused::TooManyKeys,
        Wrong::Told { first } => {
            if first {
                tracing::warn!(peer = %caller.peer, "a client key is refused: it is unknown here, or was removed");
            }
            Refused::WrongKey
        }
    }
}

/// A key in either header. An empty header is none, and a bearer that does not look like a key is somebody's placeholder.
fn presented(headers: &HeaderMap) -> Presented<'_> {
    let bearer =
        |value: &HeaderValue| value.as_bytes().get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"bearer "));
    let bearers = headers.get_all(header::AUTHORIZATION).iter().filter(|value| bearer(value));
    let bearers = bearers.map(|value| value.as_bytes().get(7..).unwrap_or_default().trim_ascii());
    let bearers = bearers.filter(|token| token.starts_with(PREFIX.as_bytes()));
    let keys = headers.get_all(KEY).iter().map(|value| value.as_bytes().trim_ascii()).filter(|key| !key.is_empty());
    let mut found = keys.chain(bearers);
    match found.next() {
        None => Presented::None,
        Some(first) if found.all(|other| other == first) => {
            std::str::from_utf8(first).map_or(Presented::Unclear, Presented::One)
        }
        Some(_) => Presented::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_in_either_header_and_two_that_differ_are_none() {
        let of = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, HeaderValue::from_static(value));
            }
            match presented(&headers) {
                Presented::None => None,
                Presented::One(text) => Some(text.to_owned()),
                Presented::Unclear => Some("unclear".to_owned()),
            }
        };
        let key = Some("mcpk_a".to_owned());
        assert_eq!(of(&[("authorization", "Bearer mcpk_a")]), key);
        assert_eq!(of(&[("authorization", "bearer  mcpk_a ")]), key);
        assert_eq!(of(&[("x-mcp-proxy-key", "mcpk_a")]), key);
        assert_eq!(of(&[("x-mcp-proxy-key", "mcpk_a"), ("authorization", "Bearer mcpk_a")]), key);
        assert_eq!(of(&[("x-mcp-proxy-key", "mcpk_a"), ("authorization", "Bearer placeholder")]), key);
        for none in [
            &[][..],
            &[("x-mcp-proxy-key", " ")],
            &[("authorization", "Bearer placeholder")],
            &[("authorization", "Basic mcpk_a")],
        ] {
            assert_eq!(of(none), None, "{none:?}");
        }
        for unclear in [
            &[("x-mcp-proxy-key", "mcpk_a"), ("authorization", "Bearer mcpk_b")][..],
            &[("x-mcp-proxy-key", "mcpk_a"), ("x-mcp-proxy-key", "mcpk_b")],
        ] {
            assert_eq!(of(unclear), Some("unclear".to_owned()), "{unclear:?}");
        }
        assert_eq!(
            of(&[("x-mcp-proxy-key", "placeholder")]),
            Some("placeholder".to_owned()),
            "there it means something"
        );
    }
}
