//! Answers of the API gateway: JSON when asked for, XML otherwise.

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Map, Value};

use crate::api::error::ApiError;

/// How an answer is to be written.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) json: bool,
    /// ROA products answer with names that start in lower case.
    pub(crate) lower_case: bool,
    /// Stands in errors, and names the root element of XML answers.
    pub(crate) action: String,
    pub(crate) host: String,
    pub(crate) product: &'static str,
}

/// A successful answer.
pub(crate) fn success(form: &Form, request_id: &str, mut fields: Value) -> Response {
    let name = if form.lower_case { "requestId" } else { "RequestId" };
    fields[name] = Value::from(request_id);
    write(form, 200, request_id, &fields, &format!("{}Response", form.action))
}

/// A refusal.
pub(crate) fn refusal(form: &Form, request_id: &str, error: &ApiError) -> Response {
    let mut fields = error.fields(&form.host, form.product, request_id);
    if form.lower_case {
        fields = lower_case(&fields);
    }
    let mut response = write(form, error.status, request_id, &fields, "Error");
    if let Some(ms) = error.retry_after {
        response.headers_mut().insert("x-acs-retry-after", HeaderValue::from(ms));
    }
    response
}

fn write(form: &Form, status: u16, request_id: &str, fields: &Value, root: &str) -> Response {
    let (kind, body) = if form.json {
        ("application/json;charset=utf-8", fields.to_string())
    } else {
        let mut xml = String::from("<?xml version='1.0' encoding='UTF-8'?>");
        element(&mut xml, root, fields);
        ("text/xml;charset=utf-8", xml)
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-acs-request-id", id);
    }
    response
}

/// The top-level names with a small first letter; nested ones stay.
fn lower_case(fields: &Value) -> Value {
    let Some(object) = fields.as_object() else {
        return fields.clone();
    };
    let renamed: Map<String, Value> = object
        .iter()
        .map(|(name, value)| {
            let mut letters = name.chars();
            let first = letters.next().map(|letter| letter.to_ascii_lowercase());
            (first.into_iter().chain(letters).collect(), value.clone())
        })
        .collect();
    Value::Object(renamed)
}

/// Writes a value as XML: arrays repeat their element, as the cloud does.
fn element(xml: &mut String, name: &str, value: &Value) {
    if let Value::Array(items) = value {
        items.iter().for_each(|item| element(xml, name, item));
        return;
    }
    xml.push_str(&format!("<{name}>"));
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| element(xml, name, value)),
        Value::String(text) => xml.push_str(&escape(text)),
        Value::Null => {}
        other => xml.push_str(&other.to_string()),
    }
    xml.push_str(&format!("</{name}>"));
}

/// Text that is safe inside XML and HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
