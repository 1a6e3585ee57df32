//! The load lab works, with the real program: every scenario once, and little of it. What anything costs is for
//! `make bench` to say, and no test.

use mcp_proxy_lab::{Plan, run};

#[test]
fn every_scenario_of_the_load_lab_can_be_played() {
    let report = run(&Plan::smoke(env!("CARGO_BIN_EXE_mcp-proxy").into())).unwrap();
    assert_eq!(report.failures(), [""; 0]);
    let text = report.document();
    for scenario in [
        "one connection",
        "64 connections",
        "64 KiB",
        "20 events",
        "1,000",
        "300 streams",
        "start",
        "reloads",
        "a restart",
    ] {
        assert!(text.contains(scenario), "{scenario} is missing:\n{text}");
    }
    assert!(text.lines().filter(|line| line.starts_with("| ")).count() > report.lines() / 2, "{text}");
}
