//! What the actions of the signed API do, and the rules of their parameters.

use serde_json::Value;

use crate::support::{CALLBACK, World};

#[tokio::test]
async fn a_role_s_keys_work_like_the_caller_s() {
    let world = World::new().await;
    let arn = "acs:ram::1234567890123456:role/mcp-role";
    let parameters = [("RoleArn", arn), ("RoleSessionName", "mcp-proxy")];
    let (status, answer) = world.call("AssumeRole", &parameters).await;
    assert_eq!(status, 200, "{answer}");
    let text = |name: &str| answer["Credentials"][name].as_str().unwrap().to_owned();
    let mut call = world
        .signed("GetCallerIdentity", &[])
        .header("x-acs-accesskey-id", &text("AccessKeyId"))
        .header("x-acs-security-token", &text("SecurityToken"));
    (call.key, call.secret) = (text("AccessKeyId"), text("AccessKeySecret"));
    let (_, identity) = world.send(call).await;
    let role = "acs:ram::1234567890123456:assumed-role/mcp-role/mcp-proxy";
    assert_eq!(identity["Arn"], role);
    for (name, value, code) in [
        ("DurationSeconds", "899", "InvalidParameter.DurationSeconds"),
        ("ExternalId", "x", "InvalidParameter.ExternalId"),
        ("Policy", "{", "InvalidParameter.Policy"),
    ] {
        let asked = [parameters.as_slice(), &[(name, value)]].concat();
        assert_eq!(world.call("AssumeRole", &asked).await.1["Code"], code, "{name}={value}");
    }
    let foreign = [("RoleArn", "acs:ram::1:role/x"), ("RoleSessionName", "mcp-proxy")];
    assert_eq!(world.call("AssumeRole", &foreign).await.0, 404);
}

#[tokio::test]
async fn applications_follow_their_rules() {
    let world = World::new().await;
    let good = [
        ("AppName", "my.app-1_x"),
        ("DisplayName", "My app"),
        ("AppType", "NativeApp"),
        ("PredefinedScopes", "/acs/mcp-server"),
        ("RedirectUris", CALLBACK),
    ];
    let with = |name: &'static str, value: &'static str| {
        let mut parameters: Vec<(&str, &str)> = good.iter().copied().filter(|(own, _)| *own != name).collect();
        if !value.is_empty() {
            parameters.push((name, value));
        }
        parameters
    };
    let long = "a".repeat(65).leak();
    for (name, value, code) in [
        ("AppName", "", "MissingAppName"),
        ("AppName", "with blank", "InvalidParameter.AppName"),
        ("AppName", long as &str, "InvalidParameter.AppName"),
        ("DisplayName", "", "MissingDisplayName"),
        ("DisplayName", "25 characters, too many..", "InvalidParameter.DisplayName"),
        ("AppType", "DesktopApp", "InvalidParameter.AppType"),
        ("PredefinedScopes", "/acs/none", "InvalidParameter.PredefinedScopes"),
        ("RequiredScopes", "openid", "InvalidParameter.RequiredScopes"),
        ("RedirectUris", "not a uri", "InvalidParameter.RedirectUris"),
        ("AccessTokenValidity", "899", "InvalidParameter.AccessTokenValidity"),
        ("AccessTokenValidity", "10801", "InvalidParameter.AccessTokenValidity"),
        ("RefreshTokenValidity", "7199", "InvalidParameter.RefreshTokenValidity"),
        ("ProtocolVersion", "3.0", "InvalidParameter.ProtocolVersion"),
        ("IsMultiTenant", "maybe", "InvalidParameter.IsMultiTenant"),
    ] {
        let (status, answer) = world.call("CreateApplication", &with(name, value)).await;
        assert_eq!((status, &answer["Code"]), (400, &Value::from(code)), "{name}={value}");
    }
    let (status, answer) = world.call("CreateApplication", &good).await;
    assert_eq!(status, 200, "{answer}");
    let app = &answer["Application"];
    assert_eq!(app["IsMultiTenant"], true);
    assert_eq!(app["SecretRequired"], false);
    assert_eq!(app["AccessTokenValidity"], 3600);
    assert_eq!(app["RefreshTokenValidity"], 2_592_000);
    let (status, answer) = world.call("CreateApplication", &good).await;
    assert_eq!((status, &answer["Code"]), (409, &Value::from("EntityAlreadyExists.Application")));

    let id = app["AppId"].as_str().unwrap();
    let update = [("AppId", id), ("NewRedirectUris", "http://127.0.0.1:1/a;http://127.0.0.1:2/b")];
    let (_, answer) = world.call("UpdateApplication", &update).await;
    let uris = &answer["Application"]["RedirectUris"]["RedirectUri"];
    assert_eq!(uris.as_array().unwrap().len(), 2, "lists replace the old ones: {answer}");
    let (_, answer) = world.call("ListApplications", &[]).await;
    assert_eq!(answer["Applications"]["Application"].as_array().unwrap().len(), 1);

    // Another account sees none of it.
    let mut foreign = world.signed("GetApplication", &[("AppId", id)]);
    (foreign.key, foreign.secret) = world.sandbox.other_access_key();
    assert_eq!(world.send(foreign).await.1["Code"], "EntityNotExist.Application");

    assert_eq!(world.call("DeleteApplication", &[("AppId", id)]).await.0, 200);
    let (status, answer) = world.call("GetApplication", &[("AppId", id)]).await;
    assert_eq!((status, &answer["Code"]), (404, &Value::from("EntityNotExist.Application")));
}

