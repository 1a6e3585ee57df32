//! Clients that are known by their certificates, alone and with what else they are known by.

use std::time::{Duration, SystemTime};

use http::{Request, StatusCode};

use crate::authority::Authority;
use crate::client::{Begins, Kept, TLS_1_2, TLS_1_3};
use crate::host::{CLIENT_CA, Host, PING};

const REFUSED: StatusCode = StatusCode::FORBIDDEN;

fn rules(clients: &[(&str, &str)]) -> String {
    let mut text = "[access]\nothers = \"nobody\"\n".to_owned();
    for (name, lines) in clients {
        text.push_str(&format!("[[client]]\nname = \"{name}\"\n{lines}\n"));
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_are_known_by_names_of_their_certificates() {
    let mut host = Host::start(CLIENT_CA, "").await;
    let exact = host.clients.client(&["cn:only-here"]);
    let by_digest = format!("certificates = [\"sha256:{}\"]\nblocked_servers = [\"/other\"]", exact.fingerprint());
    let text = rules(&[
        ("dns", "certificates = [\"dns:agent.example.com\"]"),
        ("uri", "certificates = [\"uri:spiffe://example.org/agents/*\"]"),
        ("email", "certificates = [\"email:ann@example.com\", \"email:*@ops.example.com\"]"),
        ("digest", &by_digest),
    ]);
    host.reload(CLIENT_CA, &text);
    for versions in [TLS_1_2, TLS_1_3] {
        for (names, may) in [
            (&["dns:Agent.example.com"][..], true),
            (&["dns:other.example.com", "dns:agent.example.com"], true),
            (&["uri:spiffe://example.org/agents/dify"], true),
            (&["uri:spiffe://example.org/people/ann"], false),
            (&["email:ann@example.com"], true),
            (&["email:bob@ops.EXAMPLE.com"], true),
            (&["email:ann@example.com.evil.example"], false),
            (&["cn:agent.example.com"], false),
            (&["dns:*.example.com"], false),
            (&["uri:agent.example.com", "email:agent.example.com@x"], false),
            (&[], false),
        ] {
            let issued = host.clients.client(names);
            let begins = Begins { versions, ..host.begins().showing(&issued) };
            let (status, body) = begins.post(host.tls, PING).await.unwrap();
            assert_eq!(status, if may { StatusCode::OK } else { REFUSED }, "{names:?}: {body}");
            assert_eq!(host.reached(), usize::from(may), "{names:?}");
        }
        let begins = Begins { versions, ..host.begins() };
        assert_eq!(begins.clone().showing(&exact).post(host.tls, PING).await.unwrap().0, StatusCode::OK);
        assert_eq!(begins.post(host.tls, PING).await.unwrap().0, REFUSED, "no certificate");
        assert_eq!(host.reached(), 1);
    }
    // The trail says which certificate it was, and the name never comes from what is not known.
    host.daemon.signal("TERM");
    assert_eq!(host.daemon.end().0, 0);
    let trail = std::fs::read_to_string(host.directory.path().join("audit.jsonl")).unwrap();
    let known = format!("\"client_name\":\"digest\"");
    let line = trail.lines().find(|line| line.contains(&known)).unwrap();
    assert!(line.contains(&format!("\"client_certificate\":\"{}\"", exact.fingerprint())), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_others_and_certificates_that_have_ended_get_no_connection() {
    let mut host = Host::start(CLIENT_CA, &rules(&[("any", "certificates = [\"*\"]")])).await;
    let good = host.clients.client(&["dns:a"]);
    assert_eq!(host.begins().showing(&good).post(host.tls, PING).await.unwrap().0, StatusCode::OK);
    let ended = host.clients.client_until(&["dns:a"], SystemTime::now() - Duration::from_secs(86_400));
    let foreign = Authority::new("clients").client(&["dns:a"]);
    // An authority of servers is none of clients.
    let of_a_server = host.authority.client(&["dns:a"]);
    assert_eq!(host.reached(), 1);
    for (issued, alert) in [(&ended, "CertificateExpired"), (&foreign, ""), (&of_a_server, "UnknownCA")] {
        for versions in [TLS_1_2, TLS_1_3] {
            let begins = Begins { versions, ..host.begins().showing(issued) };
            let error = begins.post(host.tls, PING).await.unwrap_err();
            assert!(error.to_ascii_lowercase().contains("alert") && error.contains(alert), "{error}");
            let said = host.daemon.line("no request from 127.0.0.1:");
            assert!(said.contains("invalid peer certificate"), "{said}");
        }
    }
    assert_eq!(host.reached(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_may_be_required_of_everybody() {
    let required = format!("{CLIENT_CA}require_client_certificate = true\n");
    let mut host = Host::start(&required, "").await;
    let issued = host.clients.client(&["dns:a"]);
    assert_eq!(host.begins().showing(&issued).post(host.tls, PING).await.unwrap().0, StatusCode::OK);
    let error = host.begins().post(host.tls, PING).await.unwrap_err();
    assert!(error.contains("CertificateRequired"), "{error}");
    let (status, body) = host.curl(&["env"], &[]);
    assert_eq!(status, 0, "{body}");
    // The other listener is as it was, and a reload changes this one.
    assert_eq!(crate::support::send(host.plain, crate::support::post(host.plain, "/mcp", PING)).await.status(), 200);
    host.reload(CLIENT_CA, "");
    assert_eq!(host.begins().post(host.tls, PING).await.unwrap().0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_client_is_known_by_must_hold() {
    let mut host = Host::start(CLIENT_CA, "").await;
    let text = rules(&[
        ("both", "certificates = [\"dns:a\"]\nkey = true"),
        ("near", "certificates = [\"dns:b\"]\naddresses = [\"127.0.0.0/8\"]\nusers = [\"root\"]"),
        ("far", "certificates = [\"dns:c\"]\naddresses = [\"192.0.2.0/24\"]"),
        ("alice", "certificates = [\"dns:d\"]\nusers = [\"54321\"]"),
    ]);
    host.reload(CLIENT_CA, &text);
    let key = host.run(&["client", "add", "both"]).stdout.trim().to_owned();
    let ask = async |kept: &mut Kept, key: Option<&str>| {
        let request = Request::post("/mcp").header("host", "localhost").header("content-type", "application/json");
        let request = key.into_iter().fold(request, |request, key| request.header("x-mcp-proxy-key", key));
        kept.send(request.body(PING.as_bytes().to_vec().into()).unwrap()).await.unwrap().0.as_u16()
    };
    let root = rustix::process::geteuid().is_root();
    for (name, shows, expected) in [
        (Some("dns:a"), Some(key.as_str()), 200),
        (Some("dns:a"), None, 401),
        (Some("dns:x"), Some(&key), 403),
        (None, Some(&key), 403),
        (Some("dns:b"), None, if root { 200 } else { 403 }),
        (Some("dns:c"), None, 403),
        (Some("dns:d"), None, 403),
    ] {
        let issued = name.map(|name| host.clients.client(&[name]));
        let begins = Begins { shows: issued.as_ref(), ..host.begins() };
        let mut kept = begins.http_1(host.tls).await.unwrap();
        assert_eq!(ask(&mut kept, shows).await, expected, "{name:?} {shows:?}");
    }
    // Without TLS nobody shows a certificate, whatever else holds.
    let plain = crate::support::post(host.plain, "/mcp", PING);
    assert_eq!(crate::support::send(host.plain, plain).await.status(), REFUSED);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_taken_out_of_the_rules_or_whose_authority_is_exchanged_is_refused_on_connections_that_are_open() {
    let one = rules(&[("one", "certificates = [\"dns:a\"]")]);
    let mut host = Host::start(CLIENT_CA, &one).await;
    let issued = host.clients.client(&["dns:a"]);
    let mut kept = host.begins().showing(&issued).http_1(host.tls).await.unwrap();
    assert_eq!(kept.post(PING).await.unwrap().0, StatusCode::OK);
    host.reload(CLIENT_CA, &rules(&[("one", "certificates = [\"dns:b\"]")]));
    assert_eq!(kept.post(PING).await.unwrap().0, REFUSED);
    host.reload(CLIENT_CA, &one);
    assert_eq!(kept.post(PING).await.unwrap().0, StatusCode::OK);
    let others = Authority::new("others");
    crate::authority::write(&host.directory.path().join("clients.pem"), &others.certificate());
    host.reload(CLIENT_CA, &one);
    assert_eq!(kept.post(PING).await.unwrap().0, REFUSED);
    assert!(host.begins().showing(&issued).post(host.tls, PING).await.is_err());
    let theirs = others.client(&["dns:a"]);
    assert_eq!(host.begins().showing(&theirs).post(host.tls, PING).await.unwrap().0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_while_its_connection_is_open_counts_no_more() {
    let host = Host::start(CLIENT_CA, &rules(&[("one", "certificates = [\"dns:a\"]")])).await;
    let issued = host.clients.client_until(&["dns:a"], SystemTime::now() + Duration::from_secs(8));
    let mut kept = host.begins().showing(&issued).http_1(host.tls).await.unwrap();
    assert_eq!(kept.post(PING).await.unwrap().0, StatusCode::OK);
    let refused = async {
        while kept.post(PING).await.unwrap().0 != REFUSED {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(crate::support::PATIENCE, refused).await.expect("the end of the certificate");
    assert!(host.begins().showing(&issued).post(host.tls, PING).await.is_err());
}
