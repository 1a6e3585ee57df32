//! Fields that follow a body (RFC 9110 §6.5): they pass in both directions, but for those that mean something only
//! before it, or would get past the rules for headers.
//!
//! Trailers reach a client that asked for them (`TE: trailers`), and need a `Trailer` field that names them.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http_body::Frame;

use crate::proxy::headers;

/// What describes framing, routing, authentication, the request, the control of the response, or the content
/// (RFC 9110 §6.5.1).
const ONLY_BEFORE: [HeaderName; 29] = [
    header::AGE,
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::DATE,
    header::EXPECT,
    header::EXPIRES,
    header::HOST,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::LOCATION,
    header::MAX_FORWARDS,
    header::PRAGMA,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::RANGE,
    header::RETRY_AFTER,
    header::SET_COOKIE,
    header::TE,
    header::TRAILER,
    header::VARY,
    header::WWW_AUTHENTICATE,
];

/// A piece of an answer, without what must not follow one.
pub(super) fn for_client(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(fields) = frame.trailers_mut() {
        remove_only_before(fields);
        headers::remove_not_for_client(fields);
    }
    frame
}

/// A piece of a request, without what must not follow one.
pub(super) fn for_upstream(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(fields) = frame.trailers_mut() {
        remove_only_before(fields);
        headers::remove_not_for_upstream(fields);
    }
    frame
}

fn remove_only_before(fields: &mut HeaderMap) {
    for name in &ONLY_BEFORE {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn passing(through: fn(Frame<Bytes>) -> Frame<Bytes>, names: &[&'static str]) -> Vec<String> {
        let mut fields = HeaderMap::new();
        for name in names {
            fields.append(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        let fields = through(Frame::trailers(fields)).into_trailers().unwrap();
        fields.keys().map(|name| name.as_str().to_owned()).collect()
    }

    #[test]
    fn what_means_something_only_before_a_body_does_not_follow_it() {
        let both =
            ["x-sum", "transfer-encoding", "content-length", "host", "authorization", "content-type", "connection"];
        for through in [for_client, for_upstream] {
            assert_eq!(passing(through, &both), ["x-sum"]);
        }
        let answer = ["set-cookie", "www-authenticate", "access-control-allow-origin", "server-timing", "location"];
        assert_eq!(passing(for_client, &answer), ["server-timing"]);
        let request = ["cookie", "proxy-authorization", "x-forwarded-for", "sec-fetch-mode", "origin", "digest"];
        assert_eq!(passing(for_upstream, &request), ["digest"]);
    }
}
