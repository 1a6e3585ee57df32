//! What a person does who signs in: reads the address, decides on the page, lets the browser follow.

use std::path::Path;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Full;
use mcp_proxy_sandbox::Sandbox;

use super::program::{Program, command};
use super::{send, whole};

/// Waits until `program` shows where to sign in, and answers that address.
pub fn authorize_url(program: &mut Program) -> String {
    program.line("/oauth2/v1/auth?").trim().to_owned()
}

/// What the browser shows at an address on this machine: status, headers, text.
pub async fn follow(url: &str) -> (StatusCode, HeaderMap, String) {
    let (authority, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("an http URL");
    let request = Request::get(format!("/{path}")).header("host", authority).body(Full::<Bytes>::default()).unwrap();
    whole(send(authority.parse().expect("an address"), request).await).await
}

/// `mcp-proxy login` through the browser, to its end; what it printed.
pub async fn sign_in(sandbox: &Sandbox, directory: &Path, args: &[&str]) -> String {
    let args: Vec<&str> = ["login", "--no-browser"].iter().chain(args).copied().collect();
    let mut login = Program::start(command(sandbox, directory, "", &args));
    let callback = sandbox.approve(&authorize_url(&mut login)).unwrap();
    let (status, _, page) = follow(&callback).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let (code, printed) = login.end();
    assert_eq!(code, 0, "{printed}");
    printed
}
