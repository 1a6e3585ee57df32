//! How often, how many at once, and how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, StatusCode};
use mcp_proxy::model::time::{Clock, Mono, Now, Wall};

use crate::world::{World, call, note, request};

#[tokio::test]
async fn requests_that_come_too_fast_are_told_when_to_come_again() {
    let seconds = Arc::new(AtomicU64::new(1000));
    let read = seconds.clone();
    let clock = Clock::from_fn(move || {
        let now = read.load(Ordering::Relaxed);
        Now { wall: Wall::from_unix_seconds(1_800_000_000), mono: Mono::from_start(Duration::from_secs(now)) }
    });
    let world = World::with("requests_per_minute = 3", "", clock).await;
    for id in 0..3 {
        assert_eq!(world.post("/mcp", &request(id, "ping")).await.reached.len(), 1);
    }
    let outcome = world.post("/mcp", &request(9, "ping")).await;
    assert_eq!((outcome.status, &outcome.headers["retry-after"]), (StatusCode::OK, &"20".parse().unwrap()));
    let json = outcome.json();
    assert_eq!((json["id"].as_i64(), json["error"]["code"].as_i64()), (Some(9), Some(-31429)));
    assert!(outcome.refusal().unwrap().contains("3 a minute (requests_per_minute of [[client]] dify)"));
    for (refused, why) in [
        (world.post("/mcp", &note("notifications/x")).await, "a notification"),
        (world.post("/mcp", "hello").await, "no message"),
        (world.send(Request::get("/mcp"), "").await, "no POST"),
    ] {
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{why}");
        assert_eq!(refused.headers["retry-after"], "20");
        assert!(refused.refusal().is_some());
    }
    assert_eq!(world.proxy.get("/health").await.0, StatusCode::OK, "what is answered here is not counted");
    seconds.fetch_add(20, Ordering::Relaxed);
    assert_eq!(world.post("/mcp", &request(1, "ping")).await.reached.len(), 1);
    assert!(world.post("/mcp", &request(1, "ping")).await.refusal().is_some());
}

#[tokio::test]
async fn requests_at_once_are_counted_until_their_answers_end() {
    let world = World::new("concurrent_requests = 2").await;
    let streams = [world.open("/a/sse?1").await, world.open("/a/sse?2").await];
    let outcome = world.post("/mcp", &request(1, "ping")).await;
    assert!(outcome.refusal().unwrap().contains("concurrent_requests of [[client]] dify"), "{outcome:?}");
    assert_eq!(outcome.headers["retry-after"], "1");
    drop(streams);
    let again = async {
        while world.post("/mcp", &request(1, "ping")).await.refusal().is_some() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, again).await.expect("places that are free again");
}

#[tokio::test]
async fn a_body_may_be_as_long_as_the_lower_limit_says() {
    for rules in ["", "\nallowed_tools = [\"x\"]"] {
        let world = World::with(&format!("request_body = \"200B\"{rules}"), "", Clock::system()).await;
        assert_eq!(world.post("/mcp", &call(1, "x")).await.reached.len(), 1);
        let outcome = world.post("/mcp", &call(1, &"x".repeat(200))).await;
        assert_eq!(outcome.status, StatusCode::PAYLOAD_TOO_LARGE);
        assert!(outcome.refusal().unwrap().ends_with("raise request_body of [[client]] dify"), "{outcome:?}");
    }
    let world = World::with("request_body = \"1KiB\"", "[limits]\nrequest_body = \"200B\"", Clock::system()).await;
    let outcome = world.post("/mcp", &call(1, &"x".repeat(200))).await;
    assert!(outcome.refusal().unwrap().ends_with("raise limits.request_body"), "{outcome:?}");
}
