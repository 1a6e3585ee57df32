//! What the audit trail has records of, and how a record is written: one JSON text a line. docs/AUDIT.md describes it.

use std::borrow::Cow;
use std::fmt::Display;
use std::net::IpAddr;

use http::Method;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::model::certificate::Fingerprint;
use crate::model::client::ClientName;
use crate::model::peer::Peer;
use crate::model::time::Wall;
use crate::model::trace::TraceId;
use crate::observe::stamp::in_utc;
use crate::observe::traffic::RequestId;

/// The version of the records. It grows when a field changes its meaning or goes away; new fields do not change it.
pub const VERSION: u32 = 1;

/// What happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A request to the listener, and what was decided about it.
    Request(Box<Request>),
    /// A command that came over the control socket.
    Control {
        /// What was asked for: `logout`, `incident`.
        action: String,
        /// Who asked.
        by: String,
        /// Whether it may.
        verdict: Verdict,
    },
    /// A connection on which no request could be read.
    NoRequest(NoRequest),
    /// Records that are missing: there was no room for them while the file could not be written.
    Lost {
        /// How many.
        count: u64,
    },
}

/// A connection on which no request could be read. Of a flood of them only some have a record.
#[derive(Debug, Serialize)]
pub struct NoRequest {
    #[serde(flatten, serialize_with = "peer")]
    pub(in crate::observe) peer: Option<Peer>,
    pub(in crate::observe) reason: &'static str,
    pub(in crate::observe) detail: String,
    /// How many before it have none.
    #[serde(skip_serializing_if = "is_zero")]
    pub(in crate::observe) passed_over: u64,
}

/// Whether a rule refused something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No rule did.
    Allowed,
    /// One did.
    Refused,
}

impl Verdict {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
        }
    }
}

/// One request. Texts that come from the client are fit to be shown: one line, of limited length.
#[derive(Debug, Serialize)]
pub struct Request {
    /// What the log calls it.
    #[serde(rename = "request_id", serialize_with = "as_text")]
    pub(in crate::observe) id: RequestId,
    /// When it began. It stands at the beginning of the line.
    #[serde(skip)]
    pub(in crate::observe) began: Wall,
    pub(in crate::observe) duration_us: u64,
    #[serde(flatten, serialize_with = "peer")]
    pub(in crate::observe) peer: Option<Peer>,
    #[serde(flatten)]
    pub(in crate::observe) caller: Caller,
    #[serde(serialize_with = "method")]
    pub(in crate::observe) http_method: Method,
    pub(in crate::observe) path: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::observe) calls: Vec<Call>,
    /// Calls of a batch beyond those that are kept.
    #[serde(skip_serializing_if = "is_zero")]
    pub(in crate::observe) more_calls: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::observe) upstream: Option<String>,
    #[serde(flatten)]
    pub(in crate::observe) server: Option<Server>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::observe) upstream_request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "some_text")]
    pub(in crate::observe) trace_id: Option<TraceId>,
    pub(in crate::observe) verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::observe) rule: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::observe) status: Option<u16>,
    pub(in crate::observe) bytes_out: u64,
    pub(in crate::observe) ending: &'static str,
}

/// Who sends a request, beyond its address: as far as it is known.
#[derive(Debug, Default, Serialize)]
pub(in crate::observe) struct Caller {
    #[serde(rename = "client_name", skip_serializing_if = "Option::is_none", serialize_with = "name")]
    pub(in crate::observe) name: Option<ClientName>,
    #[serde(rename = "client_uid", skip_serializing_if = "Option::is_none")]
    pub(in crate::observe) uid: Option<u32>,
    #[serde(rename = "client_unit", skip_serializing_if = "Option::is_none")]
    pub(in crate::observe) unit: Option<String>,
    /// The SHA-256 digest of the certificate that it has shown.
    #[serde(rename = "client_certificate", skip_serializing_if = "Option::is_none", serialize_with = "some_text")]
    pub(in crate::observe) certificate: Option<Fingerprint>,
}

/// The MCP server that a request goes to, as the catalogue knows it.
#[derive(Debug, Serialize)]
pub(in crate::observe) struct Server {
    #[serde(rename = "server")]
    pub(in crate::observe) name: String,
    #[serde(rename = "server_id")]
    pub(in crate::observe) id: String,
}

/// One JSON-RPC message of a request.
#[derive(Debug, Serialize)]
pub(in crate::observe) struct Call {
    pub(in crate::observe) method: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::observe) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::observe) argument_names: Option<Vec<String>>,
    #[serde(rename = "refused_by", skip_serializing_if = "Option::is_none")]
    pub(in crate::observe) rule: Option<Cow<'static, str>>,
}

/// Appends the line of `event` to `text`.
pub(super) fn write_line(text: &mut Vec<u8>, at: Wall, event: &Event) {
    #[derive(Serialize)]
    struct Line<'a> {
        v: u32,
        time: String,
        #[serde(flatten)]
        event: &'a Event,
    }
    let length = text.len();
    // Only maps with odd keys cannot be written, and there are none.
    match serde_json::to_writer(&mut *text, &Line { v: VERSION, time: in_utc(at), event }) {
        Ok(()) => text.push(b'\n'),
        Err(_) => text.truncate(length),
    }
}

fn some_text<T: Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_ref().map(T::to_string).serialize(serializer)
}

fn as_text<S: Serializer>(id: &RequestId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

fn method<S: Serializer>(method: &Method, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(method.as_str())
}

fn name<S: Serializer>(name: &Option<ClientName>, serializer: S) -> Result<S::Ok, S::Error> {
    name.as_ref().map(ClientName::as_str).serialize(serializer)
}

fn peer<S: Serializer>(peer: &Option<Peer>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_map(None)?;
    match peer {
        Some(Peer::Tcp(address)) => {
            let ip: IpAddr = address.ip();
            fields.serialize_entry("address", &ip)?;
            fields.serialize_entry("port", &address.port())?;
        }
        Some(Peer::Unix(credentials)) => {
            fields.serialize_entry("address", "unix")?;
            fields.serialize_entry("client_gid", &credentials.gid)?;
            if let Some(pid) = credentials.pid {
                fields.serialize_entry("client_pid", &pid)?;
            }
        }
        None => {}
    }
    fields.end()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}
