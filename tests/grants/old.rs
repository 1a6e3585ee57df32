//! HTTP+SSE: messages go one way, their answers come another.

use http::StatusCode;

use crate::world::{World, call, note, request};

const RULES: &str = "blocked_tools = [\"Delete*\"]\nread_only = true";

#[tokio::test]
async fn refusals_come_in_the_stream_that_the_client_reads() {
    let world = World::new(RULES).await;
    let mut stream = world.open("/x/sse?s1").await;
    assert_eq!(stream.event().await.unwrap(), "event: endpoint\ndata: /x/messages?s1\n\n");
    let outcome = world.post("/x/messages?s1", &call(4, "DeleteThings")).await;
    assert_eq!((outcome.status, outcome.body.as_str()), (StatusCode::ACCEPTED, ""));
    assert!(outcome.reached.is_empty());
    let answer = stream.message().await;
    assert_eq!((answer["id"].as_i64(), answer["error"]["code"].as_i64()), (Some(4), Some(-31403)));
    assert!(answer["error"]["message"].as_str().unwrap().contains("blocked_tools of [[client]] dify has Delete*"));
    let outcome = world.post("/x/messages?other", &call(5, "DeleteThings")).await;
    assert_eq!(outcome.status, StatusCode::OK, "no stream, so the answer is here");
    assert!(outcome.refusal().is_some());
}

#[tokio::test]
async fn limits_are_told_in_the_stream_too() {
    let world = World::new("requests_per_minute = 1").await;
    let mut stream = world.open("/x/sse?s1").await;
    assert_eq!(stream.event().await.unwrap(), "event: endpoint\ndata: /x/messages?s1\n\n");
    let outcome = world.post("/x/messages?s1", &request(4, "ping")).await;
    assert_eq!((outcome.status, outcome.reached.len()), (StatusCode::ACCEPTED, 0));
    let answer = stream.message().await;
    assert_eq!((answer["id"].as_i64(), answer["error"]["code"].as_i64()), (Some(4), Some(-31429)));
}

#[tokio::test]
async fn lists_in_the_stream_are_cut_and_learnt_from() {
    let world = World::new(RULES).await;
    let mut stream = world.open("/x/sse?s1").await;
    stream.event().await.unwrap();
    world.post("/x/messages?s1", &call(1, "DescribeThings")).await;
    assert!(stream.message().await["error"]["message"].as_str().unwrap().contains("not known yet"));
    let outcome = world.post("/x/messages?s1", &request(2, "tools/list")).await;
    assert_eq!((outcome.status, outcome.body.as_str()), (StatusCode::ACCEPTED, "Accepted"));
    let event = stream.event().await.unwrap();
    assert!(
        event.contains("DescribeThings") && !event.contains("DeleteThings") && !event.contains("RunThings"),
        "{event}"
    );
    world.post("/x/messages?s1", &call(3, "DescribeThings")).await;
    assert_eq!(stream.message().await["result"]["content"][0]["text"], "DescribeThings");
    let other = world.open("/y/sse?s2").await;
    assert!(world.post("/y/messages?s2", &call(3, "DescribeThings")).await.reached.is_empty(), "another server");
    drop(other);
    assert_eq!(world.post("/x/messages?s1", &note("notifications/initialized")).await.reached.len(), 1);
}

#[tokio::test]
async fn a_refusal_waits_for_the_end_of_an_event_and_a_bad_list_breaks_the_stream() {
    let world = World::new(RULES).await;
    let mut stream = world.open("/x/sse?s1").await;
    stream.event().await.unwrap();
    world.server.say("s1", "id: 7\ndata: {\"x\":");
    world.post("/x/messages?s1", &call(4, "DeleteThings")).await;
    world.server.say("s1", "1}\n\n");
    assert_eq!(stream.event().await.unwrap(), "id: 7\ndata: {\"x\":1}\n\n", "other events keep every byte");
    assert_eq!(stream.message().await["id"], 4);
    world.server.say("s1", "data: {\"result\":{\"tools\":[],\"tools\":[{\"name\":\"DeleteThings\"}]}}\n\n");
    assert_eq!(stream.event().await, None);
}
