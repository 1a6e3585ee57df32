//! Keys of clients: what is no key is none, guessing becomes slow and visible, and who has a key is not shut out by it.

use crate::support::program::{bare, finish};
use crate::wire::{Answers, Victim, ask};

/// Nobody but who shows a key.
const RULES: &str = "[access]\nothers = \"nobody\"\n[[client]]\nname = \"dify\"\nkey = true\n";

/// A daemon that takes a client by its key alone, and that key.
fn victim() -> (Victim, String) {
    let victim = Victim::start_as(RULES, |directory| {
        let file = directory.join("mcp-proxy.toml").display().to_string();
        let added = finish(bare(&["client", "add", "dify", "--config", &file]));
        assert_eq!(added.code, 0, "{}", added.stderr);
        let key = added.stdout.split_whitespace().find(|word| word.starts_with("mcpk_")).expect("a key");
        key.to_owned()
    });
    let key = victim.key.clone();
    (victim, key)
}

fn asked(victim: &Victim, header: &str) -> Answers {
    let request = format!(
        "POST /x HTTP/1.1\r\nHost: {}\r\n{header}Connection: close\r\nContent-Length: 2\r\n\r\n{{}}",
        victim.address
    );
    ask(victim.address, request.as_bytes())
}

#[test]
fn d1_what_is_no_key_is_none_and_guessing_is_slowed_down_for_the_guesser_alone() {
    let (mut victim, key) = victim();
    let shorter = &key[..key.len() - 1];
    let other_case = key.to_ascii_uppercase();
    let mut refused = Vec::new();
    for guess in [
        String::new(),
        "X-MCP-Proxy-Key: mcpk_\r\n".to_owned(),
        format!("X-MCP-Proxy-Key: {shorter}\r\n"),
        format!("X-MCP-Proxy-Key: {key}x\r\n"),
        format!("X-MCP-Proxy-Key: {other_case}\r\n"),
        format!("X-MCP-Proxy-Key: {key} {key}\r\n"),
        format!("X-MCP-Proxy-Key: {key},\r\n"),
        format!("X-MCP-Proxy-Key: {key}\r\nX-MCP-Proxy-Key: mcpk_another\r\n"),
        format!("Authorization: Bearer {shorter}\r\n"),
        format!("Authorization: Basic {key}\r\n"),
        format!("Authorization: {key}\r\n"),
        format!("Cookie: X-MCP-Proxy-Key={key}\r\n"),
    ] {
        let answers = asked(&victim, &guess);
        assert!(matches!(answers.statuses.as_slice(), [401 | 403 | 429]), "{guess}: {answers:?}");
        assert!(!answers.text.contains("mcpk_a") && !answers.text.contains(&key), "{guess}: {answers:?}");
        refused.push(answers.statuses[0]);
    }
    // In the path it is a path, and no key.
    let request = format!("GET /x?key={key} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", victim.address);
    assert!(matches!(ask(victim.address, request.as_bytes()).statuses.as_slice(), [401 | 403]));
    let guessed: Vec<u16> =
        (0..50).map(|number| asked(&victim, &format!("X-MCP-Proxy-Key: mcpk_{number:043}\r\n")).statuses[0]).collect();
    assert!(guessed.iter().all(|status| [401, 429].contains(status)) && guessed.ends_with(&[429; 40]), "{guessed:?}");
    assert_eq!(victim.got(), [], "no guess gets through");
    for header in [format!("X-MCP-Proxy-Key: {key}\r\n"), format!("Authorization: Bearer {key}\r\n")] {
        assert_eq!(asked(&victim, &header).statuses, [200], "who has the key is not shut out");
    }
    let got = victim.got();
    assert_eq!(got.len(), 2);
    assert!(!format!("{got:?}").contains("mcpk_"), "no key reaches the upstream: {got:?}");
    assert!(!victim.daemon.seen().contains(&key[5..]), "nor the log");
    assert!(victim.daemon.seen().contains("client key"), "guessing is seen: {}", victim.daemon.seen());
    victim.is_unharmed("guessing keys");
}
