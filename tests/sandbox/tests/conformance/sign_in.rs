//! The sign-in page: who is asked, who is sent where.

use mcp_proxy_sandbox::Consent;

use crate::support::{CALLBACK, CHALLENGE, World, location, parameter};

#[tokio::test]
async fn a_person_signs_in() {
    let world = World::new().await;
    let client_id = world.application().await;
    let response = world.http.get(world.authorize_url(&client_id)).send().await.unwrap();
    let callback = location(&response);
    assert!(callback.starts_with(CALLBACK));
    assert_eq!(parameter(&callback, "state").as_deref(), Some("st ate"));
    let (status, answer) = world.exchange(&client_id, &parameter(&callback, "code").unwrap()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 10800);
    let secrets = world.sandbox.cloud().issued_secrets();
    assert!(secrets.contains(answer["access_token"].as_str().unwrap()));
    assert!(secrets.contains(answer["refresh_token"].as_str().unwrap()));
}

#[tokio::test]
async fn the_page_asks_and_obeys() {
    let world = World::new().await;
    let client_id = world.application().await;
    world.sandbox.cloud().set_consent(Consent::Ask);
    let url = world.authorize_url(&client_id);
    let page = world.http.get(&url).send().await.unwrap().text().await.unwrap();
    assert!(page.contains("Sandbox test") && page.contains("value=\"deny\""), "{page}");
    let request = url.split_once('?').unwrap().1;
    let form = |decision| [("request", request), ("decision", decision)];
    let press = async |decision| {
        let to = format!("{}/oauth2/v1/auth", world.sandbox.page_url());
        world.http.post(to).form(&form(decision)).send().await.unwrap()
    };
    let allowed = location(&press("allow").await);
    assert!(parameter(&allowed, "code").is_some());
    let denied = location(&press("deny").await);
    assert_eq!(parameter(&denied, "error").as_deref(), Some("access_denied"));
    assert_eq!(parameter(&denied, "state").as_deref(), Some("st ate"));
    assert!(parameter(&denied, "error_description").is_some());
    assert_eq!(press("neither").await.status().as_u16(), 400);
    world.sandbox.cloud().set_consent(Consent::Deny);
    let denied = location(&world.http.get(&url).send().await.unwrap());
    assert_eq!(parameter(&denied, "error").as_deref(), Some("access_denied"));
    assert_eq!(world.sandbox.cloud().counts().denials, 2);
}

#[tokio::test]
async fn doubtful_requests_end_on_a_page_without_redirect() {
    let world = World::new().await;
    let client_id = world.application().await;
    let good = world.authorize_url(&client_id);
    let callback = "redirect_uri=http%3A%2F%2F127.0.0.1%3A8088%2Fcallback";
    assert!(good.contains(callback));
    for bad in [
        good.replace(&client_id, "4000000000000000000"),
        good.replace(callback, "redirect_uri=http%3A%2F%2F127.0.0.1%3A8088%2Fcallback%2F"),
        good.replace(callback, "redirect_uri=http%3A%2F%2F127.0.0.1%3A8089%2Fcallback"),
        good.replace(callback, "redirect_uri=http%3A%2F%2Flocalhost%3A8088%2Fcallback"),
        good.replace(callback, "x=1"),
        format!("{good}&{callback}"),
    ] {
        let response = world.http.get(&bad).send().await.unwrap();
        assert_eq!(response.status().as_u16(), 400, "{bad}");
        assert!(!response.headers().contains_key("location"));
        assert!(world.sandbox.approve(&bad).is_err());
    }
    assert!(world.sandbox.approve(&good.replace("127.0.0.1:", "127.0.0.2:")).is_err());
}

#[tokio::test]
async fn other_faults_of_the_request_are_sent_back() {
    let world = World::new().await;
    let client_id = world.application().await;
    let good = world.authorize_url(&client_id);
    for (bad, error) in [
        (good.replace("response_type=code", "response_type=token"), "unsupported_response_type"),
        (good.replace("mcp-server", "everything"), "invalid_scope"),
        (good.replace(&format!("code_challenge={CHALLENGE}"), "x=1"), "invalid_request"),
        (good.replace("method=S256", "method=plain"), "invalid_request"),
        (good.replace(CHALLENGE, "short"), "invalid_request"),
    ] {
        let target = location(&world.http.get(&bad).send().await.unwrap());
        assert_eq!(parameter(&target, "error").as_deref(), Some(error), "{bad}");
        assert_eq!(parameter(&target, "code"), None);
    }
}
