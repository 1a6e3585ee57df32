//! OAuth: each rule of the sign-in page and of the token endpoint.

use mcp_proxy_sandbox::{ExpiresIn, SignedInAs};
use serde_json::Value;

use crate::support::{CALLBACK, World, tokens};

#[tokio::test]
async fn codes_are_bound_and_single_use() {
    let world = World::new().await;
    let client_id = world.application().await;
    let other_client = world.application().await;
    let exchange = async |client_id: &str, code: &str, redirect: &str, verifier: &str| {
        world
            .token(&[
                ("grant_type", "authorization_code"),
                ("client_id", client_id),
                ("code", code),
                ("redirect_uri", redirect),
                ("code_verifier", verifier),
            ])
            .await
    };
    let verifier = crate::support::VERIFIER;
    let code = world.code(&client_id);
    let wrong = "x".repeat(43);
    for (client, redirect, verifier) in [
        (other_client.as_str(), CALLBACK, verifier),
        (client_id.as_str(), "http://127.0.0.1:8088/other", verifier),
        (client_id.as_str(), CALLBACK, wrong.as_str()),
        (client_id.as_str(), CALLBACK, "short"),
    ] {
        let (status, answer) = exchange(client, &code, redirect, verifier).await;
        assert_eq!((status, &answer["error"]), (400, &Value::from("invalid_grant")));
    }
    let (status, answer) = exchange("4000000000000000000", &code, CALLBACK, verifier).await;
    assert_eq!((status, &answer["error"]), (401, &Value::from("invalid_client")));
    // Refusals did not use the code up.
    let (status, answer) = exchange(&client_id, &code, CALLBACK, verifier).await;
    assert_eq!(status, 200, "{answer}");
    let tokens = tokens(&answer);
    assert_eq!(world.status("/lab/echo", &tokens.access).await, 200);
    // A second use takes the tokens of the first one with it.
    let (status, _) = exchange(&client_id, &code, CALLBACK, verifier).await;
    assert_eq!(status, 400);
    assert_eq!(world.status("/lab/echo", &tokens.access).await, 401);
    assert_eq!(world.refresh(&client_id, &tokens.refresh).await.1["error"], "invalid_grant");

    let late = world.code(&client_id);
    world.sandbox.cloud().advance_clock(301);
    assert_eq!(exchange(&client_id, &late, CALLBACK, verifier).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn refresh_tokens_replace_each_other() {
    let world = World::new().await;
    let (client_id, first) = world.signed_in().await;
    let (status, answer) = world.refresh(&client_id, &first.refresh).await;
    assert_eq!(status, 200, "{answer}");
    let second = tokens(&answer);
    assert_ne!(first.refresh, second.refresh);
    assert_ne!(first.access, second.access);
    assert_eq!(world.status("/lab/echo", &first.access).await, 200, "old access tokens live on");
    let (status, answer) = world.refresh(&client_id, &first.refresh).await;
    assert_eq!((status, &answer["error"]), (400, &Value::from("invalid_grant")));
    assert!(answer["requestId"].is_string());
    let other = world.application().await;
    assert_eq!(world.refresh(&other, &second.refresh).await.1["error"], "invalid_grant");
    assert_eq!(world.refresh(&client_id, &second.refresh).await.0, 200);
    let counts = world.sandbox.cloud().counts();
    assert_eq!((counts.refreshes, counts.refreshes_failed), (2, 2));
}

#[tokio::test]
async fn reuse_can_be_made_to_revoke_everything() {
    let world = World::new().await;
    world.sandbox.cloud().set_reuse_revokes(true);
    let (client_id, first) = world.signed_in().await;
    let second = tokens(&world.refresh(&client_id, &first.refresh).await.1);
    assert_eq!(world.refresh(&client_id, &first.refresh).await.0, 400);
    assert_eq!(world.refresh(&client_id, &second.refresh).await.0, 400);
    assert_eq!(world.status("/lab/echo", &second.access).await, 401);
}

#[tokio::test]
async fn refresh_tokens_count_from_the_authorization() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    cloud.set_refresh_token_life(Some(7200));
    let (client_id, first) = world.signed_in().await;
    cloud.advance_clock(7000);
    let (status, answer) = world.refresh(&client_id, &first.refresh).await;
    assert_eq!(status, 200);
    cloud.advance_clock(300);
    let (status, answer) = world.refresh(&client_id, &tokens(&answer).refresh).await;
    assert_eq!((status, &answer["error"]), (400, &Value::from("invalid_grant")), "no sliding");
}

#[tokio::test]
async fn access_tokens_end() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    cloud.set_access_token_life(Some(60));
    let (_, tokens) = world.signed_in().await;
    assert_eq!(world.status("/lab/echo", &tokens.access).await, 200);
    cloud.advance_clock(61);
    assert_eq!(world.status("/lab/echo", &tokens.access).await, 401);
}

