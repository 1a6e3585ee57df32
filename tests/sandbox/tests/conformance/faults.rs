//! Injected faults do what they say, and only as often as they say.

use futures_util::StreamExt;
use mcp_proxy_sandbox::{GatewayFault, Options, Sandbox, TokenFault};
use serde_json::{Value, json};

use crate::support::{DEADLINE, World, tokens};

#[tokio::test]
async fn the_token_endpoint_fails_as_told() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    let (client_id, first) = world.signed_in().await;

    cloud.fail_token(TokenFault::Status { status: 503, retry_after: Some(7) }, Some(1));
    let form = [("grant_type", "refresh_token"), ("client_id", &client_id), ("refresh_token", &first.refresh)];
    let ask = || world.http.post(world.url("/v1/token")).form(&form).send();
    let response = ask().await.unwrap();
    assert_eq!(response.status().as_u16(), 503);
    assert_eq!(response.headers()["retry-after"], "7");

    cloud.fail_token(TokenFault::Html, Some(1));
    let page = ask().await.unwrap();
    assert_eq!(page.status().as_u16(), 502);
    assert!(page.text().await.unwrap().starts_with("<html>"));

    cloud.fail_token(TokenFault::Garbage, Some(1));
    let garbage = ask().await.unwrap();
    assert_eq!(garbage.status().as_u16(), 200);
    assert!(garbage.json::<Value>().await.is_err());

    let (content_type, body) = ("text/html".to_owned(), "<p>".to_owned());
    cloud.fail_token(TokenFault::Answer { status: 500, content_type, body }, Some(1));
    let answer = ask().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (500, "<p>"));

    cloud.fail_token(TokenFault::OAuth { error: "invalid_grant".to_owned() }, Some(1));
    assert_eq!(world.refresh(&client_id, &first.refresh).await.1["error"], "invalid_grant");

    cloud.fail_token(TokenFault::CutBefore, Some(1));
    assert!(ask().await.is_err());

    // None of it consumed the token; a slow answer does.
    cloud.fail_token(TokenFault::Drip { ms: 1 }, Some(1));
    let (status, answer) = world.refresh(&client_id, &first.refresh).await;
    assert_eq!(status, 200);

    let second = tokens(&answer);
    cloud.fail_token(TokenFault::SlowAfter { ms: 50 }, Some(1));
    let (status, answer) = world.refresh(&client_id, &second.refresh).await;
    assert_eq!(status, 200);

    let second = tokens(&answer);
    cloud.fail_token(TokenFault::CutAfter, Some(1));
    let form = [("grant_type", "refresh_token"), ("client_id", &client_id), ("refresh_token", &second.refresh)];
    assert!(world.http.post(world.url("/v1/token")).form(&form).send().await.is_err());
    let (status, answer) = world.refresh(&client_id, &second.refresh).await;
    assert_eq!((status, &answer["error"]), (400, &Value::from("invalid_grant")), "it was consumed");
    assert_eq!(cloud.counts().token_calls, 11);
}

#[tokio::test]
async fn tokens_are_revoked_from_outside() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    let (client_id, first) = world.signed_in().await;
    assert_eq!(cloud.revoke_access_tokens(), 1);
    assert_eq!(world.status("/lab/echo", &first.access).await, 401);
    let (status, answer) = world.refresh(&client_id, &first.refresh).await;
    assert_eq!(status, 200);
    let second = tokens(&answer);
    assert_eq!(world.status("/lab/echo", &second.access).await, 200);
    assert_eq!(cloud.revoke_grants(), 1);
    assert_eq!(world.status("/lab/echo", &second.access).await, 401);
    assert_eq!(world.refresh(&client_id, &second.refresh).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn the_gateway_fails_as_told() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    let (_, tokens) = world.signed_in().await;
    cloud.fail_gateway(GatewayFault::Status { status: 502, retry_after: None }, Some(2));
    for expected in [502, 502, 200] {
        assert_eq!(world.status("/lab/bytes/1", &tokens.access).await, expected);
    }
    cloud.fail_gateway(GatewayFault::CutBefore, Some(1));
    assert!(world.get("/lab/echo", &tokens.access).send().await.is_err());

    cloud.fail_gateway(GatewayFault::CutAfter { bytes: 100_000 }, Some(1));
    let mut body = world.get("/lab/bytes/1000000", &tokens.access).send().await.unwrap().bytes_stream();
    let mut received = 0;
    let error = loop {
        match body.next().await {
            Some(Ok(piece)) => received += piece.len(),
            Some(Err(error)) => break Some(error),
            None => break None,
        }
    };
    assert_eq!(received, 100_000);
    assert!(error.is_some(), "the end is no clean one");

    cloud.fail_gateway(GatewayFault::Hang, Some(1));
    let hung = world.get("/lab/echo", &tokens.access).send();
    assert!(tokio::time::timeout(std::time::Duration::from_millis(200), hung).await.is_err());
    assert_eq!(cloud.counts().gateway_faults, 5);
}

