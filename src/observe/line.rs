//! The line of the log that the record of a request becomes.

use std::fmt::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use tracing::Level;

use crate::model::client::ClientName;
use crate::model::peer::Peer;
use crate::model::time::Wall;
use crate::observe::audit::event::{Call, Request};
use crate::observe::journal::Entry;
use crate::observe::outlet::{Form, Made};
use crate::observe::queue;

/// The target of these lines, for `log.level` and for those who write them.
pub(super) const TARGET: &str = "mcp_proxy::access";
/// Nearly all lines have room in so many bytes.
const USUAL: usize = 256;

/// Writes the line of the log, in the form that who takes it wants.
pub(super) fn log(request: &Request, remark: &str, at: Wall, duration: Duration) {
    if !tracing::enabled!(target: TARGET, Level::INFO) {
        return;
    }
    let Some(log) = queue::made_lines() else { return };
    let message = message(request, remark, duration);
    log.push(match log.form() {
        Form::Text => Made::Text(at, with_ids(message, request)),
        Form::Entry => Made::Entry(entry(&message, request)),
    });
}

/// The entry of the journal. docs/OPERATING.md tells what its fields mean.
fn entry(message: &str, request: &Request) -> Entry {
    let mut entry = Entry::new(TARGET, message);
    entry.add_shown("REQUEST_ID", request.id);
    entry.add("HTTP_METHOD", request.http_method.as_str());
    entry.add("PATH", &request.path);
    if let Some(call) = called(&request.calls) {
        entry.add("MCP_METHOD", &call.method);
        entry.add_some("MCP_NAME", call.name.as_deref());
        if let Some(names) = &call.argument_names {
            entry.add("MCP_ARGUMENT_NAMES", &names.join(" "));
        }
    }
    entry.add_some("UPSTREAM", request.upstream.as_deref());
    if let Some(server) = &request.server {
        entry.add("SERVER", &server.name);
        entry.add("SERVER_ID", &server.id);
    }
    entry.add_some("UPSTREAM_REQUEST_ID", request.upstream_request_id.as_deref());
    if let Some(id) = request.trace_id {
        entry.add_shown("TRACE_ID", id);
    }
    if let Some(peer) = request.peer {
        entry.add_shown("CLIENT", Origin(peer));
    }
    let caller = &request.caller;
    entry.add_some("CLIENT_NAME", caller.name.as_ref().map(ClientName::as_str));
    if let Some(uid) = caller.uid {
        entry.add_number("CLIENT_UID", uid.into());
    }
    entry.add_some("CLIENT_UNIT", caller.unit.as_deref());
    if let Some(certificate) = caller.certificate {
        entry.add_shown("CLIENT_CERTIFICATE", certificate);
    }
    entry.add("VERDICT", request.verdict.as_str());
    entry.add_some("RULE", request.rule.as_deref());
    if let Some(status) = request.status {
        entry.add_number("STATUS", status.into());
    }
    entry.add_number("DURATION_US", request.duration_us);
    entry.add_number("BYTES_OUT", request.bytes_out);
    entry.add("ENDING", request.ending);
    entry
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
