//! The line of the log that the record of a request becomes.

use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use tracing::Level;

use crate::model::client::ClientName;
use crate::model::peer::Peer;
use crate::model::time::Wall;
use crate::observe::audit::event::{Call, Request};
use crate::observe::queue;

/// The target of these lines, for `log.level` and for those who write them.
pub(super) const TARGET: &str = "mcp_proxy::access";
/// Nearly all lines have room in so many bytes.
const USUAL: usize = 256;

/// The line of the log. The journal's field names are these in upper case.
pub(super) fn log(request: &Request, remark: &str, at: Wall, duration: Duration) {
    if !tracing::enabled!(target: TARGET, Level::INFO) {
        return;
    }
    let message = message(request, remark, duration);
    if let Some(lines) = queue::text() {
        return lines.push_text(at, with_ids(message, request));
    }
    let caller = &request.caller;
    let called = called(&request.calls);
    tracing::info!(
        target: TARGET,
        request_id = %request.id,
        http_method = request.http_method.as_str(),
        path = request.path,
        mcp_method = called.map(|call| call.method.as_str()),
        mcp_name = called.and_then(|call| call.name.as_deref()),
        mcp_argument_names = called.and_then(|call| Some(call.argument_names.as_ref()?.join(" "))),
        upstream = request.upstream,
        server = request.server.as_ref().map(|server| server.name.as_str()),
        server_id = request.server.as_ref().map(|server| server.id.as_str()),
        upstream_request_id = request.upstream_request_id,
        trace_id = request.trace_id.map(tracing::field::display),
        client = request.peer.map(|peer| tracing::field::display(Origin(peer))),
        client_name = caller.name.as_ref().map(ClientName::as_str),
        client_uid = caller.uid,
        client_unit = caller.unit,
        client_certificate = caller.certificate.map(tracing::field::display),
        verdict = request.verdict.as_str(),
        rule = request.rule.as_deref(),
        status = request.status,
        duration_us = request.duration_us,
        bytes_out = request.bytes_out,
        ending = request.ending,
        "{message}",
    );
}

/// What the line says to a person.
fn message(request: &Request, remark: &str, duration: Duration) -> String {
    let mut text = String::with_capacity(USUAL);
    push(&mut text, [request.http_method.as_str(), " "]);
    push_path(&mut text, &request.path);
    if let Some(Call { method, name, .. }) = called(&request.calls) {
        push(&mut text, [" ", method]);
        if let Some(name) = name {
            push(&mut text, [" ", name]);
        }
    }
    let mut number = itoa::Buffer::new();
    push(&mut text, [" ", request.status.map_or("-", |status| number.format(status))]);
    push(&mut text, [" ", number.format(request.bytes_out), " B "]);
    let tenths = duration.saturating_add(Duration::from_micros(50)).as_micros() / 100;
    push(&mut text, [number.format(tenths / 10), "."]);
    push(&mut text, [number.format(tenths % 10), " ms", remark]);
    if let Some(peer) = request.peer {
        text.push_str(" from ");
        push_peer(&mut text, peer);
    }
    if let Some(name) = &request.caller.name {
        push(&mut text, [" (", name.as_str(), ")"]);
    }
    if let Some(rule) = &request.rule {
        push(&mut text, [" refused: ", rule]);
    }
    text
}

/// The message with the fields that it does not repeat, as `tracing_subscriber` shows fields.
fn with_ids(mut text: String, request: &Request) -> String {
    text.push_str(" request_id=");
    request.id.push_to(&mut text);
    // A text takes whatever is written into it.
    if let Some(id) = &request.upstream_request_id {
        let _ = write!(text, " upstream_request_id={id:?}");
    }
    if let Some(id) = request.trace_id {
        let _ = write!(text, " trace_id={id}");
    }
    text
}

fn push<const N: usize>(text: &mut String, pieces: [&str; N]) {
    pieces.iter().for_each(|piece| text.push_str(piece));
}

/// A path may be any UTF-8; what a terminal would obey is written as Rust writes it. All other texts are fit to be shown.
fn push_path(text: &mut String, path: &str) {
    if path.bytes().all(|byte| byte.is_ascii_graphic()) {
        return text.push_str(path);
    }
    for char in path.chars() {
        match char.is_control() {
            true => text.extend(char.escape_default()),
            false => text.push(char),
        }
    }
}

fn push_peer(text: &mut String, peer: Peer) {
    let Peer::Tcp(SocketAddr::V4(address)) = peer else {
        // A text takes whatever is written into it.
        let _ = write!(text, "{peer}");
        return;
    };
    let mut number = itoa::Buffer::new();
    for (byte, after) in address.ip().octets().into_iter().zip([".", ".", ".", ":"]) {
        push(text, [number.format(byte), after]);
    }
    text.push_str(number.format(address.port()));
}

/// The call that a line names: the first one that is refused, else the first one.
pub(super) fn called(calls: &[Call]) -> Option<&Call> {
    calls.iter().find(|call| call.rule.is_some()).or(calls.first())
}

/// A client without what is another one at each connection, so that the journal can be searched for it.
struct Origin(Peer);

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Peer::Tcp(address) => address.ip().fmt(f),
            Peer::Unix(credentials) => write!(f, "uid {}", credentials.uid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_nothing_that_a_terminal_obeys() {
        for (path, shown) in
            [("/a%1B?", "/a%1B?"), ("/é/你好", "/é/你好"), ("/\u{9b}31m\u{7f}é\u{1b}", "/\\u{9b}31m\\u{7f}é\\u{1b}")]
        {
            let mut text = String::new();
            push_path(&mut text, path);
            assert_eq!(text, shown);
        }
    }

    #[test]
    fn peers_are_written_as_they_are_shown() {
        let tcp = |address: &str| Peer::Tcp(address.parse().unwrap());
        for peer in [tcp("0.0.0.0:0"), tcp("127.0.0.1:65535"), tcp("192.168.10.255:80"), tcp("[::1]:7")] {
            let mut text = String::new();
            push_peer(&mut text, peer);
            assert_eq!(text, peer.to_string());
        }
    }
}