#[tokio::test]
async fn refused_permissions_name_the_action() {
    let world = World::new().await;
    let (key, _) = world.sandbox.access_key();
    world.sandbox.cloud().set_permission(&key, "ram:CreateApplication", false);
    let (status, answer) = world.call("CreateApplication", &[]).await;
    assert_eq!((status, &answer["Code"]), (403, &Value::from("NoPermission")));
    assert_eq!(answer["AccessDeniedDetail"]["AuthAction"], "ram:CreateApplication");
    assert_eq!(world.call("ListApplications", &[]).await.0, 200);
    world.sandbox.cloud().set_permission(&key, "ram:CreateApplication", true);
    assert_eq!(world.call("CreateApplication", &[]).await.1["Code"], "MissingAppName");
    world.sandbox.cloud().set_key_active(&key, false);
    assert_eq!(world.call("ListApplications", &[]).await.1["Code"], "InvalidAccessKeyId.Inactive");
}

#[tokio::test]
async fn the_server_list_has_pages() {
    let world = World::new().await;
    let cloud = world.sandbox.cloud();
    cloud.add_server("sandbox-tools"); // a second one of this name
    cloud.set_page_size(2);
    cloud.set_public_base("https://gateway.example:8443/");
    let mut token = String::new();
    let mut names = Vec::new();
    for _ in 0..10 {
        let parameters: &[(&str, &str)] = if token.is_empty() { &[] } else { &[("nextToken", token.as_str())] };
        let (status, answer) = world.call("ListApiMcpServers", parameters).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["totalCount"], 4);
        for server in answer["apiMcpServers"].as_array().unwrap() {
            names.push(server["name"].as_str().unwrap().to_owned());
            let url = server["urls"]["mcp"].as_str().unwrap();
            assert!(url.starts_with("https://gateway.example:8443/accounts/"), "{url}");
        }
        token = answer["nextToken"].as_str().unwrap().to_owned();
        if token.is_empty() {
            break;
        }
        assert!(token.contains('+') && token.contains('/') && token.contains('='), "{token}");
    }
    assert_eq!(names, ["sandbox-tools", "sandbox-notes", "cloudphone", "sandbox-tools"]);
    let (status, answer) = world.call("ListApiMcpServers", &[("nextToken", "abc")]).await;
    assert_eq!((status, &answer["code"]), (400, &Value::from("InvalidParameter.nextToken")));
    let (_, answer) = world.call("ListApiMcpServers", &[("skip", "3")]).await;
    assert_eq!(answer["apiMcpServers"].as_array().unwrap().len(), 1);
    let (_, answer) = world.call("ListApiMcpServers", &[("sourceType", "system")]).await;
    assert_eq!(answer["apiMcpServers"][0]["systemMcpServerInfo"]["product"], "eds-aic");
}