#[tokio::test]
async fn who_gets_a_refresh_token() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    cloud.sign_in_as(SignedInAs::Role);
    let (_, tokens) = world.signed_in().await;
    assert_eq!(tokens.refresh, "", "a role gets none");
    cloud.sign_in_as(SignedInAs::User);

    let parameters = [
        ("AppName", "web"),
        ("DisplayName", "Web"),
        ("AppType", "WebApp"),
        ("PredefinedScopes", "/acs/mcp-server"),
        ("RedirectUris", CALLBACK),
    ];
    let (_, answer) = world.call("CreateApplication", &parameters).await;
    let web = answer["Application"]["AppId"].as_str().unwrap().to_owned();
    let code = world.code(&web);
    let (status, answer) = world.exchange(&web, &code).await;
    assert_eq!((status, &answer["error"]), (401, &Value::from("invalid_client")));
    let secret = cloud.create_client_secret(&web).unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &web),
        ("client_secret", &secret),
        ("code", &code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", crate::support::VERIFIER),
    ];
    let (status, answer) = world.token(&form).await;
    assert_eq!((status, &answer["refresh_token"]), (200, &Value::Null), "{answer}");
}

#[tokio::test]
async fn expires_in_takes_every_form_seen_in_the_wild() {
    let world = World::new().await;
    let (client_id, mut last) = world.signed_in().await;
    for (form, expected) in [
        (ExpiresIn::String, Value::from("10800")),
        (ExpiresIn::Absent, Value::Null),
        (ExpiresIn::Zero, Value::from(0)),
        (ExpiresIn::Negative, Value::from(-1)),
        (ExpiresIn::Number, Value::from(10800)),
    ] {
        world.sandbox.cloud().set_expires_in(form);
        let (_, answer) = world.refresh(&client_id, &last.refresh).await;
        assert_eq!(answer["expires_in"], expected);
        last = tokens(&answer);
    }
}

#[tokio::test]
async fn without_rotation_the_old_token_stays() {
    let world = World::new().await;
    world.sandbox.cloud().set_rotation(false);
    let (client_id, first) = world.signed_in().await;
    for _ in 0..3 {
        let (status, answer) = world.refresh(&client_id, &first.refresh).await;
        assert_eq!((status, &answer["refresh_token"]), (200, &Value::Null));
    }
}

#[tokio::test]
async fn revocation_ends_the_grant() {
    let world = World::new().await;
    let (client_id, tokens) = world.signed_in().await;
    let revoke = async |token: &str| {
        let form = [("client_id", client_id.as_str()), ("token", token)];
        world.http.post(world.url("/v1/revoke")).form(&form).send().await.unwrap().status().as_u16()
    };
    assert_eq!(revoke("no such token").await, 200);
    assert_eq!(world.status("/lab/echo", &tokens.access).await, 200);
    assert_eq!(revoke(&tokens.refresh).await, 200);
    assert_eq!(world.status("/lab/echo", &tokens.access).await, 401);
    assert_eq!(world.refresh(&client_id, &tokens.refresh).await.0, 400);
    assert_eq!(world.sandbox.cloud().counts().revocations, 2);
}

#[tokio::test]
async fn the_neighbours_answer() {
    let world = World::new().await;
    let (_, tokens) = world.signed_in().await;
    let answer: Value = world.get("/v1/userinfo", &tokens.access).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["aid"], "1234567890123456");
    assert_eq!(world.status("/v1/userinfo", "wrong").await, 401);
    let url = world.url("/.well-known/openid-configuration");
    let answer: Value = world.http.get(url).send().await.unwrap().json().await.unwrap();
    assert_eq!(answer["token_endpoint"], world.url("/v1/token"));
    let (status, answer) = world.token(&[("grant_type", "password")]).await;
    assert_eq!((status, &answer["error"]), (400, &Value::from("unsupported_grant_type")));
    let json = world.http.post(world.url("/v1/token")).json(&answer).send().await.unwrap();
    assert_eq!(json.status().as_u16(), 400);
}

#[tokio::test]
async fn a_bearer_can_be_had_without_a_person() {
    let world = World::new().await;
    let parameters = [("ClientId", "4071151845732613353"), ("Scope", "/internal/acs/openapi")];
    let (status, answer) = world.call_rpc("GenerateAccessToken", &parameters).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["Data"]["ExpiresIn"], "259199");
    let token = answer["Data"]["AccessToken"].as_str().unwrap();
    assert_eq!(world.status("/lab/echo", token).await, 200);
}

#[tokio::test]
async fn a_bearer_without_a_person_has_the_scopes_of_its_client_and_its_boundary_only_takes_away() {
    let world = World::new().await;
    let (official, own) = ("4071151845732613353", world.application().await);
    let ask = async |client: &str, scope: &str, policy: &str| {
        let parameters = [("ClientId", client), ("Scope", scope), ("Policy", policy)];
        let (_, answer) = world.call_rpc("GenerateAccessToken", &parameters).await;
        answer["Code"].as_str().unwrap_or("given").to_owned()
    };
    let openapi = "/internal/acs/openapi";
    let deny = r#"{"Version":"1","Statement":[{"Effect":"Deny","Action":"ram:*","Resource":"*"}]}"#;
    assert_eq!(ask(official, openapi, deny).await, "given");
    assert_eq!(ask(&own, "/acs/mcp-server", "").await, "given");
    assert_eq!(ask(&own, openapi, "").await, "InvalidParameter.Scope");
    assert_eq!(ask(official, "/acs/mcp-server", "").await, "InvalidParameter.Scope");
    assert_eq!(ask("1", openapi, "").await, "EntityNotExist.Application");
    let long = deny.replace("ram:*", &"x".repeat(512));
    for policy in ["{", "{}", &deny.replace("Deny", "Allow"), &deny.replace("Action", "Actions"), &long] {
        assert_eq!(ask(official, openapi, policy).await, "InvalidParameter.Policy", "{policy}");
    }
}
