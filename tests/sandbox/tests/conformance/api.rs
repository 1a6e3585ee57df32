//! The signed API: what is refused before anything is done, the rules of applications, pages.

use mcp_proxy_sandbox::ApiFault;
use serde_json::{Value, json};

use crate::support::{World, date};

#[tokio::test]
async fn a_signed_call_is_answered() {
    let world = World::new().await;
    let (status, answer) = world.call("GetCallerIdentity", &[]).await;
    assert_eq!(status, 200);
    assert_eq!(answer["AccountId"], "1234567890123456");
    assert_eq!(answer["IdentityType"], "RAMUser");
    assert_eq!(world.sandbox.cloud().counts().api_calls("GetCallerIdentity"), 1);
}

#[tokio::test]
async fn false_signatures_are_refused() {
    let world = World::new().await;
    let good = world.signed("ListApplications", &[]);
    let code = |answer: &Value| answer["Code"].as_str().unwrap_or_default().to_owned();

    let mut wrong_secret = world.signed("ListApplications", &[]);
    wrong_secret.secret.push('x');
    let (status, answer) = world.send(wrong_secret).await;
    assert_eq!((status, code(&answer).as_str()), (400, "SignatureDoesNotMatch"));

    let mut unknown_key = world.signed("ListApplications", &[]);
    unknown_key.key = "LTAI5tNobody".to_owned();
    let (status, answer) = world.send(unknown_key).await;
    assert_eq!((status, code(&answer).as_str()), (404, "InvalidAccessKeyId.NotFound"));

    let mut other_body = world.signed("ListApplications", &[]);
    other_body.body = b"{}".to_vec();
    let (status, answer) = world.send(other_body).await;
    assert_eq!((status, code(&answer).as_str()), (400, "SignatureDoesNotMatch"));

    let mut unsigned = world.signed("ListApplications", &[]);
    unsigned.unsigned.push(("x-acs-extra".to_owned(), "1".to_owned()));
    let (status, answer) = world.send(unsigned).await;
    assert_eq!((status, code(&answer).as_str()), (400, "IncompleteSignature"));

    let bad_form = world.signed("ListApplications", &[]).header("x-acs-date", "yesterday");
    let (status, answer) = world.send(bad_form).await;
    assert_eq!((status, code(&answer).as_str()), (400, "InvalidTimeStamp.Format"));

    // The nonce of a refused request is not burnt, that of an accepted one is.
    assert_eq!(world.send(good.clone()).await.0, 200);
    let (status, answer) = world.send(good).await;
    assert_eq!((status, code(&answer).as_str()), (400, "SignatureNonceUsed"));

    let changed = world.signed("GetApplication", &[("AppId", "1")]);
    let url = world.url("/?AppId=2");
    let spoilt = world.request(&changed).build().unwrap();
    let mut request = world.http.post(url);
    for (name, value) in spoilt.headers() {
        request = request.header(name, value);
    }
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert_eq!(code(&answer), "SignatureDoesNotMatch");
}

#[tokio::test]
async fn dates_are_judged_by_the_clock_of_the_cloud() {
    let world = World::new().await;
    for (offset, expected) in [(-14 * 60, 200), (14 * 60, 200), (-16 * 60, 400), (16 * 60, 400)] {
        let call = world.signed("GetCallerIdentity", &[]).header("x-acs-date", &date(offset));
        let (status, answer) = world.send(call).await;
        assert_eq!(status, expected, "{offset}: {answer}");
    }
    world.sandbox.cloud().set_clock_offset(3600);
    let response = world.request(&world.signed("GetCallerIdentity", &[])).send().await.unwrap();
    let server_date = response.headers()["date"].to_str().unwrap().to_owned();
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["Code"], "InvalidTimeStamp.Expired");
    // The Date header is what a client corrects itself by.
    assert!(server_date.contains(&date(3600)[11..13]), "{server_date}");
    let corrected = world.signed("GetCallerIdentity", &[]).header("x-acs-date", &date(3600));
    assert_eq!(world.send(corrected).await.0, 200);
}

#[tokio::test]
async fn temporary_keys_need_their_token_and_their_time() {
    let world = World::new().await;
    let (key, secret, token) = world.sandbox.temporary_access_key();
    let call = |token: Option<&str>| {
        let mut call = world.signed("GetCallerIdentity", &[]);
        call.key.clone_from(&key);
        call.secret.clone_from(&secret);
        match token {
            Some(token) => call.header("x-acs-accesskey-id", &key).header("x-acs-security-token", token),
            None => call,
        }
    };
    let (status, answer) = world.send(call(Some(&token))).await;
    assert_eq!((status, &answer["IdentityType"]), (200, &Value::from("AssumedRoleUser")));
    assert_eq!(world.send(call(None)).await.1["Code"], "MissingSecurityToken");
    let (_, answer) = world.send(call(Some("CAISother"))).await;
    assert_eq!(answer["Code"], "InvalidSecurityToken.Malformed");
    world.sandbox.cloud().expire_session(&key);
    let (_, answer) = world.send(call(Some(&token))).await;
    assert_eq!(answer["Code"], "InvalidSecurityToken.Expired");
    let foreign = world.signed("GetCallerIdentity", &[]).header("x-acs-security-token", &token);
    let (_, answer) = world.send(foreign).await;
    assert_eq!(answer["Code"], "InvalidSecurityToken.MismatchWithAccessKey");
}

