//! The message endpoint of the HTTP+SSE transport (MCP 2024-11-05, basic/transports), as a client of ours must see it.
//!
//! The first event of such a stream names the URI to which the client posts its messages. A client that posted to the
//! upstream itself would have no credential there, and one that posted elsewhere would tell a stranger what it asks.
//! So the reference is resolved as clients do (WHATWG URL), and what comes out leads back through us or not at all.

mod event;
mod registry;

use http::uri::PathAndQuery;
use url::{Position, Url};

pub(super) use crate::proxy::endpoint::event::{FirstEvent, Found};
pub(super) use crate::proxy::endpoint::registry::{Registry, Remembered, is_reserved};
use crate::proxy::settings::UpstreamSettings;
use crate::proxy::upstream::Upstream;

/// What to do with an `endpoint` event.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It passes as it is.
    AsItIs,
    /// It passes with this reference.
    Instead(String),
    /// It passes with the path that is remembered.
    Mapped(Remembered),
    /// It does not pass.
    Refused,
}

/// The GET that opened a stream: what a reference in it is relative to. Paths with their queries.
#[derive(Debug)]
pub(super) struct Opened {
    /// What the client asked for.
    pub(super) asked: String,
    /// What answered, after redirects.
    pub(super) answered: String,
}

/// What a reference means.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    /// A path of the upstream, to which the reference itself leads a client.
    Same,
    /// A path of the upstream, to which this reference leads a client.
    Reference(String),
    /// A path of the upstream to which no reference leads a client.
    Unreachable(PathAndQuery),
    /// Something else; what can be told of it.
    Elsewhere(String),
}

/// Decides about a reference. `routes`: whether a POST to that path comes to this upstream.
pub(super) fn judge(reference: &str, opened: &Opened, upstream: &Upstream, routes: impl Fn(&str) -> bool) -> Verdict {
    let UpstreamSettings { mount, origin, .. } = &upstream.settings;
    match meaning(reference, opened, &origin.to_string(), routes) {
        Meaning::Same => Verdict::AsItIs,
        Meaning::Reference(reference) => Verdict::Instead(reference),
        Meaning::Unreachable(target) => match upstream.endpoints.remember(mount, target) {
            Ok(remembered) => Verdict::Mapped(remembered),
            Err(error) => refused(upstream, &format!("a path that needs one of our own ({error})")),
        },
        Meaning::Elsewhere(place) => refused(upstream, &place),
    }
}

/// An `endpoint` event that cannot be judged does not pass.
pub(super) fn unreadable(upstream: &Upstream) -> Verdict {
    refused(upstream, "an address that is too long, or told as one after it was sent")
}

/// `place` holds no query: a session's id may stand there. It is said once, however often clients try.
fn refused(upstream: &Upstream, place: &str) -> Verdict {
    let name = &upstream.settings.name;
    if upstream.endpoints.refuses_anew(place) {
        tracing::warn!(
            "{name} tells clients to send messages to {place}: the event is withheld and its stream ended, since they \
             would not pass through here. If that is a server of yours, add an [[upstream]] for it"
        );
    }
    Verdict::Refused
}

/// Path and query that a reference stands for at the upstream.
pub(super) fn target(reference: &str, opened: &Opened, upstream: &Upstream) -> Option<String> {
    let base = Url::parse(&format!("{}{}", upstream.settings.origin, opened.answered)).ok()?;
    let target = base.join(reference).ok()?;
    Some(target[Position::BeforePath..Position::AfterQuery].to_owned())
}

fn meaning(reference: &str, opened: &Opened, origin: &str, routes: impl Fn(&str) -> bool) -> Meaning {
    let base = Url::parse(&format!("{origin}{}", opened.answered));
    let Some((base, target)) = base.ok().and_then(|base| base.join(reference).ok().map(|target| (base, target))) else {
        return Meaning::Elsewhere("an address that is none".to_owned());
    };
    if target.origin() != base.origin() {
        return Meaning::Elsewhere(place(&target));
    }
    let path = &target[Position::BeforePath..Position::AfterQuery];
    if !routes(target.path()) || !leads(path, &opened.asked, path) {
        return match path.parse() {
            Ok(path) => Meaning::Unreachable(path),
            Err(_) => Meaning::Elsewhere("a path that no request can have".to_owned()),
        };
    }
    // What programs read in several ways is not handed on as it is.
    let is_plain = !reference.contains(|c: char| c == '\\' || c.is_whitespace() || c.is_control());
    match is_plain && leads(reference, &opened.asked, path) {
        true => Meaning::Same,
        false => Meaning::Reference(path.to_owned()),
    }
}

