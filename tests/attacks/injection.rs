//! What a client puts into headers, so that somebody else takes it for ours: credentials, hosts, addresses, new lines.

use crate::wire::{Attack, TOKEN, Victim, ask, is_clean};

#[test]
fn every_credential_of_a_client_goes_and_ours_is_there_once() {
    let mut victim = Victim::start();
    for headers in [
        "Authorization: Bearer evil\r\n",
        "authorization: Basic evil\r\nAUTHORIZATION: Bearer evil\r\n",
        "Connection: Authorization\r\nAuthorization: Bearer evil\r\n",
        "Connection: close, authorization\r\nConnection: Host\r\n",
        "Connection: content-length\r\nConnection: transfer-encoding\r\n",
        "Proxy-Authorization: Bearer evil\r\nProxy-Connection: keep-alive\r\nKeep-Alive: timeout=9\r\nTE: trailers, gzip\r\n",
        "X-Acs-Security-Token: evil\r\nCookie: a=evil\r\n",
        "Upgrade: h2c\r\nConnection: upgrade, authorization\r\n",
    ] {
        let request = format!("POST /x HTTP/1.1\r\nHost: {}\r\n{headers}Content-Length: 2\r\n\r\n{{}}", victim.address);
        let answers = ask(victim.address, request.as_bytes());
        assert_eq!(answers.statuses, [200], "{headers}: {answers:?}");
        let got = victim.got();
        assert_eq!(got.len(), 1, "{headers}");
        is_clean(&got[0]);
        assert_eq!(got[0].all("authorization"), [format!("Bearer {TOKEN}")], "{headers}");
        assert_eq!((got[0].body.as_slice(), got[0].all("host").len()), (b"{}".as_slice(), 1), "{headers}");
        for name in ["proxy-authorization", "proxy-connection", "keep-alive", "upgrade", "cookie"] {
            assert_eq!(got[0].all(name), Vec::<&str>::new(), "{headers}");
        }
    }
    victim.is_unharmed("credentials of clients");
}

#[test]
fn what_a_client_says_of_itself_changes_no_decision() {
    let mut victim = Victim::start_with("blocked_servers = [\"/blocked\"]");
    for headers in [
        "X-Forwarded-For: 127.0.0.1\r\n",
        "X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nX-Real-IP: 127.0.0.1\r\n",
        "Forwarded: for=127.0.0.1;host=evil.example;proto=https\r\n",
        "X-Original-URL: /ok\r\nX-Rewrite-URL: /ok\r\n",
        "X-HTTP-Method-Override: GET\r\nX-Method-Override: GET\r\n",
        "Mcp-Method: ping\r\nMcp-Name: harmless\r\n",
        "X-Forwarded-Prefix: /..\r\n",
    ] {
        let request = |target: &str, host: &str| {
            format!("POST {target} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\nContent-Length: 0\r\n\r\n")
        };
        let own = victim.address.to_string();
        assert_eq!(ask(victim.address, request("/blocked/x", &own).as_bytes()).statuses, [403], "{headers}");
        assert_eq!(ask(victim.address, request("/ok", "evil.example").as_bytes()).statuses, [403], "{headers}");
        assert_eq!(victim.got(), [], "{headers}");
    }
    victim.is_unharmed("words about the client");
}

/// What could begin a line of its own: in a target, a header, a name, a body. And what a log or a terminal would obey.
#[test]
fn no_line_is_made_of_what_a_client_says() {
    let mut victim = Victim::start();
    victim.withstands(&[
        Attack(
            "CRLF in a value",
            "GET @T HTTP/1.1\r\nHost: @H\r\nX: a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n",
            &[200, 403],
            true,
        ),
        Attack("CRLF in Host", "GET @T HTTP/1.1\r\nHost: x\r\nX-Evil: 1\r\nConnection: close\r\n\r\n", &[403], false),
        Attack(
            "encoded CRLF in the target",
            "GET @T%0d%0aX-Evil:%201 HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
            &[403],
            false,
        ),
        Attack(
            "a second Host",
            "GET @T HTTP/1.1\r\nHost: @H\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
            &[400],
            false,
        ),
        Attack("a Host with a path", "GET @T HTTP/1.1\r\nHost: @H/evil\r\nConnection: close\r\n\r\n", &[400], false),
        Attack("a Host with a user", "GET @T HTTP/1.1\r\nHost: evil@@H\r\nConnection: close\r\n\r\n", &[400], false),
        Attack("a Host with a blank", "GET @T HTTP/1.1\r\nHost: @H evil\r\nConnection: close\r\n\r\n", &[400], false),
        Attack("no Host", "GET @T HTTP/1.1\r\nConnection: close\r\n\r\n", &[400], false),
        Attack("an empty Host", "GET @T HTTP/1.1\r\nHost:\r\nConnection: close\r\n\r\n", &[400], false),
    ]);
    let path = "/a%1b%5b2J%0aforged%20line";
    let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", victim.address);
    assert_eq!(ask(victim.address, request.as_bytes()).statuses, [200]);
    victim.forget();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call\nforged line","params":{"name":"x[2J"}}"#;
    let request = format!(
        "POST /x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        victim.address,
        body.len()
    );
    assert_eq!(ask(victim.address, request.as_bytes()).statuses, [200]);
    victim.daemon.line("tools/call");
    let log = victim.daemon.seen();
    assert!(!log.contains('\u{1b}') && !log.lines().any(|line| line.starts_with("forged")), "{log}");
    victim.is_unharmed("lines in lines");
}
