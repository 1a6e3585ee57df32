//! The trail with a sink that fails when it is told to, and with a real file.

use std::sync::mpsc;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::*;
use crate::model::client::ClientName;
use crate::model::peer::{Credentials, Peer};
use crate::model::time::{Mono, Now};
use crate::model::trace::TraceId;
use crate::observe::access::Record;
use crate::observe::kinds::RuleKind;
use crate::observe::traffic::Traffic;
use crate::observe::usage::Usage;

const PATIENCE: Duration = Duration::from_secs(20);

fn clock() -> Clock {
    Clock::from_fn(|| Now {
        wall: Wall::from_unix_millis(1_800_000_000_120),
        mono: Mono::from_start(Duration::from_secs(1)),
    })
}

fn event(action: &str) -> Event {
    Event::Control { action: action.to_owned(), by: "uid 0".to_owned(), verdict: event::Verdict::Allowed }
}

fn lines(text: &[u8]) -> Vec<Value> {
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect()
}

/// Passes on what is written, a few bytes at a time; says "no space" as often as it was told to.
struct Tight {
    refusals: mpsc::Receiver<()>,
    written: mpsc::Sender<Vec<u8>>,
    opened: usize,
}

impl Sink for Tight {
    fn open(&mut self, _anew: bool) -> io::Result<()> {
        self.opened += 1;
        Ok(())
    }

    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        // The end of the test's side means that there is room.
        if self.refusals.recv().is_ok() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let some = &text[..text.len().min(7)];
        self.written.send(some.to_vec()).map_err(io::Error::other)?;
        Ok(some.len())
    }
}

#[test]
fn a_full_disk_costs_no_time_and_what_is_lost_is_counted_and_said() {
    let (audit, health) = (Audit::unwritten(clock()), Health::new(clock()));
    let (refuse, refusals) = mpsc::sync_channel(0);
    let (sink, written) = mpsc::channel();
    let sink = Tight { refusals, written: sink, opened: 0 };
    let writer =
        Writer { shared: audit.0.clone(), sink, health: health.clone(), path: PathBuf::from("/x"), failing: false };
    std::thread::spawn(move || writer.run());
    audit.record(event("first"));
    // The writer has it, and is refused; nobody who records something waits for that.
    refuse.send(()).unwrap();
    (0..MOST + 5).for_each(|_| audit.record(event("more")));
    refuse.send(()).unwrap();
    let conditions = health.conditions();
    assert_eq!((conditions[0].name, conditions[0].subject.as_str()), (NOT_WRITTEN, SUBJECT));
    assert_eq!(audit.lost(), 5);
    drop(refuse);
    audit.wait_until_written(PATIENCE);
    let text: Vec<u8> = written.try_iter().flatten().collect();
    let lines = lines(&text);
    assert_eq!(lines.len(), 1 + MOST + 1, "every line is whole");
    assert_eq!(
        lines[0],
        json!({"v": 1, "time": "2027-01-15T08:00:00.120Z", "event": "control", "action": "first", "by": "uid 0", "verdict": "allowed"})
    );
    let lost: Vec<&Value> = lines.iter().filter(|line| line["event"] == "lost").collect();
    assert_eq!(lost, [&json!({"v": 1, "time": "2027-01-15T08:00:00.120Z", "event": "lost", "count": 5})]);
    assert!(health.conditions().is_empty(), "it is over");
}

#[test]
fn the_file_is_private_and_a_rotated_one_is_left_for_a_new_one() {
    let directory = tempfile::tempdir().unwrap();
    let (path, rotated) = (directory.path().join("audit.jsonl"), directory.path().join("audit.jsonl.1"));
    let health = Health::new(clock());
    let audit = Audit::begin(&path, clock(), health.clone()).unwrap();
    audit.record(event("before"));
    audit.wait_until_written(PATIENCE);
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    std::fs::rename(&path, &rotated).unwrap();
    audit.record(event("between"));
    audit.wait_until_written(PATIENCE);
    audit.reopen();
    audit.record(event("after"));
    audit.wait_until_written(PATIENCE);
    let actions = |path: &Path| -> Vec<Value> {
        lines(&std::fs::read(path).unwrap()).iter().map(|line| line["action"].clone()).collect()
    };
    assert_eq!(actions(&rotated), ["before", "between"]);
    assert_eq!(actions(&path), ["after"]);
    assert!(health.conditions().is_empty());
}

#[test]
fn what_others_could_have_put_in_the_place_of_the_file_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    std::fs::write(at("target"), "").unwrap();
    std::os::unix::fs::symlink(at("target"), at("link")).unwrap();
    for (path, says) in [(at("link"), "symbolic link"), (at("none/x"), "No such file"), ("/dev/null".into(), "regular")]
    {
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains(says), "{}: {error}", path.display());
    }
    assert!(open(&at("new")).is_ok());
}