/// True if `reference` leads a client that asked for `asked` to `path`, whatever scheme and host it knows us by.
fn leads(reference: &str, asked: &str, path: &str) -> bool {
    ["http://proxy.invalid", "https://proxy.invalid"].into_iter().all(|us| {
        let target = Url::parse(&format!("{us}{asked}")).and_then(|base| base.join(reference));
        target.is_ok_and(|target| {
            target.origin().ascii_serialization() == us && &target[Position::BeforePath..Position::AfterQuery] == path
        })
    })
}

fn place(target: &Url) -> String {
    let origin = target.origin();
    if origin.is_tuple() { origin.ascii_serialization() } else { format!("a {}: address", target.scheme()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://gw.example";

    fn meaning_of(reference: &str) -> Meaning {
        let asked = "/a/sse?x=1".to_owned();
        let routes = |path: &str| path.starts_with("/a/") && path != "/a/health";
        meaning(reference, &Opened { answered: asked.clone(), asked }, ORIGIN, routes)
    }

    #[test]
    fn c4_references_that_lead_back_pass_as_they_are() {
        for reference in ["/a/message?sessionId=1", "message?sessionId=1", "?sessionId=1", "../a/./m", "", "/a/%2e/m#f"]
        {
            assert_eq!(meaning_of(reference), Meaning::Same, "{reference}");
        }
    }

    #[test]
    fn c4_references_to_the_upstream_itself_become_paths() {
        for (reference, path) in [
            ("https://gw.example/a/m?s=1", "/a/m?s=1"),
            ("HTTPS://GW.example:443/a/../a/m", "/a/m"),
            ("//gw.example/a/m", "/a/m"),
            ("\\\\gw.example\\a\\m", "/a/m"),
            ("https://user:secret@gw.example/a/m#f", "/a/m"),
            ("https:m?s=1", "/a/m?s=1"),
            ("ht\ntps://gw.ex\tample/a/m", "/a/m"),
            (" /a/m ", "/a/m"),
            ("/a/\tm", "/a/m"),
        ] {
            assert_eq!(meaning_of(reference), Meaning::Reference(path.to_owned()), "{reference:?}");
        }
    }

    #[test]
    fn c4_paths_that_clients_cannot_reach_are_told_apart() {
        for (reference, path) in [
            ("/b/m?s=1", "/b/m?s=1"),
            ("../m", "/m"),
            ("https://gw.example/a/health", "/a/health"),
            ("/a/%2e%2e/m", "/m"),
            ("https:\\evil.example", "/evil.example"),
            ("https://gw.example//evil.example/m", "//evil.example/m"),
        ] {
            assert_eq!(meaning_of(reference), Meaning::Unreachable(path.parse().unwrap()), "{reference:?}");
        }
        let opened = Opened { asked: "/a/sse".to_owned(), answered: "/a/b/sse".to_owned() };
        let moved = |reference| meaning(reference, &opened, ORIGIN, |_: &str| true);
        assert_eq!(moved("m"), Meaning::Reference("/a/b/m".to_owned()), "relative to what answered");
        assert_eq!(moved("/m"), Meaning::Same);
        assert_eq!(moved("//gw.example//evil.example/m"), Meaning::Unreachable("//evil.example/m".parse().unwrap()));
    }

    #[test]
    fn c4_references_elsewhere_are_told_without_what_may_be_secret() {
        for (reference, place) in [
            ("https://evil.example/a/m?s=secret", "https://evil.example"),
            ("//evil.example/a/m", "https://evil.example"),
            ("/\\evil.example/a/m", "https://evil.example"),
            ("/\t/evil.example/a/m", "https://evil.example"),
            ("h\nttps:/\n/evil.example/", "https://evil.example"),
            ("\u{1}https://evil.example/", "https://evil.example"),
            ("///evil.example/a/m", "an address that is none"),
            ("https://gw.example@evil.example/a/m", "https://evil.example"),
            ("https://user:secret@evil.example/", "https://evil.example"),
            ("https://gw.example.evil.example/", "https://gw.example.evil.example"),
            ("https://gw.example:8443/a/m", "https://gw.example:8443"),
            ("http://gw.example/a/m", "http://gw.example"),
            ("http:/a/m", "http://a"),
            ("javascript:alert(1)", "a javascript: address"),
            ("data:,secret", "a data: address"),
            ("https://[::1", "an address that is none"),
            ("https://gw.example:99999/", "an address that is none"),
        ] {
            assert_eq!(meaning_of(reference), Meaning::Elsewhere(place.to_owned()), "{reference:?}");
        }
    }
}
