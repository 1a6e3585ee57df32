//! Lists of tools, cut to what the client may call.

use http::StatusCode;
use serde_json::Value;

use crate::server::tool_list;
use crate::world::{World, call, request};

const RULES: &str = "allowed_tools = [\"*Things\", \"écho\"]\nblocked_tools = [\"Delete*\"]";

fn names(list: &Value) -> Vec<&str> {
    list["result"]["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_list_shows_what_may_be_called_and_the_rest_keeps_every_byte() {
    let world = World::new(RULES).await;
    let outcome = world.post_with("/mcp", &[("accept-encoding", "gzip, br")], &request(3, "tools/list")).await;
    let kept: Vec<_> = tool_list()
        .split(" ,\n ")
        .filter(|tool| !tool.contains("Delete") && !tool.contains("secret"))
        .map(str::to_owned)
        .collect();
    let expected =
        format!(r#"{{"jsonrpc":"2.0","id":3,"result":{{"tools": [{}],"nextCursor":"n\u0031"}}}}"#, kept.join(","));
    assert_eq!(outcome.body, expected);
    assert_eq!(outcome.headers["content-length"], expected.len().to_string());
    assert!(!outcome.headers.contains_key("etag") && outcome.headers["x-other"] == "stays", "{:?}", outcome.headers);
    assert_eq!(outcome.reached[0].headers["accept-encoding"], "identity");
    let call = world.post_with("/mcp", &[("accept-encoding", "gzip, br")], &call(3, "écho")).await;
    assert_eq!(call.reached[0].headers["accept-encoding"], "gzip, br", "what is not cut may be encoded");
    assert_eq!(call.headers["etag"], "\"1\"");
}

#[tokio::test]
async fn lists_in_streams_and_batches_are_cut() {
    let world = World::new(RULES).await;
    let seen = ["DescribeThings", "ListThings", "RunThings", "écho"];
    let outcome = world.post("/stream", &request(3, "tools/list")).await;
    let mut events = outcome.body.split("\n\n");
    assert_eq!(events.next(), Some(": hello"));
    let list = events.next().unwrap();
    assert!(list.starts_with("id: 1\nevent: message\ndata: {"), "{list}");
    let data: Vec<_> = list.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(names(&serde_json::from_str(&data.join("\n")).unwrap()), seen);
    assert_eq!(events.next(), Some("id: 2\ndata: {}"));
    let batch = format!("[{},{},{}]", request(1, "ping"), request(2, "tools/list"), request(3, "tools/list"));
    let outcome = world.post("/mcp", &batch).await;
    let json = outcome.json();
    assert_eq!(
        (json[0]["result"]["method"].as_str(), names(&json[1]), names(&json[2])),
        (Some("ping"), seen.to_vec(), seen.to_vec())
    );
}

#[tokio::test]
async fn a_list_that_cannot_be_cut_does_not_pass() {
    let world = World::new(RULES).await;
    for (path, says) in [
        ("/gzip", "Content-Encoding"),
        ("/gzip-stream", "Content-Encoding"),
        ("/long", "longer than 8 MiB"),
        ("/twice", "read in one way"),
    ] {
        let outcome = world.post(path, &request(3, "tools/list")).await;
        let json = outcome.json();
        assert_eq!((outcome.status, json["id"].as_i64()), (StatusCode::OK, Some(3)), "{outcome:?}");
        let words = json["error"]["message"].as_str().unwrap();
        assert!(words.contains(says) && words.contains("[[client]] dify"), "{words}");
        assert!(!outcome.body.contains("DescribeThings"));
    }
    let outcome = world.post("/failing", &request(3, "tools/list")).await;
    assert_eq!(
        (outcome.status, outcome.body.contains("DeleteThings")),
        (StatusCode::INTERNAL_SERVER_ERROR, true),
        "no list"
    );
}

#[tokio::test]
async fn who_may_call_no_tool_sees_none_and_who_has_no_rules_sees_all() {
    let world = World::new("blocked_methods = [\"tools/call\"]").await;
    assert_eq!(names(&world.post("/mcp", &request(1, "tools/list")).await.json()), [""; 0]);
    let world = World::new("blocked_methods = [\"resources/*\"]").await;
    let outcome = world.post_with("/mcp", &[("accept-encoding", "br")], &request(1, "tools/list")).await;
    assert!(outcome.body.contains(&tool_list()));
    assert_eq!(outcome.reached[0].headers["accept-encoding"], "br");
}

#[tokio::test]
async fn read_only_lets_call_what_a_list_of_the_same_address_marked() {
    let world = World::new("read_only = true").await;
    let outcome = world.post("/mcp", &call(1, "DescribeThings")).await;
    let words = outcome.refusal().unwrap();
    assert!(words.contains("not known yet") && words.contains("tools/list"), "it says what to do: {words}");
    let seen = ["DescribeThings", "ListThings", "écho", "describe-secret"];
    assert_eq!(names(&world.post("/mcp", &request(1, "tools/list")).await.json()), seen);
    for tool in seen {
        assert_eq!(world.post("/mcp", &call(1, tool)).await.reached.len(), 1, "{tool}");
    }
    for (tool, says) in [("DeleteThings", "does not say"), ("RunThings", "does not say"), ("Other", "not known yet")] {
        assert!(world.post("/mcp", &call(1, tool)).await.refusal().unwrap().contains(says), "{tool}");
    }
    assert!(world.post("/other/mcp", &call(1, "DescribeThings")).await.refusal().is_some(), "another server");
    assert!(world.post("/mcp?x=1", &call(1, "DescribeThings")).await.refusal().is_some(), "another address");
}