fn written(mark: impl FnOnce(&mut Record)) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("audit.jsonl");
    let audit = Audit::begin(&path, clock(), Health::new(clock())).unwrap();
    let peer = Peer::Tcp("127.0.0.1:7".parse().unwrap());
    let mut record =
        Record::begin(Arc::new(Traffic::default()), clock(), Some(audit.clone()), Some(peer), Method::POST, "/mcp");
    mark(&mut record);
    drop(record);
    audit.wait_until_written(PATIENCE);
    let mut line = lines(&std::fs::read(path).unwrap()).remove(0);
    line.as_object_mut().unwrap().remove("request_id").expect("it has an id");
    line
}

#[test]
fn a_request_is_a_line_with_everything_that_is_known_of_it() {
    let bare = written(|_| ());
    let expected = json!({
        "v": 1, "time": "2027-01-15T08:00:00.120Z", "event": "request", "duration_us": 0, "address": "127.0.0.1",
        "port": 7, "http_method": "POST", "path": "/mcp", "verdict": "allowed", "bytes_out": 0, "ending": "client gone"
    });
    assert_eq!(bare, expected);
    let full = written(|record| {
        record.client(&ClientName::parse("dify").unwrap());
        record.caller(Some(1000), Some("dify.service"));
        record.upstream(&Arc::new(Usage::of("alibaba")));
        record.server("ecs", "B1");
        record.called("tools/call", Some("describe\ninstances"));
        record.argument_names(["region", "page"]);
        record.call_refused(RuleKind::Tools, "tools/call", Some("delete"), "[[client]] dify: blocked_tools has delete");
        record.trace(TraceId::new([0xab; 16]).unwrap());
        record.status(StatusCode::OK);
        record.sent(12);
        record.complete();
    });
    let expected = json!({
        "v": 1, "time": "2027-01-15T08:00:00.120Z", "event": "request", "duration_us": 0, "address": "127.0.0.1",
        "port": 7, "client_name": "dify", "client_uid": 1000, "client_unit": "dify.service", "http_method": "POST",
        "path": "/mcp",
        "calls": [
            {"method": "tools/call", "name": "describe instances", "argument_names": ["region", "page"]},
            {"method": "tools/call", "name": "delete", "refused_by": "[[client]] dify: blocked_tools has delete"}
        ],
        "upstream": "alibaba", "server": "ecs", "server_id": "B1",
        "trace_id": "abababababababababababababababab", "verdict": "refused",
        "rule": "[[client]] dify: blocked_tools has delete", "status": 200, "bytes_out": 12, "ending": "complete"
    });
    assert_eq!(full, expected);
}

#[test]
fn a_batch_without_end_fills_no_line() {
    let line = written(|record| {
        (0..100).for_each(|_| record.called("ping", None));
        record.argument_names(["of a call that is not kept"]);
        record.call_refused(RuleKind::Tools, "tools/call", Some("delete"), "a rule");
        record.called("ping", None);
    });
    assert_eq!(line["calls"].as_array().unwrap().len(), 32);
    assert_eq!((&line["more_calls"], &line["verdict"]), (&json!(70), &json!("refused")));
    assert_eq!(line["calls"][30], json!({"method": "ping"}));
    let refused = json!({"method": "tools/call", "name": "delete", "refused_by": "a rule"});
    assert_eq!(line["calls"][31], refused, "what is refused is kept");
    let line = written(|record| (0..40).for_each(|_| record.call_refused(RuleKind::Tools, "ping", None, "a rule")));
    assert_eq!((line["calls"].as_array().unwrap().len(), &line["more_calls"]), (32, &json!(8)));
}

#[test]
fn a_caller_on_a_unix_socket_is_named_by_the_kernel() {
    let mut text = Vec::new();
    let peer = Peer::Unix(Credentials { pid: Some(9), uid: 1000, gid: 100 });
    let directory = tempfile::tempdir().unwrap();
    let audit = Audit::begin(&directory.path().join("a"), clock(), Health::new(clock())).unwrap();
    drop(Record::begin(Arc::default(), clock(), Some(audit.clone()), Some(peer), Method::GET, "/"));
    audit.wait_until_written(PATIENCE);
    text.extend(std::fs::read(directory.path().join("a")).unwrap());
    let line = lines(&text).remove(0);
    let known = ["address", "client_uid", "client_gid", "client_pid"].map(|field| line[field].clone());
    assert_eq!(known, [json!("unix"), json!(1000), json!(100), json!(9)]);
}
