//! Where all is well, nothing is called a fault; what is said is complete, bounded, and no secret.

use std::time::{Duration, Instant};

use crate::patient::Patient;
use crate::support::program::finish;

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_by_hand_has_no_fault_with_a_daemon_and_without() {
    let mut patient = Patient::healthy("login").await;
    let report = patient.report();
    assert_eq!(report.code, 0, "{}", report.text());
    for check in ["configuration", "dns", "reach", "certificate", "clock", "api-credentials", "redirect-uri", "login"] {
        assert_eq!(report.worst(check), "ok", "{check}: {}", report.text());
    }
    assert_eq!(report.worst("upstream-call"), "ok", "a call with the saved token: {}", report.text());
    patient.start();
    // The list of servers comes in a moment, and with it a path to call.
    let deadline = Instant::now() + crate::support::PATIENCE;
    let report = loop {
        let report = patient.report();
        assert_eq!(report.code, 0, "{}", report.text());
        if report.worst("upstream-call") == "ok" || Instant::now() > deadline {
            break report;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    for check in
        ["configuration-in-force", "daemon", "control-socket", "version", "conditions", "access", "upstream-call"]
    {
        assert_eq!(report.worst(check), "ok", "{check}: {}", report.text());
    }
    assert!(report.seen("upstream-call").contains("answers 200"), "{}", report.seen("upstream-call"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_shown_and_nothing_is_changed() {
    let patient = Patient::with_daemon("login").await;
    let before = std::fs::read(patient.login_file()).unwrap();
    let modified = || std::fs::metadata(patient.login_file()).unwrap().modified().unwrap();
    let at = modified();
    let mut with_password = patient.command(&["doctor"]);
    with_password.env("HTTPS_PROXY", "http://me:hunter2@127.0.0.1:9").env("NO_PROXY", "localhost");
    for finished in [finish(patient.command(&["doctor", "--json"])), finish(with_password)] {
        let said = format!("{}{}", finished.stdout, finished.stderr);
        for secret in patient.sandbox.cloud().issued_secrets() {
            assert!(!said.contains(&secret), "a secret is shown: {said}");
        }
        assert!(!said.contains("hunter2"), "{said}");
    }
    assert_eq!((std::fs::read(patient.login_file()).unwrap(), modified()), (before, at));
    assert_eq!(patient.sandbox.cloud().counts().refreshes, 0, "no token was renewed for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_it_in_their_language_and_without_colours_in_a_file() {
    let patient = Patient::healthy("login").await;
    let english = finish(patient.command(&["doctor"]));
    assert!(
        english.stdout.contains("\nNetwork\n") && english.stdout.contains("Nothing is wrong."),
        "{}",
        english.stdout
    );
    assert!(!english.stdout.contains('\x1b') && !english.stdout.contains('✓'), "{}", english.stdout);
    let mut command = patient.command(&["doctor"]);
    command.env("LANG", "zh_CN.UTF-8");
    let chinese = finish(command);
    assert!(chinese.stdout.contains("\n网络\n") && chinese.stdout.contains("一切正常"), "{}", chinese.stdout);
    let mut json = patient.command(&["doctor", "--json"]);
    json.env("LANG", "zh_CN.UTF-8");
    assert!(finish(json).stdout.is_ascii(), "JSON is English");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_network_takes_about_ten_seconds_at_the_most() {
    let patient = Patient::healthy("reach").await;
    // Nobody is at the other end, and nobody says so: the queue of this listener is full.
    let full = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = full.local_addr().unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        waiting.push(stream);
    }
    let port = address.port();
    patient.conf_d(
        "dead",
        &format!(
            "[alibaba.endpoints]\noauth = \"https://localhost:{port}\"\nims = \"https://localhost:{port}\"\n\
             [[upstream]]\nname = \"alibaba\"\nurl = \"https://localhost:{port}\"\n"
        ),
    );
    let began = Instant::now();
    let report = patient.report();
    // Ten, and what a busy machine needs to start a program.
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    assert_eq!((report.worst("reach"), report.code), ("fault", 69), "{}", report.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_cannot_be_read_keeps_nothing_else_from_being_looked_at() {
    let patient = Patient::healthy("configuration").await;
    patient.conf_d("broken", "this is no TOML");
    let report = patient.report();
    assert_eq!((report.worst("configuration"), report.code), ("fault", 78), "{}", report.text());
    assert_eq!(report.worst("dns"), "not-looked");
    assert_ne!(report.worst("configuration-files"), "not-looked", "{}", report.text());
}
