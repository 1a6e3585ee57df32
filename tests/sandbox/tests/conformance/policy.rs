//! What the gateway refuses to whoever has a token with a policy, over both transports.

use rmcp::ServiceExt;
use rmcp::model::ClientConfig;
use serde_json::{Value, json};

use crate::mcp::{call, initialize, post, text, transport};
use crate::old_transport::Legacy;
use crate::support::{World, http_date, unique};

/// A token under these rules; what the cloud answered to them.
async fn restricted(world: &World, rules: &str, tools: Option<&[&str]>) -> (String, u16) {
    let parameters = [("ClientId", "4071151845732613353"), ("Scope", "/internal/acs/openapi")];
    let (_, answer) = world.call_rpc("GenerateAccessToken", &parameters).await;
    let token = answer["Data"]["AccessToken"].as_str().unwrap().to_owned();
    let mut body = json!({ "bearerToken": token, "safePolicy": rules });
    if let Some(tools) = tools {
        body["toolPolicy"] = json!({ "allowedTools": tools }).to_string().into();
    }
    (token, set(world, &body).await)
}

async fn set(world: &World, body: &Value) -> u16 {
    let request = world.http.post(world.url("/safePolicy/set")).header("date", http_date());
    let request = request.header("x-acs-version", "2024-11-30").header("x-acs-signature-nonce", unique());
    let request = request.header("x-acs-action", "UpdateBearerTokenSafetyPolicy");
    request.json(body).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn only_the_tools_on_the_list_are_shown_and_can_be_called() {
    let world = World::new().await;
    let (token, status) = restricted(&world, r#"{"rules":[]}"#, Some(&["echo"])).await;
    assert_eq!(status, 200);
    let path = world.mcp_path("sandbox-tools");
    let client = ClientConfig::default().serve(transport(&world, &path, &token)).await.unwrap();
    let shown: Vec<String> = client.list_all_tools().await.unwrap().into_iter().map(|tool| tool.name.into()).collect();
    assert_eq!(shown, ["echo"]);
    assert_eq!(text(&client, "echo", json!({ "text": "x" })).await, "x");
    let refused = client.call_tool(call("large", json!({ "bytes": 1 }))).await.unwrap_err();
    assert!(format!("{refused:?}").contains("403"), "{refused:?}");
    assert_eq!(world.sandbox.cloud().counts().tool_calls("sandbox-tools/large"), 0);
}

#[tokio::test]
async fn rules_name_product_and_tool_and_hold_for_batches() {
    let world = World::new().await;
    let (token, status) = restricted(&world, "eds-aic:e*=allow,sandbox-tools:fail=allow,*=deny", None).await;
    assert_eq!(status, 200);
    let tool = |name: &str| json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": name } });
    let (custom, system) = (world.mcp_path("sandbox-tools"), world.mcp_path("cloudphone"));
    for (path, body, refused) in [
        (&system, tool("echo"), false),
        (&system, tool("elicit"), false),
        (&system, tool("fail"), true),
        (&custom, tool("fail"), false),
        (&custom, tool("echo"), true),
        (&custom, json!([tool("fail"), tool("echo")]), true),
        (&custom, json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }), false),
    ] {
        let status = post(&world, path, &token, None, &body).await.status().as_u16();
        assert_eq!(status == 403, refused, "{path} {body}: {status}");
    }
    assert_eq!(world.sandbox.cloud().last_rules().as_deref(), Some("eds-aic:e*=allow,sandbox-tools:fail=allow,*=deny"));
}

#[tokio::test]
async fn the_old_transport_is_under_the_same_rules() {
    let world = World::new().await;
    let (token, _) = restricted(&world, "*:echo=allow,*=deny", None).await;
    let path = world.mcp_path("sandbox-tools").replace("/mcp", "/sse");
    let mut legacy = Legacy::open(&world, &path, &token).await;
    let endpoint = legacy.endpoint.clone();
    let send = async |message: Value| post(&world, &endpoint, &token, None, &message).await.status().as_u16();
    assert_eq!(send(initialize("2024-11-05")).await, 202);
    legacy.message().await;
    assert_eq!(send(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await, 202);
    assert_eq!(send(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })).await, 202);
    let shown = legacy.message().await;
    assert_eq!(shown["result"]["tools"].as_array().unwrap().len(), 1, "{shown}");
    let fail = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "fail" } });
    assert_eq!(send(fail).await, 403);
}

#[tokio::test]
async fn the_first_rules_of_a_token_stay_and_must_be_rules() {
    let world = World::new().await;
    let (token, status) = restricted(&world, "*=perhaps", None).await;
    assert_eq!(status, 400);
    assert_eq!(set(&world, &json!({ "bearerToken": token, "safePolicy": "*=deny" })).await, 200);
    assert_eq!(set(&world, &json!({ "bearerToken": token, "safePolicy": "*=allow" })).await, 200);
    assert_eq!(world.sandbox.cloud().last_rules().as_deref(), Some("*=deny"));
    assert_eq!(set(&world, &json!({ "bearerToken": "eyJother", "safePolicy": "*=deny" })).await, 400);
}