#[tokio::test]
async fn errors_are_xml_unless_json_was_asked_for() {
    let world = World::new().await;
    let mut call = world.signed("GetApplication", &[("AppId", "<1>")]);
    call.unsigned.clear();
    let response = world.request(&call).send().await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/xml;charset=utf-8");
    assert!(response.headers().contains_key("x-acs-request-id"));
    let body = response.text().await.unwrap();
    assert!(body.contains("<Code>EntityNotExist.Application</Code>"), "{body}");
}

#[tokio::test]
async fn the_wrong_version_path_or_action_is_refused() {
    let world = World::new().await;
    let version = world.signed("ListApplications", &[]).header("x-acs-version", "2019-08-16");
    assert_eq!(world.send(version).await.1["Code"], "InvalidVersion");
    let mut path = world.signed("ListApplications", &[]);
    path.path = "/apimcpservers".to_owned();
    assert_eq!(world.send(path).await.1["Code"], "InvalidAction.NotFound");
    assert_eq!(world.call("DropEverything", &[]).await.1["Code"], "InvalidAction.NotFound");
    let unsigned = world.http.get(world.url("/apimcpservers")).send().await.unwrap();
    assert_eq!(unsigned.status().as_u16(), 404);
}

#[tokio::test]
async fn api_faults_are_injected() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    cloud.fail_api(ApiFault::Throttled { retry_after_ms: Some(70) }, Some(1));
    let response = world.request(&world.signed("ListApplications", &[])).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 400);
    assert_eq!(response.headers()["x-acs-retry-after"], "70");
    assert_eq!(world.call("ListApplications", &[]).await.0, 200);
    cloud.fail_api(ApiFault::Down, None);
    for _ in 0..3 {
        assert_eq!(world.call("ListApplications", &[]).await.0, 503);
    }
    cloud.clear_faults();
    assert_eq!(world.call("ListApplications", &[]).await.0, 200);
    assert_eq!(cloud.counts().api_errors["ServiceUnavailable"], 3);
}

#[tokio::test]
async fn ramoauth_accepts_the_scheme_that_is_known_to_work() {
    let world = World::new().await;
    let parameters = [("ClientId", "4071151845732613353"), ("Scope", "/internal/acs/openapi")];
    let (status, answer) = world.call("GenerateAccessToken", &parameters).await;
    assert_eq!((status, &answer["Code"]), (400, &Value::from("IncompleteSignature")));
    assert_eq!(world.call_rpc("GenerateAccessToken", &parameters).await.0, 200);
    world.sandbox.cloud().set_ramoauth_v3(true);
    assert_eq!(world.call("GenerateAccessToken", &parameters).await.0, 200);
}

#[tokio::test]
async fn another_action_than_the_signed_one_is_not_done() {
    let world = World::new().await;
    let other = world.signed("ListApplications", &[("Action", "DeleteApplication")]);
    let (status, answer) = world.send(other).await;
    assert_eq!((status, &answer["Code"]), (400, &Value::from("IncompleteSignature")));
}

#[tokio::test]
async fn any_error_of_the_cloud_can_be_injected_for_one_action() {
    let world = World::new().await;
    let admin = async |path: &str, body: Value| {
        let url = format!("{}/admin/{path}", world.sandbox.page_url());
        let response = world.http.post(url).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap_or_default())
    };
    let fault = json!({ "kind": "error", "status": 409, "code": "LimitExceeded.Application", "message": "Too many.",
        "recommend": "https://example.com/limits", "retry_after_ms": 1500 });
    let armed = admin("fail/api", json!({ "fault": fault, "action": "CreateApplication", "times": 1 })).await;
    assert_eq!(armed.0, 200);
    assert_eq!(admin("fail/token", json!({ "fault": { "kind": "hang" }, "action": "X" })).await.0, 400);
    assert_eq!(world.call("ListApplications", &[]).await.0, 200);
    let response = world.request(&world.signed("CreateApplication", &[])).send().await.unwrap();
    assert_eq!((response.status().as_u16(), &response.headers()["x-acs-retry-after"]), (409, &"1500".parse().unwrap()));
    let answer: Value = response.json().await.unwrap();
    assert_eq!((&answer["Code"], &answer["Message"]), (&"LimitExceeded.Application".into(), &"Too many.".into()));
    assert_eq!(answer["Recommend"], "https://example.com/limits");
    assert_eq!(world.call("CreateApplication", &[]).await.1["Code"], "MissingAppName");

    // Keys come and go.
    let (_, key) = admin("key", json!("create")).await;
    let mut call = world.signed("ListApplications", &[]);
    call.key = key["access_key_id"].as_str().unwrap().to_owned();
    call.secret = key["access_key_secret"].as_str().unwrap().to_owned();
    let fresh = || {
        let fresh = world.signed("ListApplications", &[]);
        crate::support::Signed { key: call.key.clone(), secret: call.secret.clone(), ..fresh }
    };
    assert_eq!(world.send(fresh()).await.0, 200);
    for (change, code) in [("disable", "InvalidAccessKeyId.Inactive"), ("delete", "InvalidAccessKeyId.NotFound")] {
        assert_eq!(admin("key", json!({ change: call.key })).await.0, 200);
        assert_eq!(world.send(fresh()).await.1["Code"], code);
    }
    assert_eq!(world.sandbox.cloud().counts().api_keys[&call.key], 1);
}
