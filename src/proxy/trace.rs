//! The trace that a request belongs to. Its headers pass as they are, unless spans of our own are sent somewhere: then
//! the upstream's span belongs to ours, and ours to the client's.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::model::trace::TraceParent;
use crate::observe::access::Record;
use crate::observe::trace::Tracer;

/// W3C Trace Context §3.2 and §3.3.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Tells the record which trace it is, and puts our span into the headers if there is one.
pub(super) fn take_up(tracer: Option<&Tracer>, headers: &mut HeaderMap, record: &mut Record) {
    let incoming = incoming(headers);
    if let Some(parent) = incoming {
        record.trace(parent.trace);
    }
    // A trace that nobody records passes through us as it is (§4.3).
    let Some(tracer) = tracer.filter(|_| incoming.is_none_or(TraceParent::is_sampled)) else { return };
    let Some(place) = tracer.begin(incoming) else { return };
    let Ok(value) = HeaderValue::try_from(place.own.to_string()) else { return };
    headers.insert(TRACEPARENT, value);
    if incoming.is_none() {
        // What stands there is of a trace that nobody can name.
        headers.remove(TRACESTATE);
    }
    record.span(place);
}

/// What the client says; nothing if it says it twice.
fn incoming(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all(TRACEPARENT).iter();
    let (first, second) = (values.next(), values.next());
    TraceParent::parse(first.filter(|_| second.is_none())?.to_str().ok()?)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::Method;

    use super::*;
    use crate::model::time::Clock;
    use crate::observe::traffic::Traffic;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

    /// The headers that go on, and how many spans are recorded.
    fn passed(traced: bool, sent: &[(&'static str, &str)]) -> (Vec<(String, String)>, usize) {
        let (tracer, mut spans) = Tracer::new();
        let traffic = Arc::new(Traffic::traced(traced.then_some(tracer)));
        let mut headers = HeaderMap::new();
        for (name, value) in sent {
            headers.append(*name, value.parse().unwrap());
        }
        let mut record = Record::begin(traffic.clone(), Clock::system(), None, None, Method::POST, "/");
        take_up(traffic.tracer(), &mut headers, &mut record);
        drop(record);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        let passed = headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        (passed, std::iter::from_fn(|| spans.try_recv().ok()).count())
    }

    #[test]
    fn without_a_tracer_everything_passes_as_it_is() {
        let (sampled, broken) = (format!("{PARENT}-01"), "00-1".to_owned());
        for sent in [
            &[("traceparent", sampled.as_str()), ("tracestate", "a=b")][..],
            &[("traceparent", &broken), ("tracestate", "a=b")],
            &[("traceparent", &sampled), ("traceparent", &sampled)],
            &[],
        ] {
            let (passed, spans) = passed(false, sent);
            let sent: Vec<_> = sent.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            assert_eq!((passed, spans), (sent, 0));
        }
    }

    #[test]
    fn with_a_tracer_the_span_of_the_upstream_belongs_to_ours() {
        let (sampled, unsampled) = (format!("{PARENT}-01"), format!("{PARENT}-00"));
        let (headers, spans) = passed(true, &[("traceparent", &sampled), ("tracestate", "a=b")]);
        assert_eq!((spans, &headers[1].1), (1, &"a=b".to_owned()));
        assert!(headers[0].1.starts_with(&PARENT[..36]) && headers[0].1.ends_with("-01"), "{headers:?}");
        assert_ne!(headers[0].1, sampled);

        let (headers, spans) = passed(true, &[("traceparent", &unsampled), ("tracestate", "a=b")]);
        assert_eq!((spans, &headers[0].1, headers.len()), (0, &unsampled, 2), "nobody records it");

        let twice = [("traceparent", sampled.as_str()), ("traceparent", sampled.as_str()), ("tracestate", "a=b")];
        for sent in [&[][..], &[("tracestate", "a=b")], &[("traceparent", "00-1"), ("tracestate", "a=b")], &twice] {
            let (headers, spans) = passed(true, sent);
            assert_eq!((spans, headers.len(), headers[0].0.as_str()), (1, 1, "traceparent"), "{sent:?}");
            assert!(!headers[0].1.contains(&PARENT[3..35]), "a trace of our own: {headers:?}");
        }
    }
}
