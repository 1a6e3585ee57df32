//! Where a request goes: to an upstream, to an answer of our own, or nowhere.

use std::sync::Arc;

use http::Method;
use http::uri::PathAndQuery;

use crate::policy::grant::Grant;
use crate::proxy::endpoint;
use crate::proxy::upstream::{Barred, Upstream};

/// What becomes of a request.
#[must_use]
#[derive(Debug)]
pub(super) enum Decision {
    /// It goes to this upstream.
    Forward(Arc<Upstream>),
    /// It goes to this upstream, and means this target there.
    ForwardTo(Arc<Upstream>, PathAndQuery),
    /// We answer it.
    Local(Local),
    /// A server list refuses it.
    Refuse(Barred),
    /// The event stream that gave the path to its client has ended.
    Gone,
    /// No upstream is mounted there.
    NoUpstream,
}

/// What we answer ourselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Local {
    /// `/health`.
    Health,
    /// `/callback`: the redirect URI of the sign-in.
    Callback,
    /// What browsers and crawlers ask every host for.
    Absent,
    /// OAuth discovery and the endpoints it leads to: we sign in upstream, clients need not.
    NoOauthHere,
}

/// Decides. `mounts` are tried in order, longest mount first.
pub(super) fn route(method: &Method, path: &str, grant: &Grant, mounts: &[Arc<Upstream>]) -> Decision {
    if let Some(local) = local(method, path) {
        return Decision::Local(local);
    }
    let Some(upstream) = mounted(path, mounts) else { return Decision::NoUpstream };
    if !endpoint::is_reserved(path, &upstream.settings.mount) {
        return match upstream.decide(path, grant) {
            Ok(()) => Decision::Forward(upstream.clone()),
            Err(barred) => Decision::Refuse(barred),
        };
    }
    match upstream.endpoints.target(path).filter(|_| *method == Method::POST) {
        None => Decision::Gone,
        Some(target) => match upstream.decide(target.path(), grant) {
            Ok(()) => Decision::ForwardTo(upstream.clone(), target),
            Err(barred) => Decision::Refuse(barred),
        },
    }
}

/// True if messages that are sent to `path` come to this upstream, whatever its server lists say then.
pub(super) fn takes_messages(upstream: &Upstream, path: &str, mounts: &[Arc<Upstream>]) -> bool {
    local(&Method::POST, path).is_none()
        && !endpoint::is_reserved(path, &upstream.settings.mount)
        && mounted(path, mounts).is_some_and(|mounted| std::ptr::eq(mounted.as_ref(), upstream))
}

fn mounted<'a>(path: &str, mounts: &'a [Arc<Upstream>]) -> Option<&'a Arc<Upstream>> {
    mounts.iter().find(|upstream| is_below(path, &upstream.settings.mount))
}

/// What we answer ourselves at this path.
pub(super) fn local(method: &Method, path: &str) -> Option<Local> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match path {
        "/health" if reads => Some(Local::Health),
        "/callback" if reads => Some(Local::Callback),
        "/favicon.ico" | "/robots.txt" | "/apple-touch-icon.png" => Some(Local::Absent),
        "/register" | "/authorize" | "/token" => Some(Local::NoOauthHere),
        _ => path.contains("/.well-known/").then(|| discovery(path)).flatten(),
    }
}

/// OAuth and OpenID discovery (RFC 8414, RFC 9728) in all three forms: at the root, with the path inserted, and
/// with the well-known part appended to the path.
fn discovery(path: &str) -> Option<Local> {
    let documents = path.split("/.well-known/").skip(1);
    let oauth = |document: &str| document.starts_with("oauth-") || document.starts_with("openid-configuration");
    documents.into_iter().any(oauth).then_some(Local::NoOauthHere)
}

/// True if `path` is `mount` or below it, by whole segments.
fn is_below(path: &str, mount: &str) -> bool {
    let mount = mount.trim_end_matches('/');
    path.strip_prefix(mount).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_answered_here() {
        let of = |path| local(&Method::GET, path);
        assert_eq!(of("/health"), Some(Local::Health));
        assert_eq!(of("/callback"), Some(Local::Callback));
        assert_eq!(of("/favicon.ico"), Some(Local::Absent));
        for path in [
            "/.well-known/oauth-protected-resource",
            "/.well-known/oauth-protected-resource/accounts/1/custom/a/id/b/mcp",
            "/.well-known/oauth-authorization-server",
            "/.well-known/openid-configuration",
            "/accounts/1/custom/a/id/b/mcp/.well-known/openid-configuration",
            "/accounts/1/custom/a/id/b/mcp/.well-known/oauth-authorization-server",
            "/x/.well-known/y/.well-known/oauth-protected-resource",
            "/register",
            "/authorize",
            "/token",
        ] {
            assert_eq!(of(path), Some(Local::NoOauthHere), "{path}");
        }
        for path in ["/", "/mcp", "/health/x", "/.well-known/security.txt", "/accounts/1/token", "/x/register"] {
            assert_eq!(of(path), None, "{path}");
        }
        assert_eq!(local(&Method::POST, "/health"), None);
    }

    #[test]
    fn mounts_are_whole_segments() {
        assert!(is_below("/a/b", "/"));
        assert!(is_below("/a/b", "/a"));
        assert!(is_below("/a", "/a"));
        assert!(!is_below("/ab", "/a"));
    }
}