#[tokio::test]
async fn open_streams_are_cut_without_a_farewell() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    let (_, tokens) = world.signed_in().await;
    let mut body = world.get("/lab/hold", &tokens.access).send().await.unwrap().bytes_stream();
    assert_eq!(cloud.cut_streams(), 1);
    assert!(body.next().await.unwrap().is_err());
    let counts = cloud.wait_until(|counts| counts.open_streams == 0, DEADLINE).await.unwrap();
    assert_eq!(counts.cancelled_streams, 0, "we cut it, nobody left it");
}

#[tokio::test]
async fn only_idle_connections_are_closed_as_idle() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    let (_, tokens) = world.signed_in().await;
    let mut held = world.get("/lab/hold", &tokens.access).send().await.unwrap();
    assert_eq!(world.status("/lab/status/204", &tokens.access).await, 204);
    let open = cloud.counts().open_connections;
    assert!(open >= 2, "the held one and at least one idle one: {open}");
    assert_eq!(cloud.close_idle_connections() as u64, open - 1);
    let left = cloud.wait_until(|counts| counts.open_connections == 1, DEADLINE).await;
    assert!(left.is_some());
    cloud.say_on_holds("data: still here\n\n");
    assert!(held.chunk().await.unwrap().is_some());
}

#[tokio::test]
async fn the_machine_s_role_gives_keys() {
    let world = World::new().await;
    let base = world.sandbox.metadata_url();
    let token_url = format!("{base}/latest/api/token");
    let role_url = format!("{base}/latest/meta-data/ram/security-credentials/");
    assert_eq!(world.http.put(&token_url).send().await.unwrap().status().as_u16(), 400);
    let ask = world.http.put(&token_url).header("X-aliyun-ecs-metadata-token-ttl-seconds", "60");
    let token = ask.send().await.unwrap().text().await.unwrap();
    let role = world.http.get(&role_url).send().await.unwrap().text().await.unwrap();
    world.sandbox.cloud().set_metadata_hardened(true);
    assert_eq!(world.http.get(&role_url).send().await.unwrap().status().as_u16(), 403);
    let keys = world.http.get(format!("{role_url}{role}")).header("X-aliyun-ecs-metadata-token", token);
    let keys: Value = keys.send().await.unwrap().json().await.unwrap();
    let (id, secret, session) = world.sandbox.temporary_access_key();
    let expected = [json!(id), json!(secret), json!(session)];
    assert_eq!([&keys["AccessKeyId"], &keys["AccessKeySecret"], &keys["SecurityToken"]], expected.each_ref());
}

#[tokio::test]
async fn listeners_refuse_for_real() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    let fresh = async |base: &str| {
        let authority = base.trim_start_matches("https://").to_owned();
        tokio::net::TcpStream::connect(authority).await
    };
    cloud.refuse_token_connections(true);
    let until_refused = async {
        while fresh(&world.sandbox.token_url()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, until_refused).await.expect("the listener closes");
    assert!(fresh(&world.sandbox.cloud_url()).await.is_ok(), "the other one stays open");
    cloud.clear_faults();
    let until_open = async {
        while fresh(&world.sandbox.token_url()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(DEADLINE, until_open).await.expect("the listener opens again");
}

#[tokio::test]
async fn the_admin_interface_does_the_same() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let post = async |path: &str, body: Value| {
        let url = format!("{}/admin/{path}", world.sandbox.page_url());
        world.http.post(url).json(&body).send().await.unwrap()
    };
    let fault = json!({ "fault": { "kind": "status", "status": 500 }, "times": 1 });
    assert!(post("fail/gateway", fault).await.status().is_success());
    assert_eq!(world.status("/lab/echo", &tokens.access).await, 500);
    let unknown = json!({ "fault": { "kind": "explode" } });
    assert_eq!(post("fail/gateway", unknown).await.status().as_u16(), 400);
    assert!(post("revoke", json!("access_tokens")).await.status().is_success());
    assert_eq!(world.status("/lab/echo", &tokens.access).await, 401);
    assert!(post("clock", json!({ "advance": 60 })).await.status().is_success());
    assert_eq!(world.sandbox.cloud().clock_offset(), 60);
    assert!(post("settings", json!({ "expires_in": "string" })).await.status().is_success());
    assert_eq!(post("settings", json!({ "expires": "string" })).await.status().as_u16(), 422);
    let wait = json!({ "counter": "api.CreateApplication", "at_least": 1 });
    assert!(post("wait", wait).await.status().is_success());
    let wait = json!({ "counter": "refreshes", "at_least": 1, "timeout_ms": 10 });
    assert_eq!(post("wait", wait).await.status().as_u16(), 408);
    let url = format!("{}/admin/counts", world.sandbox.page_url());
    let counts: Value = world.http.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(counts["gateway_unauthorized"], 1);
}

#[tokio::test]
async fn the_end_is_an_end() {
    let world = World::new().await;
    let address = world.authority();
    let ca_file = world.sandbox.ca_file().to_owned();
    assert!(ca_file.exists());
    world.sandbox.stop().await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
    assert!(!ca_file.exists());

    let directory = tempfile::tempdir().unwrap();
    let own = directory.path().join("ca.pem");
    let options = Options { ca_file: Some(own.clone()), ..Options::default() };
    Sandbox::start(options).await.unwrap().stop().await;
    assert!(own.exists(), "a file that was asked for stays");
}
