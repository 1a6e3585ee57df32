//! Requests that are made to look like something else: whatever a server would make of them, what is refused does not
//! reach it.

use http::{Request, StatusCode};
use mcp_proxy::model::time::Clock;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::PATIENCE;
use crate::world::{World, call, note, request};

const RULES: &str = "allowed_tools = [\"Describe*\"]\nblocked_methods = [\"resources/*\", \"notifications/cancelled\"]";

#[tokio::test]
async fn refusals_are_errors_that_clients_show_and_name_the_rule() {
    let world = World::new(RULES).await;
    let refused = world.post("/mcp", &call(7, "DeleteThings")).await;
    assert_eq!(
        (refused.status, refused.headers["content-type"].to_str().unwrap()),
        (StatusCode::OK, "application/json")
    );
    let error = &refused.json()["error"];
    assert_eq!((refused.json()["id"].as_i64(), error["code"].as_i64()), (Some(7), Some(-31403)));
    assert_eq!(
        error["message"],
        "Access denied: the tool DeleteThings is not allowed for this client (no entry of allowed_tools of [[client]] dify fits)"
    );
    assert!(refused.reached.is_empty());
    let refused = world.post("/mcp", &request(8, "resources/read")).await;
    let words = refused.refusal().unwrap();
    assert!(
        words.contains("resources/read") && words.contains("blocked_methods of [[client]] dify has resources/*"),
        "{words}"
    );
    let refused = world.post("/mcp", &note("notifications/cancelled")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "a notification has no answer");
    assert!(refused.refusal().unwrap().contains("notifications/cancelled"));
}

