//! Web pages: those whose name suddenly points here (DNS rebinding), and those that simply try (row D2).

use crate::wire::{Answers, Victim, ask};

fn asked(victim: &Victim, method: &str, host: &str, more: &str) -> Answers {
    let request =
        format!("{method} /x HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\nContent-Length: 0\r\n\r\n");
    ask(victim.address, request.as_bytes())
}

#[test]
fn d2_a_foreign_name_that_points_here_gets_nothing_and_hears_which_setting_it_is() {
    let mut victim = Victim::start();
    let port = victim.address.port();
    for host in [
        "evil.example".to_owned(),
        format!("evil.example:{port}"),
        format!("127.0.0.1.evil.example:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("localhost.:{port}.evil.example"),
        format!("0.0.0.0:{port}"),
        format!("[::ffff:10.0.0.1]:{port}"),
        format!("10.0.0.1:{port}"),
        format!("169.254.169.254:{port}"),
        format!("2130706433:{port}"),
        format!("0x7f000001:{port}"),
        format!("127.1:{port}"),
        format!("0177.0.0.1:{port}"),
        format!("xn--localhost-1a3c:{port}"),
    ] {
        for method in ["GET", "POST", "OPTIONS", "DELETE"] {
            let answers = asked(&victim, method, &host, "");
            assert!(matches!(answers.statuses.as_slice(), [403 | 400]), "{method} {host}: {answers:?}");
            let named = answers.statuses == [400] || answers.text.contains("listen.allowed_hosts");
            assert!(named, "{method} {host}: {answers:?}");
        }
    }
    assert_eq!(victim.got(), []);
    victim.is_unharmed("rebinding");
}

#[test]
fn d2_a_foreign_page_gets_nothing_not_even_the_answer_to_its_preflight() {
    let mut victim = Victim::start();
    let own = victim.address.to_string();
    let port = victim.address.port();
    for origin in [
        "https://evil.example".to_owned(),
        "http://evil.example".to_owned(),
        "null".to_owned(),
        "file://".to_owned(),
        format!("https://{own}"),
        format!("http://{own}.evil.example"),
        format!("http://{own}@evil.example"),
        "http://127.0.0.1".to_owned(),
        format!("http://127.0.0.1:{}", port ^ 1),
        "chrome-extension://abcdefghijklmnop".to_owned(),
        String::new(),
    ] {
        let header = format!("Origin: {origin}\r\n");
        let preflight =
            format!("{header}Access-Control-Request-Method: POST\r\nAccess-Control-Request-Private-Network: true\r\n");
        for (method, more) in [("GET", &header), ("POST", &header), ("OPTIONS", &preflight)] {
            let answers = asked(&victim, method, &own, more);
            assert_eq!(answers.statuses, [403], "{method} {origin}: {answers:?}");
            assert!(answers.text.contains("listen.allowed_origins"), "{method} {origin}: {answers:?}");
            let allows = answers.text.to_ascii_lowercase().contains("access-control-allow");
            assert!(!allows, "{method} {origin}: {answers:?}");
        }
    }
    let two = format!("Origin: http://{own}\r\nOrigin: https://evil.example\r\n");
    assert_eq!(asked(&victim, "POST", &own, &two).statuses, [403]);
    assert_eq!(victim.got(), []);
    // Local answers are no exception.
    let request = "GET /health HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(victim.address, request.as_bytes()).statuses, [403]);
    victim.is_unharmed("foreign pages");
}
