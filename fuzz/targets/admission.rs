//! The head of a request, from its bytes to the address it goes to: nobody is let in who is not addressed to us, and
//! nothing goes anywhere but below its mount, at the upstream, past its server lists.

#![no_main]

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::header::{HOST, ORIGIN};
use http::request::Parts;
use http::{Method, Response, Uri, Version};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use libfuzzer_sys::fuzz_target;
use mcp_proxy::model::time::Clock;
use mcp_proxy::model::upstream::{Origin, UpstreamName};
use mcp_proxy::policy::servers::{ServerRule, ServerRules};
use mcp_proxy::proxy::fuzzing::{Fate, Front};
use mcp_proxy::proxy::server::Mounted;
use mcp_proxy::proxy::settings::{Supply, UpstreamSettings};
use mcp_proxy::token;
use percent_encoding::percent_decode_str;
use tokio::io::AsyncWriteExt;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use url::Url;

const ALLOWED_HOST: &str = "mcp.internal";
const ALLOWED_ORIGIN: &str = "https://app.example";
/// What no request may reach, however it spells it.
const BLOCKED: &str = "/accounts/1/custom/ram";

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().build().expect("a runtime can be made");
}

static FRONT: LazyLock<Front> = LazyLock::new(|| {
    let hosts = [ALLOWED_HOST.to_owned()];
    let origins = [ALLOWED_ORIGIN.to_owned()];
    let mounts =
        vec![upstream("other", "/other", "https://other.example:8443"), upstream("cloud", "/", "https://gw.example")];
    Front::new(IpAddr::from([127, 0, 0, 1]), &hosts, &origins, mounts).expect("the parts fit")
});

fn upstream(name: &str, mount: &str, origin: &str) -> Mounted {
    let blocked = ServerRule::parse(BLOCKED).expect("it is a rule");
    let settings = UpstreamSettings {
        name: UpstreamName::parse(name).expect("it is a name"),
        mount: mount.to_owned(),
        origin: Origin::parse(origin).expect("it is an origin"),
        supply: Supply::Login,
        rules: ServerRules { allowed: Vec::new(), blocked: vec![blocked] },
    };
    // Neither a token nor a list of servers is needed to decide where a request goes.
    let (_, tokens) = token::slot(Clock::system());
    let (_, catalogue) = watch::channel(Arc::from([]));
    Mounted { settings, tokens, catalogue, unknown: Arc::default() }
}

/// The heads that hyper reads in `bytes`, as it does in the daemon.
fn heads(bytes: &[u8]) -> Vec<Parts> {
    let seen = RefCell::new(Vec::new());
    let service = service_fn(|request: http::Request<hyper::body::Incoming>| {
        seen.borrow_mut().push(request.into_parts().0);
        async { Ok::<_, Infallible>(Response::new(Empty)) }
    });
    RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let (mut client, server) = tokio::io::duplex(bytes.len().max(64 * 1024));
            client.write_all(bytes).await.expect("there is room");
            client.shutdown().await.expect("it is open");
            // How the connection ends is hyper's; what matters is which heads it let pass.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(server), service).await;
        });
    });
    seen.into_inner()
}

/// An answer without a body.
struct Empty;

impl hyper::body::Body for Empty {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Infallible>>> {
        std::task::Poll::Ready(None)
    }
}

/// The name that `head` is addressed to, by a reading of our own: without port, brackets and final dot.
fn addressed_to(head: &Parts) -> Option<String> {
    let text = match head.uri.authority() {
        Some(authority) => authority.as_str().to_owned(),
        None => head.headers.get(HOST)?.to_str().ok()?.to_owned(),
    };
    let text = text.rsplit('@').next().unwrap_or_default();
    let name = match text.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or_default(),
        None => text.split(':').next().unwrap_or_default(),
    };
    Some(name.trim_end_matches('.').to_ascii_lowercase())
}

fn check_admitted(head: &Parts) {
    assert_ne!(head.method, Method::CONNECT);
    assert!(head.uri.path().starts_with('/'));
    assert!(head.headers.get_all(HOST).iter().count() <= 1, "two hosts");
    match addressed_to(head) {
        None => assert_eq!(head.version, Version::HTTP_10),
        Some(name) => {
            let ip = name.parse::<IpAddr>().map(|ip| ip.to_canonical());
            let ours = name == ALLOWED_HOST || name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback());
            assert!(ours, "{name:?} is not ours");
        }
    }
    let mut origins = head.headers.get_all(ORIGIN).iter();
    if let Some(origin) = origins.next() {
        assert!(origins.next().is_none(), "two origins");
        let name = origin.to_str().expect("an allowed origin is text");
        let own = || name.strip_prefix("http://").is_some_and(|host| !host.is_empty() && !host.contains('/'));
        assert!(name == ALLOWED_ORIGIN || own(), "{name:?} may not ask");
    }
}

fn check_forwarded(head: &Parts, target: &Uri) {
    let to_other = head.uri.path() == "/other" || head.uri.path().starts_with("/other/");
    let authority = if to_other { "other.example:8443" } else { "gw.example" };
    assert_eq!(target.scheme_str(), Some("https"));
    assert_eq!(target.authority().map(|authority| authority.as_str()), Some(authority));
    assert_eq!((target.path(), target.query()), (head.uri.path(), head.uri.query()));
    // Other programs take dot segments and backslashes apart, some after decoding.
    let decoded = percent_decode_str(target.path()).decode_utf8_lossy();
    for path in [target.path(), &decoded] {
        let url = Url::parse("https://gw.example").and_then(|base| base.join(&format!("/.{path}")));
        let reached = url.expect("it is a path").path().replace("//", "/");
        let below = reached.strip_prefix(BLOCKED).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        assert!(!below, "{path:?} reaches {reached:?}");
    }
}

fuzz_target!(|bytes: &[u8]| {
    for head in heads(bytes) {
        match FRONT.look(&head) {
            Fate::NotAdmitted => continue,
            Fate::Forwarded(target) => check_forwarded(&head, &target),
            Fate::NoUpstream => unreachable!("/ is mounted"),
            Fate::NoTarget => panic!("hyper took {}, but no target can be made of it", head.uri),
            Fate::Answered | Fate::Refused => {}
        }
        check_admitted(&head);
    }
});