#[tokio::test]
async fn what_may_pass_passes_to_the_byte() {
    let world = World::new(RULES).await;
    let odd = "\n {\"params\" : {\"arguments\":{\"name\":\"DeleteThings\"},\"n\\u0061me\":\"DescribeThings\"},\"x\":1.50,\
               \"method\":\"tools\\/call\",\"id\":\"\\u00e9\",\"jsonrpc\":\"2.0\"} ";
    for body in [
        odd,
        &call(1, "DescribeThings"),
        &request(1, "initialize"),
        &note("notifications/initialized"),
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ] {
        let outcome = world.post("/mcp", body).await;
        assert!(outcome.status.is_success() && !outcome.body.contains("error"), "{outcome:?}");
        assert_eq!(outcome.reached.len(), 1);
        assert_eq!(outcome.reached[0].body, body);
        assert_eq!(outcome.reached[0].headers["content-length"], body.len().to_string());
    }
    let get = world.send(Request::delete("/mcp"), "").await;
    assert_eq!(get.reached.len(), 1, "what has no body calls nothing");
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_does_not_reach_the_server() {
    let world = World::new(RULES).await;
    let (good, bad) = (call(1, "DescribeThings"), call(2, "DeleteThings"));
    let long = format!("{}{}", " ".repeat(4 << 20), good);
    for (body, status) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call","params":{"name":"DeleteThings"}}"#,
            403,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"DescribeThings","name":"DeleteThings"}}"#,
            200,
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"DescribeThings","Name":"DeleteThings"}}"#,
            200,
        ),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{},"params":{"name":"DeleteThings"}}"#, 200),
        (r#"{"jsonrpc":"2.0","id":1,"Method":"tools/call","method":"ping","params":{"name":"DeleteThings"}}"#, 200),
        (r#"{"jsonrpc":"2.0","id":1,"method":"Tools/Call","params":{"name":"DescribeThings"}}"#, 200),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call\u0000","params":{"name":"DescribeThings"}}"#, 200),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"DescribeThings\u0000x"}}"#, 200),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["DescribeThings"]}"#, 200),
        (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#, 200),
        (r#"{"jsonrpc":"2.0","id":1,"method":["tools/call"]}"#, 403),
        (&format!("{good}{bad}"), 403),
        (&format!("{good}\n{bad}"), 403),
        (&format!("\u{feff}{good}"), 403),
        (&format!("{}//", good), 403),
        ("", 403),
        ("hello", 403),
        ("[]", 403),
        ("{}", 403),
        (&long, 413),
    ] {
        let outcome = world.post("/mcp", body).await;
        let shown = &body[..body.len().min(120)];
        assert_eq!(outcome.status.as_u16(), status, "{shown}: {outcome:?}");
        assert!(outcome.refusal().unwrap().contains("[[client]] dify"), "{shown}: {outcome:?}");
    }
    let not_utf8 = Request::post("/mcp").header("content-type", "application/json");
    let outcome = world
        .send(
            not_utf8,
            good.replace("arguments", "\u{7f}")
                .into_bytes()
                .iter()
                .map(|byte| if *byte == 0x7f { 0xff } else { *byte })
                .collect::<Vec<_>>(),
        )
        .await;
    assert!(outcome.refusal().unwrap().contains("is not UTF-8"), "{outcome:?}");
}

#[tokio::test]
async fn a_batch_passes_whole_or_not_at_all() {
    let world = World::new(RULES).await;
    let batch = |messages: &[String]| format!("[{}]", messages.join(","));
    let good = batch(&[call(1, "DescribeThings"), note("notifications/initialized"), request(2, "ping")]);
    let outcome = world.post("/mcp", &good).await;
    assert_eq!(outcome.reached[0].body, good);
    assert_eq!(outcome.json().as_array().unwrap().len(), 2);
    let bad = batch(&[call(1, "DescribeThings"), note("notifications/initialized"), call(2, "DeleteThings")]);
    let outcome = world.post("/mcp", &bad).await;
    assert!(outcome.refusal().unwrap().ends_with("fits). Nothing of the batch was sent"), "{outcome:?}");
    let ids: Vec<_> = outcome.json().as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!((outcome.status, ids), (StatusCode::OK, vec![1.into(), 2.into()]));
}

#[tokio::test]
async fn the_trail_says_of_each_call_of_a_batch_which_rule_refused_it() {
    let trail = tempfile::tempdir().unwrap();
    let file = trail.path().join("audit.jsonl");
    let log = format!("[log]\naudit_file = \"{}\"", file.display());
    let world = World::with(&format!("{RULES}\nlog_argument_names = true"), &log, Clock::system()).await;
    let named =
        r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"DeleteThings","arguments":{"which":"x"}}}"#;
    let many: Vec<String> = (0..40).map(|id| request(id, "ping")).chain([call(99, "DropThings")]).collect();
    let mixed =
        [call(1, "DescribeThings"), call(2, "DeleteThings"), request(3, "resources/read"), note("notifications/x")];
    let good = [call(1, "DescribeThings"), request(2, "ping")];
    for body in
        [named, &format!("[{}]", mixed.join(",")), &format!("[{}]", many.join(",")), &format!("[{}]", good.join(","))]
    {
        world.post("/mcp", body).await;
    }
    let _state = world.proxy.stop().await;
    let text = std::fs::read_to_string(file).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let not_allowed = "[[client]] dify: allowed_tools";
    let refused = |name: &str| json!({"method": "tools/call", "name": name, "refused_by": not_allowed});
    let described = json!({"method": "tools/call", "name": "DescribeThings"});
    let mut alone = refused("DeleteThings");
    alone["argument_names"] = json!(["which"]);
    assert_eq!(lines[0]["calls"], json!([alone]));
    assert_eq!(
        lines[1]["calls"],
        json!([
            described,
            refused("DeleteThings"),
            {"method": "resources/read", "refused_by": "[[client]] dify: blocked_methods has resources/*"},
            {"method": "notifications/x"}
        ])
    );
    assert_eq!((&lines[1]["verdict"], &lines[1]["rule"]), (&json!("refused"), &json!(not_allowed)));
    let calls = lines[2]["calls"].as_array().unwrap();
    assert_eq!((calls.len(), &lines[2]["more_calls"], &calls[31]), (32, &json!(9), &refused("DropThings")));
    assert_eq!(lines[3]["calls"], json!([described, {"method": "ping"}]));
    assert_eq!(lines[3]["verdict"], "allowed");
}

