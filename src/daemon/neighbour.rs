//! The one that listens on our port: is it a mcp-proxy, and what does its `/health` say?

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use url::Host;

use crate::config::settings::Listen;
use crate::model::time::Wall;
use crate::observe::text::shown;

/// How long the question may take altogether.
const PATIENCE: Duration = Duration::from_secs(2);
/// No answer of `/health` is longer.
const LONGEST: u64 = 64 * 1024;

/// What listens on the configured address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Neighbour {
    /// Nothing, or nothing that can be reached from here.
    None,
    /// Something that does not answer as a mcp-proxy does.
    Other(String),
    /// A mcp-proxy.
    Proxy(Reported),
}

/// What its `/health` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reported {
    /// `healthy` or `degraded`.
    pub status: String,
    /// `valid`, `expired` or `none`.
    pub token_status: String,
    /// How long the access token lives, when it is known.
    pub token_expires_in: Option<Duration>,
    /// How long the daemon has been running.
    pub uptime: Option<Duration>,
    /// Requests that are open now.
    pub active_requests: Option<u64>,
    /// When a token was last renewed.
    pub last_renewal: Option<Wall>,
    /// When the next renewal is due.
    pub next_renewal: Option<Wall>,
    /// The names of the conditions that are raised.
    pub conditions: Vec<String>,
}

/// The address to ask at: the configured one, as it is reached from this machine. `None` for port 0, which is
/// another one at each start.
pub fn address(listen: &Listen) -> Option<String> {
    let host = match &listen.host {
        Host::Ipv4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
        Host::Ipv6(ip) if ip.is_unspecified() => "[::1]".to_owned(),
        host => host.to_string(),
    };
    (listen.port != 0).then(|| format!("{host}:{}", listen.port))
}

/// Asks who listens at `address`.
pub async fn ask(address: &str) -> Neighbour {
    match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => match hear(stream, address).await {
            Ok(answer) => read(&answer),
            Err(reason) => Neighbour::Other(reason),
        },
        Ok(Err(_)) => Neighbour::None,
        Err(_) => Neighbour::Other(LATE.to_owned()),
    }
}

const LATE: &str = "it gave no answer within 2 s";

/// What `/health` says on a connection to `address`.
async fn hear(mut stream: TcpStream, address: &str) -> Result<Vec<u8>, String> {
    let asked = async {
        let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).await?;
        Ok(answer)
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(answer) => answer.map_err(|error: std::io::Error| format!("it broke the connection: {error}")),
        Err(_) => Err(LATE.to_owned()),
    }
}

/// Whether a mcp-proxy lets somebody in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// It does.
    Open,
    /// It says no more than strangers may hear.
    Shut,
    /// What answers is no mcp-proxy, or nothing does.
    Unknown(String),
}

/// Whether whoever made this connection to `address` may use the mcp-proxy there.
pub async fn door(stream: TcpStream, address: &str) -> Door {
    match hear(stream, address).await {
        Ok(answer) => match read(&answer) {
            Neighbour::Proxy(_) => Door::Open,
            _ if says_status_alone(&answer) => Door::Shut,
            Neighbour::Other(reason) => Door::Unknown(reason),
            Neighbour::None => Door::Unknown(LATE.to_owned()),
        },
        Err(reason) => Door::Unknown(reason),
    }
}

/// True for what `/health` says to strangers.
fn says_status_alone(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let fields: serde_json::Map<String, Value> = serde_json::from_str(body).unwrap_or_default();
    fields.len() == 1 && fields.get("status").is_some_and(|status| status == "healthy" || status == "degraded")
}

/// Reads the whole answer. Only the fields that are known pass: what answers may be anything.
fn read(answer: &[u8]) -> Neighbour {
    let other = || Neighbour::Other("it does not answer as mcp-proxy does".to_owned());
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return other() };
    let Ok(health) = serde_json::from_str::<Value>(body) else { return other() };
    let word = |name: &str| health[name].as_str().map(|word| shown(word, &[]));
    let (Some(status), Some(token_status)) = (word("status"), word("token_status")) else { return other() };
    if !head.starts_with("HTTP/1.1 ") {
        return other();
    }
    let seconds = |value: &Value| value.as_u64().map(Duration::from_secs);
    let time = |value: &Value| value.as_i64().map(Wall::from_unix_seconds);
    let conditions = health["conditions"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let uptime = health["uptime_seconds"].as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Neighbour::Proxy(Reported {
        status,
        token_status,
        token_expires_in: seconds(&health["token_expires_in"]),
        uptime,
        active_requests: health["requests"]["active"].as_u64(),
        last_renewal: time(&health["token_refreshes"]["last_refresh"]),
        next_renewal: time(&health["token_refreshes"]["next_refresh"]),
        conditions: conditions.map(|name| shown(name, &[])).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_told_apart() {
        let health = r#"{"status":"healthy","token_status":"valid","token_expires_in":60,"uptime_seconds":1.5,"requests":{"active":2}}"#;
        let Neighbour::Proxy(reported) = read(format!("HTTP/1.1 200 OK\r\na: b\r\n\r\n{health}").as_bytes()) else {
            panic!("a mcp-proxy")
        };
        assert_eq!((reported.status.as_str(), reported.token_status.as_str()), ("healthy", "valid"));
        assert_eq!(reported.token_expires_in, Some(Duration::from_secs(60)));
        assert_eq!((reported.uptime, reported.active_requests), (Some(Duration::from_millis(1500)), Some(2)));
        for foreign in [
            "",
            "SSH-2.0-OpenSSH\r\n",
            "HTTP/1.1 404 Not Found\r\n\r\n<html>",
            "HTTP/1.1 200 OK\r\n\r\n{\"status\":\"UP\"}",
        ] {
            assert!(matches!(read(foreign.as_bytes()), Neighbour::Other(_)), "{foreign}");
        }
    }

    #[test]
    fn what_strangers_hear_is_known() {
        let answer = |body: &str| format!("HTTP/1.1 503 x\r\na: b\r\n\r\n{body}").into_bytes();
        assert!(says_status_alone(&answer(r#"{"status":"healthy"}"#)));
        assert!(says_status_alone(&answer(r#"{"status":"degraded"}"#)));
        for other in [r#"{"status":"UP"}"#, r#"{"status":"healthy","token_status":"valid"}"#, "{}", "[]", ""] {
            assert!(!says_status_alone(&answer(other)), "{other}");
        }
    }

    #[test]
    fn all_addresses_are_reached_by_the_loopback_one() {
        for (host, port, expected) in [
            ("0.0.0.0", 8088, Some("127.0.0.1:8088")),
            ("[::]", 8088, Some("[::1]:8088")),
            ("172.17.0.1", 1, Some("172.17.0.1:1")),
            ("localhost", 0, None),
        ] {
            let listen = Listen { host: Host::parse(host).unwrap(), port, unix: Vec::new(), unix_mode: 0o600 };
            assert_eq!(address(&listen).as_deref(), expected);
        }
    }

    #[tokio::test]
    async fn nobody_there_is_no_error() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(ask(&free.to_string()).await, Neighbour::None);
    }
}
