//! The steps of a request, each by itself: `make bench-steps`. Built with `--cfg measuring`, which opens the doors that
//! the fuzz targets use; without it there is nothing to measure.

#![allow(missing_docs, reason = "criterion's macros write none")]
#![allow(clippy::unwrap_used, reason = "a measurement that fails may panic")]

#[cfg(not(measuring))]
#[expect(clippy::print_stderr, reason = "a program that a person runs")]
fn main() {
    eprintln!("the steps of a request can be reached with --cfg measuring alone: make bench-steps");
}

#[cfg(measuring)]
fn main() {
    steps::all();
    criterion::Criterion::default().configure_from_args().final_summary();
}

#[cfg(measuring)]
mod steps {
    use std::hint::black_box;
    use std::net::IpAddr;
    use std::sync::Arc;

    use criterion::{Criterion, criterion_group};
    use http::request::Parts;
    use http::{HeaderMap, HeaderValue, Request};
    use mcp_proxy::model::server::McpServer;
    use mcp_proxy::model::time::Clock;
    use mcp_proxy::model::upstream::{Origin, UpstreamName};
    use mcp_proxy::policy::servers::{ServerRule, ServerRules};
    use mcp_proxy::proxy::fuzzing::{Front, boundary, for_client, for_upstream, relayed};
    use mcp_proxy::proxy::server::Mounted;
    use mcp_proxy::proxy::settings::{Supply, UpstreamSettings};
    use mcp_proxy::token;
    use tokio::sync::watch;

    const PATH: &str = "/accounts/1234567890123456/custom/ecs-readonly/id/aBcD1234eFgH5678/mcp";
    const EVENT: &str = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\n\n";

    fn front(mounts: usize, rules: &ServerRules) -> Front {
        let mount = |number: usize| {
            let settings = UpstreamSettings {
                name: UpstreamName::parse(&format!("up{number}")).unwrap(),
                mount: if number == 0 { "/".to_owned() } else { format!("/up{number}") },
                origin: Origin::parse("https://openapi-mcp.cn-hangzhou.aliyuncs.com").unwrap(),
                supply: Supply::Login,
                rules: rules.clone(),
            };
            let (_, tokens) = token::slot(Clock::system());
            let (_, catalogue) = watch::channel(Arc::from([]));
            Mounted { settings, tokens, catalogue, unknown: Arc::default() }
        };
        // The longest mount comes first.
        let mounts = (0..mounts).rev().map(mount).collect();
        Front::new(IpAddr::from([127, 0, 0, 1]), &[], &[], mounts).unwrap()
    }

    /// As the TypeScript SDK sends it.
    fn request() -> Parts {
        let request = Request::post(PATH)
            .header("host", "127.0.0.1:8088")
            .header("connection", "keep-alive")
            .header("accept", "application/json, text/event-stream")
            .header("accept-language", "*")
            .header("accept-encoding", "gzip, deflate")
            .header("content-type", "application/json")
            .header("content-length", "142")
            .header("mcp-protocol-version", "2025-11-25")
            .header("mcp-session-id", "6f1c2d3e4b5a69788796a5b4c3d2e1f0")
            .header("sec-fetch-mode", "cors")
            .header("user-agent", "node");
        request.body(()).unwrap().into_parts().0
    }

    fn answer() -> HeaderMap {
        let pairs = [
            ("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
            ("content-type", "text/event-stream"),
            ("transfer-encoding", "chunked"),
            ("connection", "keep-alive"),
            ("mcp-session-id", "6f1c2d3e4b5a69788796a5b4c3d2e1f0"),
            ("x-acs-request-id", "0A1B2C3D-4E5F-6789-ABCD-EF0123456789"),
            ("access-control-allow-origin", "*"),
            ("strict-transport-security", "max-age=31536000"),
        ];
        pairs.into_iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    fn rules(entries: usize) -> ServerRules {
        let named = |prefix: &str| (0..entries).map(|n| ServerRule::parse(&format!("{prefix}{n}")).unwrap()).collect();
        ServerRules { allowed: vec![ServerRule::parse("ecs-readonly").unwrap()], blocked: named("blocked-") }
    }

    fn catalogue(servers: usize) -> Vec<McpServer> {
        let server = |id: String, name: &str| McpServer {
            id,
            name: name.to_owned(),
            description: String::new(),
            mcp_path: None,
            sse_path: None,
            out_of_reach: None,
        };
        let others = (0..servers).map(|n| server(format!("other{n}"), "other"));
        others.chain([server("aBcD1234eFgH5678".to_owned(), "ecs-readonly")]).collect()
    }

    fn steps(criterion: &mut Criterion) {
        let head = request();
        for mounts in [1, 10] {
            let front = front(mounts, &ServerRules::default());
            criterion.bench_function(&format!("admission and routing, {mounts} upstreams"), |bencher| {
                bencher.iter(|| front.look(black_box(&head)));
            });
        }
        let bearer = HeaderValue::from_static("Bearer 0123456789");
        criterion.bench_function("headers of a request", |bencher| {
            bencher.iter(|| for_upstream(black_box(&head.headers), bearer.clone()));
        });
        let answer = answer();
        criterion.bench_function("headers of an answer", |bencher| {
            let rewrite = |mut headers| {
                for_client(&mut headers);
                headers
            };
            bencher.iter_batched(|| answer.clone(), rewrite, criterion::BatchSize::SmallInput);
        });
        criterion.bench_function("event boundaries, 20 events", |bencher| {
            bencher.iter(|| boundary(std::iter::repeat_n(black_box(EVENT.as_bytes()), 20)));
        });
        criterion.bench_function("endpoint event at the beginning of a stream", |bencher| {
            let first: &[u8] = b"event: endpoint\ndata: /messages?sessionId=0123456789abcdef\n\n";
            bencher.iter(|| relayed([black_box(first), EVENT.as_bytes()], None));
        });
        for entries in [1, 50] {
            let (rules, catalogue) = (rules(entries), catalogue(entries));
            criterion.bench_function(&format!("policy, {entries} entries and servers"), |bencher| {
                bencher.iter(|| rules.decide(black_box(PATH), &catalogue));
            });
        }
    }

    criterion_group!(group, steps);

    /// All of them.
    pub(super) fn all() {
        group();
    }
}
