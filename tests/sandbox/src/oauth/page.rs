//! The sign-in page: one self-contained HTML document.

use axum::response::{Html, IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use http::{HeaderName, StatusCode};

use crate::api::escape;
use crate::oauth::authorize::Request;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;background:#f4f6f8;margin:0}\
main{max-width:26rem;margin:12vh auto;background:#fff;padding:2rem;border-radius:8px;\
box-shadow:0 1px 6px #0003}h1{font-size:1.2rem;margin-top:0}li{margin:.3rem 0}\
button{font:inherit;padding:.5rem 1.4rem;border-radius:6px;border:1px solid #888;margin-right:.6rem;\
background:#fff;cursor:pointer}button.allow{background:#ff6a00;border-color:#ff6a00;color:#fff}\
small{color:#666}";

/// No script, no foreign resource, no frame; the form may only lead back here (or onwards by
/// the redirect that answers it, which is why the target is not listed).
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// Asks the person. The form carries the whole request, which is checked anew when it comes back.
pub(crate) fn consent(request: &Request, query: &str) -> Response {
    let scopes: String =
        request.scopes.iter().map(|scope| format!("<li><code>{}</code></li>", escape(scope))).collect();
    let body = format!(
        "<h1>Sign in to the cloud (sandbox)</h1>\
         <p><strong>{name}</strong> asks to act for account <code>{account}</code>:</p><ul>{scopes}</ul>\
         <form method=\"post\" action=\"/oauth2/v1/auth\">\
         <input type=\"hidden\" name=\"request\" value=\"{query}\">\
         <button class=\"allow\" name=\"decision\" value=\"allow\">Allow</button>\
         <button name=\"decision\" value=\"deny\">Deny</button></form>\
         <p><small>Afterwards the browser goes to {target}</small></p>",
        name = escape(&request.app_name),
        account = escape(&request.account),
        query = escape(query),
        target = escape(request.redirect_uri.as_str()),
    );
    document(StatusCode::OK, "Sign in", &body)
}

/// Says why nobody is asked.
pub(crate) fn error(why: &str) -> Response {
    let body = format!("<h1>This request cannot be completed</h1><p>{}</p>", escape(why));
    document(StatusCode::BAD_REQUEST, "Error", &body)
}

fn document(status: StatusCode, title: &str, body: &str) -> Response {
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head>\
         <body><main>{body}</main></body></html>"
    );
    let headers: [(HeaderName, &str); 2] = [(CACHE_CONTROL, "no-store"), (CONTENT_SECURITY_POLICY, POLICY)];
    (status, headers, Html(html)).into_response()
}
