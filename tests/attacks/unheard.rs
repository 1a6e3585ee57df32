//! What is no request leaves a record all the same: who it was and what was wrong, but for a flood not each time.

use std::io::Read;

use serde_json::Value;

use crate::support::PATIENCE;
use crate::wire::{Raw, Victim, ask};

#[test]
fn what_is_no_request_is_put_down_with_its_reason_and_a_flood_of_it_in_part() {
    let trail = tempfile::tempdir().unwrap();
    let file = trail.path().join("audit.jsonl");
    let mut victim = Victim::start_with(&format!("[log]\naudit_file = {:?}\n", file.display().to_string()));
    let long = format!("GET /x HTTP/1.1\r\nHost: {}\r\nX: {}\r\n\r\n", victim.address, "a".repeat(70 * 1024));
    assert_eq!(ask(victim.address, b"the-secret-of-somebody / HTTP/9.9\r\n\r\n").statuses, [400]);
    assert_eq!(ask(victim.address, long.as_bytes()).statuses, [431]);
    let mut slow = Raw::connect(victim.address);
    assert!(slow.write(b"GET /the-secret HTTP/1.1\r\nHost: loc"));
    slow.0.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut answer = String::new();
    slow.0.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    for _ in 0..60 {
        ask(victim.address, b"\0\r\n\r\n");
    }
    victim.is_unharmed("what is no request");
    victim.daemon.signal("TERM");
    assert_eq!(victim.daemon.end().0, 0);
    let text = std::fs::read_to_string(file).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let records: Vec<Value> = lines.filter(|line| line["event"] == "no-request").collect();
    let reasons: Vec<&str> = records.iter().map(|record| record["reason"].as_str().unwrap()).collect();
    // Each connection is put down by its own task, so in no order.
    let times = |wanted: &str| reasons.iter().filter(|reason| **reason == wanted).count();
    assert_eq!((times("too-long"), times("too-late")), (1, 1), "{reasons:?}");
    assert_eq!(times("malformed"), reasons.len() - 2, "{reasons:?}");
    assert!((20..=40).contains(&reasons.len()), "{} of 63", reasons.len());
    assert!(records.iter().all(|record| record["address"] == "127.0.0.1" && record["port"].is_u64()));
    assert!(records.iter().all(|record| !record["detail"].as_str().unwrap().is_empty()));
    let said = victim.daemon.seen();
    assert_eq!(said.matches("no request from 127.0.0.1:").count(), reasons.len());
    assert!(!said.contains("the-secret") && !text.contains("the-secret"), "nothing of it is repeated");
}
