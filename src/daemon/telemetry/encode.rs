//! Spans as OTLP has them in JSON (opentelemetry-proto, `ExportTraceServiceRequest`; ids in hexadecimal, numbers of 64
//! bits as text).

use serde_json::{Value as Json, json};

use crate::model::time::Wall;
use crate::observe::trace::{Span, Value};

/// Who sends them.
const SERVICE: &str = "mcp-proxy";
/// `SPAN_KIND_SERVER`: it answers a request.
const SERVER: u8 = 2;
/// `STATUS_CODE_ERROR`.
const ERROR: u8 = 2;

/// The body of a request that sends `spans`; `host` names this machine, where its name is known.
pub(super) fn body(spans: &[Span], host: Option<&str>) -> Vec<u8> {
    let mut resource = vec![
        text("service.name", SERVICE),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("service.instance.id", &std::process::id().to_string()),
    ];
    resource.extend(host.map(|host| text("host.name", host)));
    let scope = json!({"name": SERVICE, "version": env!("CARGO_PKG_VERSION")});
    let spans: Vec<Json> = spans.iter().map(span).collect();
    let whole = json!({
        "resourceSpans": [{
            "resource": {"attributes": resource},
            "scopeSpans": [{"scope": scope, "spans": spans}],
        }],
    });
    whole.to_string().into_bytes()
}

/// How many of the spans the answer says were not taken: `rejectedSpans` of a partial success.
pub(super) fn rejected(answer: &[u8]) -> u64 {
    let answer: Json = serde_json::from_slice(answer).unwrap_or_default();
    let count = &answer["partialSuccess"]["rejectedSpans"];
    count.as_u64().or_else(|| count.as_str()?.parse().ok()).unwrap_or_default()
}

fn span(span: &Span) -> Json {
    let Span { place, name, began, duration_us, error, attributes } = span;
    let began = nanos(*began);
    let ended = began.saturating_add(u128::from(*duration_us) * 1000);
    let mut attributes: Vec<Json> = attributes.iter().map(|(key, value)| attribute(key, value)).collect();
    attributes.extend(error.as_deref().map(|error| text("error.type", error)));
    let mut json = json!({
        "traceId": place.own.trace.to_string(),
        "spanId": place.own.span.to_string(),
        "flags": place.own.flags,
        "name": name,
        "kind": SERVER,
        "startTimeUnixNano": began.to_string(),
        "endTimeUnixNano": ended.to_string(),
        "attributes": attributes,
        "status": if error.is_some() { json!({"code": ERROR}) } else { json!({}) },
    });
    if let Some(parent) = place.parent {
        json["parentSpanId"] = parent.to_string().into();
    }
    json
}

fn nanos(at: Wall) -> u128 {
    u128::try_from(at.unix_millis()).unwrap_or_default() * 1_000_000
}

fn attribute(key: &str, value: &Value) -> Json {
    match value {
        Value::Text(value) => text(key, value),
        Value::Number(number) => json!({"key": key, "value": {"intValue": number.to_string()}}),
    }
}

fn text(key: &str, value: &str) -> Json {
    json!({"key": key, "value": {"stringValue": value}})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::trace::{SpanId, TraceId, TraceParent};
    use crate::observe::trace::Place;

    #[test]
    fn a_span_is_written_as_otlp_has_it() {
        let own =
            TraceParent { trace: TraceId::new([0xab; 16]).unwrap(), span: SpanId::new([1; 8]).unwrap(), flags: 1 };
        let began = Wall::from_unix_millis(1_800_000_000_120);
        let attributes = vec![("url.path", Value::Text("/mcp".to_owned())), ("n", Value::Number(7))];
        let of = |parent, error: Option<&str>| {
            let place = Place { own, parent };
            let (name, error) = ("tools/call echo".to_owned(), error.map(str::to_owned));
            let span = Span { place, name, began, duration_us: 84_211, error, attributes: attributes.clone() };
            let body: Json = serde_json::from_slice(&body(&[span], Some("here"))).unwrap();
            body["resourceSpans"][0]["scopeSpans"][0]["spans"][0].clone()
        };
        let expected = json!({
            "traceId": "abababababababababababababababab", "spanId": "0101010101010101", "flags": 1,
            "name": "tools/call echo", "kind": 2,
            "startTimeUnixNano": "1800000000120000000", "endTimeUnixNano": "1800000000204211000",
            "attributes": [
                {"key": "url.path", "value": {"stringValue": "/mcp"}}, {"key": "n", "value": {"intValue": "7"}},
            ],
            "status": {},
        });
        assert_eq!(of(None, None), expected);
        let failed = of(SpanId::new([2; 8]), Some("connect"));
        assert_eq!(failed["parentSpanId"], "0202020202020202");
        assert_eq!(failed["status"], json!({"code": 2}));
        assert_eq!(failed["attributes"][2], json!({"key": "error.type", "value": {"stringValue": "connect"}}));
    }

    #[test]
    fn a_partial_success_says_how_many_were_not_taken() {
        for (answer, count) in [
            ("", 0),
            ("{}", 0),
            (r#"{"partialSuccess":{}}"#, 0),
            (r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"no"}}"#, 3),
            (r#"{"partialSuccess":{"rejectedSpans":4}}"#, 4),
            ("<html>", 0),
        ] {
            assert_eq!(rejected(answer.as_bytes()), count, "{answer}");
        }
    }
}
