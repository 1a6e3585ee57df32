//! What a person does who signs in: reads the address, decides on the page, lets the browser follow.

use std::collections::BTreeMap;
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

/// `mcp-proxy login` through the browser, to its end. Answers the port of the redirect URI, which the OAuth application
/// knows from then on: further logins need `--port`.
pub async fn sign_in(sandbox: &Sandbox, directory: &Path, args: &[&str]) -> String {
    let args: Vec<&str> = ["login", "--no-browser"].iter().chain(args).copied().collect();
    let mut login = Program::start(command(sandbox, directory, "", &args));
    let callback = sandbox.approve(&authorize_url(&mut login)).unwrap();
    let (status, _, page) = follow(&callback).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let (code, printed) = login.end();
    assert_eq!(code, 0, "{printed}");
    assert!(printed.contains("OAuth login successful!"), "{printed}");
    url::Url::parse(&callback).unwrap().port().unwrap().to_string()
}

/// The saved logins in a state directory and what was kept beside them, by file name.
pub fn logins(directory: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(directory.join("logins")).into_iter().flatten().flatten();
    let files = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry.path()));
    let logins = files.filter(|(name, _)| name.contains(".json"));
    logins.map(|(name, path)| (name, std::fs::read_to_string(path).unwrap_or_default())).collect()
}