#[tokio::test]
async fn headers_that_contradict_the_body_are_a_mismatch() {
    let world = World::new(RULES).await;
    let good = call(1, "DescribeThings");
    for headers in [
        &[("mcp-method", "tools/list")][..],
        &[("mcp-method", "tools/call"), ("mcp-name", "ListThings")],
        &[("mcp-name", "=?base64?%%?=")],
        &[("mcp-method", "tools/call"), ("Mcp-Method", "tools/call")],
        &[("mcp-name", "DescribeThings"), ("mcp-name", "DescribeThings")],
    ] {
        let outcome = world.post_with("/mcp", headers, &good).await;
        assert_eq!(outcome.status, StatusCode::BAD_REQUEST, "{headers:?}");
        assert_eq!(outcome.json()["error"]["code"], -32020);
        assert!(outcome.refusal().unwrap().starts_with("Header mismatch: "));
    }
    let name = ("mcp-name", "=?base64?RGVzY3JpYmVUaGluZ3M=?=");
    assert_eq!(world.post_with("/mcp", &[("mcp-method", "tools/call"), name], &good).await.reached.len(), 1);
    let lie = [("mcp-method", "tools/call"), ("mcp-name", "DescribeThings")];
    let outcome = world.post_with("/mcp", &lie, &call(1, "DeleteThings")).await;
    assert_eq!(outcome.status, StatusCode::BAD_REQUEST, "headers never open what the body closes");
    assert!(outcome.reached.is_empty());
}

#[tokio::test]
async fn bodies_in_disguise_are_refused() {
    let world = World::new(RULES).await;
    let good = call(1, "DescribeThings");
    for headers in [
        &[("content-encoding", "gzip")][..],
        &[("content-type", "application/json; charset=utf-16")],
        &[("content-type", "text/plain")],
    ] {
        let outcome = world.post_with("/mcp", headers, &good).await;
        assert!(
            outcome.refusal().unwrap().contains("so the rules of [[client]] dify cannot be applied"),
            "{headers:?}"
        );
    }
    for method in ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"] {
        let outcome = world.send(Request::builder().method(method).uri("/mcp"), call(1, "DeleteThings")).await;
        assert_eq!(outcome.status, StatusCode::FORBIDDEN, "{method}");
        assert!(outcome.refusal().unwrap().contains("is no POST"), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_its_body_is_asked() {
    let world = World::new(RULES).await;
    for (body, says) in [(call(1, "DescribeThings"), "\"result\""), (call(1, "DeleteThings"), "-31403")] {
        let mut stream = TcpStream::connect(world.proxy.address).await.unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Expect: 100-continue\r\nConnection: close\r\n\r\n",
            world.proxy.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut asked = [0; 25];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut asked)).await.expect("in time").unwrap();
        assert_eq!(&asked, b"HTTP/1.1 100 Continue\r\n\r\n");
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("in time").unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains(says), "{answer}");
    }
    let seen = world.server.take_seen();
    assert!(seen.len() == 1 && !seen[0].headers.contains_key("expect"), "{seen:?}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let world = World::with(RULES, "[limits]\nheader_timeout = \"200ms\"", Clock::system()).await;
    let mut stream = TcpStream::connect(world.proxy.address).await.unwrap();
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{",
        world.proxy.address
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut answer)).await.expect("in time").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(world.server.take_seen().is_empty());
}

#[tokio::test]
async fn clients_without_such_rules_are_not_read() {
    let world = World::new("allowed_servers = [\"/mcp\"]\nrequests_per_minute = 1000").await;
    for body in ["{\"method\":\"tools/call\",\"method\":1", "hello", "", &" ".repeat(5 << 20)] {
        let outcome = world
            .post_with("/mcp", &[("content-encoding", "gzip"), ("mcp-method", "x"), ("accept-encoding", "br")], body)
            .await;
        assert_eq!(outcome.reached.len(), 1);
        let seen = &outcome.reached[0];
        assert!(seen.body == body && seen.headers["accept-encoding"] == "br" && seen.headers["mcp-method"] == "x");
    }
}

#[tokio::test]
async fn server_lists_of_a_client_name_it_and_hold_for_redirects() {
    let world = World::new("blocked_servers = [\"/secret\"]").await;
    let outcome = world.post("/secret/mcp", &call(1, "x")).await;
    assert_eq!(outcome.status, StatusCode::FORBIDDEN);
    assert_eq!(
        outcome.refusal().unwrap(),
        "Access denied: This MCP server is blocked for this client (blocked_servers of [[client]] dify has /secret)"
    );
    let outcome = world.post("/moved?/secret/mcp", &call(1, "x")).await;
    assert_eq!(outcome.status, StatusCode::BAD_GATEWAY);
    assert_eq!(outcome.reached.len(), 1, "the redirect is not followed: {outcome:?}");
    let outcome = world.post("/moved?/mcp", &call(1, "x")).await;
    assert_eq!((outcome.status, outcome.reached.len()), (StatusCode::OK, 2));
}
