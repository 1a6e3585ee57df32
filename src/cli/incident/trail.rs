//! The audit trail since a time, a line for each record that people can read.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::cli::{error_line, say};
use crate::model::time::Wall;
use crate::observe::stamp::in_utc;
use crate::observe::text::shown;

/// The fields of the journal that tell who did what.
const FIELDS: &str = "CLIENT,CLIENT_NAME,CLIENT_UID,CLIENT_UNIT,CLIENT_CERTIFICATE,HTTP_METHOD,PATH,MCP_METHOD,MCP_NAME,SERVER,SERVER_ID,\
                      VERDICT,RULE,STATUS,BYTES_OUT,UPSTREAM_REQUEST_ID,MESSAGE";

/// Shows what the file holds since then, the file before the last rotation first; without a file, says how to ask the
/// journal.
pub(super) fn show(file: Option<&Path>, since: Wall) {
    say(&format!("Audit trail since {}:", in_utc(since)));
    let Some(file) = file else {
        return say(&format!(
            "  log.audit_file is not set, so it is in the journal, if the daemon runs under systemd:\n  {}",
            in_the_journal(since)
        ));
    };
    let mut shown = 0;
    for file in [rotated(file), file.to_owned()] {
        match lines(&file, since, &mut |line| say(&format!("  {line}"))) {
            Ok(count) => shown += count,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => error_line(&format!("{} cannot be read: {error}. Run this with sudo", file.display())),
        }
    }
    say(&format!("  {shown} records in {}; older ones may be in {}.*", file.display(), file.display()));
}

/// What logrotate makes of it first.
fn rotated(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

fn in_the_journal(since: Wall) -> String {
    format!("journalctl -u mcp-proxy --since=@{} -o json --output-fields={FIELDS}", since.unix_seconds())
}

fn lines(file: &Path, since: Wall, tell: &mut dyn FnMut(&str)) -> io::Result<u64> {
    let since = in_utc(since);
    let mut count = 0;
    for line in BufReader::new(File::open(file)?).split(b'\n') {
        // A line that a crash cut in two is none.
        let Ok(record) = serde_json::from_slice::<Value>(&line?) else { continue };
        if record["time"].as_str().is_some_and(|time| time >= since.as_str()) {
            count += 1;
            tell(&in_words(&record));
        }
    }
    Ok(count)
}

fn in_words(record: &Value) -> String {
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(shown(text, &[])),
        other => Some(shown(&other.to_string(), &[])),
    };
    let mut words: Vec<String> = text(&record["time"]).into_iter().collect();
    let mut put = |prefix: &str, value: &Value| words.extend(text(value).map(|value| format!("{prefix}{value}")));
    match record["event"].as_str() {
        Some("request") => {
            for (prefix, name) in [("", "address"), ("", "client_name"), ("uid ", "client_uid"), ("", "client_unit")] {
                put(prefix, &record[name]);
            }
            put("", &record["http_method"]);
            put("", &record["path"]);
            for call in record["calls"].as_array().into_iter().flatten() {
                put("", &call["method"]);
                put("", &call["name"]);
            }
            put("server ", &record["server"]);
            put("", &record["status"]);
            put("refused: ", &record["rule"]);
        }
        Some("no-request") => {
            put("", &record["address"]);
            put("no request: ", &record["reason"]);
            put("", &record["detail"]);
        }
        Some("control") => {
            put("control: ", &record["action"]);
            put("by ", &record["by"]);
            put("", &record["verdict"]);
        }
        _ => {
            put("", &record["event"]);
            put("", &record["count"]);
        }
    }
    words.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_new_enough_is_shown_and_half_a_line_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("audit.jsonl");
        let text = concat!(
            r#"{"v":1,"time":"2027-01-15T07:59:59.999Z","event":"request","path":"/old"}"#,
            "\n",
            r#"{"v":1,"time":"2027-01-15T08:00:00.000Z","event":"request","address":"127.0.0.1","port":7,"#,
            r#""client_name":"dify","client_uid":1000,"http_method":"POST","path":"/mcp","#,
            r#""calls":[{"method":"tools/call","name":"delete"}],"server":"ecs","verdict":"refused","rule":"r","status":200}"#,
            "\n{\"v\":1,\n",
            r#"{"v":1,"time":"2027-01-15T08:00:01.000Z","event":"control","action":"logout","by":"uid 0","verdict":"allowed"}"#,
            "\n",
            r#"{"v":1,"time":"2027-01-15T08:00:02.000Z","event":"lost","count":5}"#,
            "\n",
            r#"{"v":1,"time":"2027-01-15T08:00:03.000Z","event":"no-request","address":"192.0.2.7","port":1,"#,
            r#""reason":"too-late","detail":"d"}"#,
            "\n",
        );
        std::fs::write(&file, text).unwrap();
        let mut told = Vec::new();
        let count = lines(&file, Wall::from_unix_seconds(1_800_000_000), &mut |line| told.push(line.to_owned()));
        assert_eq!(count.unwrap(), 4);
        assert_eq!(
            told,
            [
                "2027-01-15T08:00:00.000Z  127.0.0.1  dify  uid 1000  POST  /mcp  tools/call  delete  server ecs  200  \
                 refused: r",
                "2027-01-15T08:00:01.000Z  control: logout  by uid 0  allowed",
                "2027-01-15T08:00:02.000Z  lost  5",
                "2027-01-15T08:00:03.000Z  192.0.2.7  no request: too-late  d",
            ]
        );
    }

    #[test]
    fn the_journal_is_asked_for_the_same_time() {
        let asked = in_the_journal(Wall::from_unix_seconds(1_800_000_000));
        assert!(asked.starts_with("journalctl -u mcp-proxy --since=@1800000000 -o json --output-fields=CLIENT,"));
    }
}
