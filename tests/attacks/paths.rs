//! One path that is read in two ways: a server that is blocked, or not allowed, is reached under no spelling of it.

use crate::wire::{TOKEN, Victim, ask};

/// Spellings of `/accounts/12/custom/admin/id/A1/mcp`, and ways out of `/accounts/12/custom/ro/id/r1`: `@R` is that path.
const SPELLINGS: &[&str] = &[
    "/accounts/12/custom/admin/id/A1/mcp",
    "/accounts/12/custom/admin/id/A1/mcp/",
    "/accounts/12/custom/admin/id/A1/mcp?x=1",
    "/accounts/12/custom/admin/id/A1",
    "/accounts/12/custom/admin/id/%41%31/mcp",
    "/%61ccounts/12/custom/admin/id/A1/mcp",
    "/accounts/12/custom/admi%6e/id/A1/mcp",
    "/accounts/12/custom/admi%6E/id/A1/mcp",
    "/accounts/12/custom/admi%256e/id/A1/mcp",
    "/accounts/12/custom/ro/id/A1/mcp",
    "/id/A1/mcp",
    "//accounts/12/custom/admin/id/A1/mcp",
    "/accounts//12/custom/admin/id/A1/mcp",
    "/./accounts/12/custom/admin/id/A1/mcp",
    "/x/../accounts/12/custom/admin/id/A1/mcp",
    "@R/../../../admin/id/A1/mcp",
    "@R/%2e%2e/%2e%2e/%2e%2e/admin/id/A1/mcp",
    "@R/%2E%2E/%2e./.%2e/admin/id/A1/mcp",
    "@R/..%2f..%2f..%2fadmin/id/A1/mcp",
    "@R/..%5c..%5c..%5cadmin/id/A1/mcp",
    "@R/..\\..\\..\\admin/id/A1/mcp",
    "@R/..;/..;/..;/admin/id/A1/mcp",
    "@R/..;x=1/../admin/id/A1/mcp",
    "@R;/../../../admin/id/A1/mcp",
    "@R/%252e%252e/%252e%252e/admin/id/A1/mcp",
    "@R/%c0%ae%c0%ae/admin/id/A1/mcp",
    "@R/%e0%80%ae%e0%80%ae/admin/id/A1/mcp",
    "@R/%uff0e%uff0e/admin/id/A1/mcp",
    "@R/%00/../../../admin/id/A1/mcp",
    "@R%00/admin/id/A1/mcp",
    "@R%0d%0aX-A:b/mcp",
    "@R/%2f/admin/id/A1/mcp",
    "@R/.%00./admin/id/A1/mcp",
    "@R-admin/mcp",
    "@R%2fmcp",
    "@R%3f/../admin/id/A1/mcp",
    "@R%23/../admin/id/A1/mcp",
    "http://@H/accounts/12/custom/admin/id/A1/mcp",
    "http://@H//accounts/12/custom/admin/id/A1/mcp",
    "http://@H/accounts/12/custom/ro/../admin/id/A1/mcp",
];

/// Targets that are no path on this host.
const ELSEWHERE: &[(&str, u16)] = &[
    ("http://evil.example/accounts/12/custom/ro/id/r1/mcp", 403),
    ("http://127.0.0.1:22/accounts/12/custom/ro/id/r1/mcp", 200),
    ("https://evil.example/accounts/12/custom/ro/id/r1/mcp", 403),
    ("ftp://evil.example/x", 403),
    ("http://user:secret@@H/accounts/12/custom/ro/id/r1/mcp", 400),
    ("@H", 501),
    ("accounts/12/custom/ro/id/r1/mcp", 400),
    ("?x", 400),
    ("*", 501),
    ("/accounts/12/custom/ro/id/r1/mcp\u{7f}", 400),
];

const READ_ONLY: &str = "/accounts/12/custom/ro/id/r1";

fn target(victim: &Victim, spelling: &str) -> String {
    spelling.replace("@R", READ_ONLY).replace("@H", &victim.address.to_string())
}

fn asked(victim: &Victim, target: &str) -> crate::wire::Answers {
    let request = format!(
        "POST {target} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{{}}",
        victim.address
    );
    ask(victim.address, request.as_bytes())
}

#[test]
fn d3_no_spelling_leads_past_an_allow_list() {
    let mut victim = Victim::start_with(&format!("allowed_servers = [\"{READ_ONLY}\", \"/id/good\"]"));
    assert_eq!(asked(&victim, &format!("{READ_ONLY}/mcp")).statuses, [200], "what is allowed passes");
    victim.forget();
    for spelling in SPELLINGS {
        let answers = asked(&victim, &target(&victim, spelling));
        assert!(matches!(answers.statuses.as_slice(), [403 | 400]), "{spelling}: {answers:?}");
        assert_eq!(victim.got(), [], "{spelling}");
    }
    victim.is_unharmed("spellings of a path");
}

#[test]
fn d4_no_spelling_leads_past_a_block_list() {
    let mut victim = Victim::start_with("blocked_servers = [\"/accounts/12/custom/admin\", \"/id/A1\", \"A1\"]");
    for spelling in SPELLINGS {
        let answers = asked(&victim, &target(&victim, spelling));
        let got = victim.got();
        // A path that is read in one way only, and is not that of the server, may pass.
        let harmless = ["@R-admin/mcp"].contains(spelling) && got.len() == 1;
        let refused = matches!(answers.statuses.as_slice(), [403 | 400]) && got.is_empty();
        assert!(refused || harmless, "{spelling}: {answers:?} {got:?}");
    }
    victim.forget();
    let log = victim.daemon.seen();
    assert!(!log.contains(TOKEN) && !log.contains("\r"), "{log}");
}

#[test]
fn a_target_is_a_path_here_or_nothing() {
    let mut victim = Victim::start();
    for (text, expected) in ELSEWHERE {
        let answers = asked(&victim, &target(&victim, text));
        assert_eq!(answers.statuses, [*expected], "{text}: {answers:?}");
        for got in victim.got() {
            assert_eq!(got.target(), "/accounts/12/custom/ro/id/r1/mcp", "the authority goes no further: {text}");
            assert!(got.all("host")[0].starts_with("127.0.0.1:") && got.all("host")[0] != "127.0.0.1:22", "{got:?}");
        }
    }
    victim.is_unharmed("targets that lead elsewhere");
}
